//! A bounded queue of log lines between whoever logs and the thread that writes them.
//!
//! Standard error may be a pipe that nobody reads. The event loop must not stop for that, so it only ever puts lines here; a
//! line that finds the queue full is dropped and counted, and the count is told as soon as lines flow again.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Bytes of lines that wait at most.
const QUEUED_BYTES_MAX: usize = 1 << 20;

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    queued_bytes: usize,
    dropped: u64,
    /// A line is being written.
    writing: bool,
    closed: bool,
}

/// The queue; clones share it.
#[derive(Clone, Default)]
pub(super) struct Queue {
    shared: Arc<(Mutex<State>, Condvar)>,
}

/// What the writing thread is to do next.
pub(super) enum Next {
    /// Write this line. Lines that were dropped since the start are counted beside it.
    Line { line: Vec<u8>, dropped: u64 },
    /// Everything is written and nothing more comes.
    End,
}

impl Queue {
    /// Puts a line into the queue, or counts it as dropped.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.queued_bytes + line.len() > QUEUED_BYTES_MAX {
            state.dropped += 1;
            return;
        }
        state.queued_bytes += line.len();
        state.lines.push_back(line.to_vec());
        drop(state);
        self.shared.1.notify_all();
    }

    /// Waits for the next line. For the writing thread alone; the line before has been written.
    pub(super) fn next(&self) -> Next {
        let mut state = self.lock();
        state.writing = false;
        self.shared.1.notify_all();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.queued_bytes -= line.len();
                state.writing = true;
                let dropped = state.dropped;
                return Next::Line { line, dropped };
            }
            if state.closed {
                return Next::End;
            }
            state = self
                .shared
                .1
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no more waiting than `patience` for what is queued to be written.
    pub(super) fn close(&self, patience: Duration) {
        let mut state = self.lock();
        state.closed = true;
        self.shared.1.notify_all();
        // Whether it was all written or the patience is used up: the process ends now.
        let _ = self.shared.1.wait_timeout_while(state, patience, |state| {
            state.writing || !state.lines.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements here, so a panic elsewhere does not spoil it.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The subscriber writes each event with one call.
impl io::Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_and_counts_and_never_waits() {
        let queue = Queue::default();
        let line = vec![b'x'; 1000];
        for _ in 0..2000 {
            queue.push(&line);
        }
        let kept = QUEUED_BYTES_MAX / line.len();
        let Next::Line { dropped, .. } = queue.next() else {
            panic!("lines are queued");
        };
        assert_eq!(dropped as usize, 2000 - kept);
        queue.push(b"y");
        queue.close(Duration::ZERO);
        let rest = std::iter::from_fn(|| match queue.next() {
            Next::Line { line, .. } => Some(line),
            Next::End => None,
        });
        assert_eq!(rest.count(), kept);
    }
}
