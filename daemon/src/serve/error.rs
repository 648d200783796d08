//! Why an arena is not served, or no longer.

use std::io;

use arena_core::files::FilesError;
use arena_core::layout::GeometryError;
use arena_core::table::TableError;

use rustix::io::Errno;

use super::listener::ListenError;
use crate::exit::Exit;
use crate::supervisor::RecoverError;

/// Why a daemon ends otherwise than in order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("the arena can't be served")]
    Files(#[from] FilesError),
    #[error("the arena's size can't be had")]
    Size(#[from] GeometryError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("what the arena's table says can't be served")]
    Recover(#[from] RecoverError),
    #[error("the system refused what the daemon needs")]
    System(#[from] io::Error),
    #[error("the system refused what the daemon needs")]
    Call(#[from] Errno),
}

impl ServeError {
    /// The exit code of a daemon that ends for this.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Files(error) => exit_of_files(error),
            Self::Size(_) => Exit::Usage,
            Self::Listen(ListenError::InUse { .. } | ListenError::InTheWay { .. }) => {
                Exit::SocketInUse
            }
            Self::Recover(_) => Exit::ArenaRefused,
            Self::Listen(_) | Self::System(_) | Self::Call(_) => Exit::System,
        }
    }
}

fn exit_of_files(error: &FilesError) -> Exit {
    match error {
        FilesError::InUse { .. } => Exit::ArenaInUse,
        FilesError::Full { .. } | FilesError::Table(TableError::Full) => Exit::NoRoom,
        FilesError::Foreign { .. } | FilesError::Size { .. } => Exit::ArenaRefused,
        FilesError::Table(TableError::Io { .. }) => Exit::System,
        FilesError::Table(_) => Exit::ArenaRefused,
        _ => Exit::System,
    }
}
