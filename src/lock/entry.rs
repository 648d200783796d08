//! One cell as one slot works on it: the parts that readers and writers share.
//!
//! **The race of sleeping.** A waiter finds the cell taken; the holder leaves and sees no waiter; the waiter sleeps for ever. So a
//! waiter reads `event`, sets WAITERS, and looks *again* before it sleeps, and whoever leaves looks at WAITERS behind its leaving.
//! Where both happen on the state word (a writer leaves), the word's own order decides: the leaving sees WAITERS, or the waiter's
//! second look sees the leaving. Where two words are involved (a reader leaves), each side has a full fence between its write and
//! its look. A leaver that sees WAITERS clears it, adds one to `event`, and wakes all: a waiter that set WAITERS before the
//! clearing read `event` before the addition, so it does not sleep or is woken; one that set it later is seen by the next leaver.
//! All are woken, never one: a woken process may be dead, and its wake-up would be lost with it.

use std::time::Duration;

use super::atomic::{Ordering, fence_after_rmw};
use super::cell::CellOf;
use super::error::{Blocker, LockError};
use super::party::Party;
use super::waiting::{Moment, Rules, Waiting};
use super::word::{State, WAITERS};

/// One cell, the slot that works on it, and the generation that it expects there.
#[derive(Debug)]
pub(super) struct Entry<'a, W, const N: usize> {
    pub(super) cell: &'a CellOf<N>,
    pub(super) index: u32,
    pub(super) generation: u64,
    pub(super) party: Party<'a, W>,
}

/// Why one attempt did not succeed.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Worth waiting for.
    Blocked(Blocker),
    /// Not worth waiting for.
    Failed(LockError),
}

impl From<LockError> for Refusal {
    fn from(error: LockError) -> Self {
        Self::Failed(error)
    }
}

impl<W: Waiting, const N: usize> Entry<'_, W, N> {
    #[inline(always)]
    pub(super) fn reached(&self, moment: Moment) {
        self.party.waiting.reached(moment);
    }

    /// Refuses what neither readers nor writers may enter.
    #[inline]
    pub(super) fn check_open(&self, state: State) -> Result<(), LockError> {
        let cell = self.index;
        if state.is_closed() {
            return Err(LockError::Closed { cell });
        }
        if state.is_impossible() {
            let state = state.0;
            return Err(LockError::Damaged { cell, state });
        }
        Ok(())
    }

    /// Refuses a cell that serves another object. The caller holds it, and loaded its state with `Acquire`: the supervisor writes
    /// the generation before it opens the cell, so an open cell shows the generation that it was opened with, or a later one.
    #[inline]
    pub(super) fn check_generation(&self) -> Result<(), LockError> {
        let found = self.cell.generation.load(Ordering::Relaxed);
        if found != self.generation && W::Rules::CHECK_GENERATION {
            return Err(LockError::Stale { cell: self.index });
        }
        Ok(())
    }

    /// Refuses a cell that this slot writes already. Another thread of this process never gets here, so it is the same one.
    #[inline]
    pub(super) fn writer_blocks(&self, state: State) -> Result<(), Refusal> {
        match state.writer() {
            None => Ok(()),
            Some(slot) if slot == self.party.slot => {
                Err(LockError::AlreadyHeld { cell: self.index }.into())
            }
            Some(slot) if state.is_draining() => Err(Refusal::Blocked(Blocker::Draining(slot))),
            Some(slot) => Err(Refusal::Blocked(Blocker::Writer(slot))),
        }
    }

    /// Sets `flags` (WAITERS among them), looks again, and sleeps at most `timeout` if `blocked` still says so.
    pub(super) fn sleep(&self, flags: u64, timeout: Duration, blocked: impl FnOnce() -> bool) {
        // Acquire: pairs with the addition in `wake_sleepers`. Who reads the new value also sees WAITERS cleared, so that its own
        // WAITERS comes after the clearing.
        let seen = self.cell.event.load(Ordering::Acquire);
        // Relaxed: the flags publish nothing; what the second look relies on is the fence.
        self.cell.state.fetch_or(WAITERS | flags, Ordering::Relaxed);
        // WAITERS before the second look, against "bit cleared before the look at WAITERS" of a leaving reader.
        if W::Rules::WAIT_FENCE {
            fence_after_rmw();
        }
        self.reached(Moment::WaitersSet);
        if blocked() {
            self.reached(Moment::Sleeping);
            self.party.waiting.wait(&self.cell.event, seen, timeout);
        }
    }

    /// Clears WAITERS, counts the event up and wakes all.
    #[cold]
    pub(super) fn wake_waiters(&self) {
        self.party.intend_wake(self.index);
        self.reached(Moment::WakeIntended);
        // Release keeps the intent before it in program order, for a death in between.
        self.cell.state.fetch_and(!WAITERS, Ordering::Release);
        self.reached(Moment::WaitersCleared);
        self.wake_sleepers();
    }

    /// The second half of a wake-up: WAITERS is cleared and the intent recorded.
    pub(super) fn wake_sleepers(&self) {
        // Release: see `sleep`.
        self.cell.event.fetch_add(1, Ordering::Release);
        self.reached(Moment::EventBumped);
        self.party.waiting.wake_all(&self.cell.event);
        self.reached(Moment::Woken);
        self.party.wake_done();
    }
}
