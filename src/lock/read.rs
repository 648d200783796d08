//! Reading: enter by setting the own bit, leave by clearing it.
//!
//! **The race of entering.** A reader looks, finds no writer and enters; a writer looks, finds no reader and enters. So each writes
//! its mark first and looks then, with a full fence between: reader bit, fence, state; against claim, fence, reader words. At least
//! one sees the other. A reader that sees the writer backs out; a writer that sees a bit waits until it is gone.

use super::atomic::{Ordering, fence_after_rmw};
use super::entry::{Entry, Refusal};
use super::error::{Blocker, LockError};
use super::patience::Patience;
use super::waiting::{Moment, Rules, Waiting};
use super::word::{State, WAITERS, WRITER_PENDING};

/// Whether a reader lets a pending writer go first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hint {
    Heed,
    Ignore,
}

impl<W: Waiting, const N: usize> Entry<'_, W, N> {
    /// Enters as the process's only thread, waiting as long as `patience` lasts. A bit that is set already is this thread's.
    #[inline]
    pub(super) fn read_alone(&self, patience: &mut Patience) -> Result<(), LockError> {
        if self.reads_already() {
            return Err(LockError::AlreadyHeld { cell: self.index });
        }
        let mut hint = Hint::Heed;
        loop {
            match self.try_read(hint) {
                Ok(()) => return Ok(()),
                Err(Refusal::Failed(error)) => return Err(error),
                Err(Refusal::Blocked(blocker)) => {
                    hint = self.wait_to_read(blocker, hint, patience)?;
                }
            }
        }
    }

    #[inline]
    fn try_read(&self, hint: Hint) -> Result<(), Refusal> {
        self.may_read(self.cell.state(Ordering::Relaxed), hint)?;
        self.set_reader_bit();
        self.look_after_bit(hint)
            .inspect_err(|_| self.leave_reading())
    }

    /// Whether an attempt is worthwhile. A bit that is set in vain wakes everybody when it goes, and those who try again set theirs
    /// in vain: without this look waiting readers would wake each other for ever. Another thread of this process that writes is the
    /// business of [`local`](super::local).
    #[inline]
    pub(super) fn look_before_bit(&self, hint: Hint) -> Result<(), Refusal> {
        match self.may_read(self.cell.state(Ordering::Relaxed), hint) {
            Err(Refusal::Failed(LockError::AlreadyHeld { .. })) => Ok(()),
            looked => looked,
        }
    }

    /// Sets the own bit. Acquire is not needed: the look at the state behind it is the entry.
    #[inline]
    pub(super) fn set_reader_bit(&self) {
        let (word, bit) = self.cell.reader_bit(self.party.slot);
        word.fetch_or(bit, Ordering::Relaxed);
        // The bit before the look at the state: see the race in the module's text.
        if W::Rules::READER_FENCE {
            fence_after_rmw();
        }
        self.reached(Moment::ReaderBitSet);
    }

    /// Looks whether the reader is in, now that its bit is set.
    #[inline]
    pub(super) fn look_after_bit(&self, hint: Hint) -> Result<(), Refusal> {
        // Acquire: pairs with the Release of the commit (or sweep, or opening) that left the state as found; other changes in
        // between are read-modify-writes and carry it on.
        let state = self.cell.state(W::Rules::ENTER);
        self.may_read(state, hint)?;
        self.check_generation()?;
        self.reached(Moment::Reading);
        Ok(())
    }

    /// Leaves or backs out.
    #[inline]
    pub(super) fn leave_reading(&self) {
        let (word, bit) = self.cell.reader_bit(self.party.slot);
        // Release: a writer that sees the bit gone writes after what was read here.
        word.fetch_and(!bit, W::Rules::LEAVE);
        // The cleared bit before the look at WAITERS: see the race in `entry`.
        if W::Rules::LEAVE_FENCE {
            fence_after_rmw();
        }
        self.reached(Moment::ReaderBitCleared);
        if self.cell.state.load(Ordering::Relaxed) & WAITERS != 0 {
            self.wake_waiters();
        }
    }

    /// Whether this slot's bit is set.
    #[inline]
    pub(super) fn reads_already(&self) -> bool {
        let (word, bit) = self.cell.reader_bit(self.party.slot);
        word.load(Ordering::Relaxed) & bit != 0
    }

    /// Sleeps until `blocker` may have gone, and answers whether the next attempt heeds the hint. A hint that has bound this reader
    /// for one round is cleared and then ignored: its writer may be frozen.
    #[cold]
    pub(super) fn wait_to_read(
        &self,
        blocker: Blocker,
        mut hint: Hint,
        patience: &mut Patience,
    ) -> Result<Hint, LockError> {
        let mut timeout = patience.obstacle(self.party.waiting, self.index, blocker)?;
        if blocker == Blocker::PendingWriter {
            match patience.hint_left(self.party.waiting) {
                Some(left) => timeout = timeout.min(left),
                None => {
                    // Relaxed: the hint orders nothing.
                    self.cell
                        .state
                        .fetch_and(!WRITER_PENDING, Ordering::Relaxed);
                    hint = Hint::Ignore;
                    return Ok(hint);
                }
            }
        }
        self.sleep(0, timeout, || {
            let state = self.cell.state(Ordering::Relaxed);
            matches!(self.may_read(state, hint), Err(Refusal::Blocked(_)))
        });
        Ok(hint)
    }

    #[inline]
    fn may_read(&self, state: State, hint: Hint) -> Result<(), Refusal> {
        if state.0 & !WAITERS == 0 {
            return Ok(());
        }
        self.may_read_in(state, hint)
    }

    /// [`may_read`](Self::may_read) where there is more to see than waiters.
    #[cold]
    fn may_read_in(&self, state: State, hint: Hint) -> Result<(), Refusal> {
        self.check_open(state)?;
        if state.is_poisoned() && W::Rules::READER_HEEDS_POISON {
            let (cell, image) = (self.index, state.has_image());
            return Err(LockError::Poisoned { cell, image }.into());
        }
        self.writer_blocks(state)?;
        if state.has_pending_writer() && hint == Hint::Heed {
            return Err(Refusal::Blocked(Blocker::PendingWriter));
        }
        Ok(())
    }
}
