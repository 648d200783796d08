//! Who is at the other end of a socket, as the kernel says.
//!
//! The race: a peer's process may end, and its number be given to another one, before anything is asked about it. The kernel's
//! own pidfd of the peer (6.5) closes it; before 6.5 a pidfd is opened by number, and the window stays.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use arena_core::process;
use nix::sys::socket::{getsockopt, sockopt};
use rustix::net::sockopt::socket_peercred;

use crate::supervisor::Peer;

/// A peer and the descriptor that becomes readable when its process is gone; none where it is gone already.
#[derive(Debug)]
pub(super) struct Identified {
    pub(super) peer: Peer,
    pub(super) pidfd: Option<OwnedFd>,
}

/// Asks for the peer of a connected socket.
///
/// # Errors
/// What the system says.
pub(super) fn identify(socket: impl AsFd) -> io::Result<Identified> {
    let credentials = socket_peercred(&socket)?;
    let pid = credentials.pid.as_raw_nonzero().get().unsigned_abs();
    let pidfd = match getsockopt(&socket, sockopt::PeerPidfd) {
        Ok(pidfd) => Some(pidfd),
        // The peer was gone before its number was asked for.
        Err(nix::errno::Errno::ESRCH | nix::errno::Errno::EINVAL) => None,
        Err(_) => process::open_pidfd(pid)?,
    };
    // The pidfd, if there is one, keeps the number from being used for another process meanwhile.
    let start_time = process::identity(pid).map_or(0, |identity| identity.start_time);
    let peer = Peer {
        pid,
        uid: credentials.uid.as_raw(),
        start_time,
    };
    Ok(Identified { peer, pidfd })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_pair_is_its_maker_s() {
        let (one, _other) = UnixStream::pair().unwrap();
        let Identified { peer, pidfd } = identify(&one).unwrap();
        assert_eq!(peer.pid, std::process::id());
        assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
        assert_eq!(
            peer.start_time,
            process::identity(peer.pid).unwrap().start_time
        );
        assert!(!process::has_ended(pidfd.unwrap()).unwrap());
    }
}
