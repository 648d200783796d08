//! All that the event loop holds for one peer, from its connection until nothing of it is left.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use arena_core::SessionId;
use arena_core::lifeline::{Grip, Lifeline};
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::connection::Connection;
use super::token::{FIRST_CONN, Source};
use crate::supervisor::ConnId;

/// Whose process a peer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kin {
    /// Connected by itself.
    Stranger,
    /// Started by this supervisor, so reaped here.
    Child,
    /// Left from before a restart.
    Survivor,
}

/// What there is of a peer.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) kin: Kin,
    pub(super) pid: u32,
    pub(super) connection: Option<Connection>,
    pub(super) pidfd: Option<OwnedFd>,
    pub(super) lifeline: Option<Lifeline>,
    /// Set while the process table has a row for the peer, which its pidfd and lifeline are kept for.
    pub(super) session: Option<SessionId>,
}

/// The peers by their conns.
#[derive(Debug)]
pub(super) struct Links {
    registry: Registry,
    links: HashMap<ConnId, Link>,
    next: u64,
}

impl Links {
    pub(super) fn new(registry: Registry) -> Self {
        Self {
            registry,
            links: HashMap::new(),
            next: FIRST_CONN,
        }
    }

    /// Takes in a peer and watches its socket and its process.
    ///
    /// # Errors
    /// What the system says; the peer's descriptors are closed then.
    pub(super) fn add(
        &mut self,
        kin: Kin,
        pid: u32,
        socket: Option<OwnedFd>,
        pidfd: Option<OwnedFd>,
    ) -> io::Result<ConnId> {
        let conn = ConnId(self.next);
        let connection = socket.map(Connection::new);
        if let Some(connection) = &connection {
            self.watch(connection, Source::Socket(conn))?;
        }
        if let Some(pidfd) = &pidfd {
            self.watch(pidfd, Source::Process(conn))?;
        }
        self.next += 1;
        let link = Link {
            kin,
            pid,
            connection,
            pidfd,
            lifeline: None,
            session: None,
        };
        self.links.insert(conn, link);
        Ok(conn)
    }

    /// How many peers there are.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    pub(super) fn get(&self, conn: ConnId) -> Option<&Link> {
        self.links.get(&conn)
    }

    pub(super) fn connection(&mut self, conn: ConnId) -> Option<&mut Connection> {
        self.links.get_mut(&conn)?.connection.as_mut()
    }

    fn watch(&self, fd: &impl AsFd, source: Source) -> io::Result<()> {
        let fd = fd.as_fd().as_raw_fd();
        self.registry
            .register(&mut SourceFd(&fd), source.into(), Interest::READABLE)
    }

    fn unwatch(&self, fd: &impl AsFd) {
        let fd = fd.as_fd().as_raw_fd();
        // Closing the descriptor would do, but for a child that is being started and has a copy of it for a moment.
        let _ = self.registry.deregister(&mut SourceFd(&fd));
    }

    /// Has the loop told, or no longer told, when the socket takes more output.
    pub(super) fn await_space(&mut self, conn: ConnId, awaits: bool) -> io::Result<()> {
        let Some(connection) = self
            .links
            .get_mut(&conn)
            .and_then(|link| link.connection.as_mut())
        else {
            return Ok(());
        };
        if connection.awaits_space == awaits {
            return Ok(());
        }
        connection.awaits_space = awaits;
        let interest = if awaits {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        let fd = connection.raw_fd();
        self.registry
            .reregister(&mut SourceFd(&fd), Source::Socket(conn).into(), interest)
    }

    /// Remembers which session a peer is.
    pub(super) fn name_session(&mut self, conn: ConnId, session: SessionId) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.session = Some(session);
        }
    }

    /// Keeps the supervisor's end of a session's lifeline.
    pub(super) fn hold_lifeline(&mut self, conn: ConnId, lifeline: Lifeline) -> io::Result<()> {
        self.watch(&lifeline, Source::Lifeline(conn))?;
        if let Some(link) = self.links.get_mut(&conn) {
            link.lifeline = Some(lifeline);
        }
        Ok(())
    }

    /// Closes the socket. What else there is of the peer stays as long as its session is recorded, or until a child was reaped.
    pub(super) fn close_socket(&mut self, conn: ConnId) {
        let Some(link) = self.links.get_mut(&conn) else {
            return;
        };
        if let Some(connection) = link.connection.take() {
            self.unwatch(&connection);
        }
        self.drop_if_done(conn);
    }

    /// The process has ended: reaps a child and says what it died of.
    pub(super) fn end_process(&mut self, conn: ConnId) -> Option<String> {
        let link = self.links.get_mut(&conn)?;
        let pidfd = link.pidfd.take()?;
        let cause = (link.kin == Kin::Child).then(|| reap(&pidfd)).flatten();
        self.unwatch(&pidfd);
        cause
    }

    /// Nobody holds the lifeline any more.
    pub(super) fn end_lifeline(&mut self, conn: ConnId) {
        let lifeline = self
            .links
            .get_mut(&conn)
            .and_then(|link| link.lifeline.take());
        if let Some(lifeline) = lifeline {
            self.unwatch(&lifeline);
        }
    }

    /// The supervisor has forgotten the session. A session that came back after a restart has two peers: the one that was
    /// found in the process table and the one that connected.
    pub(super) fn forget_session(&mut self, session: SessionId) {
        let is_of = |link: &Link| link.session == Some(session);
        let conns: Vec<ConnId> = self
            .links
            .iter()
            .filter(|(_, link)| is_of(link))
            .map(|(conn, _)| *conn)
            .collect();
        for conn in conns {
            if let Some(link) = self.links.get_mut(&conn) {
                link.session = None;
            }
            self.end_lifeline(conn);
            self.drop_if_done(conn);
        }
    }

    /// Drops a peer of which the supervisor wants to hear nothing more.
    pub(super) fn drop_if_done(&mut self, conn: ConnId) {
        let is_done = self.links.get(&conn).is_some_and(|link| {
            let is_awaited = link.kin == Kin::Child && link.pidfd.is_some();
            link.connection.is_none() && link.session.is_none() && !is_awaited
        });
        if is_done && let Some(link) = self.links.remove(&conn) {
            if let Some(pidfd) = &link.pidfd {
                self.unwatch(pidfd);
            }
            if let Some(lifeline) = &link.lifeline {
                self.unwatch(lifeline);
            }
        }
    }

    /// Kills a child, or a process of before a restart that was verified.
    pub(super) fn kill(&self, conn: ConnId) -> io::Result<()> {
        let link = self
            .links
            .get(&conn)
            .filter(|link| link.kin != Kin::Stranger);
        match link.and_then(|link| link.pidfd.as_ref()) {
            Some(pidfd) => Ok(pidfd_send_signal(pidfd, Signal::KILL)?),
            None => Ok(()),
        }
    }

    /// Whether nobody holds a peer's lifeline any more. One that can't be asked counts as held.
    pub(super) fn is_lifeline_released(&self, conn: ConnId) -> bool {
        let lifeline = self
            .links
            .get(&conn)
            .and_then(|link| link.lifeline.as_ref());
        lifeline.is_some_and(|lifeline| matches!(lifeline.grip(), Ok(Grip::Released)))
    }
}

/// Takes a dead child's status.
fn reap(pidfd: &OwnedFd) -> Option<String> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let status = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), options));
    let status = status.ok().flatten()?;
    if let Some(code) = status.exit_status() {
        return Some(format!("exit code {code}"));
    }
    let number = status.terminating_signal()?;
    let name = nix::sys::signal::Signal::try_from(number)
        .map_or("unknown", nix::sys::signal::Signal::as_str);
    Some(format!("signal {number} ({name})"))
}
