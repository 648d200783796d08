//! Locks on the stripes of shared mutable objects, between processes that may die at any instruction.
//!
//! docs/LOCKING.md tells the protocol and what proves it. In short: every lock word records its holder by *slot*, in the same step
//! that takes the lock; readers are bits; waiters sleep on a shared futex with a deadline; and only the supervisor, holding a death
//! [`Certificate`], removes a dead holder. What a dead writer left is *poisoned*: a typed error until somebody overwrites the whole
//! stripe or copies its before-image back.
//!
//! | who | uses |
//! |---|---|
//! | a process that locks | [`Locker`], [`Request`], [`Guard`] |
//! | the supervisor | [`LockArea`]: `open_cells`, `close_cells`, `check_written_by`, `inspect`, `sweep`; [`SlotRecord::issue`] |
//!
//! This module never touches data: copies of stripes and images are the caller's.

mod atomic;
mod cell;
mod entry;
mod error;
mod keeper;
mod local;
mod party;
mod patience;
mod read;
mod record;
mod slots;
mod sweep;
mod waiting;
mod word;
mod write;

// The mapped file and what works on it need real memory; models build cells of loom's atomics instead.
#[cfg(not(loom))]
mod area;
#[cfg(not(loom))]
mod guard;
#[cfg(not(loom))]
mod locker;
#[cfg(not(loom))]
mod range;
#[cfg(not(loom))]
mod supervise;

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(not(loom))]
pub use area::LockArea;
pub use cell::{CellOf, LockCell};
pub use error::{Blocker, LockError};
#[cfg(not(loom))]
pub use guard::Guard;
pub use keeper::{CellReport, NotWritten};
#[cfg(not(loom))]
pub use locker::{Held, Locker};
#[cfg(not(loom))]
pub use range::{Mode, Request, cell_generation};
pub use record::{Progress, SlotRecord};
pub use slots::SlotSet;
pub use sweep::{Certificate, PoisonedCell, Swept};
#[cfg(not(loom))]
pub use waiting::FutexWaiting;
pub use waiting::{Moment, Protocol, ROUND, Rules, Waiting, monotonic_ns};
pub use word::State;

pub use crate::layout::{CELL_COUNT, CellRange, LOCKS_BYTES};
