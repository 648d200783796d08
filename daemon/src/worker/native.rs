//! The native worker: a loop of tasks.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use arena_core::SlotId;
use arena_core::lock::LockArea;
use arena_core::protocol::{Descriptor, FromSupervisor, Task, ToSupervisor};

use crate::worker::channel::Channel;
use crate::worker::error::{Stop, WorkerError};
use crate::worker::execute::{Executor, is_tiny};
use crate::worker::handshake::handshake;
use crate::worker::locks::UntilHangup;

/// How long a finished report waits for the end of tiny tasks behind it.
const REPORT_DELAY_MAX: Duration = Duration::from_micros(100);

/// Reports that wait never grow beyond this.
const REPORT_BYTES_MAX: usize = 64 << 10;

/// Serves tasks until the supervisor is gone. `socket` leads to the supervisor, `slot` is the one it started this worker for.
///
/// # Errors
/// See [`WorkerError`]; the end of the supervisor is none.
pub fn run(socket: OwnedFd, slot: SlotId) -> Result<(), WorkerError> {
    match serve(socket, slot) {
        Ok(never) => match never {},
        Err(stop) => stop.into_result(),
    }
}

fn serve(socket: OwnedFd, slot: SlotId) -> Result<Infallible, Stop> {
    let hangup = socket.try_clone().map_err(WorkerError::Map)?;
    let mut channel = Channel::new(socket);
    let mut arena = handshake(&mut channel, &format!("arenad worker {slot}"))?;
    let data = arena.map_data()?;
    let locks = LockArea::map(arena.take(Descriptor::Locks)?).map_err(WorkerError::Map)?;
    let mut executor = Executor::new(data, locks, slot, UntilHangup::of(hangup));
    let mut waiting_since = None;
    loop {
        while let Some(message) = channel.next()? {
            match message {
                FromSupervisor::Task(task) => {
                    if !may_wait(&channel, waiting_since, &task) {
                        channel.send()?;
                        waiting_since = None;
                    }
                    let report = executor.execute(&task);
                    channel.queue(&ToSupervisor::Report(report))?;
                    waiting_since.get_or_insert_with(Instant::now);
                }
                FromSupervisor::Notice(_) => {}
                FromSupervisor::Refused(failure) => {
                    return Err(WorkerError::Refused(failure).into());
                }
                _ => return Err(WorkerError::Unexpected { expected: "task" }.into()),
            }
        }
        channel.send()?;
        waiting_since = None;
        channel.receive()?;
    }
}

/// Whether reports that are done may wait for `task`, to be sent with its own. They wait for tiny tasks only, so none is held back
/// behind long work, nor lost with a worker that dies in a later in-place task.
fn may_wait(channel: &Channel, waiting_since: Option<Instant>, task: &Task) -> bool {
    is_tiny(task)
        && channel.queued_bytes() < REPORT_BYTES_MAX
        && waiting_since.is_none_or(|since| since.elapsed() < REPORT_DELAY_MAX)
}
