//! Bytes between a file and mapped memory, without a buffer between them.
//!
//! Two threads take chunks in file order from one queue: one thread alone is bound by the copy out of the page cache, and more
//! than two gain nothing on the memory bus. Chunks are small enough to stay in a core's cache while their byte order is turned.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::slice::{Chunks, ChunksMut};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::progress::Progress;

const CHUNK_BYTES: usize = 1 << 20;
const THREADS: usize = 2;

/// Fills `target` with the bytes of `file` from `offset` on.
///
/// # Errors
/// What `pread` says; [`io::ErrorKind::UnexpectedEof`] where the file got shorter meanwhile.
pub(crate) fn read(
    file: &File,
    offset: u64,
    target: &mut [u8],
    turn: Turn,
    progress: &Progress,
) -> io::Result<()> {
    let chunks: Mutex<Numbered<ChunksMut<'_, u8>>> = Numbered::of(target.chunks_mut(CHUNK_BYTES));
    in_threads(&chunks, |position, chunk| {
        file.read_exact_at(chunk, offset + position)?;
        turn.apply(chunk);
        progress.advance(chunk.len() as u64);
        Ok(())
    })
}

/// Writes `source` to `file` from `offset` on.
///
/// # Errors
/// What `pwrite` says.
pub(crate) fn write(
    file: &File,
    offset: u64,
    source: &[u8],
    progress: &Progress,
) -> io::Result<()> {
    let chunks: Mutex<Numbered<Chunks<'_, u8>>> = Numbered::of(source.chunks(CHUNK_BYTES));
    in_threads(&chunks, |position, chunk| {
        file.write_all_at(chunk, offset + position)?;
        progress.advance(chunk.len() as u64);
        Ok(())
    })
}

/// Which bytes of a chunk change places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// None.
    Nothing,
    /// Those of each number of so many bytes.
    Numbers { bytes: usize },
}

impl Turn {
    /// Turns the numbers of `chunk`, which holds whole ones.
    fn apply(self, chunk: &mut [u8]) {
        match self {
            Self::Nothing => {}
            Self::Numbers { bytes: 2 } => turn_each::<2>(chunk),
            Self::Numbers { bytes: 4 } => turn_each::<4>(chunk),
            Self::Numbers { bytes: 8 } => turn_each::<8>(chunk),
            Self::Numbers { bytes } => chunk.chunks_exact_mut(bytes).for_each(<[u8]>::reverse),
        }
    }
}

/// A width known at compile time makes this a shuffle instruction.
fn turn_each<const BYTES: usize>(chunk: &mut [u8]) {
    let (numbers, _) = chunk.as_chunks_mut::<BYTES>();
    for number in numbers {
        number.reverse();
    }
}

/// Chunks with the position of each.
struct Numbered<I> {
    chunks: I,
    position: u64,
}

impl<I: Iterator> Numbered<I> {
    const fn of(chunks: I) -> Mutex<Self> {
        Mutex::new(Self {
            chunks,
            position: 0,
        })
    }

    fn take(&mut self) -> Option<(u64, I::Item)> {
        let chunk = self.chunks.next()?;
        let position = self.position;
        self.position += CHUNK_BYTES as u64;
        Some((position, chunk))
    }
}

/// Hands all chunks to `work`, in [`THREADS`] threads; the first error ends them.
fn in_threads<I>(
    queue: &Mutex<Numbered<I>>,
    work: impl Fn(u64, I::Item) -> io::Result<()> + Sync,
) -> io::Result<()>
where
    I: Iterator + Send,
{
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).take();
    let drain = || -> io::Result<()> {
        while let Some((position, chunk)) = take() {
            work(position, chunk)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let helpers: Vec<_> = (1..THREADS).map(|_| scope.spawn(drain)).collect();
        let own = drain();
        helpers
            .into_iter()
            .map(|helper| helper.join().expect("a transfer doesn't panic"))
            .fold(own, Result::and)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn numbers(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 / 7) as u8).collect()
    }

    #[test]
    fn what_is_written_is_read_over_many_chunks() {
        let bytes = numbers(3 * CHUNK_BYTES + 5);
        let file = tempfile::tempfile().unwrap();
        let progress = Progress::new("test", 0);
        write(&file, 7, &bytes, &progress).unwrap();
        let mut back = vec![0; bytes.len()];
        read(&file, 7, &mut back, Turn::Nothing, &progress).unwrap();
        assert!(back == bytes);
    }

    #[test]
    fn a_file_that_got_shorter_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[1; 100]).unwrap();
        let error = read(
            &file,
            0,
            &mut [0; 101],
            Turn::Nothing,
            &Progress::new("test", 0),
        )
        .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn numbers_of_every_width_are_turned() {
        for bytes in [2, 4, 8, 16] {
            let mut chunk = numbers(16 * 5);
            let before = chunk.clone();
            Turn::Numbers { bytes }.apply(&mut chunk);
            for (new, old) in chunk.chunks(bytes).zip(before.chunks(bytes)) {
                assert!(new.iter().eq(old.iter().rev()));
            }
        }
    }
}
