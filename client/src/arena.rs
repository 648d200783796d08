//! An arena as this process has it mapped. It outlives the connection that brought it: views stay valid when the supervisor goes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use arena_core::ArenaId;
use arena_core::mapping::DataMap;
use arena_core::protocol::ArenaInfo;

use crate::error::{Error, Result};

/// The data, mapped once and read-only, and the locks file.
#[derive(Debug)]
pub(crate) struct Arena {
    info: ArenaInfo,
    data: DataMap,
    locks: Option<OwnedFd>,
}

impl Arena {
    pub(crate) fn map(info: ArenaInfo, data: OwnedFd, locks: Option<OwnedFd>) -> Result<Self> {
        let data = DataMap::map(data, info.bytes).map_err(Error::map)?;
        Ok(Self { info, data, locks })
    }

    pub(crate) fn info(&self) -> &ArenaInfo {
        &self.info
    }

    pub(crate) fn id(&self) -> ArenaId {
        self.info.id
    }

    pub(crate) fn data(&self) -> &DataMap {
        &self.data
    }

    /// The locks file, for those the supervisor lets take locks.
    pub(crate) fn locks(&self) -> Option<BorrowedFd<'_>> {
        self.locks.as_ref().map(AsFd::as_fd)
    }

    /// Whether `data` is the file that is mapped here, so that a connection that brings it again needs no new mapping.
    pub(crate) fn is_backed_by(&self, data: &OwnedFd) -> bool {
        let identity = |fd: BorrowedFd<'_>| {
            rustix::fs::fstat(fd)
                .ok()
                .map(|stat| (stat.st_dev, stat.st_ino))
        };
        let own = identity(self.data.file());
        own.is_some() && own == identity(data.as_fd())
    }
}
