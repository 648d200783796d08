//! Why a worker ends.

use std::io;

use arena_core::protocol::{Descriptor, Failure, FrameError, PROTOCOL_VERSION};
use rustix::io::Errno;

/// Why a worker or the groomer ended, other than that its supervisor is gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum WorkerError {
    #[error("the socket of the supervisor failed: {0}")]
    Socket(#[source] Errno),
    #[error("the supervisor sent no frame of this protocol: {0}")]
    Frame(#[from] FrameError),
    #[error("the supervisor refused this process: {0}")]
    Refused(#[source] Failure),
    #[error("this program speaks protocol {PROTOCOL_VERSION}, the supervisor another: {theirs}")]
    Version { theirs: u32 },
    #[error("the supervisor sent something else where its {expected} was due")]
    Unexpected { expected: &'static str },
    #[error("the supervisor sent no descriptor of this: {0:?}")]
    NoDescriptor(Descriptor),
    #[error("the arena can't be mapped: {0}")]
    Map(#[source] io::Error),
}

/// Why a worker's loop stops.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The supervisor is gone.
    Ended,
    /// Something else.
    Failed(WorkerError),
}

impl Stop {
    /// The end of the supervisor is how a worker ends; everything else is an error.
    pub(crate) fn into_result(self) -> Result<(), WorkerError> {
        match self {
            Self::Ended => Ok(()),
            Self::Failed(error) => Err(error),
        }
    }
}

impl<E: Into<WorkerError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
