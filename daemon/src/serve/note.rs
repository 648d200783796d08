//! The supervisor's notes as log events. What peers wrote is logged with `?`, which escapes it.

use tracing::{debug, error, info, warn};

use crate::supervisor::Note;

/// Logs a note.
pub(super) fn log(note: &Note) {
    match note {
        Note::Ready {
            workers,
            warm_bytes,
        } => info!(workers, warm_bytes, "ready"),
        Note::Draining => info!("draining: no new work is taken"),
        Note::Reloaded => info!("the configuration was read again"),
        Note::MemoryShort { shortage } => warn!(%shortage, "pages can't be populated"),
        Note::SmallPages { blocks } => warn!(
            blocks,
            "the kernel gives no 2 MiB pages, so mapping and freeing are slower (see arenactl doctor)"
        ),
        Note::Poisoned { slot, cells } => warn!(
            slot = slot.0,
            ?cells,
            "a dead writer left stripes half written"
        ),
        Note::CorruptCells { cells } => error!(
            ?cells,
            "lock cells held impossible values and were closed (a process writes where it must not)"
        ),
        Note::SessionOpened {
            session,
            peer,
            program,
            resumed,
        } => info!(
            session = session.0,
            pid = peer.pid,
            uid = peer.uid,
            ?program,
            resumed,
            "session opened"
        ),
        Note::SessionRefused { peer, reason } => {
            warn!(pid = peer.pid, uid = peer.uid, ?reason, "session refused");
        }
        Note::SessionEnded {
            session,
            pid,
            reason,
        } => warn!(
            session = session.0,
            pid,
            ?reason,
            "session ended by the supervisor"
        ),
        Note::SessionClosed { session, pid } => info!(session = session.0, pid, "session closed"),
        Note::SessionGone {
            session,
            pid,
            returned_bytes,
        } => info!(session = session.0, pid, returned_bytes, "session gone"),
        Note::Quarantined {
            session,
            kernel,
            deaths,
        } => warn!(
            session = session.0,
            ?kernel,
            deaths,
            "a kernel keeps killing workers and is not run again for this session"
        ),
        Note::WorkerStarted { slot, pid } => debug!(slot = slot.0, pid, "worker started"),
        Note::WorkerFailedToStart {
            slot,
            detail,
            retry_ms,
        } => error!(slot = slot.0, ?detail, retry_ms, "a worker failed to start"),
        Note::WorkerDied {
            slot,
            pid,
            cause,
            task,
            kernel,
        } => warn!(slot = slot.0, pid, cause, task, kernel, "a worker died"),
        Note::WorkerOverran {
            slot,
            pid,
            kernel,
            overrun_ms,
        } => warn!(
            slot = slot.0,
            pid, kernel, overrun_ms, "a worker is killed because it does not end its task"
        ),
        Note::GroomerStarted { pid } => debug!(pid, "groomer started"),
        Note::GroomerDied { pid, cause } => warn!(pid, cause, "the groomer died"),
        Note::GroomerFailedToStart { detail, retry_ms } => {
            error!(?detail, retry_ms, "the groomer failed to start");
        }
    }
}
