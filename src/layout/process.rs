//! Rows of the process table: who may still map or lock something.

use super::checksum::{StateWord, WRITING, state_word};
use super::{RowError, shared_struct};
use crate::id::{SessionId, SlotId};

shared_struct! {
    /// What is known of a process.
    pub struct ProcessTwin {
        /// Its number in the supervisor's pid namespace.
        pub pid: u32,
        /// Its user.
        pub uid: u32,
        /// When it started, in clock ticks since boot.
        pub start_time: u64,
        /// The inode of its pid namespace; zero where it could not be read.
        pub pid_namespace: u64,
        /// Which use of the slot this is.
        pub incarnation: u64,
        /// Its session.
        pub session: u64,
        /// Its slot, or 65535.
        pub slot: u16,
        /// A [`ProcessRole`].
        pub role: u8,
        /// 1 where a lifeline exists that its children may hold.
        pub lifeline: u8,
        /// Zero.
        pub reserved: u32,
    }
}

shared_struct! {
    /// One row of the process table.
    pub struct RawProcess {
        /// State, valid half and checksum in one word; zero where the row was never used.
        pub state: u64,
        /// What is known, twice.
        pub twins: [ProcessTwin; 2],
        /// Zero.
        pub reserved: [u8; 24],
    }
}

const _: () = assert!(size_of::<ProcessTwin>() == 48);
const _: () = assert!(size_of::<RawProcess>() == 128);

const SLOT_NONE: u16 = u16::MAX;
const CODE_FREE: u8 = 1;
const CODE_USED: u8 = 2;

/// What a process is to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ProcessRole {
    /// A client.
    Client = 1,
    /// A native worker.
    Worker = 2,
    /// The groomer.
    Groomer = 3,
    /// A worker of a pool that a client started.
    PoolWorker = 4,
    /// The process that forks the workers of a client's pool.
    Host = 5,
}

impl ProcessRole {
    fn from_code(code: u8) -> Option<Self> {
        [
            Self::Client,
            Self::Worker,
            Self::Groomer,
            Self::PoolWorker,
            Self::Host,
        ]
        .into_iter()
        .find(|role| *role as u8 == code)
    }
}

/// What tells a process from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessIdentity {
    /// Its number in the supervisor's pid namespace.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
    /// The inode of its pid namespace; zero where it could not be read.
    pub pid_namespace: u64,
}

/// A valid row of the process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessRow {
    /// Which process.
    pub identity: ProcessIdentity,
    /// Its user.
    pub uid: u32,
    /// Its session.
    pub session: SessionId,
    /// Its slot, where it may hold locks.
    pub slot: Option<SlotId>,
    /// Which use of the slot this is.
    pub incarnation: u64,
    /// What it is to the supervisor.
    pub role: ProcessRole,
    /// Whether a lifeline exists that its children may hold.
    pub lifeline: bool,
}

impl RawProcess {
    /// The changeable part of `row`, which is all of it.
    #[must_use]
    pub fn twin_of(row: &ProcessRow) -> ProcessTwin {
        ProcessTwin {
            pid: row.identity.pid,
            uid: row.uid,
            start_time: row.identity.start_time,
            pid_namespace: row.identity.pid_namespace,
            incarnation: row.incarnation,
            session: row.session.0,
            slot: row.slot.map_or(SLOT_NONE, |slot| u16::from(slot.0)),
            role: row.role as u8,
            lifeline: u8::from(row.lifeline),
            reserved: 0,
        }
    }

    /// The state word for a row in use.
    #[must_use]
    pub fn used_word(index: u32, half: usize, twin: &ProcessTwin) -> u64 {
        let words: &[u64] = bytemuck::cast_slice(core::slice::from_ref(twin));
        state_word(
            index,
            StateWord {
                code: CODE_USED,
                half,
            },
            &[words],
        )
    }

    /// The state word for a free row.
    #[must_use]
    pub fn free_word(index: u32) -> u64 {
        state_word(
            index,
            StateWord {
                code: CODE_FREE,
                half: 0,
            },
            &[],
        )
    }

    /// Checks the row `index`, trusting nothing in it. `None` stands for a free row; the number is the valid half.
    ///
    /// # Errors
    /// [`RowError`] for whatever no kill of a writer could have left.
    pub fn decode(&self, index: u32) -> Result<Option<(ProcessRow, usize)>, RowError> {
        if self.reserved != [0; 24] {
            return Err(RowError::Reserved);
        }
        if self.state == 0 {
            return match bytemuck::bytes_of(self).iter().all(|&byte| byte == 0) {
                true => Ok(None),
                false => Err(RowError::Checksum),
            };
        }
        if self.state == WRITING || self.state == Self::free_word(index) {
            return Ok(None);
        }
        let word = StateWord::parse(self.state);
        let twin = &self.twins[word.half];
        if self.state != Self::used_word(index, word.half, twin) {
            return Err(RowError::Checksum);
        }
        Ok(Some((decode_twin(twin)?, word.half)))
    }
}

fn decode_twin(twin: &ProcessTwin) -> Result<ProcessRow, RowError> {
    if twin.reserved != 0 {
        return Err(RowError::Reserved);
    }
    if twin.pid == 0 || i32::try_from(twin.pid).is_err() {
        return Err(RowError::Process("pid out of range"));
    }
    let slot = match twin.slot {
        SLOT_NONE => None,
        slot => Some(SlotId(
            u8::try_from(slot).map_err(|_| RowError::Process("slot out of range"))?,
        )),
    };
    Ok(ProcessRow {
        identity: ProcessIdentity {
            pid: twin.pid,
            start_time: twin.start_time,
            pid_namespace: twin.pid_namespace,
        },
        uid: twin.uid,
        session: SessionId(twin.session),
        slot,
        incarnation: twin.incarnation,
        role: ProcessRole::from_code(twin.role).ok_or(RowError::Process("unknown role"))?,
        lifeline: match twin.lifeline {
            0 => false,
            1 => true,
            _ => return Err(RowError::Process("lifeline flag out of range")),
        },
    })
}
