//! A peer that speaks the protocol by hand, rightly or wrongly.

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use arena_core::protocol::{
    FrameDecoder, FromSupervisor, Hello, PROTOCOL_VERSION, Reply, Request, ToSupervisor, Welcome,
    decode, encode,
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// A connection to a supervisor. Descriptors that come with a welcome are closed unseen.
pub struct Wire {
    /// The socket.
    pub stream: UnixStream,
    decoder: FrameDecoder,
}

/// A greeting as a client sends it.
#[must_use]
pub fn hello(program: &str) -> ToSupervisor {
    ToSupervisor::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        program: program.to_owned(),
        resume: None,
    })
}

/// A message as bytes.
///
/// # Panics
/// Where it is too long.
#[must_use]
pub fn frame(message: &ToSupervisor) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(message, &mut bytes).unwrap();
    bytes
}

/// Any body as a frame.
///
/// # Panics
/// Where it is longer than 4 GiB.
#[must_use]
pub fn frame_of(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap();
    [&len.to_le_bytes()[..], body].concat()
}

impl Wire {
    /// Connects, and says nothing.
    ///
    /// # Panics
    /// Where nobody listens.
    #[must_use]
    pub fn connect(socket: &Path) -> Self {
        Self {
            stream: UnixStream::connect(socket).unwrap(),
            decoder: FrameDecoder::default(),
        }
    }

    /// Connects and greets.
    ///
    /// # Panics
    /// Where it is refused.
    #[must_use]
    pub fn greeted(socket: &Path) -> (Self, Box<Welcome>) {
        let mut wire = Self::connect(socket);
        wire.send(&hello("wire"));
        match wire.receive() {
            Some(FromSupervisor::Welcome(welcome)) => (wire, welcome),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a message.
    ///
    /// # Panics
    /// Where the supervisor has closed.
    pub fn send(&mut self, message: &ToSupervisor) {
        self.stream.write_all(&frame(message)).unwrap();
    }

    /// Sends a request and gives what comes back.
    ///
    /// # Panics
    /// Where something else than its reply comes.
    pub fn request(
        &mut self,
        id: u64,
        request: Request,
    ) -> Result<Reply, arena_core::protocol::Failure> {
        self.send(&ToSupervisor::Request { id, request });
        match self.receive() {
            Some(FromSupervisor::Reply {
                id: replied,
                result,
            }) if replied == id => result,
            other => panic!("{other:?}"),
        }
    }

    /// The next message; none when the supervisor has closed.
    ///
    /// # Panics
    /// Where something comes that is none.
    pub fn receive(&mut self) -> Option<FromSupervisor> {
        loop {
            if let Some(body) = self.decoder.next_body().unwrap() {
                return Some(decode(body).unwrap());
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) | Err(_) => return None,
                Ok(len) => self.decoder.push(&bytes[..len]),
            }
        }
    }

    /// Sends bytes together with descriptors.
    ///
    /// # Panics
    /// Where the kernel refuses.
    pub fn send_with_descriptors(&mut self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
        let parts = [IoSlice::new(bytes)];
        let sent = sendmsg(&self.stream, &parts, &mut control, SendFlags::empty());
        assert_eq!(sent, Ok(bytes.len()));
    }
}
