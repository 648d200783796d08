//! Locks as tasks use them: waiting that ends with the supervisor, and errors as they travel.

use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use arena_core::lock::{FutexWaiting, LockError, Locker, Protocol, Waiting};
use arena_core::protocol::Failure;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::worker::checked::Checked;

/// The locks of a worker.
pub(crate) type WorkerLocks = Locker<UntilHangup>;

/// Waits on futexes, and gives up where the supervisor is gone: nobody would sweep the lock's holder.
#[derive(Debug)]
pub(crate) struct UntilHangup {
    socket: OwnedFd,
}

impl UntilHangup {
    pub(crate) fn of(socket: OwnedFd) -> Self {
        Self { socket }
    }
}

impl Waiting for UntilHangup {
    type Rules = Protocol;

    fn now_ns(&self) -> u64 {
        FutexWaiting.now_ns()
    }

    fn wait(&self, event: &AtomicU32, seen: u32, timeout: Duration) {
        FutexWaiting.wait(event, seen, timeout);
    }

    fn wake_all(&self, event: &AtomicU32) {
        FutexWaiting.wake_all(event);
    }

    fn interrupted(&self) -> bool {
        let mut sockets = [PollFd::new(&self.socket, PollFlags::RDHUP)];
        let polled = poll(&mut sockets, Some(&Timespec::default()));
        polled.is_ok_and(|ready| ready > 0)
    }
}

/// The failure of a task whose lock was not given. The supervisor knows the process behind a slot, the worker doesn't.
pub(crate) fn failure(error: &LockError, operands: &[Checked<'_>]) -> Failure {
    let Some((object, stripe)) = cell_of(error).and_then(|cell| place_of(cell, operands)) else {
        return Failure::Protocol {
            detail: error.to_string(),
        };
    };
    match *error {
        LockError::TimedOut {
            blocker, waited, ..
        } => Failure::LockTimeout {
            object,
            stripe,
            holder_slot: blocker.slot().map(|slot| slot.0),
            holder_pid: None,
            waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        },
        LockError::Poisoned { .. } => Failure::Poisoned { object, stripe },
        LockError::Closed { .. } | LockError::Stale { .. } | LockError::Lost { .. } => {
            Failure::Closed { object }
        }
        LockError::Interrupted { .. } => Failure::Cancelled,
        _ => Failure::System {
            detail: error.to_string(),
        },
    }
}

fn cell_of(error: &LockError) -> Option<u32> {
    match *error {
        LockError::TimedOut { cell, .. }
        | LockError::Poisoned { cell, .. }
        | LockError::Closed { cell }
        | LockError::Stale { cell }
        | LockError::Upgrade { cell }
        | LockError::AlreadyHeld { cell }
        | LockError::Lost { cell }
        | LockError::Damaged { cell, .. }
        | LockError::Interrupted { cell } => Some(cell),
        _ => None,
    }
}

/// The object that a cell belongs to, and its number among that object's stripes.
fn place_of(cell: u32, operands: &[Checked<'_>]) -> Option<(arena_core::ObjectId, u32)> {
    operands.iter().find_map(|operand| {
        let stripes = operand.stripes?;
        let stripe = cell.checked_sub(stripes.first_cell)?;
        (stripe < stripes.count).then_some((operand.object, stripe))
    })
}
