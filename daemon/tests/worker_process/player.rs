//! The supervisor's side of a worker's socket.

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use arena_core::protocol::{
    ArenaInfo, Backing, Descriptor, Failure, FrameDecoder, FromSupervisor, GroomDone, GroomOrder,
    Operand, PROTOCOL_VERSION, Params, Span, Task, TaskReport, ToSupervisor, Welcome, Work, decode,
    encode,
};
use arena_core::{ArenaId, SessionId, SlotId};
use arenad::worker::WorkerError;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::stage::{ARENA_BYTES, Stage};

/// A worker's socket after the handshake.
pub(crate) struct Player {
    socket: UnixStream,
    decoder: FrameDecoder,
    next_task: u64,
}

/// A worker in a thread of the test.
pub(crate) struct Threaded {
    player: Player,
    thread: JoinHandle<Result<(), WorkerError>>,
}

impl Stage {
    pub(crate) fn worker(&self, slot: u8) -> Threaded {
        self.area.record(SlotId(slot)).issue(1);
        self.threaded(move |socket| arenad::worker::run(socket, SlotId(slot)))
    }

    pub(crate) fn groomer(&self) -> Threaded {
        self.threaded(arenad::worker::groomer)
    }

    fn threaded(
        &self,
        run: impl FnOnce(OwnedFd) -> Result<(), WorkerError> + Send + 'static,
    ) -> Threaded {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let thread = std::thread::spawn(|| run(theirs.into()));
        let player = Player::welcome(ours, self);
        Threaded { player, thread }
    }
}

impl Threaded {
    /// Closes the socket and waits for the worker's end.
    pub(crate) fn hang_up(self) -> Result<(), WorkerError> {
        drop(self.player);
        self.thread.join().unwrap()
    }
}

impl std::ops::Deref for Threaded {
    type Target = Player;

    fn deref(&self) -> &Player {
        &self.player
    }
}

impl std::ops::DerefMut for Threaded {
    fn deref_mut(&mut self) -> &mut Player {
        &mut self.player
    }
}

impl Player {
    /// Answers the worker's hello.
    pub(crate) fn welcome(socket: UnixStream, stage: &Stage) -> Self {
        let mut player = Self {
            socket,
            decoder: FrameDecoder::default(),
            next_task: 1,
        };
        let hello = player.receive().expect("a worker says hello");
        assert!(matches!(hello, ToSupervisor::Hello(_)), "{hello:?}");
        let mut frame = Vec::new();
        encode(&FromSupervisor::Welcome(Box::new(welcome())), &mut frame).unwrap();
        let descriptors = [stage.locks.as_fd(), stage.data.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        // The descriptors come with the first byte, the rest of the frame later.
        for (part, control) in [
            (&frame[..1], &mut control),
            (&frame[1..], &mut SendAncillaryBuffer::default()),
        ] {
            let parts = [IoSlice::new(part)];
            sendmsg(&player.socket, &parts, control, SendFlags::empty()).unwrap();
        }
        player
    }

    /// A task with the next number.
    pub(crate) fn task(&mut self, work: Work) -> Task {
        let task = self.next_task;
        self.next_task += 1;
        Task {
            task,
            work,
            lock_timeout_ms: 10_000,
        }
    }

    pub(crate) fn send(&mut self, messages: &[FromSupervisor]) {
        let mut frames = Vec::new();
        for message in messages {
            encode(message, &mut frames).unwrap();
        }
        self.socket.write_all(&frames).unwrap();
    }

    /// The next message, or `None` at the worker's end.
    pub(crate) fn receive(&mut self) -> Option<ToSupervisor> {
        let mut bytes = [0; 4096];
        loop {
            if let Some(body) = self.decoder.next_body().unwrap() {
                return Some(decode(body).unwrap());
            }
            match self.socket.read(&mut bytes) {
                Ok(0) | Err(_) => return None,
                Ok(len) => self.decoder.push(&bytes[..len]),
            }
        }
    }

    pub(crate) fn report(&mut self) -> Option<TaskReport> {
        match self.receive()? {
            ToSupervisor::Report(report) => Some(report),
            other => panic!("a report was due: {other:?}"),
        }
    }

    /// Sends one task and waits for its outcome.
    pub(crate) fn run(&mut self, work: Work) -> Result<Vec<u8>, Failure> {
        let task = self.task(work);
        self.execute(task)
    }

    /// As [`Player::run`], for a task with a number and deadline of its own.
    pub(crate) fn execute(&mut self, task: Task) -> Result<Vec<u8>, Failure> {
        let number = task.task;
        self.send(&[FromSupervisor::Task(Box::new(task))]);
        let report = self.report().expect("the worker lives");
        assert_eq!(report.task, number);
        report.outcome.map(serde_bytes::ByteBuf::into_vec)
    }

    pub(crate) fn groom(&mut self, order: GroomOrder) -> GroomDone {
        self.send(&[FromSupervisor::Groom(order)]);
        match self.receive() {
            Some(ToSupervisor::Groomed(groomed)) if groomed.order == order => groomed.done,
            other => panic!("an answer to {order:?} was due: {other:?}"),
        }
    }
}

/// A kernel applied to a part of objects.
pub(crate) fn run(kernel: &str, params: Params, inputs: &[Operand], span: Span) -> Work {
    Work::Run {
        kernel: kernel.to_owned(),
        params,
        state: Vec::new(),
        inputs: inputs.to_vec(),
        span,
    }
}

fn welcome() -> Welcome {
    Welcome {
        protocol: PROTOCOL_VERSION,
        session: SessionId(1),
        resumed: false,
        supervisor_pid: std::process::id(),
        workers: 1,
        address: "@test".to_owned(),
        arena: ArenaInfo {
            id: ArenaId(1),
            name: None,
            bytes: ARENA_BYTES,
            backing: Backing::Memfd,
        },
        descriptors: vec![Descriptor::Locks, Descriptor::Data],
    }
}
