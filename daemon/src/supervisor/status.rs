//! What the supervisor tells of itself.

use arena_core::protocol::{
    Charge, LockRow, MemoryClasses, Reply, SessionRow, Stats, WorkerRow, WorkerState,
};
use arena_core::{SessionId, SlotId};

use super::effect::Effect;
use super::event::CellSeen;
use super::machine::{Asked, Supervisor};
use super::objects::Object;
use super::session::Session;
use super::worker::{Worker, WorkerPhase};

/// Rows of a `Locks` reply at most, so that it fits into a frame.
const LOCK_ROWS_MAX: usize = 2048;

impl Supervisor {
    /// Each byte of the arena in one class.
    #[must_use]
    pub fn memory_classes(&self) -> MemoryClasses {
        let free_warm_bytes = self.memory.free_warm_bytes();
        MemoryClasses {
            free_warm_bytes,
            free_cold_bytes: self.memory.free_bytes() - free_warm_bytes,
            overhead_bytes: self.memory.overhead_bytes(),
            ..self.objects.classes()
        }
    }

    pub(super) fn stats(&mut self, session: SessionId, request: u64) -> Option<Reply> {
        let cells = self.cells.in_use();
        if cells.is_empty() {
            return Some(self.stats_reply(0));
        }
        self.asked.push_back(Asked::Stats { session, request });
        self.out.push(Effect::InspectCells { cells });
        None
    }

    fn stats_reply(&self, poisoned_bytes: u64) -> Reply {
        let by_session = self.sessions.values().map(|session| Charge {
            holder: session.id.0,
            bytes: session.bytes,
            objects: session.made.len() as u32,
        });
        Reply::Stats(Box::new(Stats {
            arena: self.identity.arena.clone(),
            memory: self.memory_classes(),
            pinned_bytes: self.objects.pinned_bytes(),
            poisoned_bytes,
            pages: self.memory.blocks.page_counts(),
            objects: self.objects.count(),
            by_session: by_session.collect(),
            by_uid: self.by_uid.values().cloned().collect(),
            counters: self.counters,
            jobs: self.live_jobs,
            uptime_ms: self.now.millis_since(self.started),
        }))
    }

    pub(super) fn locks(&mut self, session: SessionId, request: u64) -> Option<Reply> {
        let cells = self.cells.in_use();
        if cells.is_empty() {
            return Some(Reply::Locks(Vec::new()));
        }
        self.asked.push_back(Asked::Locks { session, request });
        self.out.push(Effect::InspectCells { cells });
        None
    }

    pub(super) fn cells_seen(&mut self, cells: &[CellSeen]) {
        let Some(asked) = self.asked.pop_front() else {
            return;
        };
        match asked {
            Asked::Locks { session, request } => {
                let rows = self.lock_rows(cells);
                self.reply(session, request, Ok(Reply::Locks(rows)));
            }
            Asked::Stats { session, request } => {
                let reply = self.stats_reply(self.poisoned_bytes(cells));
                self.reply(session, request, Ok(reply));
            }
            Asked::Poisoned {
                session,
                request,
                object,
            } => match self.roll_back_poisoned(session, request, object, cells) {
                Ok(None) => {}
                Ok(Some(reply)) => self.reply(session, request, Ok(reply)),
                Err(failure) => self.reply(session, request, Err(failure)),
            },
            other => self.asked.push_front(other),
        }
    }

    /// Shared objects by their cells, beside the cells seen; both ascend.
    fn with_objects<'a>(
        &'a self,
        cells: &'a [CellSeen],
    ) -> impl Iterator<Item = (&'a Object, &'a CellSeen)> {
        let mut owners: Vec<(std::ops::Range<u32>, &Object)> = self
            .objects
            .rows_from(0)
            .filter_map(|object| object.cells().map(|cells| (cells, object)))
            .collect();
        owners.sort_unstable_by_key(|(cells, _)| cells.start);
        cells.iter().filter_map(move |seen| {
            let after = owners.partition_point(|(cells, _)| cells.start <= seen.cell);
            let (cells, object) = owners.get(after.checked_sub(1)?)?;
            cells.contains(&seen.cell).then_some((*object, seen))
        })
    }

    fn lock_rows(&self, cells: &[CellSeen]) -> Vec<LockRow> {
        let rows = self.with_objects(cells).map(|(object, seen)| LockRow {
            object: object.record.id,
            name: object.info().name,
            stripe: seen.cell - object.cells().map_or(0, |cells| cells.start),
            writer_slot: seen.writer.map(|slot| slot.0),
            writer_pid: seen.writer.and_then(|slot| self.pid_of_slot(slot)),
            readers: seen.readers,
            waiters: seen.waiters,
            poisoned: seen.poisoned,
            image_valid: seen.image_valid,
        });
        rows.take(LOCK_ROWS_MAX).collect()
    }

    fn poisoned_bytes(&self, cells: &[CellSeen]) -> u64 {
        let poisoned = self.with_objects(cells).filter(|(_, seen)| seen.poisoned);
        poisoned
            .map(|(object, seen)| stripe_bytes(object, seen.cell))
            .sum()
    }

    pub(super) fn pid_of_slot(&self, slot: SlotId) -> Option<u32> {
        let of_worker = self.workers.get(slot).and_then(|worker| worker.process);
        let of_session = || {
            self.sessions
                .values()
                .find(|session| session.slot == Some(slot))
        };
        of_worker
            .map(|process| process.peer.pid)
            .or_else(|| of_session().map(|session| session.peer.pid))
    }

    pub(super) fn worker_rows(&self) -> Vec<WorkerRow> {
        let mut to_come = self.policy.workers.max(1);
        let rows = self.workers.iter().map(|worker| {
            let is_spare = to_come == 0;
            to_come = to_come.saturating_sub(1);
            self.worker_row(worker, is_spare)
        });
        rows.collect()
    }

    fn worker_row(&self, worker: &Worker, is_spare: bool) -> WorkerRow {
        let state = match worker.phase {
            WorkerPhase::Starting { .. } => WorkerState::Starting,
            WorkerPhase::Ending => WorkerState::Ending,
            WorkerPhase::Ready if !worker.tasks.is_empty() => WorkerState::Busy,
            WorkerPhase::Ready if is_spare => WorkerState::Spare,
            WorkerPhase::Ready => WorkerState::Idle,
        };
        let running = worker.tasks.front();
        WorkerRow {
            slot: worker.slot,
            pid: worker.process.map_or(0, |process| process.peer.pid),
            state,
            kernel: running.map(|running| self.kernel_of(running.job).to_owned()),
            tasks_done: worker.tasks_done,
            busy_ns: worker.busy_ns,
            age_ms: self.now.millis_since(worker.started),
        }
    }

    pub(super) fn session_rows(&self) -> Vec<SessionRow> {
        self.sessions
            .values()
            .map(|session| self.session_row(session))
            .collect()
    }

    fn session_row(&self, session: &Session) -> SessionRow {
        SessionRow {
            session: session.id,
            pid: session.peer.pid,
            uid: session.peer.uid,
            program: session.program.clone(),
            open: session.is_open,
            slot: session.slot,
            bytes: session.bytes,
            objects: session.made.len() as u32,
            pins: session.pins.len() as u32,
            in_flight: session.in_flight.len() as u32,
            age_ms: self.now.millis_since(session.opened),
        }
    }
}

/// The bytes of the stripe that a cell stands for, its share of the object.
fn stripe_bytes(object: &Object, cell: u32) -> u64 {
    let Some(stripes) = object.record.stripes else {
        return 0;
    };
    let layout = &object.record.layout;
    let axis_len = layout
        .shape()
        .get(usize::from(stripes.axis))
        .copied()
        .unwrap_or(1);
    if axis_len == 0 {
        return 0;
    }
    let indices = stripes.indices(cell - stripes.first_cell, axis_len);
    let bytes = layout.element_count() * layout.dtype().size_bytes();
    bytes / axis_len * (indices.end - indices.start)
}
