//! Why an arena's files cannot be served.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use super::Part;
use crate::name::ArenaName;
use crate::table::TableError;

/// Why an arena's files cannot be made, opened or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// Another daemon serves the arena.
    #[error("the arena {arena} is served by another daemon{}", pid.map_or(String::new(), |pid| format!(" (pid {pid})")))]
    InUse {
        /// Which arena.
        arena: ArenaName,
        /// That daemon, where the kernel tells.
        pid: Option<u32>,
    },
    /// A file is not what this user's daemon could have made.
    #[error("{path} {problem}: it is not this user's arena; remove or rename it")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A part is missing or has another size than the table says.
    #[error(
        "{path} has {found} bytes where the table says {expected}; remove the arena with: arenactl arena rm {arena}"
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The size that the table tells.
        expected: u64,
        /// Which arena.
        arena: ArenaName,
    },
    /// The file system has no room.
    #[error(
        "no room for {path} on its file system: make the arena smaller, or give it a larger file system"
    )]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// There is no such arena.
    #[error("there is no arena {arena} of this user")]
    NotFound {
        /// Which arena.
        arena: ArenaName,
    },
    /// A system call failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The table cannot be served.
    #[error(transparent)]
    Table(TableError),
}

impl From<TableError> for FilesError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Full => Self::Full {
                path: Part::Table.name().into(),
            },
            error => Self::Table(error),
        }
    }
}

impl FilesError {
    pub(super) fn of_errno(action: &'static str, path: impl Into<PathBuf>, errno: Errno) -> Self {
        Self::of_io(action, path, errno.into())
    }

    pub(super) fn of_io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }

    /// Whether a file was not there.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    pub(super) fn is_already_there(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
    }
}
