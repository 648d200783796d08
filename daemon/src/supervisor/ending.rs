//! The ends of a session: its socket, its process, its lifeline.
//!
//! | end | what goes with it |
//! |---|---|
//! | closed | queued work and replies; names that are reserved, not sealed. What it was filling lingers, charged |
//! | gone, and its slot swept | windows, slot, the claim on what it was filling; unnamed objects lose their place in the arena |
//! | gone and lifeline ended | pins, and with them whatever nobody else looks at |
//!
//! A session that closed, whose lifeline ended and that holds nothing is forgotten even while its process lives.

use arena_core::protocol::ObjectState;
use arena_core::{SessionId, SlotId};

use super::effect::{Effect, ExitReason, Note};
use super::event::{ConnId, Swept};
use super::machine::{Asked, Conn, ConnRole, Phase, Supervisor};
use super::records::Role;
use super::session::Deferred;
use super::timers::Timer;

impl Supervisor {
    pub(super) fn closed(&mut self, conn: ConnId) {
        let Some(&Conn { role, .. }) = self.conns.get(&conn) else {
            return;
        };
        match role {
            ConnRole::Greeting { due } => {
                self.timers.clear(due, Timer::Hello(conn));
                self.conns.remove(&conn);
                self.exit_without_clients();
            }
            ConnRole::Client(session) => {
                if self
                    .sessions
                    .get(&session)
                    .is_some_and(|session| session.conn == conn)
                {
                    self.close_session(session);
                }
            }
            ConnRole::Worker(slot) => self.end_worker(slot, "its socket closed".to_owned()),
            ConnRole::Groomer => self.end_groomer("its socket closed".to_owned()),
            ConnRole::Leftover(_) => {}
        }
    }

    /// The first end. Does nothing for a session that is closed.
    pub(super) fn close_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.is_open) else {
            return;
        };
        session.is_open = false;
        let pid = session.peer.pid;
        let in_flight = std::mem::take(&mut session.in_flight);
        let made: Vec<u32> = session.made.iter().copied().collect();
        self.note(Note::SessionClosed { session: id, pid });
        for (_, deferred) in in_flight {
            match deferred {
                Deferred::Allocation(allocation) => drop(self.drop_allocation(allocation)),
                Deferred::Job(job) => self.abandon_job(job),
            }
        }
        for index in made {
            self.linger(index);
        }
        self.dispatch();
        self.retire_if_over(id);
        self.exit_without_clients();
    }

    /// What a closed session was filling: nobody can seal it, its windows may still be written.
    pub(super) fn linger(&mut self, index: u32) {
        let is_filling =
            |object: &super::objects::Object| object.record.state == ObjectState::Filling;
        if !self.objects.at(index).is_some_and(is_filling) {
            return;
        }
        self.objects.free_name(index);
        self.objects
            .change(index, |record| record.state = ObjectState::Lingering);
        self.write_object(index);
    }

    pub(super) fn gone(&mut self, conn: ConnId, cause: Option<String>) {
        let Some(&Conn { role, .. }) = self.conns.get(&conn) else {
            return;
        };
        match role {
            ConnRole::Greeting { .. } => self.closed(conn),
            ConnRole::Client(session) => self.session_gone(session),
            ConnRole::Worker(slot) => self.worker_gone(slot, conn, cause),
            ConnRole::Groomer => self.groomer_gone(conn, cause),
            ConnRole::Leftover(session) => self.session_gone(session),
        }
    }

    /// The death certificate of a client, or of a worker or groomer of before a restart.
    pub(super) fn session_gone(&mut self, id: SessionId) {
        self.close_session(id);
        let Some(session) = self.sessions.get(&id).filter(|session| !session.is_gone) else {
            return;
        };
        match session.slot {
            Some(slot) => self.sweep(slot, Asked::SessionSweep(id)),
            None => self.bury_session(id),
        }
    }

    pub(super) fn sweep(&mut self, slot: SlotId, asked: Asked) {
        self.counters.sweeps += 1;
        let cells = self.cells.in_use();
        self.asked.push_back(asked);
        self.out.push(Effect::Sweep { slot, cells });
    }

    pub(super) fn swept(&mut self, swept: Swept) {
        let Some(asked) = self.asked.pop_front() else {
            return;
        };
        self.note_sweep(&swept);
        match asked {
            Asked::WorkerSweep(slot) => self.worker_swept(slot, &swept),
            Asked::SessionSweep(session) => self.bury_session(session),
            other => self.asked.push_front(other),
        }
    }

    fn note_sweep(&mut self, swept: &Swept) {
        self.counters.stripes_poisoned += swept.poisoned.len() as u64;
        self.counters.corrupt_cells += swept.corrupt.len() as u64;
        if !swept.poisoned.is_empty() {
            self.note(Note::Poisoned {
                slot: swept.slot,
                cells: swept.poisoned.clone(),
            });
        }
        if !swept.corrupt.is_empty() {
            self.note(Note::CorruptCells {
                cells: swept.corrupt.clone(),
            });
        }
    }

    /// The second end: the process can write no more, and its slot is swept.
    fn bury_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.is_gone = true;
        let (pid, role, returned_bytes) = (session.peer.pid, session.role, session.bytes);
        let windows = std::mem::take(&mut session.windows);
        let made: Vec<u32> = session.made.iter().copied().collect();
        if let Some(slot) = session.slot.take() {
            // The row forgets the slot before anyone else gets it: a restart must not sweep its next holder.
            let record = session.process_record();
            self.out.push(Effect::WriteProcess(record));
            self.slots.give_back(slot);
        }
        self.counters.sessions_gone += 1;
        self.note(Note::SessionGone {
            session: id,
            pid,
            returned_bytes,
        });
        for index in windows {
            self.close_window_at(index);
        }
        for index in made {
            self.orphan(index);
        }
        if role == Role::Groomer {
            self.groomer_leftover_gone();
        }
        self.retire_if_over(id);
        self.staff();
        self.exit_without_clients();
    }

    /// An object whose maker is gone.
    pub(super) fn orphan(&mut self, index: u32) {
        let Some(object) = self.objects.at_mut(index) else {
            return;
        };
        object.is_orphan = true;
        match object.record.state {
            ObjectState::Filling => self.give_up(index),
            ObjectState::Sealed | ObjectState::Shared if object.record.name.is_none() => {
                self.unpublish(index);
            }
            ObjectState::Sealed | ObjectState::Shared => {}
            ObjectState::Removed | ObjectState::Lingering => {
                self.free_if_dead(index);
            }
        }
    }

    pub(super) fn lifeline_ended(&mut self, conn: ConnId) {
        let Some(&Conn {
            role: ConnRole::Client(id) | ConnRole::Leftover(id),
            ..
        }) = self.conns.get(&conn)
        else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.has_lifeline = false;
            self.retire_if_over(id);
            self.exit_without_clients();
        }
    }

    /// The third end.
    pub(super) fn retire_if_over(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if session.is_open || session.has_lifeline {
            return;
        }
        if !session.is_gone && !self.holds_nothing(id) {
            return;
        }
        if let Some(session) = self.sessions.remove(&id) {
            for &index in session.pins.keys() {
                self.objects.unpin(index);
                self.free_if_dead(index);
            }
            if session.is_blind {
                self.one_blind_less();
            }
            self.out.push(Effect::ClearProcess {
                row: session.row,
                session: id,
            });
            self.process_rows.give_back(session.row);
            self.conns.retain(|_, conn| {
                conn.role != ConnRole::Client(id) && conn.role != ConnRole::Leftover(id)
            });
        }
    }

    /// Whether a closed session of a living process has nothing that its process could still use.
    fn holds_nothing(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|session| {
            let outlives = |index: &u32| match self.objects.at(*index) {
                Some(object) if object.is_published() => object.record.name.is_some(),
                Some(object) => object.record.state == ObjectState::Removed,
                None => true,
            };
            !session.is_blind
                && session.slot.is_none()
                && session.pins.is_empty()
                && session.windows.is_empty()
                && session.made.iter().all(outlives)
        })
    }

    /// One process of before a restart has told what it looks at, or is over.
    pub(super) fn one_blind_less(&mut self) {
        self.blind -= 1;
        if self.blind == 0 {
            for index in std::mem::take(&mut self.held) {
                self.free_if_dead(index);
            }
        }
    }

    /// A private arena ends with its last client.
    pub(super) fn exit_without_clients(&mut self) {
        let is_over = self.identity.embedded
            && self.had_client
            && self.phase != Phase::Over
            && !self
                .conns
                .values()
                .any(|conn| matches!(conn.role, ConnRole::Greeting { .. }))
            && self
                .sessions
                .values()
                .all(|session| !session.is_open && !session.has_lifeline);
        if is_over {
            self.exit(ExitReason::LastClientGone);
        }
    }
}
