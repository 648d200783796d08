//! A process as the lock cells see it: its slot, its record, and how it waits.

use super::atomic::Mutex;
use super::record::SlotRecord;
use super::waiting::Waiting;
use crate::SlotId;

/// Who works on a cell.
#[derive(Debug)]
pub(super) struct Party<'a, W> {
    pub(super) slot: SlotId,
    pub(super) record: &'a SlotRecord,
    pub(super) wakers: &'a Wakers,
    pub(super) waiting: &'a W,
}

// Not derived: that would ask `W: Copy`, though only a reference to it is copied.
impl<W> Clone for Party<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for Party<'_, W> {}

/// How many threads of this process are in the middle of a wake-up. Their common range in the slot record widens until the last is
/// done; nobody takes this lock unless somebody sleeps.
#[derive(Debug)]
pub(super) struct Wakers(Mutex<u32>);

impl Wakers {
    pub(super) fn new() -> Self {
        Self(Mutex::new(0))
    }

    fn change(&self, change: impl FnOnce(&mut u32)) {
        let mut wakers = self
            .0
            .lock()
            .expect("nothing panics while it holds this lock");
        change(&mut wakers);
    }
}

impl<W: Waiting> Party<'_, W> {
    /// Records that this process is about to take WAITERS from `cell`.
    pub(super) fn intend_wake(&self, cell: u32) {
        self.wakers.change(|wakers| {
            if *wakers == 0 {
                self.record.start_intent(cell);
            } else {
                self.record.widen_intent(cell);
            }
            *wakers += 1;
        });
    }

    /// Takes the intent back: everybody is woken.
    pub(super) fn wake_done(&self) {
        self.wakers.change(|wakers| {
            *wakers -= 1;
            if *wakers == 0 {
                self.record.end_intent();
            }
        });
    }
}
