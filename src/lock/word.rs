//! The state word of a lock cell.
//!
//! | bits | name | who sets it | who clears it |
//! |---|---|---|---|
//! | 0-8 | writer: slot + 1, 0 = none | the writer, together with DRAINING | the writer at commit, abandon or withdrawal; the sweep of its slot; the supervisor when it closes or opens the cell |
//! | 9 | DRAINING: the writer still waits for readers, nothing is written yet | with the writer | the writer when the last reader is gone (= granted); with the writer |
//! | 10 | WAITERS: somebody may sleep on the event word | a waiter, before it looks again | whoever wakes |
//! | 11 | WRITER_PENDING: a hint that a writer waits | a waiting writer | a writer that enters or gives up; a reader after one round; a sweep |
//! | 12 | POISONED: the stripe may be half written | the sweep of a granted writer; a writer that abandons | the commit of an overwrite; the supervisor when it opens the cell |
//! | 13 | IMAGE_VALID: the stripe's before-image is complete | the writer, after the copy and before its first store | with the writer's commit |
//! | 14 | CLOSED: the cell serves no shared object | the supervisor | the supervisor |
//! | 15-63 | reserved, zero | nobody | - |
//!
//! What a death leaves behind: a writer with DRAINING has written nothing, so its sweep frees the cell; a writer without it may
//! have written anything, so its sweep leaves POISONED, with IMAGE_VALID where a before-image can be copied back. The flags alone
//! (WAITERS, WRITER_PENDING) only cost a needless wake-up or one round of waiting when they are left over.

use std::fmt;

use crate::SlotId;

/// A copy of a cell's state word.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct State(pub(super) u64);

pub(super) const WRITER: u64 = 0x1ff;
pub(super) const DRAINING: u64 = 1 << 9;
pub(super) const WAITERS: u64 = 1 << 10;
pub(super) const WRITER_PENDING: u64 = 1 << 11;
pub(super) const POISONED: u64 = 1 << 12;
pub(super) const IMAGE_VALID: u64 = 1 << 13;
pub(super) const CLOSED: u64 = 1 << 14;
pub(super) const RESERVED: u64 = !((1 << 15) - 1);

/// What the state word holds when `slot` is the writer.
pub(super) const fn writer_field(slot: SlotId) -> u64 {
    slot.0 as u64 + 1
}

impl State {
    pub(super) const fn has(self, bits: u64) -> bool {
        self.0 & bits != 0
    }

    /// The writer, draining or granted. `None` too where the field holds no slot.
    #[must_use]
    pub const fn writer(self) -> Option<SlotId> {
        match self.0 & WRITER {
            field @ 1..=256 => Some(SlotId((field - 1) as u8)),
            _ => None,
        }
    }

    /// Whether the writer still waits for readers to leave.
    #[must_use]
    pub const fn is_draining(self) -> bool {
        self.has(DRAINING)
    }

    /// Whether somebody may sleep on the cell.
    #[must_use]
    pub const fn has_waiters(self) -> bool {
        self.has(WAITERS)
    }

    /// Whether a writer asked readers to stay out.
    #[must_use]
    pub const fn has_pending_writer(self) -> bool {
        self.has(WRITER_PENDING)
    }

    /// Whether the stripe may be half written.
    #[must_use]
    pub const fn is_poisoned(self) -> bool {
        self.has(POISONED)
    }

    /// Whether the stripe's before-image is complete.
    #[must_use]
    pub const fn has_image(self) -> bool {
        self.has(IMAGE_VALID)
    }

    /// Whether the cell serves no shared object.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        self.has(CLOSED)
    }

    /// Whether no sequence of lock operations leads to this word: somebody scribbled over it.
    #[must_use]
    pub const fn is_impossible(self) -> bool {
        let writer = self.0 & WRITER;
        self.has(RESERVED)
            || writer > SlotId::COUNT as u64
            || (writer == 0 && self.has(DRAINING))
            || (writer == 0 && self.has(IMAGE_VALID) && !self.has(POISONED))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({:#x}", self.0)?;
        if let Some(slot) = self.writer() {
            write!(f, " writer={slot}")?;
        }
        for (bit, name) in [
            (DRAINING, "draining"),
            (WAITERS, "waiters"),
            (WRITER_PENDING, "pending"),
            (POISONED, "poisoned"),
            (IMAGE_VALID, "image"),
            (CLOSED, "closed"),
        ] {
            if self.has(bit) {
                write!(f, " {name}")?;
            }
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_fits_the_writer_field() {
        for slot in 0..=u8::MAX {
            let state = State(writer_field(SlotId(slot)) | DRAINING);
            assert_eq!(state.writer(), Some(SlotId(slot)));
            assert!(!state.is_impossible());
        }
    }

    #[test]
    fn words_that_no_operation_writes_are_impossible() {
        for word in [
            257,
            0x1ff,
            DRAINING,
            IMAGE_VALID,
            1 << 15,
            1 << 63,
            POISONED | RESERVED,
        ] {
            assert!(State(word).is_impossible(), "{word:#x}");
        }
        for word in [0, CLOSED, POISONED | IMAGE_VALID, 1 | IMAGE_VALID, WAITERS] {
            assert!(!State(word).is_impossible(), "{word:#x}");
        }
    }
}
