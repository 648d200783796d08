//! One peer's socket: bytes in, frames out of them, and back.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use arena_core::protocol::{FrameDecoder, FrameError, ToSupervisor, decode};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, recvmsg};

use super::outbound::{Flushed, Outbound};

/// Bytes of one read. Larger than the usual burst, so that a short read tells that the socket is empty.
pub(super) const READ_BYTES: usize = 64 << 10;

/// What a peer that the supervisor has done with may go on sending while it is given time to read its last messages.
const THROWN_AWAY_BYTES_MAX: usize = 8 << 20;

/// What one read brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Received {
    /// Bytes; more may wait.
    More,
    /// Bytes, and the socket is empty now.
    Drained,
    /// The peer has closed, or sends without end to a supervisor that has done with it.
    End,
    /// The peer sent descriptors. Without a control buffer the kernel closes them instead of giving them to us, and says so.
    Descriptors,
}

/// Whether frames are still taken from a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// They are.
    Open,
    /// What comes is thrown away, and the connection is closed when its output is written.
    Closing,
}

/// The socket of a peer.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    decoder: FrameDecoder,
    pub(super) outbound: Outbound,
    pub(super) phase: Phase,
    /// The event loop hears when the socket takes more.
    pub(super) awaits_space: bool,
    /// It stands in the event loop's list of connections with output.
    pub(super) is_dirty: bool,
    /// The peer has closed its end: behind its last bytes there is the end to read, and nothing more will tell of it.
    pub(super) is_ending: bool,
    /// It stands in the event loop's list of connections that may have sent more than was read.
    pub(super) is_unread: bool,
    thrown_away_bytes: usize,
}

impl Connection {
    /// Takes a nonblocking stream socket.
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            decoder: FrameDecoder::default(),
            outbound: Outbound::default(),
            phase: Phase::Open,
            awaits_space: false,
            is_dirty: false,
            is_ending: false,
            is_unread: false,
            thrown_away_bytes: 0,
        }
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Reads once.
    ///
    /// # Errors
    /// What the system says; the connection is of no use after that.
    pub(super) fn receive(&mut self, scratch: &mut [u8]) -> Result<Received, Errno> {
        let wanted = scratch.len();
        let message = loop {
            let mut parts = [IoSliceMut::new(scratch)];
            let mut control = RecvAncillaryBuffer::default();
            match recvmsg(&self.socket, &mut parts, &mut control, RecvFlags::DONTWAIT) {
                Ok(message) => break message,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Received::Drained),
                Err(error) => return Err(error),
            }
        };
        if message.flags.contains(ReturnFlags::CTRUNC) {
            return Ok(Received::Descriptors);
        }
        match self.phase {
            Phase::Open => self.decoder.push(&scratch[..message.bytes]),
            Phase::Closing => {
                self.thrown_away_bytes += message.bytes;
                if self.thrown_away_bytes > THROWN_AWAY_BYTES_MAX {
                    return Ok(Received::End);
                }
            }
        }
        Ok(match message.bytes {
            0 => Received::End,
            bytes if bytes == wanted || self.is_ending => Received::More,
            _ => Received::Drained,
        })
    }

    /// The next whole message that was received.
    ///
    /// # Errors
    /// [`FrameError`] for bytes that are none; the connection is of no use after that.
    pub(super) fn next_message(&mut self) -> Result<Option<ToSupervisor>, FrameError> {
        if self.phase == Phase::Closing {
            return Ok(None);
        }
        self.decoder.next_body()?.map(decode).transpose()
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    /// What the system says: the peer is gone.
    pub(super) fn flush(&mut self) -> Result<Flushed, Errno> {
        self.outbound.flush(self.socket.as_fd())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
