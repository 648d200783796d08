//! What the supervisor tells of itself.

use serde::{Deserialize, Serialize};

use crate::id::{ObjectId, SessionId, SlotId};
use crate::name::ObjectName;
use crate::protocol::handshake::ArenaInfo;

/// The whole account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stats {
    /// The arena.
    pub arena: ArenaInfo,
    /// Each byte of the arena in exactly one class.
    pub memory: MemoryClasses,
    /// Bytes of objects with a pin; beside the classes, not one of them.
    pub pinned_bytes: u64,
    /// Bytes of poisoned stripes; beside the classes, not one of them.
    pub poisoned_bytes: u64,
    /// How the arena's pages are backed.
    pub pages: PageCounts,
    /// Objects that are not free.
    pub objects: u32,
    /// Bytes by session.
    pub by_session: Vec<Charge>,
    /// Bytes by uid.
    pub by_uid: Vec<Charge>,
    /// Events since the start.
    pub counters: Counters,
    /// Jobs that are queued or running.
    pub jobs: u32,
    /// Milliseconds since the start.
    pub uptime_ms: u64,
}

/// Each byte of the arena in exactly one class: the sum is the arena's size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MemoryClasses {
    /// Free, with pages.
    pub free_warm_bytes: u64,
    /// Free, without pages.
    pub free_cold_bytes: u64,
    /// Of objects that are being filled.
    pub filling_bytes: u64,
    /// Of sealed objects.
    pub sealed_bytes: u64,
    /// Of shared objects, their before-images too.
    pub shared_bytes: u64,
    /// Of objects removed but still looked at.
    pub removed_bytes: u64,
    /// Of sessions that closed while their process may still map them.
    pub lingering_bytes: u64,
    /// Rounding up to pages.
    pub overhead_bytes: u64,
}

impl MemoryClasses {
    /// The sum over all classes.
    #[must_use]
    pub const fn total_bytes(&self) -> u64 {
        self.free_warm_bytes
            + self.free_cold_bytes
            + self.filling_bytes
            + self.sealed_bytes
            + self.shared_bytes
            + self.removed_bytes
            + self.lingering_bytes
            + self.overhead_bytes
    }
}

/// Blocks of 2 MiB by their pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PageCounts {
    /// Blocks that are one 2 MiB page.
    pub huge_blocks: u64,
    /// Blocks of 4 KiB pages, because the kernel gave no large one.
    pub small_blocks: u64,
    /// Blocks without pages.
    pub cold_blocks: u64,
}

/// Bytes charged to a session or a uid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Charge {
    /// The session, or the uid.
    pub holder: u64,
    /// Bytes of its objects, page-rounded.
    pub bytes: u64,
    /// Its objects.
    pub objects: u32,
}

/// Events since the start of the supervisor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub struct Counters {
    pub requests: u64,
    pub jobs_done: u64,
    pub jobs_failed: u64,
    pub tasks_done: u64,
    pub tasks_retried: u64,
    pub workers_started: u64,
    pub workers_died: u64,
    pub sessions_opened: u64,
    pub sessions_gone: u64,
    pub objects_created: u64,
    pub objects_freed: u64,
    pub sweeps: u64,
    pub stripes_poisoned: u64,
    pub corrupt_cells: u64,
}

/// One native worker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WorkerRow {
    /// Its slot.
    pub slot: SlotId,
    /// Its process.
    pub pid: u32,
    /// What it does.
    pub state: WorkerState,
    /// The kernel it runs.
    pub kernel: Option<String>,
    /// Tasks it has finished.
    pub tasks_done: u64,
    /// Nanoseconds of work.
    pub busy_ns: u64,
    /// Milliseconds since its start.
    pub age_ms: u64,
}

/// What a worker does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Started, not ready.
    Starting,
    /// Waits for work.
    Idle,
    /// Works.
    Busy,
    /// Warm, in reserve for one that dies.
    Spare,
    /// Was told to end.
    Ending,
}

/// A lock cell that is held, waited for or poisoned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LockRow {
    /// The object.
    pub object: ObjectId,
    /// Its name.
    pub name: Option<ObjectName>,
    /// The stripe.
    pub stripe: u32,
    /// The slot that writes.
    pub writer_slot: Option<u8>,
    /// Its process.
    pub writer_pid: Option<u32>,
    /// Slots that read.
    pub readers: u32,
    /// Somebody waits.
    pub waiters: bool,
    /// A dead writer left it half written.
    pub poisoned: bool,
    /// The before-image of the poisoned stripe is whole.
    pub image_valid: bool,
}

/// One session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionRow {
    /// The session.
    pub session: SessionId,
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// The name of its program, as it told.
    pub program: String,
    /// Whether its socket is open; a closed session lives on until its process is gone.
    pub open: bool,
    /// Its slot, if it has asked for one.
    pub slot: Option<SlotId>,
    /// Bytes of its objects, page-rounded.
    pub bytes: u64,
    /// Its objects.
    pub objects: u32,
    /// Objects it looks at.
    pub pins: u32,
    /// Requests not answered yet.
    pub in_flight: u32,
    /// Milliseconds since its start.
    pub age_ms: u64,
}
