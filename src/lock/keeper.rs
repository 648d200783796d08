//! What the supervisor does to the cells of living objects: open, close, look. It never waits here.

use super::atomic::Ordering;
use super::cell::CellOf;
use super::slots::SlotSet;
use super::waiting::Waiting;
use super::word::{CLOSED, State};
use crate::SlotId;

/// A copy of one cell, for the list of locks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CellReport {
    /// The cell, counted over the arena.
    pub cell: u32,
    /// The state word.
    pub state: State,
    /// Slots that read, or are about to look whether they may.
    pub readers: SlotSet,
    /// Which use of the cell this is.
    pub generation: u64,
}

impl CellReport {
    /// Whether nobody holds, claims or awaits the cell and nothing is wrong with it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state == State::default() && self.readers.is_empty()
    }
}

/// Why an object cannot be sealed by the slot that asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotWritten {
    /// The slot does not hold the cell for writing.
    #[error("lock cell {cell} is not held for writing by slot {slot}")]
    NotHeld {
        /// The cell.
        cell: u32,
        /// The slot that should hold it.
        slot: SlotId,
    },
    /// The stripe may be half written.
    #[error("lock cell {cell} is poisoned")]
    Poisoned {
        /// The cell.
        cell: u32,
    },
}

impl<const N: usize> CellOf<N> {
    /// Starts a use of the cell. `generation` is written first and the state last, so that a straggler of the last use that finds
    /// the cell open finds the new generation too and backs out. Bits left over from stragglers go: nobody can hold the new object
    /// yet, and a back-out that clears its bit or claim once more changes nothing.
    pub(super) fn open(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
        for word in &self.readers {
            word.store(0, Ordering::Relaxed);
        }
        self.reserved.store(0, Ordering::Relaxed);
        self.reserved_tail.store(0, Ordering::Relaxed);
        // Release: whoever enters by this state sees the stores above. A swap as every other change of the word, so that the changes
        // form one chain.
        self.state.swap(0, Ordering::AcqRel);
    }

    /// Ends a use of the cell: whoever comes or waits learns that it is closed. Drops the holder: the caller knows that there is
    /// none, or that it is the one who asked for the seal.
    pub(super) fn close<W: Waiting>(&self, waiting: &W) {
        // Release: what the supervisor saw and wrote before (the seal) comes before it for whoever finds the cell closed.
        self.state.swap(CLOSED, Ordering::AcqRel);
        // Waiters that set WAITERS before the swap lost the flag, so they are woken unasked.
        self.event.fetch_add(1, Ordering::Release);
        waiting.wake_all(&self.event);
    }

    /// Whether `slot` holds the cell for writing and the stripe is whole.
    pub(super) fn check_written_by(&self, slot: SlotId, cell: u32) -> Result<(), NotWritten> {
        // Acquire: what the holder wrote before its grant's successors is not the supervisor's business; the order of its grant is.
        let state = self.state(Ordering::Acquire);
        if state.writer() != Some(slot) || state.is_draining() || state.is_closed() {
            return Err(NotWritten::NotHeld { cell, slot });
        }
        if state.is_poisoned() {
            return Err(NotWritten::Poisoned { cell });
        }
        Ok(())
    }

    pub(super) fn report(&self, cell: u32) -> CellReport {
        CellReport {
            cell,
            state: self.state(Ordering::Relaxed),
            readers: self.reader_set(),
            generation: self.generation.load(Ordering::Relaxed),
        }
    }
}
