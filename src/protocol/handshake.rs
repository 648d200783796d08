//! The first two messages of a connection.

use serde::{Deserialize, Serialize};

use crate::id::{ArenaId, ObjectId, SessionId};
use crate::name::ArenaName;

/// Raised by every change that an older peer would misread.
pub const PROTOCOL_VERSION: u32 = 1;

/// A peer's first message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the peer.
    pub protocol: u32,
    /// The name of its program, for people; at most 64 bytes, shown escaped.
    pub program: String,
    /// Set by a client that lost its supervisor and comes back.
    #[serde(default)]
    pub resume: Option<Resume>,
}

/// What a client that comes back still holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Resume {
    /// The arena it was connected to; another one's client starts afresh.
    pub arena: ArenaId,
    /// Its session before the supervisor went.
    pub session: SessionId,
    /// The objects it still looks at, and those that were pinned when it last forked: its children may look at them. Each as
    /// often as it is to be unpinned.
    pub pins: Vec<ObjectId>,
    /// The shared objects it has writable windows on.
    #[serde(default)]
    pub windows: Vec<ObjectId>,
}

/// The supervisor's answer to [`Hello`]. The descriptors come with its first byte, in the order of `descriptors`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// [`PROTOCOL_VERSION`] of the supervisor.
    pub protocol: u32,
    /// The session this connection is.
    pub session: SessionId,
    /// Whether the session named by [`Resume`] goes on, with its pins.
    pub resumed: bool,
    /// The supervisor's process.
    pub supervisor_pid: u32,
    /// Native workers that the supervisor keeps.
    pub workers: u32,
    /// Where other processes can connect to this supervisor: a path, or `@name` in the abstract namespace.
    pub address: String,
    /// The arena.
    pub arena: ArenaInfo,
    /// What each descriptor is. A resumed session keeps those it has and gets none.
    pub descriptors: Vec<Descriptor>,
}

/// What a peer must know of the arena to map it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ArenaInfo {
    /// Its identity, kept over restarts.
    pub id: ArenaId,
    /// Its name; private arenas have none.
    pub name: Option<ArenaName>,
    /// The size of the data in bytes, a multiple of 2 MiB.
    pub bytes: u64,
    /// Where it lies.
    pub backing: Backing,
}

/// Where an arena's bytes lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backing {
    /// POSIX shared memory, kept over restarts.
    Named,
    /// Files in a directory of the user's choice, kept over restarts.
    Directory,
    /// Anonymous memory, gone with its last user.
    Memfd,
}

/// What a passed descriptor is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Descriptor {
    /// The arena's data.
    Data,
    /// The lock cells and slot records.
    Locks,
    /// The write end of the session's lifeline: kept close-on-exec, never written to, inherited by forked children.
    Lifeline,
}
