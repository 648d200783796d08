//! What the supervisor does to the cells after a process died.
//!
//! **The race.** A process dies holding locks: nobody else can tell its death from slowness, and a lock taken from a process that
//! still writes is torn data. So only the supervisor sweeps, only behind a [`Certificate`], and everybody else waits.
//!
//! A sweep is a fixed number of unconditional operations per cell: it never waits, never retries, and reads every word once, whatever
//! bits it finds. Each of its steps leaves a state from which the same sweep, started again, comes to the same end:
//!
//! | dies after | finds the next time |
//! |---|---|
//! | reader bit cleared | WAITERS still set: wakes |
//! | POISONED set | the writer still there: goes on |
//! | writer cleared | WAITERS still set: wakes |
//! | event counted up | WAITERS still set: wakes again |
//!
//! It never clears WAITERS and never clears the slot's record: a needless wake-up is cheap, a lost one is for ever. The record is
//! cleared when the slot is issued again.

use super::atomic::{Ordering, fence};
use super::cell::CellOf;
use super::record::{Progress, SlotRecord};
use super::slots::SlotSet;
use super::waiting::{Moment, Rules, Waiting};
use super::word::{CLOSED, DRAINING, POISONED, State, WRITER, WRITER_PENDING};
use crate::SlotId;

/// The word of the supervisor that the process which held a slot can write no more: its pidfd is readable, and nothing else writes
/// through a mapping of its (lock pages and windows are not inherited by forked children).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Certificate {
    slot: SlotId,
}

impl Certificate {
    /// Certifies that no store of the process in `slot` can come any more. Nothing checks it: who certifies a living process tears
    /// data.
    #[must_use]
    pub const fn of_dead_process(slot: SlotId) -> Self {
        Self { slot }
    }

    /// The slot of the dead process.
    #[must_use]
    pub const fn slot(self) -> SlotId {
        self.slot
    }
}

/// A stripe that its dead writer left, possibly half written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoisonedCell {
    /// The cell, counted over the arena.
    pub cell: u32,
    /// Whether a before-image can be copied back. Without one in an object that keeps images nothing was written: the mark comes
    /// before the first store.
    pub image: bool,
}

/// What a sweep did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Swept {
    /// Stripes that the dead slot was writing.
    pub poisoned: Vec<PoisonedCell>,
    /// Cells that the dead slot had claimed without writing yet.
    pub claims_freed: u32,
    /// Cells that the dead slot was reading.
    pub reads_freed: u32,
    /// Cells that held bits which no lock operation writes; they are closed now.
    pub damaged: Vec<u32>,
    /// How far the dead slot's in-place task had come.
    pub progress: Option<Progress>,
    /// How many cells were woken.
    pub woken: u32,
}

impl Swept {
    /// Whether the sweep poisoned `cell`.
    #[must_use]
    pub fn poisoned(&self, cell: u32) -> Option<PoisonedCell> {
        self.poisoned.iter().copied().find(|p| p.cell == cell)
    }
}

/// One sweep over cells: the dead slot, and what is expected there.
#[derive(Debug)]
pub(super) struct Sweep<'a, W> {
    slot: SlotId,
    issued: SlotSet,
    /// Cells whose wake-up the dead slot may have left unfinished, first and end.
    intent: (u64, u64),
    waiting: &'a W,
}

impl<'a, W: Waiting> Sweep<'a, W> {
    /// Starts a sweep. `issued` are the slots that may stand in cells: all that are given out, the dead one too; others are damage.
    pub(super) fn start(
        certificate: Certificate,
        record: &SlotRecord,
        issued: SlotSet,
        waiting: &'a W,
    ) -> Self {
        // What a sweep before this one cleared comes before this one's looks at WAITERS, against "WAITERS before the second look" of
        // a waiter. The same as in `leave_reading`, except that the clearing and the look are in two lives of the supervisor.
        if W::Rules::SWEEP_FENCE {
            fence(Ordering::SeqCst);
        }
        Self {
            slot: certificate.slot(),
            issued,
            intent: record.intent(),
            waiting,
        }
    }

    pub(super) fn cell<const N: usize>(&self, cell: &CellOf<N>, index: u32, swept: &mut Swept) {
        let state = cell.state(Ordering::Acquire);
        let mut changed = false;
        if !state.is_closed() && self.is_damaged(cell, state) {
            cell.state.fetch_or(CLOSED, Ordering::Release);
            swept.damaged.push(index);
            changed = true;
        }
        if self.clear_reader(cell) {
            self.waiting.reached(Moment::SweptReader);
            swept.reads_freed += 1;
            changed = true;
        }
        if state.writer() == Some(self.slot) {
            self.clear_writer(cell, state, index, swept);
            self.waiting.reached(Moment::SweptWriter);
            changed = true;
        }
        // Looked at behind the changes; where something changed, everybody is woken without asking. A hint is taken back: it may be
        // the dead one's, and would bind the next reader for a round.
        let left = cell.state(Ordering::Relaxed);
        let asked = left.has_waiters() || left.has_pending_writer();
        if (changed || asked || self.intends(index)) && W::Rules::SWEEP_WAKES {
            self.wake(cell);
            swept.woken += 1;
        }
    }

    fn is_damaged<const N: usize>(&self, cell: &CellOf<N>, state: State) -> bool {
        state.is_impossible()
            || state
                .writer()
                .is_some_and(|slot| !self.issued.contains(slot))
            || !cell.reader_set().is_subset(&self.issued)
            || cell.reserved.load(Ordering::Relaxed) != 0
            || cell.reserved_tail.load(Ordering::Relaxed) != 0
    }

    fn clear_reader<const N: usize>(&self, cell: &CellOf<N>) -> bool {
        let (word, bit) = cell.reader_bit(self.slot);
        // Release: the certificate put the dead one's reads before this sweep; this puts them before the next writer.
        word.load(Ordering::Relaxed) & bit != 0
            && word.fetch_and(!bit, Ordering::Release) & bit != 0
    }

    /// Frees a claim; poisons a grant. POISONED is set before the writer goes, so that nobody finds the stripe free and clean.
    fn clear_writer<const N: usize>(
        &self,
        cell: &CellOf<N>,
        state: State,
        index: u32,
        swept: &mut Swept,
    ) {
        if state.is_draining() {
            swept.claims_freed += 1;
        } else {
            if W::Rules::SWEEP_POISONS {
                cell.state.fetch_or(POISONED, Ordering::Release);
            }
            self.waiting.reached(Moment::SweptPoisoned);
            let image = state.has_image();
            swept.poisoned.push(PoisonedCell { cell: index, image });
        }
        // Release: what the dead one wrote comes before it for whoever overwrites.
        cell.state
            .fetch_and(!(WRITER | DRAINING), Ordering::Release);
    }

    fn intends(&self, index: u32) -> bool {
        let (first, end) = self.intent;
        W::Rules::SWEEP_HEEDS_INTENT && (first..end).contains(&index.into())
    }

    /// Takes the hint back and wakes all. A living writer that wakes sets it again.
    fn wake<const N: usize>(&self, cell: &CellOf<N>) {
        cell.state.fetch_and(!WRITER_PENDING, Ordering::Relaxed);
        // Release: pairs with the waiter's Acquire, who thereby sees the changes above.
        cell.event.fetch_add(1, Ordering::Release);
        self.waiting.reached(Moment::SweptEvent);
        self.waiting.wake_all(&cell.event);
    }
}
