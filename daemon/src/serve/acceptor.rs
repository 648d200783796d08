//! Taking connections in: bounded per turn, and without spinning where descriptors have run out.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::listener::Listener;

/// Connections accepted in one turn; the rest waits for the sessions there are.
const ACCEPTS_PER_TURN: usize = 64;

/// How long nothing is accepted after the process or the system has run out of descriptors or memory. Who waits, waits in the
/// backlog.
const PAUSE: Duration = Duration::from_millis(100);

/// A listening socket, and whether connections may wait there. The poll tells only of new ones.
#[derive(Debug)]
pub(super) struct Acceptor {
    pub(super) listener: Listener,
    may_wait: bool,
    paused_until: Option<Instant>,
}

impl Acceptor {
    pub(super) fn new(listener: Listener) -> Self {
        Self {
            listener,
            may_wait: false,
            paused_until: None,
        }
    }

    /// New connections have come.
    pub(super) fn notice(&mut self) {
        self.may_wait = true;
    }

    /// The moment from which connections that may wait can be taken in.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.may_wait.then(|| self.paused_until.unwrap_or(now))
    }

    /// The connections for this turn.
    pub(super) fn take(&mut self, now: Instant) -> Vec<OwnedFd> {
        let mut sockets = Vec::new();
        if self.due(now).is_none_or(|due| due > now) {
            return sockets;
        }
        self.paused_until = None;
        while sockets.len() < ACCEPTS_PER_TURN {
            match self.listener.accept() {
                Ok(socket) => sockets.push(socket),
                Err(Errno::AGAIN) => {
                    self.may_wait = false;
                    break;
                }
                // The peer has given up, or a signal came.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "connections can't be accepted for now");
                    self.paused_until = Some(now + PAUSE);
                    break;
                }
            }
        }
        sockets
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_turn_takes_a_bounded_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("arenad.sock");
        let mut acceptor = Acceptor::new(Listener::at_path(&path).unwrap());
        let count = ACCEPTS_PER_TURN + 1;
        let peers: Vec<UnixStream> = (0..count)
            .map(|_| UnixStream::connect(&path).unwrap())
            .collect();
        let now = Instant::now();
        assert!(acceptor.take(now).is_empty());
        acceptor.notice();
        assert_eq!(acceptor.take(now).len(), ACCEPTS_PER_TURN);
        assert_eq!(acceptor.due(now), Some(now));
        assert_eq!(acceptor.take(now).len(), peers.len() - ACCEPTS_PER_TURN);
        assert_eq!(acceptor.due(now), None);
    }
}
