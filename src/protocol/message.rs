//! The messages of both directions.

use serde::{Deserialize, Serialize};

use crate::id::{ObjectId, SlotId};
use crate::protocol::failure::Failure;
use crate::protocol::handshake::{Hello, Welcome};
use crate::protocol::job::{KernelInfo, Ran, Run};
use crate::protocol::object::{Create, Object, Selector};
use crate::protocol::status::{LockRow, SessionRow, Stats, WorkerRow};
use crate::protocol::work::{GroomOrder, Groomed, Task, TaskReport};

/// What a peer sends.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToSupervisor {
    /// The first message of every connection.
    Hello(Hello),
    /// A request. Ids are the peer's choice, unique among its requests in flight; a request with id 0 gets no reply.
    Request {
        /// Repeated by the reply.
        id: u64,
        /// What is asked.
        request: Request,
    },
    /// A worker's answer to [`FromSupervisor::Task`].
    Report(TaskReport),
    /// The groomer's answer to [`FromSupervisor::Groom`].
    Groomed(Groomed),
}

/// What the supervisor sends.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromSupervisor {
    /// The answer to [`ToSupervisor::Hello`].
    Welcome(Box<Welcome>),
    /// The last message of a connection that the supervisor ends.
    Refused(Failure),
    /// The answer to a request.
    Reply {
        /// The request's id.
        id: u64,
        /// What was asked for, or why not.
        result: Result<Reply, Failure>,
    },
    /// Work for a worker.
    Task(Box<Task>),
    /// Work for the groomer.
    Groom(GroomOrder),
    /// Something that happened.
    Notice(Notice),
}

/// What a client can ask for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// A new object, pinned by its creator. Replies [`Reply::Object`] once its pages are there.
    Create(Create),
    /// Makes a filling object immutable and visible: the producer has mapped its window anew before it asks. A shared object
    /// needs all its stripes write-locked by the caller and no window of another session. Replies [`Reply::Object`].
    Seal(ObjectId),
    /// Gives up a filling object whose window is unmapped. Replies [`Reply::Done`].
    Abandon(ObjectId),
    /// Looks an object up and pins it. Replies [`Reply::Object`].
    Get(Selector),
    /// Takes back one pin on each object. Replies [`Reply::Done`].
    Unpin(Vec<ObjectId>),
    /// Takes an object out of the name space; it is freed at its last pin. Replies [`Reply::Done`].
    Remove(Selector),
    /// Objects in row order from row `from` on. Replies [`Reply::Objects`].
    List {
        /// The first row to look at.
        from: u32,
    },
    /// The slot of this session, given on first request. Replies [`Reply::Slot`].
    Slot,
    /// Announces a writable window over a shared object. Replies [`Reply::Done`].
    OpenWindow(ObjectId),
    /// The window is unmapped. Replies [`Reply::Done`].
    CloseWindow(ObjectId),
    /// Copies the before-images of poisoned stripes back. Replies [`Reply::Ran`].
    RollBack(ObjectId),
    /// Applies a kernel. Replies [`Reply::Ran`].
    Run(Run),
    /// Cancels the request with this id, if it has not been answered; that one's reply says so. Replies [`Reply::Done`].
    Cancel(u64),
    /// The kernels there are. Replies [`Reply::Kernels`].
    Kernels,
    /// Accounts for every byte. Replies [`Reply::Stats`].
    Stats,
    /// The workers. Replies [`Reply::Workers`].
    Workers,
    /// Lock cells that are held, waited for or poisoned. Replies [`Reply::Locks`].
    Locks,
    /// The sessions. Replies [`Reply::Sessions`].
    Sessions,
}

/// What a request brings.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the requests say what each variant answers")]
pub enum Reply {
    Done,
    Object(Box<Object>),
    Objects {
        objects: Vec<Object>,
        /// The row to go on from, or none at the end.
        next: Option<u32>,
    },
    Slot {
        slot: SlotId,
        incarnation: u64,
    },
    Ran(Box<Ran>),
    Kernels(Vec<KernelInfo>),
    Stats(Box<Stats>),
    Workers(Vec<WorkerRow>),
    Locks(Vec<LockRow>),
    Sessions(Vec<SessionRow>),
}

/// What the supervisor tells unasked.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// No new work is taken; what runs is finished, then the supervisor ends.
    Draining,
    /// The arena's memory was damaged from outside; the supervisor ends.
    Damaged,
}
