//! Why a request could not be served. What happened, to which object or process, and what the asker can do.

use serde::{Deserialize, Serialize};

use crate::id::{ObjectId, SessionId};
use crate::protocol::object::ObjectState;

/// A typed refusal or failure, as it travels.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum Failure {
    #[error("{shortage}: {requested_bytes} bytes were asked for, {free_bytes} are free{}", holders_text(.holders))]
    ArenaFull {
        shortage: Shortage,
        requested_bytes: u64,
        free_bytes: u64,
        holders: Vec<Holder>,
    },
    #[error("the name is taken (remove the object or choose another): {name:?}")]
    NameTaken { name: String },
    #[error("no such object: {object}")]
    NoSuchObject { object: String },
    #[error("no such kernel{}: {kernel:?}", nearest_text(.nearest))]
    NoSuchKernel {
        kernel: String,
        nearest: Option<String>,
    },
    #[error("{detail}")]
    BadArguments { detail: String },
    #[error("object {object} is {state:?}, which does not allow this: {operation}")]
    WrongState {
        object: ObjectId,
        state: ObjectState,
        operation: String,
    },
    #[error(
        "object {object} has windows open in other sessions (close them there first): {sessions:?}"
    )]
    StillOpen {
        object: ObjectId,
        sessions: Vec<SessionId>,
    },
    #[error(
        "stripes of object {object} are not write-locked by the caller, the first of them: {stripe}"
    )]
    NotLocked { object: ObjectId, stripe: u32 },
    #[error(
        "a dead writer left stripe {stripe} of object {object} half written (overwrite whole stripes, or roll back where it keeps before-images)"
    )]
    Poisoned { object: ObjectId, stripe: u32 },
    #[error(
        "stripe {stripe} of object {object} was not to be had within {waited_ms} ms: held by pid {holder_pid:?} (slot {holder_slot:?})"
    )]
    LockTimeout {
        object: ObjectId,
        stripe: u32,
        holder_slot: Option<u8>,
        holder_pid: Option<u32>,
        waited_ms: u64,
    },
    #[error("object {object} was closed or sealed while its lock was waited for")]
    Closed { object: ObjectId },
    #[error(
        "the supervisor holds as much as it may of what this asks for (retry when replies have come): {bound} = {limit}"
    )]
    Busy { bound: String, limit: u64 },
    #[error("worker pid {pid} died of {cause} in task {task} of {kernel}, {attempts} attempts")]
    WorkerDied {
        pid: u32,
        cause: String,
        task: u64,
        kernel: String,
        attempts: u32,
    },
    #[error(
        "this session's {kernel} killed {deaths} workers and is not run again (reconnect to lift this)"
    )]
    Quarantined { kernel: String, deaths: u32 },
    #[error("the deadline passed after {after_ms} ms")]
    DeadlineExceeded { after_ms: u64 },
    #[error("cancelled")]
    Cancelled,
    #[error("the supervisor is draining and takes no new work")]
    Draining,
    #[error("connection refused: {reason}")]
    Refused { reason: String },
    #[error("protocol violation: {detail}")]
    Protocol { detail: String },
    #[error(
        "the arena's memory was damaged from outside (a file was shrunk or its pages can't be read)"
    )]
    Damaged,
    #[error("the supervisor met an error of the system: {detail}")]
    System { detail: String },
}

/// What ran short.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Shortage {
    /// The arena's own size.
    #[error("the arena is full (remove objects or start it with a larger --size)")]
    Arena,
    /// The lock cells.
    #[error("the arena's lock cells are used up (use fewer stripes or remove shared objects)")]
    Cells,
    /// Rows of the object table.
    #[error("the arena's object table is full (remove objects)")]
    Objects,
    /// The file system of the backing.
    #[error("the file system behind the arena is full")]
    Filesystem,
    /// The memory cgroup's limit.
    #[error("the memory limit of the supervisor's cgroup is reached")]
    Cgroup,
    /// The machine's memory.
    #[error("the machine's memory is short")]
    Memory,
}

/// A session that holds much of the arena.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The session.
    pub session: SessionId,
    /// Its process.
    pub pid: u32,
    /// Bytes charged to it.
    pub bytes: u64,
}

fn holders_text(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return String::new();
    }
    let each: Vec<String> = holders
        .iter()
        .map(|holder| format!("pid {} ({} bytes)", holder.pid, holder.bytes))
        .collect();
    format!("; the largest holders: {}", each.join(", "))
}

fn nearest_text(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|name| format!(" (did you mean {name}?)"))
        .unwrap_or_default()
}
