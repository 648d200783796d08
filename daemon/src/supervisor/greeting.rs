//! From hello to welcome: new sessions, and those of before a restart that come back.

use arena_core::SessionId;
use arena_core::protocol::{
    Descriptor, Failure, FromSupervisor, Hello, ObjectState, PROTOCOL_VERSION, Resume, Welcome,
};

use super::effect::{Effect, Note};
use super::event::{ConnId, Peer};
use super::machine::{Conn, ConnRole, Phase, Supervisor};
use super::objects::Object;
use super::requests::busy;
use super::session::Session;

/// The longest name of a program, in bytes.
const PROGRAM_BYTES_MAX: usize = 64;

impl Supervisor {
    pub(super) fn greet(&mut self, conn: ConnId, peer: Peer, hello: Hello) {
        if let Err(failure) = self.check_hello(&hello) {
            self.refuse(conn, peer, failure);
            return;
        }
        let returning = hello.resume.filter(|resume| self.may_resume(peer, resume));
        let session = match returning {
            Some(resume) => self.resume(conn, &resume, hello.program),
            None => self.open_session(conn, peer, hello.program),
        };
        if let Err(failure) = session {
            self.refuse(conn, peer, failure);
        }
    }

    fn check_hello(&self, hello: &Hello) -> Result<(), Failure> {
        if hello.protocol != PROTOCOL_VERSION {
            return Err(Failure::Refused {
                reason: format!(
                    "this supervisor speaks protocol version {PROTOCOL_VERSION}, the peer {}",
                    hello.protocol
                ),
            });
        }
        if hello.program.len() > PROGRAM_BYTES_MAX {
            return Err(Failure::Protocol {
                detail: format!("a program's name has at most {PROGRAM_BYTES_MAX} bytes"),
            });
        }
        if self.phase != Phase::Serving {
            return Err(Failure::Draining);
        }
        Ok(())
    }

    fn open_session(&mut self, conn: ConnId, peer: Peer, program: String) -> Result<(), Failure> {
        let limit = self.sessions_limit();
        if self.sessions.len() >= limit as usize {
            return Err(busy("sessions", u64::from(limit)));
        }
        let row = self.process_rows.take();
        let row = row.ok_or_else(|| busy("sessions", u64::from(limit)))?;
        let id = self.take_session_id();
        let mut session = Session::new(id, conn, peer, row, self.now);
        session.program = program;
        self.out
            .push(Effect::WriteProcess(session.process_record()));
        self.sessions.insert(id, session);
        let descriptors = vec![Descriptor::Data, Descriptor::Locks, Descriptor::Lifeline];
        self.admit(id, descriptors, false);
        Ok(())
    }

    /// Sessions that there may be: each has a row of the process table, and the children need theirs.
    fn sessions_limit(&self) -> u32 {
        let children = self.worker_slots_wanted() + 1;
        let rows = self.identity.geometry.process_rows.saturating_sub(children);
        self.policy.sessions_max.min(rows)
    }

    /// Whether this process is the one whose session of before the restart it names.
    fn may_resume(&self, peer: Peer, resume: &Resume) -> bool {
        resume.arena == self.identity.arena.id
            && self.sessions.get(&resume.session).is_some_and(|session| {
                session.is_blind && !session.is_gone && !session.is_open && session.peer == peer
            })
    }

    /// The session goes on: it keeps its slot, its row and its lifeline, and tells what it looks at.
    fn resume(&mut self, conn: ConnId, resume: &Resume, program: String) -> Result<(), Failure> {
        let limit = self.policy.pins_per_session_max;
        if resume.pins.len() > limit as usize || resume.windows.len() > limit as usize {
            return Err(Failure::Busy {
                bound: "pins per session".to_owned(),
                limit: u64::from(limit),
            });
        }
        let Some(session) = self.sessions.get_mut(&resume.session) else {
            return Ok(());
        };
        session.conn = conn;
        session.is_open = true;
        session.is_blind = false;
        session.program = program;
        for id in &resume.pins {
            if self.objects.get(*id).is_some() {
                self.pin(resume.session, id.index);
            }
        }
        for id in &resume.windows {
            if self
                .objects
                .get(*id)
                .is_some_and(|object| object.record.stripes.is_some())
            {
                self.open_window_at(resume.session, id.index);
            }
        }
        self.one_blind_less();
        self.drop_untold(resume.session);
        self.admit(resume.session, Vec::new(), true);
        Ok(())
    }

    /// Objects that were granted in the last moment before the restart: their maker never heard of them.
    fn drop_untold(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let is_untold = |index: &&u32| !session.pins.contains_key(*index);
        let untold: Vec<u32> = session.made.iter().filter(is_untold).copied().collect();
        for index in untold {
            let is_filling = |object: &Object| object.record.state == ObjectState::Filling;
            if self.objects.at(index).is_some_and(is_filling) {
                self.give_up(index);
            }
        }
    }

    fn admit(&mut self, id: SessionId, descriptors: Vec<Descriptor>, resumed: bool) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let (conn, peer, program) = (session.conn, session.peer, session.program.clone());
        let role = ConnRole::Client(id);
        self.conns.insert(conn, Conn { peer, role });
        self.counters.sessions_opened += 1;
        self.note(Note::SessionOpened {
            session: id,
            peer,
            program,
            resumed,
        });
        self.welcome(conn, id, descriptors, resumed);
    }

    pub(super) fn welcome(
        &mut self,
        conn: ConnId,
        session: SessionId,
        descriptors: Vec<Descriptor>,
        resumed: bool,
    ) {
        let welcome = Welcome {
            protocol: PROTOCOL_VERSION,
            session,
            resumed,
            supervisor_pid: self.identity.pid,
            workers: self.policy.workers,
            address: self.identity.address.clone(),
            arena: self.identity.arena.clone(),
            descriptors,
        };
        self.send(conn, FromSupervisor::Welcome(Box::new(welcome)));
    }
}
