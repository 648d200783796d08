//! A client that speaks the protocol by hand, so that it can also speak it wrongly.

use std::io::{IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use arena_core::protocol::{
    Create, Failure, FrameDecoder, FromSupervisor, Hello, Object, PROTOCOL_VERSION, Ran, Reply,
    Request, Run, Selector, Stats, ToSupervisor, Welcome, decode, encode,
};
use arena_core::{ArrayLayout, Dtype, ObjectId};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::process::PATIENCE;

/// One connection.
pub(crate) struct Peer {
    pub(crate) stream: UnixStream,
    decoder: FrameDecoder,
    pub(crate) descriptors: Vec<OwnedFd>,
    next_id: u64,
}

impl Peer {
    pub(crate) fn connect(socket: &Path) -> Self {
        Self::over(UnixStream::connect(socket).unwrap())
    }

    pub(crate) fn over(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            decoder: FrameDecoder::default(),
            descriptors: Vec::new(),
            next_id: 1,
        }
    }

    /// Connects and says hello.
    pub(crate) fn session(socket: &Path) -> (Self, Welcome) {
        let mut peer = Self::connect(socket);
        let welcome = peer.greet();
        (peer, welcome)
    }

    pub(crate) fn greet(&mut self) -> Welcome {
        self.send(&ToSupervisor::Hello(Hello {
            protocol: PROTOCOL_VERSION,
            program: "test".to_owned(),
            resume: None,
        }));
        match self.receive() {
            Some(FromSupervisor::Welcome(welcome)) => *welcome,
            other => panic!("no welcome but {other:?}"),
        }
    }

    pub(crate) fn send(&mut self, message: &ToSupervisor) {
        let mut frame = Vec::new();
        encode(message, &mut frame).unwrap();
        self.stream.write_all(&frame).unwrap();
    }

    /// Sends bytes together with descriptors that nobody has asked for.
    pub(crate) fn send_with_descriptors(&self, bytes: &[u8], descriptors: &[OwnedFd]) {
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&borrowed)));
        let sent = sendmsg(
            &self.stream,
            &[IoSlice::new(bytes)],
            &mut control,
            SendFlags::empty(),
        );
        assert_eq!(sent.unwrap(), bytes.len());
    }

    /// The next message, or `None` at the end of the connection.
    pub(crate) fn receive(&mut self) -> Option<FromSupervisor> {
        loop {
            if let Some(body) = self.decoder.next_body().unwrap() {
                return Some(decode(body).unwrap());
            }
            let mut bytes = vec![0; 64 << 10];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let len = match recvmsg(&self.stream, &mut parts, &mut control, flags) {
                Ok(received) => received.bytes,
                Err(rustix::io::Errno::CONNRESET) => 0,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => panic!("{error}"),
            };
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = message {
                    self.descriptors.extend(received);
                }
            }
            if len == 0 {
                return None;
            }
            self.decoder.push(&bytes[..len]);
        }
    }

    /// Reads until the connection ends, and gives the last message, which says why.
    pub(crate) fn refusal(&mut self) -> Failure {
        let mut last = None;
        while let Some(message) = self.receive() {
            last = Some(message);
        }
        match last {
            Some(FromSupervisor::Refused(failure)) => failure,
            other => panic!("no refusal but {other:?}"),
        }
    }

    pub(crate) fn request(&mut self, request: Request) -> Result<Reply, Failure> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&ToSupervisor::Request { id, request });
        loop {
            match self.receive() {
                Some(FromSupervisor::Reply { id: of, result }) if of == id => return result,
                Some(FromSupervisor::Notice(_)) => {}
                other => panic!("no reply but {other:?}"),
            }
        }
    }

    pub(crate) fn stats(&mut self) -> Stats {
        match self.request(Request::Stats) {
            Ok(Reply::Stats(stats)) => *stats,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn create(&mut self, name: Option<&str>, elements: u64) -> Object {
        let create = Create {
            layout: ArrayLayout::c_order(Dtype::Float64, &[elements]).unwrap(),
            name: name.map(|name| name.parse().unwrap()),
            sharing: None,
        };
        object(self.request(Request::Create(create)))
    }

    pub(crate) fn seal(&mut self, id: ObjectId) -> Object {
        object(self.request(Request::Seal(id)))
    }

    pub(crate) fn get(&mut self, name: &str) -> Object {
        object(self.request(Request::Get(Selector::Name(name.parse().unwrap()))))
    }

    pub(crate) fn run(&mut self, kernel: &str, name: &str) -> Ran {
        let run = Run {
            kernel: kernel.to_owned(),
            inputs: vec![Selector::Name(name.parse().unwrap())],
            params: std::collections::BTreeMap::new(),
            deadline_ms: None,
        };
        match self.request(Request::Run(run)) {
            Ok(Reply::Ran(ran)) => *ran,
            other => panic!("{other:?}"),
        }
    }
}

fn object(result: Result<Reply, Failure>) -> Object {
    match result {
        Ok(Reply::Object(object)) => *object,
        other => panic!("{other:?}"),
    }
}
