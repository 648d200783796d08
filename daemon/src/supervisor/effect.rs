//! What the supervisor wants done.

use std::ops::Range;

use arena_core::layout::BlockState;
use arena_core::protocol::FromSupervisor;
use arena_core::{ObjectId, SessionId, SlotId};

use super::event::ConnId;
use super::records::{ObjectRecord, ProcessRecord};

/// A process that the supervisor starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Child {
    /// A native worker, with the slot it will hold locks with.
    Worker(SlotId),
    /// The groomer.
    Groomer,
}

/// One thing to be done by the event loop, in its turn.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Queues a message. With [`FromSupervisor::Welcome`] go the descriptors its list names; the loop makes the lifeline.
    Send {
        /// To whom.
        conn: ConnId,
        /// What.
        message: FromSupervisor,
    },
    /// Ends a connection when its queued output is written, or after a short grace. No `Closed` needs to follow.
    Close {
        /// Whose.
        conn: ConnId,
    },
    /// Starts a process. Answered by `Spawned` or `SpawnFailed`.
    Spawn(Child),
    /// Kills an own child, or a native worker or groomer left from before a restart (by its verified pidfd).
    Kill {
        /// Which.
        conn: ConnId,
    },
    /// Makes sure that the table file has memory for the object rows below `rows`. Answered by `RowsReserved`. Asked before the
    /// first of them is written, so that writing a row never fails.
    ReserveRows {
        /// How many rows from the first on.
        rows: u32,
    },
    /// Writes a row of the object table, its state last.
    WriteObject(Box<ObjectRecord>),
    /// Frees a row of the object table. The row keeps the generation, so that the next use has a higher one.
    ClearObject(ObjectId),
    /// Writes a row of the process table.
    WriteProcess(ProcessRecord),
    /// Frees a row of the process table and removes the session's named lifeline.
    ClearProcess {
        /// The row.
        row: u32,
        /// Whose row it was.
        session: SessionId,
    },
    /// Writes the states of blocks.
    WriteBlocks {
        /// The first block.
        first_block: u64,
        /// One state a block.
        states: Vec<BlockState>,
    },
    /// Makes cells ready for an object that becomes shared: empty, not closed, with that generation.
    OpenCells {
        /// The cells.
        cells: Range<u32>,
        /// What `cell_generation` makes of the object's id.
        generation: u64,
    },
    /// Closes cells of an object that is no longer shared and wakes who waits for them.
    CloseCells {
        /// The cells.
        cells: Range<u32>,
    },
    /// Makes a slot's record ready for a new holder: no intent, no progress, the incarnation.
    PrepareSlot {
        /// The slot.
        slot: SlotId,
        /// The holder's session id.
        incarnation: u64,
    },
    /// Takes a dead holder's slot out of all cells. Answered by `Swept`.
    Sweep {
        /// The slot.
        slot: SlotId,
        /// The cells of all shared objects, ascending, neighbours joined.
        cells: Vec<Range<u32>>,
    },
    /// Reads cells. Answered by `CellsSeen`.
    InspectCells {
        /// Ascending ranges.
        cells: Vec<Range<u32>>,
    },
    /// Asks whether a slot holds all of the cells for writing. Answered by `LockedBy`.
    CheckLocked {
        /// The slot.
        slot: SlotId,
        /// The cells.
        cells: Range<u32>,
    },
    /// Something for the log.
    Note(Note),
    /// The loop flushes what is queued and ends. Nothing follows.
    Exit(ExitReason),
}

/// Why the supervisor ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitReason {
    /// It was told to, and all work is done.
    Drained,
    /// It was told to, and work was left when the time was up.
    DrainTimedOut,
    /// The last client of a private arena is gone.
    LastClientGone,
    /// The arena's memory was damaged.
    Damaged,
}

/// Something that people who run the supervisor want to know.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Note {
    /// Workers stand by and the warm floor has its pages.
    Ready {
        workers: u32,
        warm_bytes: u64,
    },
    SessionOpened {
        session: SessionId,
        peer: super::event::Peer,
        program: String,
        resumed: bool,
    },
    SessionRefused {
        peer: super::event::Peer,
        reason: String,
    },
    /// The supervisor ended a session for what its peer did.
    SessionEnded {
        session: SessionId,
        pid: u32,
        reason: String,
    },
    SessionClosed {
        session: SessionId,
        pid: u32,
    },
    SessionGone {
        session: SessionId,
        pid: u32,
        returned_bytes: u64,
    },
    WorkerStarted {
        slot: SlotId,
        pid: u32,
    },
    /// The worker stopped before it could work.
    WorkerFailedToStart {
        slot: SlotId,
        detail: String,
        retry_ms: u64,
    },
    WorkerDied {
        slot: SlotId,
        pid: u32,
        cause: String,
        task: Option<u64>,
        kernel: Option<String>,
    },
    /// The worker is killed because it does not end a task that nobody waits for.
    WorkerOverran {
        slot: SlotId,
        pid: u32,
        kernel: String,
        overrun_ms: u64,
    },
    GroomerStarted {
        pid: u32,
    },
    GroomerDied {
        pid: u32,
        cause: String,
    },
    GroomerFailedToStart {
        detail: String,
        retry_ms: u64,
    },
    MemoryShort {
        shortage: arena_core::protocol::Shortage,
    },
    /// The kernel gives no 2 MiB pages; first told of, then counted in `stats`.
    SmallPages {
        blocks: u64,
    },
    Poisoned {
        slot: SlotId,
        cells: Vec<u32>,
    },
    CorruptCells {
        cells: Vec<u32>,
    },
    Quarantined {
        session: SessionId,
        kernel: String,
        deaths: u32,
    },
    Draining,
    Reloaded,
}
