//! One lock cell: the shared words that guard one stripe.
//!
//! A reader is a bit, not a count: a count could not be repaired after a death, while clearing the bit of a dead slot is
//! idempotent. `state` is documented in [`word`](super::word). The other words:
//!
//! - `readers`: bit `slot % 64` of word `slot / 64`. Set and cleared by that slot's process, cleared by the sweep of that slot and
//!   by the supervisor when it opens the cell. A set bit means "reads, or is about to look whether it may". A death leaves the bit,
//!   which holds up writers until the sweep; it never lets anybody in.
//! - `event`: the futex word, a sequence. Whoever wakes adds one first, so that a waiter that has not slept yet does not. A death
//!   between the addition and the wake-up is what the intent range of the slot record is for.
//! - `generation`: which use of the cell this is. Written by the supervisor alone, while CLOSED or still zero. Zero is no generation.

use super::atomic::{AtomicU32, AtomicU64, Ordering};
use super::slots::SlotSet;
use super::word::State;
use crate::SlotId;

/// A lock cell with `N` words of readers, that is `64 * N` slots. The arena's cells have four; models have one.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct CellOf<const N: usize> {
    pub(super) state: AtomicU64,
    pub(super) readers: [AtomicU64; N],
    pub(super) event: AtomicU32,
    pub(super) reserved: AtomicU32,
    pub(super) generation: AtomicU64,
    pub(super) reserved_tail: AtomicU64,
}

/// A lock cell as it lies in the locks file.
pub type LockCell = CellOf<4>;

#[cfg(not(loom))]
const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    assert!(size_of::<LockCell>() == 64 && align_of::<LockCell>() == 64);
    assert!(offset_of!(LockCell, state) == 0);
    assert!(offset_of!(LockCell, readers) == 8);
    assert!(offset_of!(LockCell, event) == 40);
    assert!(offset_of!(LockCell, reserved) == 44);
    assert!(offset_of!(LockCell, generation) == 48);
    assert!(offset_of!(LockCell, reserved_tail) == 56);
};

impl<const N: usize> CellOf<N> {
    pub(super) fn state(&self, order: Ordering) -> State {
        State(self.state.load(order))
    }

    /// The word and the bit that stand for `slot`.
    #[inline]
    pub(super) fn reader_bit(&self, slot: SlotId) -> (&AtomicU64, u64) {
        let slot = slot.index();
        (&self.readers[slot / 64 % N], 1 << (slot % 64))
    }

    /// Whether any reader bit is set. `Acquire` pairs with the `Release` that cleared a bit: what that reader read
    /// happened before what the caller writes.
    #[inline]
    pub(super) fn has_readers(&self, order: Ordering) -> bool {
        // All words are loaded: a branch per word costs more than a load from the same line.
        let bits = self
            .readers
            .iter()
            .fold(0, |any, word| any | word.load(order));
        bits != 0
    }

    /// The lowest slot whose reader bit is set. Orderings as for [`has_readers`](Self::has_readers).
    pub(super) fn first_reader(&self, order: Ordering) -> Option<SlotId> {
        let mut first = None;
        for (word, bits) in self.readers.iter().enumerate().rev() {
            let bits = bits.load(order);
            if bits != 0 {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                first = Some(SlotId(slot as u8));
            }
        }
        first
    }

    pub(super) fn reader_set(&self) -> SlotSet {
        let mut set = SlotSet::EMPTY;
        for (word, bits) in self.readers.iter().enumerate() {
            set.words[word] = bits.load(Ordering::Relaxed);
        }
        set
    }
}

#[cfg(all(test, loom))]
impl<const N: usize> CellOf<N> {
    /// An open cell outside any arena, for tests and models.
    pub(super) fn open_for_test(generation: u64) -> Self {
        Self {
            state: AtomicU64::new(0),
            readers: std::array::from_fn(|_| AtomicU64::new(0)),
            event: AtomicU32::new(0),
            reserved: AtomicU32::new(0),
            generation: AtomicU64::new(generation),
            reserved_tail: AtomicU64::new(0),
        }
    }
}
