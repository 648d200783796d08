//! The groomer: brings pages to blocks before anybody is granted them, and gives pages back.
//!
//! It answers order by order, in the order they came, so a large wish is sent as several orders and the first blocks are granted
//! while the last ones still wait for their pages.

use std::convert::Infallible;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};

use arena_core::BLOCK_BYTES;
use arena_core::groom::Groomer;
use arena_core::protocol::{
    Descriptor, FromSupervisor, GroomDone, GroomOrder, Groomed, Shortage, ToSupervisor,
};

use crate::worker::channel::Channel;
use crate::worker::error::{Stop, WorkerError};
use crate::worker::handshake::handshake;

/// Populating is limited by the memory, which few threads saturate.
const THREADS_MAX: usize = 4;

/// Serves orders until the supervisor is gone. `socket` leads to the supervisor.
///
/// # Errors
/// See [`WorkerError`]; the end of the supervisor is none.
pub fn groomer(socket: OwnedFd) -> Result<(), WorkerError> {
    match serve(socket) {
        Ok(never) => match never {},
        Err(stop) => stop.into_result(),
    }
}

fn serve(socket: OwnedFd) -> Result<Infallible, Stop> {
    let mut channel = Channel::new(socket);
    let mut arena = handshake(&mut channel, "arenad groomer")?;
    let data = arena.take(Descriptor::Data)?;
    let blocks = arena.bytes() / BLOCK_BYTES;
    let groomer = Groomer::new(data.as_fd(), threads());
    loop {
        while let Some(message) = channel.next()? {
            match message {
                FromSupervisor::Groom(order) => {
                    let done = execute(&groomer, order, blocks)?;
                    channel.queue(&ToSupervisor::Groomed(Groomed { order, done }))?;
                    channel.send()?;
                }
                FromSupervisor::Notice(_) => {}
                FromSupervisor::Refused(failure) => {
                    return Err(WorkerError::Refused(failure).into());
                }
                _ => return Err(WorkerError::Unexpected { expected: "order" }.into()),
            }
        }
        channel.receive()?;
    }
}

fn execute(
    groomer: &Groomer<'_>,
    order: GroomOrder,
    blocks: u64,
) -> Result<GroomDone, WorkerError> {
    let within = |first: u64, count: u64| -> Result<Range<u64>, WorkerError> {
        let end = first.checked_add(count).filter(|&end| end <= blocks);
        end.map(|end| first..end).ok_or(WorkerError::Unexpected {
            expected: "order for blocks of the arena",
        })
    };
    let done = match order {
        GroomOrder::Populate {
            first_block,
            blocks,
        } => groomer.populate(within(first_block, blocks)?),
        GroomOrder::Release {
            first_block,
            blocks,
        } => groomer
            .release(within(first_block, blocks)?)
            .map(|()| GroomDone {
                huge: Vec::new(),
                shortage: None,
            }),
    };
    Ok(done.unwrap_or_else(|error| GroomDone {
        huge: Vec::new(),
        shortage: Some(shortage_of(&error)),
    }))
}

/// Blocks that can't even be mapped lack address space; what else fails is the file system's refusal.
fn shortage_of(error: &io::Error) -> Shortage {
    match error.kind() {
        io::ErrorKind::OutOfMemory => Shortage::Memory,
        _ => Shortage::Filesystem,
    }
}

fn threads() -> NonZeroUsize {
    let available = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(available.min(THREADS_MAX)).unwrap_or(NonZeroUsize::MIN)
}
