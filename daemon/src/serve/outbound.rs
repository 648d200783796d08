//! Output that waits for a peer to read.
//!
//! Frames are appended whole and written with as few system calls as the socket takes. Descriptors go with the first byte that is
//! written after they were queued; only the first message of a connection has any. The queue itself is not bounded: its user looks
//! at its length and cuts it, which drops the frames that have not been begun.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use arena_core::protocol::{FrameError, FromSupervisor, encode};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, send, sendmsg};

/// A welcome brings data, locks and lifeline.
const DESCRIPTORS_MAX: usize = 3;

/// A queue that has grown beyond this gives its memory back when it is empty.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// Bytes in front of each frame that tell its length.
const PREFIX_BYTES: usize = 4;

/// Whether everything queued has been written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flushed {
    /// It has.
    All,
    /// The socket takes no more until its peer has read.
    Blocked,
}

/// The output queue of one connection.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    bytes: Vec<u8>,
    /// Bytes of `bytes` that are written.
    written: usize,
    /// Where the frame begins that holds the byte at `written`.
    frame_start: usize,
    descriptors: Vec<OwnedFd>,
}

impl Outbound {
    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Appends a message.
    pub(super) fn push(&mut self, message: &FromSupervisor) -> Result<(), FrameError> {
        encode(message, &mut self.bytes)
    }

    /// Sends descriptors with the next byte that is written, which must be the first of the message that names them.
    pub(super) fn attach(&mut self, descriptors: Vec<OwnedFd>) {
        assert!(self.len() == 0 && descriptors.len() <= DESCRIPTORS_MAX);
        self.descriptors = descriptors;
    }

    /// Drops what has not been begun: what is left is the rest of at most one frame.
    pub(super) fn cut(&mut self) {
        let begun = self.written > self.frame_start;
        let end = if begun {
            self.frame_end(self.frame_start)
        } else {
            self.written
        };
        self.bytes.truncate(end);
        self.descriptors.clear();
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    /// What the system says: the peer is gone.
    pub(super) fn flush(&mut self, socket: BorrowedFd<'_>) -> Result<Flushed, Errno> {
        while self.len() > 0 {
            match self.write_once(socket) {
                Ok(count) => self.advance(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Flushed::Blocked),
                Err(error) => return Err(error),
            }
        }
        Ok(Flushed::All)
    }

    fn write_once(&mut self, socket: BorrowedFd<'_>) -> Result<usize, Errno> {
        let bytes = &self.bytes[self.written..];
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        if self.descriptors.is_empty() {
            return send(socket, bytes, flags);
        }
        let borrowed: Vec<BorrowedFd<'_>> = self.descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fits = control.push(SendAncillaryMessage::ScmRights(&borrowed));
        debug_assert!(fits, "the space is made for DESCRIPTORS_MAX");
        let count = sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags)?;
        self.descriptors.clear();
        Ok(count)
    }

    fn advance(&mut self, count: usize) {
        self.written += count;
        if self.len() == 0 {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES_MAX);
            self.written = 0;
            self.frame_start = 0;
            return;
        }
        while self.frame_end(self.frame_start) <= self.written {
            self.frame_start = self.frame_end(self.frame_start);
        }
        if self.frame_start > self.bytes.len() / 2 {
            self.bytes.drain(..self.frame_start);
            self.written -= self.frame_start;
            self.frame_start = 0;
        }
    }

    fn frame_end(&self, start: usize) -> usize {
        let prefix = self.bytes[start..]
            .first_chunk::<PREFIX_BYTES>()
            .expect("only whole frames are appended");
        start + PREFIX_BYTES + u32::from_le_bytes(*prefix) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use arena_core::protocol::{FrameDecoder, Notice, Reply, decode};

    use super::*;

    fn reply(id: u64) -> FromSupervisor {
        let result = Ok(Reply::Done);
        FromSupervisor::Reply { id, result }
    }

    fn read_messages(mut socket: UnixStream) -> Vec<FromSupervisor> {
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).unwrap();
        let mut decoder = FrameDecoder::default();
        decoder.push(&bytes);
        let mut messages = Vec::new();
        while let Some(body) = decoder.next_body().unwrap() {
            messages.push(decode(body).unwrap());
        }
        assert!(!decoder.is_mid_frame());
        messages
    }

    #[test]
    fn a_cut_queue_ends_at_a_frame() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut queue = Outbound::default();
        let mut id = 0;
        while queue.flush(ours.as_fd()).unwrap() == Flushed::All {
            queue.push(&reply(id)).unwrap();
            id += 1;
        }
        for more in id..id + 1000 {
            queue.push(&reply(more)).unwrap();
        }
        queue.cut();
        queue
            .push(&FromSupervisor::Notice(Notice::Damaged))
            .unwrap();
        assert!(queue.len() < 200);
        let reader = std::thread::spawn(move || read_messages(theirs));
        ours.set_nonblocking(false).unwrap();
        while queue.flush(ours.as_fd()).unwrap() == Flushed::Blocked {
            std::thread::yield_now();
        }
        drop(ours);
        let messages = reader.join().unwrap();
        let (last, replies) = messages.split_last().unwrap();
        assert_eq!(*last, FromSupervisor::Notice(Notice::Damaged));
        assert!(
            replies
                .iter()
                .zip(0..)
                .all(|(message, id)| *message == reply(id))
        );
        assert!(replies.len() as u64 >= id - 1);
    }
}
