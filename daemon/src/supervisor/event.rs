//! What can happen to the supervisor.

use arena_core::SlotId;
use arena_core::protocol::ToSupervisor;

use super::effect::Child;
use super::policy::Policy;

/// A peer for its whole life, also after its socket closed. Chosen by the event loop, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u64);

/// Who is at the other end of a socket, as the kernel says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// When its process started, in the kernel's clock ticks: with the pid an identity.
    pub start_time: u64,
}

/// Something that happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A client connected.
    Connected {
        /// The new peer.
        conn: ConnId,
        /// Its credentials.
        peer: Peer,
    },
    /// A whole frame came.
    Message {
        /// From whom.
        conn: ConnId,
        /// Its content.
        message: ToSupervisor,
    },
    /// Bytes came that are no frame. The session ends with the reason.
    BadFrame {
        /// From whom.
        conn: ConnId,
        /// What was wrong.
        detail: String,
    },
    /// The socket is at its end, or the peer let its output pile up.
    Closed {
        /// Whose.
        conn: ConnId,
    },
    /// The process is gone: its pidfd is readable. This is the death certificate.
    Gone {
        /// Whose.
        conn: ConnId,
        /// What it died of, as people say it ("signal 9 (SIGKILL)", "exit code 3"); known of own children only.
        cause: Option<String>,
    },
    /// No process holds the write end of the lifeline any more.
    LifelineEnded {
        /// Whose.
        conn: ConnId,
    },
    /// Answers [`super::Effect::Spawn`].
    Spawned {
        /// What was started.
        child: Child,
        /// The supervisor's end of its socket.
        conn: ConnId,
        /// Its process.
        peer: Peer,
    },
    /// Answers [`super::Effect::Spawn`].
    SpawnFailed {
        /// What was to be started.
        child: Child,
        /// Why it was not.
        detail: String,
    },
    /// Answers [`super::Effect::ReserveRows`].
    RowsReserved {
        /// How many rows from the first on have memory now; fewer than asked for where the file system is full.
        rows: u32,
    },
    /// Answers [`super::Effect::Sweep`].
    Swept(Swept),
    /// Answers [`super::Effect::InspectCells`]: the cells asked for that are held, waited for, poisoned or corrupt, ascending.
    CellsSeen(Vec<CellSeen>),
    /// Answers [`super::Effect::CheckLocked`].
    LockedBy {
        /// The first of the cells that the slot does not hold for writing (granted, not draining), if there is one.
        missing: Option<u32>,
    },
    /// The moment of `next_deadline()` has passed.
    Tick,
    /// The supervisor is to finish what runs and end.
    Drain,
    /// New tunables.
    Reload(Box<Policy>),
    /// The arena's memory was damaged from outside.
    Damaged,
}

/// What a sweep found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Swept {
    /// The slot that was swept.
    pub slot: SlotId,
    /// Cells that the slot held for writing and that are poisoned now, ascending.
    pub poisoned: Vec<u32>,
    /// Cells with impossible contents; the sweep closed them.
    pub corrupt: Vec<u32>,
    /// The slot's progress word, where one was written since the slot was prepared.
    pub progress: Option<Progress>,
}

/// The stripe that a worker had come to in an in-place task: written when its lock was granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The task.
    pub task: u64,
    /// The stripe, counted within the object.
    pub stripe: u32,
}

/// One lock cell, read without waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CellSeen {
    /// The cell's index in the locks file.
    pub cell: u32,
    /// The slot that writes.
    pub writer: Option<SlotId>,
    /// How many slots read.
    pub readers: u32,
    /// Somebody waits.
    pub waiters: bool,
    /// A dead writer left the stripe half written.
    pub poisoned: bool,
    /// The stripe's before-image is whole.
    pub image_valid: bool,
    /// The contents are impossible.
    pub corrupt: bool,
}
