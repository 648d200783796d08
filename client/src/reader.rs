//! The receiving half of a connection, held by one thread at a time.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use arena_core::protocol::{FrameDecoder, FromSupervisor, decode};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, RecvMsg, recv, recvmsg};

use crate::error::Result;

/// One read takes at most so much; a frame may need several.
const READ_BYTES: usize = 64 << 10;

/// More descriptors than a welcome has; the kernel drops what doesn't fit.
const DESCRIPTORS_MAX: usize = 8;

/// What one read brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Read {
    /// Bytes came.
    Bytes,
    /// Nothing came in time.
    Nothing,
    /// The other side is closed, or the socket is broken.
    End,
}

/// Cuts what comes into messages.
pub(crate) struct Reader {
    decoder: FrameDecoder,
    buffer: Vec<u8>,
    /// What SO_RCVTIMEO is set to: changing it is a system call.
    timeout: Option<Duration>,
}

impl fmt::Debug for Reader {
    /// Without the bytes, which would hide everything else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            decoder: FrameDecoder::default(),
            buffer: vec![0; READ_BYTES],
            timeout: None,
        }
    }

    /// Waits for bytes, about `timeout` at most: a wait may end early, and late by a tenth.
    pub(crate) fn read(&mut self, socket: &OwnedFd, timeout: Duration) -> Read {
        if self.arm(socket, timeout).is_err() {
            return Read::End;
        }
        let outcome = recv(socket, self.buffer.as_mut_slice(), RecvFlags::empty());
        self.take(outcome.map(|(_, len)| len))
    }

    /// Takes what is there.
    pub(crate) fn read_available(&mut self, socket: &OwnedFd) -> Read {
        let outcome = recv(socket, self.buffer.as_mut_slice(), RecvFlags::DONTWAIT);
        self.take(outcome.map(|(_, len)| len))
    }

    /// As [`Reader::read`], with the descriptors that come along.
    pub(crate) fn read_descriptors(
        &mut self,
        socket: &OwnedFd,
        timeout: Duration,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Read {
        if self.arm(socket, timeout).is_err() {
            return Read::End;
        }
        let mut space = [const { std::mem::MaybeUninit::uninit() };
            rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [std::io::IoSliceMut::new(&mut self.buffer)];
        let outcome = recvmsg(
            socket.as_fd(),
            &mut parts,
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        );
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(passed) = message {
                descriptors.extend(passed);
            }
        }
        self.take(outcome.map(|RecvMsg { bytes, .. }| bytes))
    }

    /// The next whole message, or `None` until more bytes have come.
    pub(crate) fn next(&mut self) -> Result<Option<FromSupervisor>> {
        let body = self.decoder.next_body()?;
        Ok(body.map(decode).transpose()?)
    }

    fn take(&mut self, outcome: std::result::Result<usize, Errno>) -> Read {
        match outcome {
            Ok(0) => Read::End,
            Ok(len) => {
                self.decoder.push(&self.buffer[..len]);
                Read::Bytes
            }
            Err(Errno::AGAIN | Errno::INTR) => Read::Nothing,
            Err(_) => Read::End,
        }
    }

    /// Sets the time-out where the one that is set would wake much too late or much too often.
    fn arm(&mut self, socket: &OwnedFd, timeout: Duration) -> rustix::io::Result<()> {
        let timeout = timeout.max(Duration::from_millis(1));
        if let Some(set) = self.timeout
            && set <= timeout + timeout / 10
            && set >= timeout / 4
        {
            return Ok(());
        }
        set_socket_timeout(socket, Timeout::Recv, Some(timeout))?;
        self.timeout = Some(timeout);
        Ok(())
    }
}
