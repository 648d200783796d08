//! Messages by who sent them. Everything a peer sends is hostile: what is out of role or makes no sense ends its session with
//! the reason.

use arena_core::protocol::{Failure, FromSupervisor, ToSupervisor};

use super::effect::{Effect, Note};
use super::event::{ConnId, Peer};
use super::machine::{Conn, ConnRole, Supervisor};
use super::timers::Timer;

impl Supervisor {
    pub(super) fn connected(&mut self, conn: ConnId, peer: Peer) {
        self.had_client = true;
        if peer.uid != self.identity.uid && peer.uid != 0 {
            let reason = format!(
                "this arena takes sessions of uid {} and root, not of uid {}",
                self.identity.uid, peer.uid
            );
            self.note(Note::SessionRefused {
                peer,
                reason: reason.clone(),
            });
            self.send(conn, FromSupervisor::Refused(Failure::Refused { reason }));
            self.out.push(Effect::Close { conn });
            return;
        }
        let due = self.now.after(self.policy.hello_timeout);
        self.timers.set(due, Timer::Hello(conn));
        let role = ConnRole::Greeting { due };
        self.conns.insert(conn, Conn { peer, role });
    }

    pub(super) fn message(&mut self, conn: ConnId, message: ToSupervisor) {
        let Some(&Conn { role, peer }) = self.conns.get(&conn) else {
            return;
        };
        match (role, message) {
            (ConnRole::Greeting { due }, ToSupervisor::Hello(hello)) => {
                self.timers.clear(due, Timer::Hello(conn));
                self.greet(conn, peer, hello);
            }
            (ConnRole::Client(session), ToSupervisor::Request { id, request }) => {
                let is_current = self
                    .sessions
                    .get(&session)
                    .is_some_and(|session| session.is_open && session.conn == conn);
                if is_current {
                    self.request(session, id, request);
                }
            }
            (ConnRole::Worker(slot), ToSupervisor::Hello(hello)) => {
                self.worker_hello(slot, conn, &hello);
            }
            (ConnRole::Worker(slot), ToSupervisor::Report(report)) => {
                self.report(slot, conn, report);
            }
            (ConnRole::Groomer, ToSupervisor::Hello(hello)) => self.groomer_hello(conn, &hello),
            (ConnRole::Groomer, ToSupervisor::Groomed(groomed)) => self.groomed(conn, groomed),
            (ConnRole::Leftover(_), _) => {}
            (_, message) => {
                let detail = format!("{} is not for this peer to send now", kind_of(&message));
                self.violation(conn, detail);
            }
        }
    }

    /// Ends the connection of a peer that broke the protocol.
    pub(super) fn violation(&mut self, conn: ConnId, detail: String) {
        let Some(&Conn { role, peer }) = self.conns.get(&conn) else {
            return;
        };
        match role {
            ConnRole::Greeting { due } => {
                self.timers.clear(due, Timer::Hello(conn));
                self.refuse(conn, peer, Failure::Protocol { detail });
            }
            ConnRole::Client(session) => {
                let is_current = self
                    .sessions
                    .get(&session)
                    .is_some_and(|session| session.is_open && session.conn == conn);
                if !is_current {
                    return;
                }
                self.note(Note::SessionEnded {
                    session,
                    pid: peer.pid,
                    reason: detail.clone(),
                });
                self.send(conn, FromSupervisor::Refused(Failure::Protocol { detail }));
                self.out.push(Effect::Close { conn });
                self.close_session(session);
            }
            ConnRole::Worker(slot) => self.end_worker(slot, detail),
            ConnRole::Groomer => self.end_groomer(detail),
            ConnRole::Leftover(_) => {}
        }
    }

    /// Turns a peer away that has no session.
    pub(super) fn refuse(&mut self, conn: ConnId, peer: Peer, failure: Failure) {
        self.note(Note::SessionRefused {
            peer,
            reason: failure.to_string(),
        });
        self.send(conn, FromSupervisor::Refused(failure));
        self.out.push(Effect::Close { conn });
        self.conns.remove(&conn);
        self.exit_without_clients();
    }
}

fn kind_of(message: &ToSupervisor) -> &'static str {
    match message {
        ToSupervisor::Hello(_) => "hello",
        ToSupervisor::Request { .. } => "a request",
        ToSupervisor::Report(_) => "a report",
        ToSupervisor::Groomed(_) => "groomed",
    }
}
