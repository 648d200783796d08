//! Writing: claim, drain, granted, commit.
//!
//! ```text
//!  free --claim--> DRAINING | slot --last reader gone--> slot (granted) --commit--> free
//!    ^                 |  withdraw, sweep                     |  abandon, sweep
//!    +-----------------+                                      +--> POISONED [| IMAGE_VALID] --overwrite, commit--> free
//! ```
//! The claim records the writer in the same step that takes the cell: there is no moment in which the cell is taken and its holder
//! unknown. Between claim and grant nothing is written, so a death there frees the cell. A claim through POISONED keeps the flag
//! until the commit, so that a second death leaves what the first one left.

use super::atomic::{Ordering, fence_after_rmw};
use super::entry::{Entry, Refusal};
use super::error::{Blocker, LockError};
use super::patience::Patience;
use super::waiting::{Moment, Rules, Waiting};
use super::word::{
    DRAINING, IMAGE_VALID, POISONED, State, WAITERS, WRITER, WRITER_PENDING, writer_field,
};

/// What a writer promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// Changes the stripe: refused where it is poisoned.
    Change,
    /// Writes the whole stripe, or copies its before-image back: lets poison pass and clears it.
    Overwrite,
}

impl<W: Waiting, const N: usize> Entry<'_, W, N> {
    /// Claims, drains and is granted, waiting as long as `patience` lasts.
    #[inline]
    pub(super) fn write(&self, access: Access, patience: &mut Patience) -> Result<(), LockError> {
        let claimed = match self.claim(access) {
            Ok(claimed) => claimed,
            Err(refusal) => self.wait_to_claim(refusal, access, patience)?,
        };
        // ENTER (Acquire): pairs with the LEAVE that cleared each bit.
        if self.cell.has_readers(W::Rules::ENTER) {
            self.wait_until_drained(patience)?;
        }
        self.grant(claimed)
    }

    /// Marks the before-image as complete. `Release`: the copy lies before the mark; the mark is a read-modify-write with `Acquire`
    /// so that no store to the stripe moves before it, which a death in between would show.
    pub(super) fn mark_image(&self) {
        self.reached(Moment::ImageCopied);
        self.cell.state.fetch_or(IMAGE_VALID, Ordering::AcqRel);
        self.reached(Moment::ImageMarked);
    }

    /// The state as this slot, its writer, finds it.
    pub(super) fn held_state(&self) -> State {
        self.cell.state(Ordering::Relaxed)
    }

    /// The stripe is complete: lets others in.
    #[inline]
    pub(super) fn commit(&self) -> Result<(), LockError> {
        self.leave_writing(POISONED | IMAGE_VALID, 0)
    }

    /// The stripe may be half written: nobody gets in but an overwrite. A before-image stays marked.
    pub(super) fn poison(&self) -> Result<(), LockError> {
        self.leave_writing(0, POISONED)
    }

    /// Nothing was written: the stripe is what it was. An image that was marked in this hold goes; one that came with poison stays.
    pub(super) fn leave_unwritten(&self) -> Result<(), LockError> {
        let image = if self.held_state().is_poisoned() {
            0
        } else {
            IMAGE_VALID
        };
        self.leave_writing(image, 0)
    }

    #[inline]
    fn claim(&self, access: Access) -> Result<State, Refusal> {
        let mut state = self.cell.state(Ordering::Relaxed);
        let claimed = loop {
            self.may_claim(state, access)?;
            let claimed = (state.0 & !WRITER_PENDING) | DRAINING | writer_field(self.party.slot);
            // ENTER (Acquire): pairs with the LEAVE of the writer before. A later writer reads what it wrote.
            match self.cell.state.compare_exchange(
                state.0,
                claimed,
                W::Rules::ENTER,
                Ordering::Relaxed,
            ) {
                Ok(_) => break State(claimed),
                Err(found) => state = State(found),
            }
        };
        // The claim before the look at the readers: see the race in `read`.
        if W::Rules::WRITER_FENCE {
            fence_after_rmw();
        }
        self.reached(Moment::Claimed);
        match self.check_generation() {
            Ok(()) => Ok(claimed),
            Err(error) => {
                self.withdraw();
                Err(error.into())
            }
        }
    }

    #[inline]
    fn may_claim(&self, state: State, access: Access) -> Result<(), Refusal> {
        if state.0 & !(WAITERS | WRITER_PENDING) == 0 {
            return Ok(());
        }
        self.may_claim_in(state, access)
    }

    /// [`may_claim`](Self::may_claim) where there is more to see than waiters.
    #[cold]
    fn may_claim_in(&self, state: State, access: Access) -> Result<(), Refusal> {
        self.check_open(state)?;
        self.writer_blocks(state)?;
        if state.is_poisoned() && access == Access::Change {
            let (cell, image) = (self.index, state.has_image());
            return Err(LockError::Poisoned { cell, image }.into());
        }
        Ok(())
    }

    /// Whether no reader is in. A writer's own bit means that its thread reads the stripe; other threads are kept out before.
    fn drained(&self) -> Result<(), Refusal> {
        match self.cell.first_reader(W::Rules::ENTER) {
            None => Ok(()),
            Some(_) if self.reads_already() => Err(LockError::Upgrade { cell: self.index }.into()),
            Some(slot) => Err(Refusal::Blocked(Blocker::Reader(slot))),
        }
    }

    /// Clears DRAINING. `Acquire`: no store to the stripe moves before it, so a death before the grant has written nothing.
    #[inline]
    fn grant(&self, claimed: State) -> Result<(), LockError> {
        let State(mut state) = claimed;
        while let Err(found) = self.cell.state.compare_exchange(
            state,
            state & !DRAINING,
            Ordering::Acquire,
            Ordering::Relaxed,
        ) {
            state = found;
            if state & (WRITER | DRAINING) != claimed.0 & (WRITER | DRAINING) {
                return Err(self.lost(State(state)));
            }
        }
        self.reached(Moment::Granted);
        Ok(())
    }

    /// Waits for the writer before, with the hint set, until the claim succeeds. Whoever leaves without a claim takes the hint back.
    #[cold]
    fn wait_to_claim(
        &self,
        first: Refusal,
        access: Access,
        patience: &mut Patience,
    ) -> Result<State, LockError> {
        let mut refusal = first;
        let mut hinted = false;
        loop {
            let slept = match refusal {
                Refusal::Failed(error) => Err(error),
                Refusal::Blocked(blocker) => {
                    patience.obstacle(self.party.waiting, self.index, blocker)
                }
            };
            match slept {
                Ok(timeout) => {
                    hinted = true;
                    self.sleep(WRITER_PENDING, timeout, || {
                        let state = self.cell.state(Ordering::Relaxed);
                        matches!(self.may_claim(state, access), Err(Refusal::Blocked(_)))
                    });
                }
                Err(error) if hinted => {
                    self.take_hint_back();
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
            match self.claim(access) {
                Ok(claimed) => return Ok(claimed),
                Err(next) => refusal = next,
            }
        }
    }

    /// Readers may sleep because of the hint alone, so they are woken.
    fn take_hint_back(&self) {
        let before = self
            .cell
            .state
            .fetch_and(!WRITER_PENDING, Ordering::Relaxed);
        if before & WAITERS != 0 {
            self.wake_waiters();
        }
    }

    #[cold]
    fn wait_until_drained(&self, patience: &mut Patience) -> Result<(), LockError> {
        loop {
            let refused = match self.drained() {
                Ok(()) => return Ok(()),
                Err(Refusal::Failed(error)) => Err(error),
                Err(Refusal::Blocked(blocker)) => {
                    patience.obstacle(self.party.waiting, self.index, blocker)
                }
            };
            match refused {
                Ok(timeout) => self.sleep(0, timeout, || self.drained().is_err()),
                Err(error) => {
                    self.withdraw();
                    return Err(error);
                }
            }
            let state = self.held_state();
            if state.writer() != Some(self.party.slot) {
                return Err(self.lost(state));
            }
        }
    }

    /// Gives a claim back before the grant.
    #[cold]
    fn withdraw(&self) {
        // A claim that the supervisor has wiped meanwhile needs no withdrawal.
        let _wiped = self.leave_writing(0, 0);
    }

    /// Clears the writer and `clear`, sets `set`, and wakes. One operation does all of it: a death before leaves the writer, a death
    /// after leaves at most sleepers, whom the intent covers.
    #[inline]
    fn leave_writing(&self, clear: u64, set: u64) -> Result<(), LockError> {
        let mut intended = false;
        let mut state = self.cell.state.load(Ordering::Relaxed);
        let result = loop {
            if state & WRITER != writer_field(self.party.slot) {
                break Err(self.lost(State(state)));
            }
            if state & WAITERS != 0 && !intended {
                self.party.intend_wake(self.index);
                intended = true;
                self.reached(Moment::WakeIntended);
            }
            let left = (state & !(WRITER | DRAINING | WAITERS | clear)) | set;
            // LEAVE (Release): what was written comes before it for whoever enters by it. No fence: WAITERS lies in the same word.
            match self
                .cell
                .state
                .compare_exchange(state, left, W::Rules::LEAVE, Ordering::Relaxed)
            {
                Ok(_) => break Ok(()),
                Err(found) => state = found,
            }
        };
        self.reached(Moment::WriterLeft);
        if intended {
            self.wake_sleepers();
        }
        result
    }

    #[cold]
    fn lost(&self, state: State) -> LockError {
        let cell = self.index;
        if state.is_closed() {
            LockError::Closed { cell }
        } else {
            LockError::Lost { cell }
        }
    }
}
