//! Taking connections in: bounded per turn, and only while there are descriptors for them. Who is not taken in waits in the
//! backlog, at no cost, until somebody else has left.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::listener::Listener;

/// Connections accepted in one turn; the rest waits for the sessions there are.
const ACCEPTS_PER_TURN: usize = 64;

/// Descriptors that one peer takes at most: socket, process and lifeline, and for a moment those of its welcome.
const DESCRIPTORS_PER_PEER: u64 = 6;

/// Descriptors for everything else.
const DESCRIPTORS_APART: u64 = 64;

/// How long nothing is accepted after the system has run out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// A listening socket, and whether connections may wait there. The poll tells only of new ones.
#[derive(Debug)]
pub(super) struct Acceptor {
    pub(super) listener: Listener,
    may_wait: bool,
    paused_until: Option<Instant>,
    peers_max: usize,
    is_full: bool,
}

impl Acceptor {
    /// `descriptors_max` is what this process may have open.
    pub(super) fn new(listener: Listener, descriptors_max: u64) -> Self {
        let peers = descriptors_max.saturating_sub(DESCRIPTORS_APART) / DESCRIPTORS_PER_PEER;
        Self {
            listener,
            may_wait: false,
            paused_until: None,
            peers_max: usize::try_from(peers).unwrap_or(usize::MAX),
            is_full: false,
        }
    }

    /// New connections have come.
    pub(super) fn notice(&mut self) {
        self.may_wait = true;
    }

    /// The moment from which connections that may wait can be taken in. Where as many peers are there as can be, the next turn
    /// after one has left will do.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        (self.may_wait && !self.is_full).then(|| self.paused_until.unwrap_or(now))
    }

    /// The connections for this turn, when `peers` are there already.
    pub(super) fn take(&mut self, now: Instant, peers: usize) -> Vec<OwnedFd> {
        let mut sockets = Vec::new();
        let room = self.room(peers);
        if self.due(now).is_none_or(|due| due > now) {
            return sockets;
        }
        let was_paused = self.paused_until.take().is_some();
        while sockets.len() < room {
            match self.listener.accept() {
                Ok(socket) => sockets.push(socket),
                Err(Errno::AGAIN) => {
                    self.may_wait = false;
                    break;
                }
                // The peer has given up, or a signal came.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => {
                    if !was_paused {
                        tracing::error!(%error, "connections can't be accepted for now");
                    }
                    self.paused_until = Some(now + PAUSE);
                    break;
                }
            }
        }
        sockets
    }

    fn room(&mut self, peers: usize) -> usize {
        let room = self.peers_max.saturating_sub(peers);
        let is_full = room == 0;
        if is_full && self.may_wait && !self.is_full {
            tracing::warn!(
                peers,
                "connections wait because the limit of open descriptors allows no more (raise it with ulimit -n)"
            );
        }
        self.is_full = is_full;
        room.min(ACCEPTS_PER_TURN)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn acceptor(dir: &tempfile::TempDir, peers_max: u64) -> Acceptor {
        let listener = Listener::at_path(&dir.path().join("arenad.sock")).unwrap();
        Acceptor::new(
            listener,
            DESCRIPTORS_APART + peers_max * DESCRIPTORS_PER_PEER,
        )
    }

    fn connect(dir: &tempfile::TempDir, count: usize) -> Vec<UnixStream> {
        let path = dir.path().join("arenad.sock");
        (0..count)
            .map(|_| UnixStream::connect(&path).unwrap())
            .collect()
    }

    #[test]
    fn a_turn_takes_a_bounded_number() {
        let dir = tempfile::tempdir().unwrap();
        let mut acceptor = acceptor(&dir, 1000);
        let _peers = connect(&dir, ACCEPTS_PER_TURN + 1);
        let now = Instant::now();
        assert!(acceptor.take(now, 0).is_empty());
        acceptor.notice();
        assert_eq!(acceptor.take(now, 0).len(), ACCEPTS_PER_TURN);
        assert_eq!(acceptor.due(now), Some(now));
        assert_eq!(acceptor.take(now, ACCEPTS_PER_TURN).len(), 1);
        assert_eq!(acceptor.due(now), None);
    }

    #[test]
    fn who_finds_no_room_waits_for_somebody_to_leave() {
        let dir = tempfile::tempdir().unwrap();
        let mut acceptor = acceptor(&dir, 2);
        let _peers = connect(&dir, 3);
        let now = Instant::now();
        acceptor.notice();
        assert_eq!(acceptor.take(now, 0).len(), 2);
        assert!(acceptor.take(now, 2).is_empty());
        assert_eq!(acceptor.due(now), None);
        assert_eq!(acceptor.take(now, 1).len(), 1);
    }
}
