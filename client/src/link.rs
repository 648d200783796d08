//! One connection to a supervisor, from its handshake to its loss.
//!
//! A simple request costs one send and one receive. The socket is blocking for whoever waits for a reply; sending never waits in
//! the kernel, because a supervisor that is not read may stop reading: where the socket is full, the sender reads replies until
//! there is room.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use arena_core::protocol::{Reply, Request, ToSupervisor, encode};
use arena_core::{SessionId, SlotId};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::arena::Arena;
use crate::error::Error;
use crate::fork;
use crate::handshake::Known;
use crate::reader::Read;
use crate::replies::{Answer, Loss, Replies, Turn};
use crate::sync::locked;

/// So many unanswered requests that nobody waits for, and whoever sends another looks whether replies have come.
const UNREAD_MAX: u32 = 64;

/// A connection and what came with its welcome.
#[derive(Debug)]
pub(crate) struct Link {
    /// The first field, because it is to be dropped before the descriptors.
    _covered: fork::Covered,
    pub(crate) arena: Arc<Arena>,
    pub(crate) session: SessionId,
    pub(crate) supervisor_pid: u32,
    pub(crate) workers: u32,
    pub(crate) address: String,
    /// Which of the client's connections this is.
    pub(crate) epoch: u64,
    socket: OwnedFd,
    /// Held open for as long as the session; forked children inherit it.
    lifeline: Arc<OwnedFd>,
    sending: Mutex<()>,
    replies: Replies,
    unread: AtomicU32,
    reply_timeout: Duration,
    slot: Mutex<Option<(SlotId, u64)>>,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The supervisor never saw it.
    NotSent,
    /// The connection was lost while it was under way.
    InFlight,
    /// Not worth another try.
    Final(Error),
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// What the handshake found.
#[derive(Debug)]
pub(crate) struct Greeted {
    pub(crate) socket: OwnedFd,
    pub(crate) lifeline: Arc<OwnedFd>,
    pub(crate) reader: crate::reader::Reader,
    pub(crate) arena: Arc<Arena>,
    pub(crate) session: SessionId,
    pub(crate) supervisor_pid: u32,
    pub(crate) workers: u32,
    pub(crate) address: String,
    pub(crate) resumed: bool,
}

impl Link {
    pub(crate) fn new(greeted: Greeted, epoch: u64, reply_timeout: Duration) -> Self {
        Self {
            _covered: fork::cover(&greeted.socket, &greeted.lifeline),
            epoch,
            arena: greeted.arena,
            session: greeted.session,
            supervisor_pid: greeted.supervisor_pid,
            workers: greeted.workers,
            address: greeted.address,
            socket: greeted.socket,
            lifeline: greeted.lifeline,
            sending: Mutex::new(()),
            replies: Replies::new(greeted.reader),
            unread: AtomicU32::new(0),
            reply_timeout,
            slot: Mutex::new(None),
        }
    }

    /// What a connection that resumes this session need not be given.
    pub(crate) fn known(&self) -> Known {
        Known {
            arena: Arc::clone(&self.arena),
            lifeline: Some(Arc::clone(&self.lifeline)),
        }
    }

    /// Whether the connection is known to be lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.replies.is_lost()
    }

    /// Sends one request and waits for its answer.
    pub(crate) fn call(&self, request: Request) -> Result<Answer, CallError> {
        let id = self.start(request)?;
        self.wait(id)
    }

    /// Sends one request. The caller waits for its id, or orphans it.
    pub(crate) fn start(&self, request: Request) -> Result<u64, CallError> {
        self.start_all(std::iter::once(request), 1)
    }

    /// Sends `count` requests in one system call. Their ids are consecutive, the first is returned.
    pub(crate) fn start_all(
        &self,
        requests: impl Iterator<Item = Request>,
        count: usize,
    ) -> Result<u64, CallError> {
        let first = self.replies.expect(count);
        let mut frames = Vec::with_capacity(128 * count);
        for (id, request) in (first..).zip(requests) {
            if let Err(error) = encode(&ToSupervisor::Request { id, request }, &mut frames) {
                self.forget(first, count);
                return Err(Error::from(error).into());
            }
        }
        match self.send(&frames) {
            Ok(()) => Ok(first),
            Err(error) => {
                self.forget(first, count);
                Err(error)
            }
        }
    }

    fn forget(&self, first: u64, count: usize) {
        for id in first..first + count as u64 {
            self.replies.forget(id);
        }
    }

    /// Sends requests that get no answer. What the connection's loss prevents needs no doing.
    pub(crate) fn post(&self, request: Request) {
        let mut frame = Vec::with_capacity(96);
        if encode(&ToSupervisor::Request { id: 0, request }, &mut frame).is_ok() {
            // A lost connection shows at the next request.
            let _lost = self.send(&frame);
        }
    }

    /// Waits for the answer to a request that was started.
    pub(crate) fn wait(&self, id: u64) -> Result<Answer, CallError> {
        let mut patience = Patience::new(self.reply_timeout);
        let answer = loop {
            match self.replies.turn(id) {
                Turn::Arrived(answer) => break answer,
                Turn::Lost(loss) => return Err(lost_in_flight(loss)),
                Turn::Lead(mut reader) => {
                    let read = reader.read(&self.socket, patience.left());
                    self.replies.hand_over(reader, read);
                    if read == Read::Nothing {
                        self.look_for_life(&mut patience, id)?;
                    }
                }
                Turn::Follow => {
                    thread::park_timeout(patience.left());
                    self.look_for_life(&mut patience, id)?;
                }
            }
        };
        self.return_strays();
        Ok(answer)
    }

    /// Gives up waiting for a request.
    pub(crate) fn orphan(&self, id: u64) {
        self.replies.orphan(id);
        self.return_strays();
    }

    /// Counts a request that its sender does not wait for now, and reads replies once there are many: nobody else may.
    pub(crate) fn leave_unread(&self) {
        if self.unread.fetch_add(1, Ordering::Relaxed) % UNREAD_MAX == UNREAD_MAX - 1 {
            self.read_available();
        }
    }

    /// The slot of this session, asked for once.
    pub(crate) fn slot(&self) -> Result<(SlotId, u64), CallError> {
        let mut known = locked(&self.slot);
        if let Some(slot) = *known {
            return Ok(slot);
        }
        match self.call(Request::Slot)?.map_err(Error::from)? {
            Reply::Slot { slot, incarnation } => Ok(*known.insert((slot, incarnation))),
            _ => Err(Error::UnexpectedReply { request: "slot" }.into()),
        }
    }

    /// A request may take long, so silence alone is what tells of a supervisor that does not answer: after half the time-out it
    /// is asked for a sign of life, after the whole it has failed to give one.
    fn look_for_life(&self, patience: &mut Patience, id: u64) -> Result<(), CallError> {
        match patience.look(self.replies.heard()) {
            Look::Wait => Ok(()),
            Look::Ask => {
                let sign = self.start(Request::Unpin(Vec::new()))?;
                self.replies.orphan(sign);
                Ok(())
            }
            Look::GiveUp(silent) => {
                self.replies.orphan(id);
                Err(Error::NoAnswer { silent }.into())
            }
        }
    }

    fn send(&self, frames: &[u8]) -> Result<(), CallError> {
        if self.is_lost() {
            return Err(CallError::NotSent);
        }
        let _turn = locked(&self.sending);
        let mut rest = frames;
        let mut patience = Patience::new(self.reply_timeout);
        while !rest.is_empty() {
            match send(
                &self.socket,
                rest,
                SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
            ) {
                Ok(sent) => rest = &rest[sent..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.make_room(&mut patience, rest.len() < frames.len())?,
                Err(_) => {
                    self.replies.lose(Loss::Ended);
                    // A supervisor acts on whole frames, and a single cut-off one is none; of several some may be whole.
                    return Err(if rest.len() == frames.len() {
                        CallError::NotSent
                    } else {
                        CallError::InFlight
                    });
                }
            }
        }
        Ok(())
    }

    /// Waits until the socket takes more, and reads replies meanwhile.
    fn make_room(&self, patience: &mut Patience, mid_frame: bool) -> Result<(), CallError> {
        let timeout = patience.left().try_into().ok();
        let mut ready = [PollFd::new(&self.socket, PollFlags::IN | PollFlags::OUT)];
        match poll(&mut ready, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::map(errno).into()),
        }
        if ready[0].revents().contains(PollFlags::IN) {
            self.read_available();
        }
        if let Look::GiveUp(silent) = patience.look(self.replies.heard()) {
            if mid_frame {
                self.replies.lose(Loss::Ended);
            }
            return Err(Error::NoAnswer { silent }.into());
        }
        Ok(())
    }

    fn read_available(&self) {
        if let Some(mut reader) = self.replies.try_lead() {
            let read = reader.read_available(&self.socket);
            self.replies.hand_over(reader, read);
            self.replies.leave();
        }
    }

    fn return_strays(&self) {
        for stray in self.replies.take_strays() {
            self.post(stray);
        }
    }
}

fn lost_in_flight(loss: Loss) -> CallError {
    match loss {
        Loss::Ended => CallError::InFlight,
        Loss::Refused(failure) => CallError::Final(Error::Failed(failure)),
        Loss::Garbled => CallError::Final(Error::Handshake {
            detail: "the supervisor sent what is no message for a client".to_owned(),
        }),
    }
}

/// How long the supervisor's silence is borne.
struct Patience {
    timeout: Duration,
    since: Instant,
    asked: bool,
    next_look: Instant,
}

enum Look {
    Wait,
    Ask,
    GiveUp(Duration),
}

impl Patience {
    fn new(timeout: Duration) -> Self {
        let since = Instant::now();
        Self {
            timeout,
            since,
            asked: false,
            next_look: since + timeout / 2,
        }
    }

    fn left(&self) -> Duration {
        self.next_look.saturating_duration_since(Instant::now())
    }

    /// `heard` is when the supervisor gave its last sign of life.
    fn look(&mut self, heard: Instant) -> Look {
        if heard > self.since {
            self.since = heard;
            self.asked = false;
        }
        let silent = self.since.elapsed();
        if silent >= self.timeout {
            return Look::GiveUp(silent);
        }
        let ask = silent >= self.timeout / 2 && !self.asked;
        self.asked |= ask;
        self.next_look = self.since
            + if self.asked {
                self.timeout
            } else {
                self.timeout / 2
            };
        if ask { Look::Ask } else { Look::Wait }
    }
}
