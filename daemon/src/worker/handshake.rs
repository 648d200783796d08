//! The first two messages: hello, and the welcome with the arena's descriptors.

use std::os::fd::OwnedFd;

use arena_core::mapping::DataMap;
use arena_core::protocol::{
    Descriptor, FromSupervisor, Hello, PROTOCOL_VERSION, ToSupervisor, Welcome,
};

use crate::worker::channel::Channel;
use crate::worker::error::{Stop, WorkerError};

/// The arena as the supervisor hands it to its own children.
#[derive(Debug)]
pub(crate) struct Arena {
    welcome: Welcome,
    /// One for each entry of the welcome's list, taken out as they are used.
    descriptors: Vec<Option<OwnedFd>>,
}

/// Introduces this process and waits for the welcome.
pub(crate) fn handshake(channel: &mut Channel, program: &str) -> Result<Arena, Stop> {
    channel.queue(&ToSupervisor::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        program: program.to_owned(),
        resume: None,
    }))?;
    channel.send()?;
    let mut descriptors = Vec::new();
    loop {
        channel.receive_descriptors(&mut descriptors)?;
        match channel.next()? {
            None => {}
            Some(FromSupervisor::Welcome(welcome)) if welcome.protocol == PROTOCOL_VERSION => {
                return Ok(Arena {
                    welcome: *welcome,
                    descriptors: descriptors.into_iter().map(Some).collect(),
                });
            }
            Some(FromSupervisor::Welcome(welcome)) => {
                let theirs = welcome.protocol;
                return Err(WorkerError::Version { theirs }.into());
            }
            Some(FromSupervisor::Refused(failure)) => {
                return Err(WorkerError::Refused(failure).into());
            }
            Some(_) => {
                let expected = "welcome";
                return Err(WorkerError::Unexpected { expected }.into());
            }
        }
    }
}

impl Arena {
    /// The size of the data.
    pub(crate) fn bytes(&self) -> u64 {
        self.welcome.arena.bytes
    }

    /// Maps the data, read-only, once for the life of the process.
    pub(crate) fn map_data(&mut self) -> Result<DataMap, WorkerError> {
        let file = self.take(Descriptor::Data)?;
        DataMap::map(file, self.welcome.arena.bytes).map_err(WorkerError::Map)
    }

    /// The descriptor that the welcome called so.
    pub(crate) fn take(&mut self, wanted: Descriptor) -> Result<OwnedFd, WorkerError> {
        self.welcome
            .descriptors
            .iter()
            .position(|&descriptor| descriptor == wanted)
            .and_then(|position| self.descriptors.get_mut(position)?.take())
            .ok_or(WorkerError::NoDescriptor(wanted))
    }
}
