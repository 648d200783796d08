//! What survives the supervisor: rows as it writes them, and what the next one is told at its start.

use arena_core::layout::BlockState;
use arena_core::protocol::{ArenaInfo, ObjectState, Stripes};
use arena_core::{ArrayLayout, Extent, ObjectId, ObjectName, SessionId, SlotId};

use super::event::{ConnId, Peer};

/// A row of the object table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectRecord {
    /// Row and generation.
    pub id: ObjectId,
    /// Never free: free rows have no record.
    pub state: ObjectState,
    /// Element type, shape and strides.
    pub layout: ArrayLayout,
    /// Page-aligned start, exact length; offset 0 and length 0 for objects without elements.
    pub extent: Extent,
    /// The name it was made with; others find it by it only while the state is sealed or shared.
    pub name: Option<ObjectName>,
    /// The session that made it.
    pub session: SessionId,
    /// The uid it is charged to.
    pub uid: u32,
    /// Its lock cells; none for objects that are not shared.
    pub stripes: Option<Stripes>,
    /// Where before-images go.
    pub image: Option<Extent>,
}

/// What a process is to the supervisor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Asks for things.
    Client,
    /// Computes.
    Worker,
    /// Populates pages.
    Groomer,
}

/// A row of the process table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProcessRecord {
    /// The row.
    pub row: u32,
    /// The session; also the incarnation of its slot.
    pub session: SessionId,
    /// What the process is.
    pub role: Role,
    /// Its identity.
    pub peer: Peer,
    /// The slot it may hold locks with.
    pub slot: Option<SlotId>,
}

/// Fixed sizes of an arena.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// Rows of the object table.
    pub object_rows: u32,
    /// Rows of the process table.
    pub process_rows: u32,
    /// Lock cells.
    pub cells: u32,
}

/// Facts about this supervisor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The arena it serves.
    pub arena: ArenaInfo,
    /// Sizes of its tables.
    pub geometry: Geometry,
    /// The supervisor's process.
    pub pid: u32,
    /// The uid whose sessions are accepted, beside root's.
    pub uid: u32,
    /// Where peers can connect.
    pub address: String,
    /// Whether it serves one client's private arena and ends with its last client.
    pub embedded: bool,
}

/// A process of before a restart, from the process table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Survivor {
    /// Its row.
    pub record: ProcessRecord,
    /// The key of later `Gone` and `LifelineEnded` events.
    pub conn: ConnId,
    /// Whether the process with this pid and start time still lives.
    pub alive: bool,
    /// Whether somebody may still hold its lifeline.
    pub lifeline_held: bool,
}

/// What the arena holds at the supervisor's start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// Greater than any session id given out before in this arena.
    pub first_session: SessionId,
    /// The highest generation used so far of each row of the object table; missing ones count as 0.
    pub generations: Vec<u64>,
    /// The rows that are not free.
    pub objects: Vec<ObjectRecord>,
    /// The state of each block; missing ones count as cold.
    pub blocks: Vec<BlockState>,
    /// Every row of the process table, of dead processes too: their slots are still to be swept.
    pub processes: Vec<Survivor>,
}

impl Recovered {
    /// An arena that nobody has used yet.
    #[must_use]
    pub const fn fresh() -> Self {
        Self {
            first_session: SessionId(1),
            generations: Vec::new(),
            objects: Vec::new(),
            blocks: Vec::new(),
            processes: Vec::new(),
        }
    }
}
