//! What can go wrong, as one type.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use arena_core::protocol::{Failure, FrameError};
use arena_core::{Dtype, LayoutError, NameError, ObjectId};

/// Why a call of this library failed.
///
/// What the supervisor (or a lock) refuses arrives as [`Error::Failed`] with the protocol's own typed reason; the other variants
/// are about reaching the supervisor and about memory on this side.
///
/// ```
/// use arena_client::{Client, Error, Failure};
///
/// let client = Client::embedded()?;
/// match client.get("prices") {
///     Err(Error::Failed(Failure::NoSuchObject { object })) => assert!(object.contains("prices")),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum Error {
    /// The supervisor said no, or a lock was not given.
    #[error(transparent)]
    Failed(#[from] Failure),

    #[error(
        "no daemon answers (start one with `arenad --arena NAME`, or name its socket with --socket or ARENAD_SOCKET): {address}"
    )]
    Connect { address: String, source: io::Error },
    #[error("the server is not trusted, it runs as uid {uid}: {address}")]
    Untrusted { address: String, uid: u32 },
    #[error("the answer to the greeting is not as the protocol says: {detail}")]
    Handshake { detail: String },
    #[error(
        "no arenad program was found (set ARENAD_BIN, or put arenad beside this program or into PATH)"
    )]
    ProgramNotFound,
    #[error("the program can't be started: {program:?}")]
    Launch { program: PathBuf, source: io::Error },
    #[error("the private supervisor ended before it served ({status}): {program:?}")]
    EndedAtStart {
        program: PathBuf,
        status: ExitStatus,
    },

    #[error("the supervisor does not answer, it was silent for {silent:?}")]
    NoAnswer { silent: Duration },
    /// The supervisor went while a request was under way.
    #[error("the connection was lost; {}", if *.may_have_happened { "the request may or may not have been served" } else { "the request was not served" })]
    ConnectionLost { may_have_happened: bool },
    #[error("the supervisor of this private arena is gone; views stay valid, nothing else does")]
    ArenaGone,
    #[error(
        "the daemon behind this address serves another arena now, which the object is not part of: {object}"
    )]
    ForeignObject { object: ObjectId },
    #[error("the supervisor sent what is no frame")]
    Frame(#[from] FrameError),
    #[error("the supervisor sent an answer that does not fit the request: {request}")]
    UnexpectedReply { request: &'static str },

    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error("the array has elements of {actual}, not of {requested}")]
    WrongDtype { actual: Dtype, requested: Dtype },
    #[error("the array's elements are not aligned for {dtype}")]
    Misaligned { dtype: Dtype },
    #[error("a bool array holds a byte that is neither 0 nor 1, at byte {at}")]
    NotBool { at: usize },
    #[error("the array is not contiguous, so it is no slice")]
    NotContiguous,
    #[error("{expected} bytes are to be filled, {found} were given")]
    WrongLength { expected: u64, found: u64 },
    #[error("the range leaves the axis of length {axis_len}: {range:?}")]
    OutOfRange { range: Range<u64>, axis_len: u64 },
    #[error("memory can't be mapped")]
    Map { source: io::Error },
    #[error("the source can't be read")]
    Source { source: io::Error },

    #[error("object {object} is shared and mutable; open it with `shared` and lock it")]
    IsShared { object: ObjectId },
    #[error("object {object} is immutable; `get` and `view` it")]
    NotShared { object: ObjectId },
    #[error("an overwrite covers whole stripes, the range cuts stripe {stripe} of object {object}")]
    PartialStripe { object: ObjectId, stripe: u32 },
    #[error("object {object} was sealed by a fork of this process while it was filled")]
    SealedByFork { object: ObjectId },
    #[error("this was opened before a fork of the process; open it again in the child")]
    BeforeFork,
    #[error("a lock of object {object} went wrong")]
    Lock {
        object: ObjectId,
        source: arena_core::lock::LockError,
    },
    #[error("the result is not {wanted}")]
    WrongValue { wanted: &'static str },
}

impl Error {
    /// The supervisor's own reason, where this is a refusal.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    pub(crate) fn map(source: impl Into<io::Error>) -> Self {
        Self::Map {
            source: source.into(),
        }
    }
}

/// What the calls of this library return.
pub type Result<T> = std::result::Result<T, Error>;
