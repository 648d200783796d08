//! Bytes between peers and the supervisor: receiving, sending, and ending connections.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use arena_core::protocol::{Failure, FrameError, FromSupervisor, Welcome};

use super::connection::{Connection, Phase, Received};
use super::event_loop::EventLoop;
use super::outbound::Flushed;
use crate::supervisor::{ConnId, Event};

/// Reads from one peer in one turn; a peer that has sent more waits for the others.
const READS_PER_TURN: usize = 8;

/// How long a peer that the supervisor has done with may take to read its last messages.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// A peer's output is written within the turn when it has grown to this.
const EARLY_FLUSH_BYTES: usize = 64 << 10;

/// What is told of bytes that are no frame, which may be as long as a frame.
const DETAIL_CHARS_MAX: usize = 200;

impl EventLoop<'_> {
    /// The peer has closed its end, maybe in the same moment as it sent something: it is read to the end.
    pub(super) fn mark_ending(&mut self, conn: ConnId) {
        if let Some(connection) = self.links.connection(conn) {
            connection.is_ending = true;
        }
    }

    /// Reads what a peer has sent, up to a bound, and hands in its messages.
    pub(super) fn receive(&mut self, conn: ConnId) {
        for _ in 0..READS_PER_TURN {
            let Some(connection) = self.links.connection(conn) else {
                return;
            };
            let received = connection.receive(&mut self.scratch);
            match received {
                Ok(Received::More) => self.take_messages(conn),
                Ok(Received::Drained) => return self.take_messages(conn),
                Ok(Received::Descriptors) => {
                    return self.violated(conn, "descriptors came along, which no message has");
                }
                Ok(Received::End) | Err(_) => return self.ended(conn),
            }
        }
        if let Some(connection) = self.links.connection(conn)
            && !connection.is_unread
        {
            connection.is_unread = true;
            self.unread.push(conn);
        }
    }

    /// Goes on with the peers whose turn was over before they had been read.
    pub(super) fn receive_rest(&mut self) {
        for conn in std::mem::take(&mut self.unread) {
            if let Some(connection) = self.links.connection(conn) {
                connection.is_unread = false;
                self.receive(conn);
            }
        }
    }

    fn take_messages(&mut self, conn: ConnId) {
        while let Some(connection) = self.links.connection(conn) {
            match connection.next_message() {
                Ok(Some(message)) => self.handle(Event::Message { conn, message }),
                Ok(None) => return,
                Err(error) => return self.violated(conn, &error.to_string()),
            }
        }
    }

    /// The peer broke the protocol: the supervisor says so, and the connection is closed.
    fn violated(&mut self, conn: ConnId, detail: &str) {
        let detail = detail.chars().take(DETAIL_CHARS_MAX).collect();
        self.handle(Event::BadFrame { conn, detail });
        self.close(conn);
    }

    /// The peer has closed its end.
    fn ended(&mut self, conn: ConnId) {
        let was_open = self
            .links
            .connection(conn)
            .is_some_and(|connection| connection.phase == Phase::Open);
        self.links.close_socket(conn);
        if was_open {
            self.handle(Event::Closed { conn });
        }
        self.links.drop_if_done(conn);
    }

    /// Queues a message. It is written at the end of the turn, with all others to this peer.
    pub(super) fn send(&mut self, conn: ConnId, message: &FromSupervisor) {
        if let FromSupervisor::Welcome(welcome) = message
            && let Err(error) = self.attach_descriptors(conn, welcome)
        {
            let session = welcome.session.0;
            tracing::error!(%error, session, "a session's descriptors can't be made");
            let detail = format!("the session's descriptors can't be made: {error}");
            self.dismiss(conn, Failure::System { detail });
            // Nobody was given it.
            return self.answers.push_back(Event::LifelineEnded { conn });
        }
        let Some(connection) = self.links.connection(conn) else {
            return;
        };
        if connection.phase == Phase::Closing {
            return;
        }
        match connection.outbound.push(message) {
            Ok(()) => {}
            Err(FrameError::TooLong { len }) => replace_reply(connection, message, len),
            Err(error) => tracing::error!(%error, "a message can't be encoded"),
        }
        let queued_bytes = connection.outbound.len();
        self.mark_dirty(conn);
        if queued_bytes > EARLY_FLUSH_BYTES {
            self.bound_output(conn);
        }
    }

    fn attach_descriptors(&mut self, conn: ConnId, welcome: &Welcome) -> io::Result<()> {
        let session = welcome.session;
        let (descriptors, lifeline) = self.arena.descriptors(session, &welcome.descriptors)?;
        self.links.name_session(conn, session);
        if let Some(lifeline) = lifeline {
            self.links.hold_lifeline(conn, lifeline)?;
        }
        if let Some(connection) = self.links.connection(conn) {
            connection.outbound.attach(descriptors);
        }
        Ok(())
    }

    /// Writes long output early, and ends a peer that does not read it.
    fn bound_output(&mut self, conn: ConnId) {
        self.flush(conn);
        let unread_max = self.unread_max;
        let unread_bytes = self
            .links
            .connection(conn)
            .map_or(0, |connection| connection.outbound.len());
        if unread_bytes > unread_max {
            let pid = self.links.get(conn).map(|link| link.pid);
            tracing::warn!(
                pid,
                unread_bytes,
                "a session does not read what it is sent and is ended"
            );
            let bound = "sessions.unread_max, bytes left unread by this session".to_owned();
            let limit = unread_max as u64;
            self.dismiss(conn, Failure::Busy { bound, limit });
        }
    }

    /// Ends a connection on the loop's own account, in favour of one last message.
    fn dismiss(&mut self, conn: ConnId, failure: Failure) {
        if let Some(connection) = self.links.connection(conn)
            && connection.phase == Phase::Open
        {
            connection.outbound.cut();
            // A refusal is short enough for a frame.
            let _ = connection.outbound.push(&FromSupervisor::Refused(failure));
            self.close(conn);
            self.answers.push_back(Event::Closed { conn });
        }
    }

    /// Takes no more messages from a peer, and closes its socket when its output is written or its time is up.
    pub(super) fn close(&mut self, conn: ConnId) {
        if let Some(connection) = self.links.connection(conn)
            && connection.phase == Phase::Open
        {
            connection.phase = Phase::Closing;
            self.closing.push_back((Instant::now() + CLOSE_GRACE, conn));
            self.mark_dirty(conn);
        }
    }

    pub(super) fn cut_off_overdue(&mut self, now: Instant) {
        while let Some(&(due, conn)) = self.closing.front()
            && due <= now
        {
            self.closing.pop_front();
            self.links.close_socket(conn);
        }
    }

    /// Has the peer's output written at the end of the turn.
    pub(super) fn mark_dirty(&mut self, conn: ConnId) {
        if let Some(connection) = self.links.connection(conn)
            && !connection.is_dirty
        {
            connection.is_dirty = true;
            self.dirty.push(conn);
        }
    }

    /// Writes all output of the turn.
    pub(super) fn finish_turn(&mut self) {
        while let Some(conn) = self.dirty.pop() {
            if let Some(connection) = self.links.connection(conn) {
                connection.is_dirty = false;
                self.flush(conn);
            }
        }
    }

    fn flush(&mut self, conn: ConnId) {
        let Some(connection) = self.links.connection(conn) else {
            return;
        };
        let awaits_space = match connection.flush() {
            Ok(Flushed::All) if connection.phase == Phase::Closing => {
                return self.links.close_socket(conn);
            }
            Ok(flushed) => flushed == Flushed::Blocked,
            // The peer is gone, which reading tells too, behind what it has sent before.
            Err(_) => return connection.outbound.cut(),
        };
        if let Err(error) = self.links.await_space(conn, awaits_space) {
            self.fail(error);
        }
    }
}

/// Tells a peer that can't be taken in why, as far as that goes without waiting.
pub(super) fn turn_away(socket: OwnedFd, error: &io::Error) {
    let mut connection = Connection::new(socket);
    let detail = format!("the connection can't be taken in: {error}");
    let refusal = FromSupervisor::Refused(Failure::System { detail });
    if connection.outbound.push(&refusal).is_ok() {
        // A peer that is gone needs no reason.
        let _ = connection.flush();
    }
}

/// A reply that is no frame is answered by its failure, so that nobody waits for it.
fn replace_reply(connection: &mut Connection, message: &FromSupervisor, len: usize) {
    tracing::error!(len, "a reply is longer than a frame");
    if let FromSupervisor::Reply { id, .. } = message {
        let detail = format!("the reply has more bytes than a frame may have: {len}");
        let reply = FromSupervisor::Reply {
            id: *id,
            result: Err(Failure::System { detail }),
        };
        // A short text is a frame.
        let _ = connection.outbound.push(&reply);
    }
}
