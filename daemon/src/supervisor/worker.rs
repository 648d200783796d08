//! One native worker, and who of them has time.

use std::collections::VecDeque;

use arena_core::{SessionId, SlotId};

use super::backoff::Backoff;
use super::event::{ConnId, Peer};
use super::job::{JobId, Piece};
use super::moment::Moment;
use super::slots::SlotBits;

/// Tasks that a worker has at most: the one it runs and the next.
pub(super) const TASKS_MAX: usize = 2;

/// A native worker, from its spawn to its sweep.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) slot: SlotId,
    pub(super) phase: WorkerPhase,
    /// None until it is started.
    pub(super) process: Option<Process>,
    pub(super) started: Moment,
    /// In the order they were sent; the first one runs.
    pub(super) tasks: VecDeque<Running>,
    /// Whether its task is to be alone.
    pub(super) is_isolated: bool,
    pub(super) tasks_done: u64,
    pub(super) busy_ns: u64,
    /// When it is killed unless it reports before.
    pub(super) overrun_at: Option<Moment>,
    /// What it died of, while its slot is swept.
    pub(super) cause: Option<String>,
}

/// A child that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Process {
    pub(super) conn: ConnId,
    pub(super) peer: Peer,
    /// Its row of the process table; none where the table is full, then it is ended at once.
    pub(super) row: Option<u32>,
    /// Its session; the incarnation of its slot.
    pub(super) session: SessionId,
}

/// How far a child has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WorkerPhase {
    /// Until its hello, which is due then.
    Starting { due: Moment },
    /// Can be given work.
    Ready,
    /// Was told or forced to end, or has closed its socket.
    Ending,
}

/// A task that a worker has.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) task: u64,
    pub(super) job: JobId,
    pub(super) piece: Piece,
}

/// All workers by slot, and sets that make choosing one cheap.
#[derive(Debug)]
pub(super) struct Workers {
    by_slot: Vec<Option<Box<Worker>>>,
    /// Ready, without a task.
    idle: SlotBits,
    /// Ready, with one task that may have company.
    single: SlotBits,
    /// Ready, with a task.
    active: u32,
    count: u32,
    pub(super) backoff: Backoff,
    /// No worker is started before.
    pub(super) respawn_at: Option<Moment>,
}

impl Workers {
    pub(super) fn new() -> Self {
        Self {
            by_slot: (0..SlotId::COUNT).map(|_| None).collect(),
            idle: SlotBits::default(),
            single: SlotBits::default(),
            active: 0,
            count: 0,
            backoff: Backoff::default(),
            respawn_at: None,
        }
    }

    pub(super) fn insert(&mut self, worker: Worker) {
        let slot = worker.slot;
        self.by_slot[slot.index()] = Some(Box::new(worker));
        self.count += 1;
    }

    pub(super) fn take_out(&mut self, slot: SlotId) -> Option<Box<Worker>> {
        self.forget(slot);
        let worker = self.by_slot[slot.index()].take()?;
        self.count -= 1;
        Some(worker)
    }

    pub(super) fn get(&self, slot: SlotId) -> Option<&Worker> {
        self.by_slot[slot.index()].as_deref()
    }

    /// Changes a worker, and the sets with it.
    pub(super) fn change<T>(
        &mut self,
        slot: SlotId,
        change: impl FnOnce(&mut Worker) -> T,
    ) -> Option<T> {
        self.forget(slot);
        let worker = self.by_slot[slot.index()].as_deref_mut()?;
        let result = change(worker);
        if worker.phase == WorkerPhase::Ready {
            match worker.tasks.len() {
                0 => self.idle.insert(slot),
                len => {
                    self.active += 1;
                    if len < TASKS_MAX && !worker.is_isolated {
                        self.single.insert(slot);
                    }
                }
            }
        }
        Some(result)
    }

    fn forget(&mut self, slot: SlotId) {
        if let Some(worker) = self.get(slot)
            && worker.phase == WorkerPhase::Ready
            && !worker.tasks.is_empty()
        {
            self.active -= 1;
        }
        self.idle.remove(slot);
        self.single.remove(slot);
    }

    /// A worker without a task, if no more than `active_max` have one then.
    pub(super) fn idle(&self, active_max: u32) -> Option<SlotId> {
        if self.active >= active_max {
            return None;
        }
        self.idle.first()
    }

    /// A worker that can be given its next task ahead.
    pub(super) fn single(&self) -> Option<SlotId> {
        self.single.first()
    }

    /// The idle worker with the highest slot.
    pub(super) fn last_idle(&self) -> Option<SlotId> {
        self.idle.last()
    }

    /// Workers that are started or starting or ending.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Workers that can be given work or have some.
    pub(super) fn ready(&self) -> u32 {
        self.idle.len() + self.active
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Worker> {
        self.by_slot.iter().filter_map(Option::as_deref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(slot: u8) -> Worker {
        Worker {
            slot: SlotId(slot),
            phase: WorkerPhase::Starting { due: Moment(1) },
            process: None,
            started: Moment(0),
            tasks: VecDeque::new(),
            is_isolated: false,
            tasks_done: 0,
            busy_ns: 0,
            overrun_at: None,
            cause: None,
        }
    }

    fn give(worker: &mut Worker) {
        worker.tasks.push_back(Running {
            task: 1,
            job: JobId(1),
            piece: Piece {
                span: arena_core::protocol::Span::Leaves { start: 0, end: 1 },
                deaths: 0,
                roll_back: Vec::new(),
            },
        });
    }

    #[test]
    fn sets_follow_the_tasks() {
        let mut workers = Workers::new();
        workers.insert(worker(0));
        workers.insert(worker(1));
        assert_eq!(workers.idle(8), None);
        workers.change(SlotId(0), |worker| worker.phase = WorkerPhase::Ready);
        workers.change(SlotId(1), |worker| worker.phase = WorkerPhase::Ready);
        workers.change(SlotId(0), give);
        assert_eq!(workers.idle(2), Some(SlotId(1)));
        assert_eq!(workers.idle(1), None, "one is active already");
        assert_eq!(workers.single(), Some(SlotId(0)));
        workers.change(SlotId(0), give);
        assert_eq!(workers.single(), None);
        workers.change(SlotId(0), |worker| worker.phase = WorkerPhase::Ending);
        assert_eq!(workers.ready(), 1);
        assert_eq!(workers.idle(1), Some(SlotId(1)));
        workers.take_out(SlotId(0));
        assert_eq!(workers.count(), 1);
    }
}
