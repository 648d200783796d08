//! The native workers' lives: how many there are, how they start and end. Their work is told in `dispatch` and `aftermath`.

use std::collections::VecDeque;

use arena_core::SlotId;
use arena_core::protocol::{Descriptor, Hello, PROTOCOL_VERSION};

use super::effect::{Child, Effect, Note};
use super::event::{ConnId, Peer};
use super::machine::{Asked, Conn, ConnRole, Phase, Supervisor};
use super::records::{ProcessRecord, Role};
use super::timers::Timer;
use super::worker::{Process, Worker, WorkerPhase};

impl Supervisor {
    /// Slots that workers and spares need.
    pub(super) fn worker_slots_wanted(&self) -> u32 {
        let wanted = self
            .policy
            .workers
            .max(1)
            .saturating_add(self.policy.spare_workers);
        wanted.min(SlotId::COUNT as u32 - 1)
    }

    pub(super) const fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. } | Phase::Over)
    }

    /// Starts the workers that are missing and ends those that are too many.
    pub(super) fn staff(&mut self) {
        if self.is_ending() || self.workers.respawn_at.is_some_and(|at| at > self.now) {
            return;
        }
        self.workers.respawn_at = None;
        while self.workers.count() < self.worker_slots_wanted() {
            let Some(slot) = self.slots.take_for_worker() else {
                break;
            };
            self.start_worker(slot);
        }
        self.dismiss_surplus();
    }

    fn start_worker(&mut self, slot: SlotId) {
        let due = self.now.after(self.policy.start_timeout);
        self.workers.insert(Worker {
            slot,
            phase: WorkerPhase::Starting { due },
            process: None,
            started: self.now,
            tasks: VecDeque::new(),
            is_isolated: false,
            tasks_done: 0,
            busy_ns: 0,
            overrun_at: None,
            cause: None,
        });
        let child = Child::Worker(slot);
        self.timers.set(due, Timer::Start(child));
        self.out.push(Effect::Spawn(child));
    }

    /// Ends idle workers beyond the number that is wanted.
    pub(super) fn dismiss_surplus(&mut self) {
        let mut surplus = self
            .workers
            .count()
            .saturating_sub(self.worker_slots_wanted());
        let ending = |worker: &&Worker| worker.phase == WorkerPhase::Ending;
        if surplus > 0 {
            surplus = surplus.saturating_sub(self.workers.iter().filter(ending).count() as u32);
        }
        for _ in 0..surplus {
            let Some(slot) = self.workers.last_idle() else {
                break;
            };
            self.dismiss(slot);
        }
    }

    /// Tells a worker to end, by closing its socket.
    pub(super) fn dismiss(&mut self, slot: SlotId) {
        self.clear_worker_timers(slot);
        let process = self.workers.change(slot, |worker| {
            worker.phase = WorkerPhase::Ending;
            worker.process
        });
        if let Some(Some(process)) = process {
            self.out.push(Effect::Close { conn: process.conn });
        }
    }

    pub(super) fn spawned(&mut self, child: Child, conn: ConnId, peer: Peer) {
        match child {
            Child::Groomer => self.groomer_spawned(conn, peer),
            Child::Worker(slot) => self.worker_spawned(slot, conn, peer),
        }
    }

    fn worker_spawned(&mut self, slot: SlotId, conn: ConnId, peer: Peer) {
        let process = self.enlist(conn, peer, Role::Worker, Some(slot));
        self.workers
            .change(slot, |worker| worker.process = Some(process));
        let role = ConnRole::Worker(slot);
        self.conns.insert(conn, Conn { peer, role });
    }

    /// Writes a child down before it gets a descriptor.
    pub(super) fn enlist(
        &mut self,
        conn: ConnId,
        peer: Peer,
        role: Role,
        slot: Option<SlotId>,
    ) -> Process {
        let session = self.take_session_id();
        let row = self.process_rows.take();
        match row {
            Some(row) => self.out.push(Effect::WriteProcess(ProcessRecord {
                row,
                session,
                role,
                peer,
                slot,
            })),
            None => self.out.push(Effect::Kill { conn }),
        }
        Process {
            conn,
            peer,
            row,
            session,
        }
    }

    /// Strikes a dead child off.
    pub(super) fn discharge_process(&mut self, process: &Process) {
        if let Some(row) = process.row {
            self.out.push(Effect::ClearProcess {
                row,
                session: process.session,
            });
            self.process_rows.give_back(row);
        }
    }

    pub(super) fn spawn_failed(&mut self, child: Child, detail: String) {
        match child {
            Child::Groomer => self.groomer_spawn_failed(detail),
            Child::Worker(slot) => {
                self.clear_worker_timers(slot);
                self.workers.take_out(slot);
                self.slots.give_back(slot);
                self.worker_failed_to_start(slot, detail);
            }
        }
    }

    /// Holds the next starts back for a pause that doubles.
    fn worker_failed_to_start(&mut self, slot: SlotId, detail: String) {
        let pause = self
            .workers
            .backoff
            .failed(self.policy.backoff_first, self.policy.backoff_max);
        let at = self.now.after(pause);
        self.workers.respawn_at = Some(at);
        self.timers.set(at, Timer::Respawn(Child::Worker(slot)));
        self.note(Note::WorkerFailedToStart {
            slot,
            detail,
            retry_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
        });
    }

    pub(super) fn worker_hello(&mut self, slot: SlotId, conn: ConnId, hello: &Hello) {
        let Some(worker) = self.workers.get(slot) else {
            return;
        };
        let (WorkerPhase::Starting { .. }, Some(process)) = (worker.phase, worker.process) else {
            self.end_worker(slot, "a second hello".to_owned());
            return;
        };
        if hello.protocol != PROTOCOL_VERSION {
            self.end_worker(slot, "it speaks another protocol version".to_owned());
            return;
        }
        self.clear_worker_timers(slot);
        self.out.push(Effect::PrepareSlot {
            slot,
            incarnation: process.session.0,
        });
        let descriptors = vec![Descriptor::Data, Descriptor::Locks];
        self.welcome(conn, process.session, descriptors, false);
        self.workers
            .change(slot, |worker| worker.phase = WorkerPhase::Ready);
        self.counters.workers_started += 1;
        self.note(Note::WorkerStarted {
            slot,
            pid: process.peer.pid,
        });
        self.dispatch();
        self.groom();
    }

    pub(super) fn worker_start_timed_out(&mut self, slot: SlotId) {
        self.end_worker(slot, "no hello in time".to_owned());
    }

    pub(super) fn worker_overran(&mut self, slot: SlotId) {
        let Some(worker) = self.workers.get(slot) else {
            return;
        };
        let kernel = worker
            .tasks
            .front()
            .map_or("", |running| self.kernel_of(running.job));
        let kernel = kernel.to_owned();
        self.note(Note::WorkerOverran {
            slot,
            pid: worker_pid(self.workers.get(slot)),
            kernel,
            overrun_ms: u64::try_from(self.policy.kill_grace.as_millis()).unwrap_or(u64::MAX),
        });
        self.end_worker(
            slot,
            "it did not end a task that nobody waits for".to_owned(),
        );
    }

    /// Makes an end of a worker that misbehaves, hangs or has closed its socket. What it has and its slot come back with its
    /// certificate.
    pub(super) fn end_worker(&mut self, slot: SlotId, detail: String) {
        let Some(worker) = self.workers.get(slot) else {
            return;
        };
        let Some(process) = worker
            .process
            .filter(|_| worker.phase != WorkerPhase::Ending)
        else {
            return;
        };
        self.dismiss(slot);
        if !self.is_ending() {
            self.note(Note::SessionEnded {
                session: process.session,
                pid: process.peer.pid,
                reason: detail,
            });
            self.out.push(Effect::Kill { conn: process.conn });
        }
        self.dispatch();
    }

    pub(super) fn clear_worker_timers(&mut self, slot: SlotId) {
        let Some(worker) = self.workers.get(slot) else {
            return;
        };
        if let WorkerPhase::Starting { due } = worker.phase {
            self.timers.clear(due, Timer::Start(Child::Worker(slot)));
        }
        if let Some(at) = worker.overrun_at {
            self.timers.clear(at, Timer::Overrun(slot));
        }
    }

    /// A worker's death certificate: nothing can write through its mappings any more, so its slot can be swept.
    pub(super) fn worker_gone(&mut self, slot: SlotId, conn: ConnId, cause: Option<String>) {
        let is_current = self
            .workers
            .get(slot)
            .and_then(|worker| worker.process)
            .is_some_and(|process| process.conn == conn);
        if !is_current {
            return;
        }
        self.clear_worker_timers(slot);
        self.workers.change(slot, |worker| {
            worker.phase = WorkerPhase::Ending;
            worker.cause = cause;
        });
        self.conns.remove(&conn);
        self.sweep(slot, Asked::WorkerSweep(slot));
    }

    /// After the sweep the worker is history: its work goes to others and its slot to the next worker.
    pub(super) fn bury_worker(&mut self, slot: SlotId) -> Option<Box<Worker>> {
        let worker = self.workers.take_out(slot)?;
        if let Some(process) = worker.process {
            self.discharge_process(&process);
        }
        self.slots.give_back(slot);
        Some(worker)
    }

    /// Decides whether the next worker starts at once: not when this one never got anything done.
    pub(super) fn replace_worker(&mut self, worker: &Worker, cause: &str) {
        let lived = self.now.nanos_since(worker.started);
        let was_useful =
            worker.tasks_done > 0 || u128::from(lived) >= self.policy.start_timeout.as_nanos();
        let had_task = !worker.tasks.is_empty();
        if was_useful || had_task {
            self.workers.backoff.succeeded();
        } else {
            self.worker_failed_to_start(worker.slot, cause.to_owned());
        }
        self.staff();
    }
}

fn worker_pid(worker: Option<&Worker>) -> u32 {
    worker
        .and_then(|worker| worker.process)
        .map_or(0, |process| process.peer.pid)
}
