//! Why a lock was not given.

use std::fmt;
use std::time::Duration;

use crate::SlotId;

/// Why a lock was not given. Cells are counted over the whole arena.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The deadline passed. Nothing was taken from the holder: it may still write.
    #[error("lock cell {cell} is still held after {waited:?}, by {blocker}, seen for {seen:?}")]
    TimedOut {
        /// The cell waited for.
        cell: u32,
        /// Who stood in the way last.
        blocker: Blocker,
        /// How long this waiter has seen that one stand in the way.
        seen: Duration,
        /// How long this waiter waited in all.
        waited: Duration,
    },
    /// A writer died in the stripe, or gave up half way: only an overwrite of the whole stripe gets in.
    #[error("lock cell {cell} is poisoned: overwrite the whole stripe{}", if *.image { " or roll it back from its before-image" } else { "" })]
    Poisoned {
        /// The cell.
        cell: u32,
        /// Whether a before-image can be copied back.
        image: bool,
    },
    /// The object is sealed or gone.
    #[error("lock cell {cell} is closed: the object is sealed or removed")]
    Closed {
        /// The cell.
        cell: u32,
    },
    /// The cell serves another object by now.
    #[error("lock cell {cell} belongs to another object by now")]
    Stale {
        /// The cell.
        cell: u32,
    },
    /// The same thread reads the stripe already and asks to write it. Release the read lock first.
    #[error(
        "lock cell {cell} is held for reading by the same thread: a read lock does not become a write lock"
    )]
    Upgrade {
        /// The cell.
        cell: u32,
    },
    /// The same thread holds the lock already.
    #[error("lock cell {cell} is held by the same thread already")]
    AlreadyHeld {
        /// The cell.
        cell: u32,
    },
    /// The cell no longer names this process as its writer: the supervisor closed it, or somebody scribbled over it.
    #[error("lock cell {cell} was taken away while it was held")]
    Lost {
        /// The cell.
        cell: u32,
    },
    /// The cell's word is one that no lock operation writes.
    #[error("lock cell {cell} is damaged: {state:#x}")]
    Damaged {
        /// The cell.
        cell: u32,
        /// The word found.
        state: u64,
    },
    /// The caller asked to stop waiting.
    #[error("waiting for lock cell {cell} was interrupted")]
    Interrupted {
        /// The cell.
        cell: u32,
    },
    /// Two ranges of one request share a cell, or a range leaves the arena's cells.
    #[error(
        "cannot lock cells {first} to {end} (exclusive): the range is empty, overlaps another or leaves the arena"
    )]
    BadRange {
        /// The first cell.
        first: u32,
        /// The cell behind the last.
        end: u64,
    },
}

/// Who stood in the way of a waiter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blocker {
    /// A writer that holds the lock.
    Writer(SlotId),
    /// A writer that waits for readers to leave.
    Draining(SlotId),
    /// A reader; the lowest slot where there are several.
    Reader(SlotId),
    /// A writer announced itself and has not come.
    PendingWriter,
    /// Another thread of this process.
    Thread,
}

impl Blocker {
    /// The slot to look up in the supervisor's list, where there is one.
    #[must_use]
    pub const fn slot(self) -> Option<SlotId> {
        match self {
            Self::Writer(slot) | Self::Draining(slot) | Self::Reader(slot) => Some(slot),
            Self::PendingWriter | Self::Thread => None,
        }
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Writer(slot) => write!(f, "the writer in slot {slot}"),
            Self::Draining(slot) => write!(f, "the entering writer in slot {slot}"),
            Self::Reader(slot) => write!(f, "the reader in slot {slot}"),
            Self::PendingWriter => f.write_str("a pending writer"),
            Self::Thread => f.write_str("another thread of this process"),
        }
    }
}
