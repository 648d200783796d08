//! Who reads the socket, and who gets what was read: leader and followers.
//!
//! Nobody reads in the background. A thread that waits for a reply takes the [`Reader`] if it is free (it leads) and hands
//! over what it reads for others, who sleep meanwhile (they follow). A leader that has its reply puts the reader back and wakes
//! one follower, who leads on. So a lone thread pays one receive and no wake-up, and a crowd shares one receive.
//!
//! A follower is registered under the mutex before it parks, and a wake-up before the parking makes the parking return at once,
//! so none is lost.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Instant;

use arena_core::protocol::{Failure, FromSupervisor, ObjectState, Reply, Request};

use crate::reader::{Read, Reader};
use crate::sync::locked;

/// What the supervisor said to a request.
pub(crate) type Answer = Result<Reply, Failure>;

/// Why no more replies will come.
#[derive(Clone, Debug)]
pub(crate) enum Loss {
    /// The connection ended.
    Ended,
    /// The supervisor ended it and said why.
    Refused(Failure),
    /// The supervisor broke the protocol.
    Garbled,
}

/// The replies of one connection.
#[derive(Debug)]
pub(crate) struct Replies {
    state: Mutex<State>,
    next_id: AtomicU64,
    lost: AtomicBool,
}

#[derive(Debug)]
struct State {
    /// Absent while somebody leads.
    reader: Option<Box<Reader>>,
    requests: HashMap<u64, Slot>,
    parked: Vec<(u64, Thread)>,
    lost: Option<Loss>,
    heard: Instant,
    /// What late answers granted to callers that had given up; to be given back.
    strays: Vec<Request>,
}

#[derive(Debug)]
enum Slot {
    Awaited,
    Arrived(Answer),
    /// Nobody waits any more.
    Orphan,
}

/// What a waiting thread is to do next.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Its reply is here.
    Arrived(Answer),
    /// No reply will come.
    Lost(Loss),
    /// Read, then [`Replies::hand_over`].
    Lead(Box<Reader>),
    /// Park; somebody else reads.
    Follow,
}

impl Replies {
    /// The replies that `reader` is going to bring.
    pub(crate) fn new(reader: Reader) -> Self {
        Self {
            state: Mutex::new(State {
                reader: Some(Box::new(reader)),
                requests: HashMap::new(),
                parked: Vec::new(),
                lost: None,
                heard: Instant::now(),
                strays: Vec::new(),
            }),
            next_id: AtomicU64::new(1),
            lost: AtomicBool::new(false),
        }
    }

    /// Whether the connection is known to be lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Ids for `count` requests in a row, whose replies are kept from now on.
    pub(crate) fn expect(&self, count: usize) -> u64 {
        let first = self.next_id.fetch_add(count as u64, Ordering::Relaxed);
        let mut state = locked(&self.state);
        for id in first..first + count as u64 {
            state.requests.insert(id, Slot::Awaited);
        }
        first
    }

    /// Forgets a request that was never sent.
    pub(crate) fn forget(&self, id: u64) {
        locked(&self.state).requests.remove(&id);
    }

    /// Gives up waiting: a reply that comes later is given back to the supervisor.
    pub(crate) fn orphan(&self, id: u64) {
        let mut state = locked(&self.state);
        match state.requests.insert(id, Slot::Orphan) {
            Some(Slot::Arrived(answer)) => {
                state.requests.remove(&id);
                state.strays.extend(grant_to_return(answer));
            }
            Some(_) if state.lost.is_none() => {}
            _ => {
                state.requests.remove(&id);
            }
        }
        state.unregister(id);
        state.promote();
    }

    /// What the thread that waits for `id` does next.
    pub(crate) fn turn(&self, id: u64) -> Turn {
        let mut state = locked(&self.state);
        state.unregister(id);
        if let Some(Slot::Arrived(_)) = state.requests.get(&id)
            && let Some(Slot::Arrived(answer)) = state.requests.remove(&id)
        {
            state.promote();
            return Turn::Arrived(answer);
        }
        if let Some(loss) = state.lost.clone() {
            state.requests.remove(&id);
            return Turn::Lost(loss);
        }
        match state.reader.take() {
            Some(reader) => Turn::Lead(reader),
            None => {
                state.parked.push((id, thread::current()));
                Turn::Follow
            }
        }
    }

    /// The reader, if nobody leads.
    pub(crate) fn try_lead(&self) -> Option<Box<Reader>> {
        locked(&self.state).reader.take()
    }

    /// Puts the reader back and gives everybody what it has read. The caller asks for its next [`Turn`] or calls
    /// [`Replies::leave`], so that somebody leads on.
    pub(crate) fn hand_over(&self, mut reader: Box<Reader>, read: Read) {
        let mut state = locked(&self.state);
        let loss = match read {
            Read::Nothing => None,
            Read::End => Some(Loss::Ended),
            Read::Bytes => {
                state.heard = Instant::now();
                state.deliver_all(&mut reader)
            }
        };
        state.reader = Some(reader);
        if let Some(loss) = loss {
            self.lost.store(true, Ordering::Relaxed);
            state.lose(loss);
        }
    }

    /// Lets somebody else lead, after a [`Replies::try_lead`] or where the caller stops waiting.
    pub(crate) fn leave(&self) {
        locked(&self.state).promote();
    }

    /// Declares the connection lost.
    pub(crate) fn lose(&self, loss: Loss) {
        self.lost.store(true, Ordering::Relaxed);
        locked(&self.state).lose(loss);
    }

    /// When bytes came last.
    pub(crate) fn heard(&self) -> Instant {
        locked(&self.state).heard
    }

    /// What is to be given back to the supervisor.
    pub(crate) fn take_strays(&self) -> Vec<Request> {
        std::mem::take(&mut locked(&self.state).strays)
    }
}

impl State {
    fn deliver_all(&mut self, reader: &mut Reader) -> Option<Loss> {
        loop {
            match reader.next() {
                Ok(Some(FromSupervisor::Reply { id, result })) => self.deliver(id, result),
                Ok(Some(FromSupervisor::Notice(_))) => {}
                Ok(Some(FromSupervisor::Refused(failure))) => return Some(Loss::Refused(failure)),
                Ok(Some(_)) | Err(_) => return Some(Loss::Garbled),
                Ok(None) => return None,
            }
        }
    }

    fn deliver(&mut self, id: u64, answer: Answer) {
        match self.requests.get_mut(&id) {
            Some(slot @ Slot::Awaited) => {
                *slot = Slot::Arrived(answer);
                self.wake(id);
            }
            Some(Slot::Orphan) => {
                self.requests.remove(&id);
                self.strays.extend(grant_to_return(answer));
            }
            Some(Slot::Arrived(_)) | None => {}
        }
    }

    fn wake(&mut self, id: u64) {
        if let Some(at) = self.parked.iter().position(|(parked, _)| *parked == id) {
            self.parked.swap_remove(at).1.unpark();
        }
    }

    fn unregister(&mut self, id: u64) {
        self.parked.retain(|(parked, _)| *parked != id);
    }

    /// Where nobody leads, one of those who sleep is to.
    fn promote(&mut self) {
        if self.reader.is_some()
            && let Some((_, thread)) = self.parked.pop()
        {
            thread.unpark();
        }
    }

    fn lose(&mut self, loss: Loss) {
        self.lost.get_or_insert(loss);
        self.requests
            .retain(|_, slot| !matches!(slot, Slot::Orphan));
        for (_, thread) in self.parked.drain(..) {
            thread.unpark();
        }
    }
}

/// An object that nobody waits for any more is pinned or being filled all the same.
fn grant_to_return(answer: Answer) -> Option<Request> {
    match answer {
        Ok(Reply::Object(object)) if object.state == ObjectState::Filling => {
            Some(Request::Abandon(object.id))
        }
        Ok(Reply::Object(object)) => Some(Request::Unpin(vec![object.id])),
        _ => None,
    }
}
