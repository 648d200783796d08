//! A supervisor that says what a test wants it to.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use arena_client::{
    ArenaId, ArenaInfo, ArrayLayout, Backing, Client, Dtype, Endpoint, Extent, Failure, ObjectId,
    ObjectInfo, ObjectState, Offset, SessionId,
};
use arena_core::protocol::{
    Descriptor, FrameDecoder, FromSupervisor, Hello, PROTOCOL_VERSION, Reply, Request,
    ToSupervisor, Welcome, decode, encode,
};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pipe::pipe;

pub(crate) const ARENA_BYTES: u64 = 2 << 20;

pub(crate) struct Server {
    listener: UnixListener,
    pub(crate) path: PathBuf,
    data: OwnedFd,
    _directory: tempfile::TempDir,
}

/// The supervisor's end of a connection.
pub(crate) struct Peer {
    stream: UnixStream,
    decoder: FrameDecoder,
    /// Read end of the lifeline.
    _lifeline: Option<OwnedFd>,
}

impl Server {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fake.sock");
        let data = memfd_create("fake", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&data, ARENA_BYTES).unwrap();
        Self {
            listener: UnixListener::bind(&path).unwrap(),
            path,
            data,
            _directory: directory,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::Path(self.path.clone())
    }

    pub(crate) fn accept(&self) -> Peer {
        let (stream, _) = self.listener.accept().unwrap();
        Peer {
            stream,
            decoder: FrameDecoder::default(),
            _lifeline: None,
        }
    }

    /// A client and the peer it is connected to.
    pub(crate) fn client(&self, reply_timeout: Duration) -> (Client, Peer) {
        std::thread::scope(|scope| {
            let client = scope.spawn(|| {
                Client::builder()
                    .reply_timeout(reply_timeout)
                    .reconnect_timeout(Duration::from_secs(60))
                    .connect(&self.endpoint())
                    .unwrap()
            });
            let mut peer = self.accept();
            peer.greet(self);
            (client.join().unwrap(), peer)
        })
    }

    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) {
        rustix::io::pwrite(&self.data, bytes, offset).unwrap();
    }
}

impl Peer {
    pub(crate) fn receive(&mut self) -> ToSupervisor {
        self.try_receive().expect("the client closed its socket")
    }

    pub(crate) fn try_receive(&mut self) -> Option<ToSupervisor> {
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

    pub(crate) fn hello(&mut self) -> Hello {
        match self.receive() {
            ToSupervisor::Hello(hello) => hello,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn request(&mut self) -> (u64, Request) {
        match self.receive() {
            ToSupervisor::Request { id, request } => (id, request),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn greet(&mut self, server: &Server) {
        self.hello();
        self.welcome(server, welcome());
    }

    /// Sends a welcome with a descriptor for each of its list.
    pub(crate) fn welcome(&mut self, server: &Server, welcome: Welcome) {
        let (read, write) = pipe().unwrap();
        let locks = memfd_create("fake-locks", MemfdFlags::CLOEXEC).unwrap();
        let descriptors: Vec<_> = welcome
            .descriptors
            .iter()
            .map(|kind| match kind {
                Descriptor::Data => server.data.as_fd(),
                Descriptor::Locks => locks.as_fd(),
                Descriptor::Lifeline => write.as_fd(),
            })
            .collect();
        let frame = frame(&FromSupervisor::Welcome(Box::new(welcome)));
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let sent = sendmsg(
            &self.stream,
            &[IoSlice::new(&frame)],
            &mut control,
            SendFlags::empty(),
        );
        assert_eq!(sent, Ok(frame.len()));
        self._lifeline = Some(read);
    }

    pub(crate) fn send(&mut self, message: &FromSupervisor) {
        self.send_bytes(&frame(message));
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn reply(&mut self, id: u64, result: Result<Reply, Failure>) {
        self.send(&FromSupervisor::Reply { id, result });
    }
}

pub(crate) fn frame(message: &FromSupervisor) -> Vec<u8> {
    let mut frame = Vec::new();
    encode(message, &mut frame).unwrap();
    frame
}

pub(crate) fn welcome() -> Welcome {
    Welcome {
        protocol: PROTOCOL_VERSION,
        session: SessionId(7),
        resumed: false,
        supervisor_pid: std::process::id(),
        workers: 2,
        address: "@fake".to_owned(),
        arena: ArenaInfo {
            id: ArenaId(0xfa),
            name: Some("fake".parse().unwrap()),
            bytes: ARENA_BYTES,
            backing: Backing::Memfd,
        },
        descriptors: vec![Descriptor::Data, Descriptor::Locks, Descriptor::Lifeline],
    }
}

/// A sealed array of `len` bytes at `offset`.
pub(crate) fn sealed(index: u32, offset: u64, len: u64) -> ObjectInfo {
    ObjectInfo {
        id: ObjectId {
            index,
            generation: 1,
        },
        name: None,
        layout: ArrayLayout::c_order(Dtype::Uint8, &[len]).unwrap(),
        extent: Extent::new(Offset::new(offset), len).unwrap(),
        state: ObjectState::Sealed,
        stripes: None,
        image: None,
        uid: 0,
        pins: 1,
    }
}
