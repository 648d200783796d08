//! What each slot leaves in the locks file for the sweep after its death.
//!
//! | word | who writes it | what it means |
//! |---|---|---|
//! | `intent_first`, `intent_end` | the slot's process | cells from which it may have taken WAITERS without having woken yet; `intent_end` 0 = none |
//! | `progress` | the slot's process | task and stripe of an in-place task: stripes below are committed; 0 = none |
//! | `incarnation` | the supervisor | which use of the slot this is; 0 = not given out |
//!
//! The race that the intent closes: an unlocking process clears WAITERS, and dies before it wakes. The cell then shows no trace of
//! the sleepers. So the range is written before WAITERS is cleared and taken back after the wake-up, and the sweep wakes the whole
//! range. `intent_first` is written before `intent_end` when the range starts and the range only widens while wake-ups are under
//! way, so that at every instruction the two words cover each cell with an unfinished wake-up, or none has begun.
//!
//! The dead process's stores are all visible to the sweep, because the sweep starts behind a death certificate; only their order
//! in the program matters, and the `Release` orderings keep the compiler to it.

use super::atomic::{AtomicU64, Ordering};

/// One slot's record in the locks file.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct SlotRecord {
    intent_first: AtomicU64,
    intent_end: AtomicU64,
    progress: AtomicU64,
    incarnation: AtomicU64,
    reserved: [AtomicU64; 4],
}

#[cfg(not(loom))]
const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    assert!(size_of::<SlotRecord>() == 64 && align_of::<SlotRecord>() == 64);
    assert!(offset_of!(SlotRecord, intent_first) == 0);
    assert!(offset_of!(SlotRecord, intent_end) == 8);
    assert!(offset_of!(SlotRecord, progress) == 16);
    assert!(offset_of!(SlotRecord, incarnation) == 24);
    assert!(offset_of!(SlotRecord, reserved) == 32);
};

/// How far an in-place task has come: the stripes before `stripe` are committed, `stripe` may be held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    task: u64,
    stripe: u16,
}

impl Progress {
    /// Task numbers that fit beside the stripe in one word.
    pub const TASK_MAX: u64 = (1 << 48) - 1;

    /// `None` where `task` is zero or above [`TASK_MAX`](Self::TASK_MAX).
    #[must_use]
    pub const fn new(task: u64, stripe: u16) -> Option<Self> {
        if task == 0 || task > Self::TASK_MAX {
            return None;
        }
        Some(Self { task, stripe })
    }

    /// The task's number.
    #[must_use]
    pub const fn task(self) -> u64 {
        self.task
    }

    /// The stripe, counted within the object.
    #[must_use]
    pub const fn stripe(self) -> u16 {
        self.stripe
    }

    const fn pack(self) -> u64 {
        self.task << 16 | self.stripe as u64
    }

    const fn unpack(word: u64) -> Option<Self> {
        Self::new(word >> 16, word as u16)
    }
}

impl SlotRecord {
    /// Starts a use of the slot: whatever an earlier one left is forgotten. For the supervisor, after the sweep of the earlier use.
    pub fn issue(&self, incarnation: u64) {
        self.clear();
        self.incarnation.store(incarnation, Ordering::Release);
    }

    /// Forgets what the slot's process recorded. The supervisor's last step of a sweep; before, a repeated sweep still needs it.
    pub fn clear(&self) {
        self.intent_end.store(0, Ordering::Relaxed);
        self.intent_first.store(0, Ordering::Relaxed);
        self.progress.store(0, Ordering::Relaxed);
    }

    /// Which use of the slot this is.
    pub fn incarnation(&self) -> u64 {
        self.incarnation.load(Ordering::Acquire)
    }

    /// Records how far an in-place task has come, or that none runs. For the worker, before it touches the stripe.
    pub fn set_progress(&self, progress: Option<Progress>) {
        let word = progress.map_or(0, Progress::pack);
        self.progress.store(word, Ordering::Release);
    }

    /// What was recorded last.
    pub fn progress(&self) -> Option<Progress> {
        Progress::unpack(self.progress.load(Ordering::Acquire))
    }

    /// The cells whose wake-up may be unfinished, as first and end. Hostile as everything shared: may lie anywhere.
    pub(super) fn intent(&self) -> (u64, u64) {
        let end = self.intent_end.load(Ordering::Acquire);
        (self.intent_first.load(Ordering::Relaxed), end)
    }

    pub(super) fn start_intent(&self, cell: u32) {
        self.intent_first.store(cell.into(), Ordering::Relaxed);
        self.intent_end
            .store(u64::from(cell) + 1, Ordering::Release);
    }

    pub(super) fn widen_intent(&self, cell: u32) {
        let (first, end) = self.intent();
        self.intent_first
            .store(first.min(cell.into()), Ordering::Release);
        self.intent_end
            .store(end.max(u64::from(cell) + 1), Ordering::Release);
    }

    pub(super) fn end_intent(&self) {
        self.intent_end.store(0, Ordering::Release);
    }
}

#[cfg(test)]
impl SlotRecord {
    pub(super) fn new_for_test() -> Self {
        Self {
            intent_first: AtomicU64::new(0),
            intent_end: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            incarnation: AtomicU64::new(1),
            reserved: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn progress_survives_packing() {
        for (task, stripe) in [(1, 0), (Progress::TASK_MAX, u16::MAX), (77, 12)] {
            let progress = Progress::new(task, stripe).unwrap();
            assert_eq!(Progress::unpack(progress.pack()), Some(progress));
        }
        assert_eq!(Progress::new(0, 1), None);
        assert_eq!(Progress::new(Progress::TASK_MAX + 1, 1), None);
    }

    #[test]
    fn an_intent_only_widens_until_it_ends() {
        let record = SlotRecord::new_for_test();
        record.start_intent(10);
        record.widen_intent(3);
        record.widen_intent(20);
        record.widen_intent(12);
        assert_eq!(record.intent(), (3, 21));
        record.end_intent();
        assert_eq!(record.intent().1, 0);
    }

    #[test]
    fn a_new_use_forgets_the_old_one() {
        let record = SlotRecord::new_for_test();
        record.start_intent(10);
        record.set_progress(Progress::new(5, 6));
        record.issue(9);
        assert_eq!(record.incarnation(), 9);
        assert_eq!(record.intent().1, 0);
        assert_eq!(record.progress(), None);
    }
}
