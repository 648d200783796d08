//! The supervisor: its state, and where each event goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use arena_core::protocol::{Charge, Counters, Create, Failure, FromSupervisor, Notice, Reply};
use arena_core::{ObjectId, SessionId, SlotId};

use super::allocation::Allocation;
use super::cells::Cells;
use super::effect::{Child, Effect, ExitReason, Note};
use super::event::{ConnId, Event, Peer};
use super::groomer::Groomer;
use super::job::{Job, JobId};
use super::memory::Memory;
use super::moment::Moment;
use super::objects::Objects;
use super::policy::Policy;
use super::process_rows::ProcessRows;
use super::queue::Queue;
use super::rates::Rates;
use super::records::Identity;
use super::session::Session;
use super::slots::Slots;
use super::timers::{Timer, Timers};
use super::worker::Workers;

/// The supervisor's whole state.
#[derive(Debug)]
pub struct Supervisor {
    pub(super) policy: Policy,
    pub(super) identity: Identity,
    pub(super) started: Moment,
    /// The moment of the event that is handled.
    pub(super) now: Moment,
    /// The effects of the event that is handled.
    pub(super) out: Vec<Effect>,
    pub(super) conns: BTreeMap<ConnId, Conn>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) next_session: u64,
    pub(super) process_rows: ProcessRows,
    pub(super) objects: Objects,
    /// Object rows that have memory in the table file.
    pub(super) rows_reserved: u32,
    pub(super) memory: Memory,
    pub(super) cells: Cells,
    pub(super) slots: Slots,
    /// Requests that wait for pages, in order.
    pub(super) allocations: BTreeMap<u64, Allocation>,
    pub(super) next_allocation: u64,
    pub(super) last_allocation: Moment,
    pub(super) groomer: Groomer,
    pub(super) workers: Workers,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// Jobs whose requests have no answer yet.
    pub(super) live_jobs: u32,
    pub(super) next_job: u64,
    pub(super) next_task: u64,
    pub(super) queue: Queue,
    pub(super) rates: Rates,
    pub(super) timers: Timers,
    /// What effects were asked that answer by an event, in order.
    pub(super) asked: VecDeque<Asked>,
    pub(super) counters: Counters,
    pub(super) by_uid: BTreeMap<u32, Charge>,
    /// Processes of before a restart that have not told what they look at, nor ended.
    pub(super) blind: u32,
    /// Objects that are dead but for what those may look at.
    pub(super) held: BTreeSet<u32>,
    pub(super) phase: Phase,
    /// Whether a client has ever connected.
    pub(super) had_client: bool,
    pub(super) was_ready: bool,
}

/// A peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conn {
    pub(super) peer: Peer,
    pub(super) role: ConnRole,
}

/// What a peer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ConnRole {
    /// Has not said hello, which is due then.
    Greeting {
        due: Moment,
    },
    Client(SessionId),
    Worker(SlotId),
    Groomer,
    /// A worker or groomer of before a restart.
    Leftover(SessionId),
}

/// A question to the loop.
#[derive(Debug)]
pub(super) enum Asked {
    /// A slot's sweep, for its dead worker.
    WorkerSweep(SlotId),
    /// A slot's sweep, for its dead session or leftover process.
    SessionSweep(SessionId),
    /// Cells, for a request.
    Locks { session: SessionId, request: u64 },
    /// Cells, for a request.
    Stats { session: SessionId, request: u64 },
    /// Cells, for a request.
    Poisoned {
        session: SessionId,
        request: u64,
        object: ObjectId,
    },
    /// Locked cells, for the seal of a shared object.
    Locked {
        session: SessionId,
        request: u64,
        object: ObjectId,
    },
    /// Rows, for a new object.
    Rows {
        session: SessionId,
        request: u64,
        create: Box<Create>,
    },
}

/// Whether new work is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Serving,
    /// Runs what there is, until then.
    Draining {
        until: Moment,
    },
    /// Waits for its children to end, until then.
    Ending {
        until: Moment,
        reason: ExitReason,
    },
    /// Has said `Exit`.
    Over,
}

impl Supervisor {
    /// Takes in one event and appends what is to be done.
    pub fn handle(&mut self, now: Moment, event: Event, effects: &mut Vec<Effect>) {
        if self.phase == Phase::Over {
            return;
        }
        self.now = self.now.max(now);
        std::mem::swap(&mut self.out, effects);
        self.route(event);
        std::mem::swap(&mut self.out, effects);
        if self.phase == Phase::Over {
            let is_exit = |effect: &Effect| matches!(effect, Effect::Exit(_));
            let end = effects
                .iter()
                .position(is_exit)
                .map_or(effects.len(), |exit| exit + 1);
            effects.truncate(end);
        }
    }

    /// When [`Event::Tick`] is due, unless something else happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        [self.timers.next(), self.release_due()]
            .into_iter()
            .flatten()
            .min()
    }

    fn route(&mut self, event: Event) {
        match event {
            Event::Connected { conn, peer } => self.connected(conn, peer),
            Event::Message { conn, message } => self.message(conn, message),
            Event::BadFrame { conn, detail } => self.violation(conn, detail),
            Event::Closed { conn } => self.closed(conn),
            Event::Gone { conn, cause } => self.gone(conn, cause),
            Event::LifelineEnded { conn } => self.lifeline_ended(conn),
            Event::Spawned { child, conn, peer } => self.spawned(child, conn, peer),
            Event::SpawnFailed { child, detail } => self.spawn_failed(child, detail),
            Event::RowsReserved { rows } => self.rows_reserved(rows),
            Event::Swept(swept) => self.swept(swept),
            Event::CellsSeen(cells) => self.cells_seen(&cells),
            Event::LockedBy { missing } => self.locked_by(missing),
            Event::Tick => self.tick(),
            Event::Drain => self.drain(),
            Event::Reload(policy) => self.reload(*policy),
            Event::Damaged => self.damaged(),
        }
    }

    fn tick(&mut self) {
        while let Some(timer) = self.timers.pop(self.now) {
            self.fire(timer);
        }
        if self.release_due().is_some_and(|due| due <= self.now) {
            self.groom();
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Hello(conn) => self.violation(conn, "no hello in time".to_owned()),
            Timer::Start(Child::Worker(slot)) => self.worker_start_timed_out(slot),
            Timer::Start(Child::Groomer) => self.groomer_start_timed_out(),
            Timer::Respawn(Child::Worker(_)) => self.staff(),
            Timer::Respawn(Child::Groomer) => self.start_groomer(),
            Timer::Job(job) => self.job_deadline(job),
            Timer::Allocation(allocation) => self.allocation_timed_out(allocation),
            Timer::Overrun(slot) => self.worker_overran(slot),
            Timer::Groom => self.groom_again(),
            Timer::Drain => self.drain_timed_out(),
            Timer::End => self.end_timed_out(),
        }
    }

    fn reload(&mut self, policy: Policy) {
        self.policy = policy;
        self.note(Note::Reloaded);
        self.staff();
        self.groom();
        self.dispatch();
    }

    fn damaged(&mut self) {
        self.tell_all(Notice::Damaged);
        self.exit(ExitReason::Damaged);
    }

    pub(super) fn exit(&mut self, reason: ExitReason) {
        self.out.push(Effect::Exit(reason));
        self.phase = Phase::Over;
    }

    pub(super) fn note(&mut self, note: Note) {
        self.out.push(Effect::Note(note));
    }

    pub(super) fn send(&mut self, conn: ConnId, message: FromSupervisor) {
        self.out.push(Effect::Send { conn, message });
    }

    /// Answers a request, if its session is still there to hear it and wanted an answer.
    pub(super) fn reply(
        &mut self,
        session: SessionId,
        request: u64,
        result: Result<Reply, Failure>,
    ) {
        if request == 0 {
            return;
        }
        if let Some(session) = self.sessions.get(&session)
            && session.is_open
        {
            let conn = session.conn;
            let message = FromSupervisor::Reply {
                id: request,
                result,
            };
            self.send(conn, message);
        }
    }

    pub(super) fn tell_all(&mut self, notice: Notice) {
        let open = self.sessions.values().filter(|session| session.is_open);
        let conns: Vec<ConnId> = open.map(|session| session.conn).collect();
        for conn in conns {
            self.send(conn, FromSupervisor::Notice(notice.clone()));
        }
    }

    pub(super) fn take_session_id(&mut self) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        id
    }
}
