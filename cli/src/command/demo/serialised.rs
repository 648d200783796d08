//! The same sum the way a process pool does it: the array is serialised, sent through pipes, and read by worker processes.
//!
//! Each message makes the bytes of a chunk four times: into the message, into the pipe, out of the pipe, out of the message.
//! The workers are this program again; they end when their pipe does, so nothing is left of them whatever happens here.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use arena_core::Dtype;

use super::numbers::Float;

/// What this program is told to be such a worker. No command of the command line: people have no use for it.
pub(crate) const WORKER_WORD: &str = "demo-worker";

/// How often each byte is copied on its way.
pub(super) const COPIES: u64 = 4;

const CHUNK_BYTES: usize = 64 << 20;
/// What messages and arrays of two workers and their senders take at once.
pub(super) const PEAK_BYTES: u64 = 6 * CHUNK_BYTES as u64;

const HEADER_BYTES: usize = 16;

/// Worker processes that have started.
pub(super) struct Pool {
    workers: Vec<Worker>,
}

struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Pool {
    /// Starts `count` workers and waits until each has answered an empty message.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let workers = (0..count).map(|_| Worker::start());
        Ok(Self {
            workers: workers.collect::<io::Result<_>>()?,
        })
    }

    /// The sum of all elements, and how long it took.
    pub(super) fn sum<T: Float>(&mut self, elements: &[T]) -> io::Result<(f64, Duration)> {
        let started = Instant::now();
        let part = elements.len().div_ceil(self.workers.len()).max(1);
        let sums = thread::scope(|scope| {
            let threads: Vec<_> = self
                .workers
                .iter_mut()
                .zip(elements.chunks(part))
                .map(|(worker, part)| scope.spawn(move || worker.sum(part)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("a sender doesn't panic"))
                .sum::<io::Result<f64>>()
        })?;
        Ok((sums, started.elapsed()))
    }

    /// Closes the pipes and waits for the workers' end.
    pub(super) fn finish(self) -> io::Result<()> {
        for mut worker in self.workers {
            drop(worker.input);
            worker.child.wait()?;
        }
        Ok(())
    }
}

impl Worker {
    fn start() -> io::Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg(WORKER_WORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("the worker has no pipe");
        let mut worker = Self {
            input: child.stdin.take().ok_or_else(missing)?,
            output: child.stdout.take().ok_or_else(missing)?,
            child,
        };
        worker.sum::<f64>(&[])?;
        Ok(worker)
    }

    fn sum<T: Float>(&mut self, elements: &[T]) -> io::Result<f64> {
        let mut sum = self.sum_chunk::<T>(&[])?;
        for chunk in elements.chunks(CHUNK_BYTES / size_of::<T>()) {
            sum += self.sum_chunk(chunk)?;
        }
        Ok(sum)
    }

    fn sum_chunk<T: Float>(&mut self, chunk: &[T]) -> io::Result<f64> {
        self.input.write_all(&message(chunk))?;
        let mut answer = [0; 8];
        self.output.read_exact(&mut answer)?;
        Ok(f64::from_le_bytes(answer))
    }
}

/// A new buffer for each message, as every serialiser makes one.
fn message<T: Float>(chunk: &[T]) -> Vec<u8> {
    let bytes: &[u8] = bytemuck::cast_slice(chunk);
    let mut message = Vec::with_capacity(HEADER_BYTES + bytes.len());
    message.extend(u64::from(T::DTYPE.code()).to_le_bytes());
    message.extend((bytes.len() as u64).to_le_bytes());
    message.extend_from_slice(bytes);
    message
}

/// The worker's side: answers each message on `input` with the sum of its elements, until the end of file.
pub(super) fn serve(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut header = [0; HEADER_BYTES];
    while read_header(&mut input, &mut header)? {
        let (code, len) = header.split_at(8);
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("half a header"));
        let mut payload = Vec::with_capacity(CHUNK_BYTES.min(word(len) as usize));
        if input.by_ref().take(word(len)).read_to_end(&mut payload)? as u64 != word(len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let sum = if word(code) == u64::from(Dtype::Float32.code()) {
            deserialised_sum::<f32>(&payload)
        } else {
            deserialised_sum::<f64>(&payload)
        };
        output.write_all(&sum.to_le_bytes())?;
        output.flush()?;
    }
    Ok(())
}

/// Whether there was another header; the end of file in front of one is the end.
fn read_header(input: &mut impl Read, header: &mut [u8; HEADER_BYTES]) -> io::Result<bool> {
    if input.read(&mut header[..1])? == 0 {
        return Ok(false);
    }
    input.read_exact(&mut header[1..])?;
    Ok(true)
}

/// Makes an array of its own from the payload, as every deserialiser does, and adds it up.
fn deserialised_sum<T: Float>(payload: &[u8]) -> f64 {
    const LANES: usize = 16;
    let mut elements = vec![T::zeroed(); payload.len() / size_of::<T>()];
    bytemuck::cast_slice_mut(&mut elements).copy_from_slice(payload);
    let mut sums = [0.0; LANES];
    let (rows, rest) = elements.as_chunks::<LANES>();
    for row in rows {
        for (sum, element) in sums.iter_mut().zip(row) {
            *sum += (*element).into();
        }
    }
    let rest: f64 = rest.iter().map(|element| (*element).into()).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_answered_until_the_end() {
        let mut input = message(&[1.0f64, 2.0, 4.5]);
        input.extend(message::<f64>(&[]));
        input.extend(message(&[0.25f32; 100]));
        let mut output = Vec::new();
        serve(&input[..], &mut output).unwrap();
        let (sums, _) = output.as_chunks::<8>();
        let sums: Vec<f64> = sums.iter().map(|sum| f64::from_le_bytes(*sum)).collect();
        assert_eq!(sums, [7.5, 0.0, 25.0]);
    }

    #[test]
    fn a_cut_message_is_an_error() {
        let input = message(&[1.0f64, 2.0]);
        for cut in [1, HEADER_BYTES, input.len() - 1] {
            assert!(serve(&input[..cut], &mut Vec::new()).is_err(), "{cut}");
        }
    }
}
