//! The socket to the supervisor: frames in, frames out.
//!
//! A worker reads when it has nothing left to do and writes when its answer is due, so an idle worker costs one system call for a
//! task and one for its report. One read may bring many frames and one write may carry many; the buffers are kept.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use arena_core::protocol::{FrameDecoder, FromSupervisor, ToSupervisor, decode, encode};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recv, recvmsg, send,
};

use crate::worker::error::{Stop, WorkerError};

const READ_BYTES: usize = 64 << 10;

/// More descriptors than any welcome carries.
const DESCRIPTORS_MAX: usize = 8;

/// Both directions of the socket.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
    decoder: FrameDecoder,
    inbound: Vec<u8>,
    outbound: Vec<u8>,
}

impl Channel {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            decoder: FrameDecoder::default(),
            inbound: vec![0; READ_BYTES],
            outbound: Vec::new(),
        }
    }

    /// The next message that has come, or `None` until more is read.
    pub(crate) fn next(&mut self) -> Result<Option<FromSupervisor>, WorkerError> {
        match self.decoder.next_body()? {
            Some(body) => Ok(Some(decode(body)?)),
            None => Ok(None),
        }
    }

    /// Waits for bytes and takes all there are, up to the size of the buffer.
    pub(crate) fn receive(&mut self) -> Result<(), Stop> {
        let received = retry_on_intr(|| {
            recv(
                &self.socket,
                self.inbound.as_mut_slice(),
                RecvFlags::empty(),
            )
        });
        let (len, _) = received.map_err(lost)?;
        self.take(len)
    }

    /// As [`Channel::receive`], with the descriptors that came along.
    pub(crate) fn receive_descriptors(
        &mut self,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Result<(), Stop> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = retry_on_intr(|| {
            let mut bytes = [IoSliceMut::new(&mut self.inbound)];
            recvmsg(
                &self.socket,
                &mut bytes,
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            )
        });
        let len = received.map_err(lost)?.bytes;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        self.take(len)
    }

    fn take(&mut self, len: usize) -> Result<(), Stop> {
        if len == 0 {
            return Err(Stop::Ended);
        }
        self.decoder.push(&self.inbound[..len]);
        Ok(())
    }

    /// Puts a message behind those that [`Channel::send`] will send.
    pub(crate) fn queue(&mut self, message: &ToSupervisor) -> Result<(), WorkerError> {
        Ok(encode(message, &mut self.outbound)?)
    }

    /// Bytes that wait to be sent.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.outbound.len()
    }

    /// Sends what is queued, waiting where the supervisor is slow to read.
    pub(crate) fn send(&mut self) -> Result<(), Stop> {
        let mut sent = 0;
        while sent < self.outbound.len() {
            let rest = &self.outbound[sent..];
            sent +=
                retry_on_intr(|| send(&self.socket, rest, SendFlags::NOSIGNAL)).map_err(lost)?;
        }
        self.outbound.clear();
        Ok(())
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A supervisor that was killed resets the connection or closes it; both are its end.
fn lost(error: Errno) -> Stop {
    match error {
        Errno::PIPE | Errno::CONNRESET => Stop::Ended,
        error => Stop::Failed(WorkerError::Socket(error)),
    }
}
