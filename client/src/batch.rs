//! Many requests in one system call.

use std::marker::PhantomData;
use std::sync::Arc;

use arena_core::protocol::{Object as ObjectInfo, Reply, Request};

use crate::client::Client;
use crate::error::{Error, Result};
use crate::input::{Input, Operand};
use crate::link::Link;
use crate::object::{Object, Pin};
use crate::run::{Job, Ran, ran};
use crate::session::{Attempts, Origin, Session, may_repeat};

/// So many requests travel at once; a longer batch is sent in parts.
const PART: usize = 512;

/// Requests to be sent together. Made by [`Client::batch`].
///
/// ```
/// use arena_client::Client;
///
/// let client = Client::embedded()?;
/// for name in ["a", "b"] {
///     client.put(name, &ndarray::array![1.0, 2.0])?;
/// }
/// let mut batch = client.batch();
/// let a = batch.get("a");
/// let sum = batch.run(client.run("sum").input("b"));
/// batch.remove("b");
/// let mut replies = batch.send()?;
/// assert_eq!(replies.take(a)?.slice::<f64>()?, [1.0, 2.0]);
/// assert_eq!(replies.take(sum)?.float()?, 3.0);
/// # Ok::<(), arena_client::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct Batch<'c> {
    client: &'c Client,
    requests: Vec<Prepared<'c>>,
}

/// Where the reply to one request of a batch will be.
#[derive(Debug)]
pub struct Ticket<T> {
    at: usize,
    reply: PhantomData<fn() -> T>,
}

impl<T> Clone for Ticket<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ticket<T> {}

#[derive(Debug)]
enum Prepared<'c> {
    Get(Operand),
    Remove(Operand),
    Job(Job<'c>),
}

impl Prepared<'_> {
    fn origin(&self) -> Option<Origin> {
        match self {
            Self::Get(what) | Self::Remove(what) => what.origin(),
            Self::Job(_) => None,
        }
    }

    fn request(&self, link: &Link) -> Result<Request> {
        let arena = link.arena.id();
        match self {
            Self::Get(what) => Ok(Request::Get(what.resolve(arena)?)),
            Self::Remove(what) => Ok(Request::Remove(what.resolve(arena)?)),
            Self::Job(job) => Ok(Request::Run(job.request(link)?)),
        }
    }
}

impl<'c> Batch<'c> {
    pub(crate) fn new(client: &'c Client) -> Self {
        Self {
            client,
            requests: Vec::new(),
        }
    }

    /// As [`Client::get`].
    pub fn get(&mut self, what: impl Input) -> Ticket<Object> {
        self.push(Prepared::Get(Operand::new(&what)))
    }

    /// As [`Client::remove`].
    pub fn remove(&mut self, what: impl Input) -> Ticket<()> {
        self.push(Prepared::Remove(Operand::new(&what)))
    }

    /// As [`Job::call`].
    pub fn run(&mut self, job: Job<'c>) -> Ticket<Ran> {
        self.push(Prepared::Job(job))
    }

    /// How many requests there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Sends all and waits for the replies. Each request succeeds or fails for itself, in no particular order.
    ///
    /// # Errors
    /// Where the supervisor can't be reached before anything was sent.
    pub fn send(self) -> Result<Replies> {
        let session = self.client.session()?;
        let mut results = Vec::with_capacity(self.requests.len());
        for part in self.requests.chunks(PART) {
            send_part(&session, part, &mut results)?;
        }
        Ok(Replies { results })
    }

    fn push<T>(&mut self, request: Prepared<'c>) -> Ticket<T> {
        self.requests.push(request);
        Ticket {
            at: self.requests.len() - 1,
            reply: PhantomData,
        }
    }
}

/// The replies to a batch.
#[derive(Debug)]
pub struct Replies {
    results: Vec<Option<Result<Outcome>>>,
}

/// A reply as a handle: what it pins is taken back if nobody asks for it.
#[derive(Debug)]
enum Outcome {
    Object(ObjectInfo, Pin),
    Other(Reply),
}

/// What a request of a batch is answered with.
pub trait BatchReply: Sized + sealed::Sealed {
    #[doc(hidden)]
    fn of(replies: &mut Replies, at: usize) -> Result<Self>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::object::Object {}
    impl Sealed for crate::run::Ran {}
    impl Sealed for () {}
}

impl Replies {
    /// The reply to one request.
    ///
    /// # Errors
    /// What that request failed with. The second time, and for tickets of another batch, [`Error::UnexpectedReply`].
    pub fn take<T: BatchReply>(&mut self, ticket: Ticket<T>) -> Result<T> {
        T::of(self, ticket.at)
    }

    fn outcome(&mut self, at: usize) -> Result<Outcome> {
        self.results
            .get_mut(at)
            .and_then(Option::take)
            .unwrap_or(Err(UNEXPECTED))
    }
}

const UNEXPECTED: Error = Error::UnexpectedReply { request: "batch" };

impl BatchReply for Object {
    fn of(replies: &mut Replies, at: usize) -> Result<Self> {
        match replies.outcome(at)? {
            Outcome::Object(info, pin) => Self::new(info, pin),
            Outcome::Other(_) => Err(UNEXPECTED),
        }
    }
}

impl BatchReply for Ran {
    fn of(replies: &mut Replies, at: usize) -> Result<Self> {
        match replies.outcome(at)? {
            Outcome::Other(reply) => ran(reply),
            Outcome::Object(..) => Err(UNEXPECTED),
        }
    }
}

impl BatchReply for () {
    fn of(replies: &mut Replies, at: usize) -> Result<Self> {
        replies.outcome(at).map(drop)
    }
}

/// Sends a part of a batch; what can't be sent fails alone.
fn send_part(
    session: &Arc<Session>,
    part: &[Prepared<'_>],
    results: &mut Vec<Option<Result<Outcome>>>,
) -> Result<()> {
    let mut attempts = Attempts::default();
    let (link, requests, first) = loop {
        let link = session.link()?;
        let requests: Vec<Result<Request>> = part.iter().map(|p| p.request(&link)).collect();
        let sendable = requests.iter().flatten();
        match link.start_all(sendable.clone().cloned(), sendable.count()) {
            Ok(first) => break (link, requests, first),
            Err(error) => session.judge(error, false, &mut attempts)?,
        }
    };
    let mut ids = first..;
    for (request, prepared) in requests.into_iter().zip(part) {
        let outcome = request.and_then(|request| {
            let id = ids.next().expect("ids don't run out");
            await_one(session, &link, id, &request, prepared.origin())
        });
        results.push(Some(outcome));
    }
    Ok(())
}

fn await_one(
    session: &Arc<Session>,
    link: &Arc<Link>,
    id: u64,
    request: &Request,
    origin: Option<Origin>,
) -> Result<Outcome> {
    let answered = match link.wait(id) {
        Ok(answer) => answer.map(|reply| (reply, Arc::clone(link)))?,
        Err(error) => {
            session.judge(error, may_repeat(request), &mut Attempts::default())?;
            session.call_on_link(request, origin)?
        }
    };
    let Request::Get(_) = request else {
        return Ok(Outcome::Other(answered.0));
    };
    let (info, link) = session.pinned(answered, request, origin)?;
    let pin = Pin::new(Arc::clone(session), Arc::clone(&link.arena), info.id);
    Ok(Outcome::Object(info, pin))
}
