//! Why a command failed: what happened, its causes, what the person can do, and the exit code.

use std::fmt::Write;
use std::io;
use std::path::PathBuf;

use arena_client::{Error as ClientError, Failure};
use arena_core::files::FilesError;
use arena_core::protocol::ObjectState;
use arena_core::{Dtype, LayoutError, NameError};
use arenad::entry::chain;

use crate::exit::Exit;
use crate::npy::NpyError;
use crate::units::{Bytes, grouped};

/// The failure of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("cannot read {}", path.display())]
    ReadFile { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    WriteFile { path: PathBuf, source: io::Error },
    #[error("not a regular file: {}", path.display())]
    NotAFile { path: PathBuf },
    #[error("not a usable .npy file: {}", path.display())]
    Npy { path: PathBuf, source: NpyError },
    #[error(
        "{} bytes would be needed for {dtype} of shape {shape:?}, the file has {}: {}",
        grouped(*expected), grouped(*actual), path.display()
    )]
    RawLength {
        path: PathBuf,
        dtype: Dtype,
        shape: Vec<u64>,
        expected: u64,
        actual: u64,
    },
    #[error("not raw bytes but a .npy file, which tells its own type and shape: {}", path.display())]
    RawNpy { path: PathBuf },
    #[error("no array can have this shape")]
    Layout(#[source] LayoutError),
    #[error("the file's name makes no name for an object: {}", path.display())]
    NoStem {
        path: PathBuf,
        source: Option<NameError>,
    },
    #[error("the results can't be printed")]
    Output(#[source] io::Error),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Arena(#[from] FilesError),
    #[error("the demo works on float32 and float64, the file holds {dtype}: {}", path.display())]
    DemoDtype { path: PathBuf, dtype: Dtype },
    #[error("the demo needs elements, the file's array is empty: {}", path.display())]
    DemoEmpty { path: PathBuf },
    #[error(
        "the demo would take {} of memory, {} are available", Bytes(*needed), Bytes(*available)
    )]
    DemoTooLarge { needed: u64, available: u64 },
    #[error("the demo can't {action}")]
    Demo {
        action: &'static str,
        source: io::Error,
    },
    #[error("results of the demo differ from a single process's")]
    WrongResults,
}

impl CliError {
    /// The code that the program ends with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            // The reader has seen what it wanted.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Output(_) | Self::WriteFile { .. } | Self::Demo { .. } => Exit::Failed,
            Self::Client(error) => exit_of_client(error),
            Self::Arena(FilesError::InUse { .. }) => Exit::Conflict,
            Self::Arena(FilesError::NotFound { .. }) => Exit::NotFound,
            Self::Arena(_) => Exit::Failed,
            Self::DemoTooLarge { .. } => Exit::Exhausted,
            Self::WrongResults => Exit::WrongResults,
            Self::ReadFile { .. }
            | Self::NotAFile { .. }
            | Self::Npy { .. }
            | Self::RawLength { .. }
            | Self::RawNpy { .. }
            | Self::Layout(_)
            | Self::NoStem { .. }
            | Self::DemoDtype { .. }
            | Self::DemoEmpty { .. } => Exit::BadInput,
        }
    }

    /// What the person can do about it, where that is not plain from the error.
    fn advice(&self) -> Option<String> {
        match self {
            Self::Npy {
                source: NpyError::NotNpy,
                ..
            } => Some("for raw bytes say what they are: --dtype float64 --shape 1000,3".to_owned()),
            Self::Npy {
                source: NpyError::DataTruncated { .. },
                ..
            } => Some("write or download the file again".to_owned()),
            Self::RawNpy { .. } => Some("leave out --dtype and --shape".to_owned()),
            Self::NoStem { .. } => Some("choose a name: --name NAME".to_owned()),
            Self::DemoTooLarge { .. } => Some("a smaller array: --size 64MiB".to_owned()),
            Self::Arena(FilesError::NotFound { .. }) => Some("arenactl arena ls".to_owned()),
            Self::Client(ClientError::Failed(failure)) => advice_on(failure),
            _ => None,
        }
    }

    /// The message for stderr: one line with all causes, and one with advice.
    pub(crate) fn report(&self) -> String {
        let mut text = format!("arenactl: {}", chain(self));
        if let Some(advice) = self.advice() {
            let _ = write!(text, "\n  try: {advice}");
        }
        text
    }
}

fn exit_of_client(error: &ClientError) -> Exit {
    match error {
        ClientError::Failed(failure) => exit_of_failure(failure),
        ClientError::Connect { .. }
        | ClientError::Untrusted { .. }
        | ClientError::Handshake { .. }
        | ClientError::ProgramNotFound
        | ClientError::Launch { .. }
        | ClientError::EndedAtStart { .. }
        | ClientError::NoAnswer { .. }
        | ClientError::ConnectionLost { .. }
        | ClientError::ArenaGone => Exit::Unreachable,
        ClientError::Name(_) | ClientError::Layout(_) | ClientError::NotBool { .. } => {
            Exit::BadInput
        }
        ClientError::IsShared { .. } | ClientError::NotShared { .. } | ClientError::Lock { .. } => {
            Exit::Conflict
        }
        _ => Exit::Failed,
    }
}

fn exit_of_failure(failure: &Failure) -> Exit {
    match failure {
        Failure::NoSuchObject { .. } | Failure::NoSuchKernel { .. } => Exit::NotFound,
        Failure::NameTaken { .. }
        | Failure::WrongState { .. }
        | Failure::StillOpen { .. }
        | Failure::NotLocked { .. }
        | Failure::Poisoned { .. }
        | Failure::LockTimeout { .. }
        | Failure::Closed { .. } => Exit::Conflict,
        Failure::ArenaFull { .. } | Failure::Busy { .. } => Exit::Exhausted,
        Failure::BadArguments { .. } => Exit::BadInput,
        Failure::WorkerDied { .. } | Failure::Quarantined { .. } => Exit::WorkerDied,
        Failure::DeadlineExceeded { .. } | Failure::Cancelled => Exit::Late,
        Failure::Refused { .. } | Failure::Draining => Exit::Unreachable,
        _ => Exit::Failed,
    }
}

fn advice_on(failure: &Failure) -> Option<String> {
    match failure {
        Failure::NameTaken { name } => Some(format!(
            "arenactl rm {name}, or choose another name with --name"
        )),
        Failure::NoSuchObject { .. } => Some("arenactl ls".to_owned()),
        Failure::NoSuchKernel { .. } => Some("arenactl kernels".to_owned()),
        // Only changes are refused because an object is sealed.
        Failure::WrongState {
            state: ObjectState::Sealed,
            ..
        } => Some("an object that can be changed: arenactl put --shared".to_owned()),
        Failure::LockTimeout { .. } => Some("arenactl locks".to_owned()),
        Failure::Poisoned { .. } => {
            Some("objects with before-images: arenactl roll-back NAME".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_causes_and_advice() {
        let error = CliError::Npy {
            path: "x.npy".into(),
            source: NpyError::NotNpy,
        };
        let report = error.report();
        let lines: Vec<&str> = report.lines().collect();
        assert_eq!(
            lines[0],
            "arenactl: not a usable .npy file: x.npy: it doesn't start as a .npy file does"
        );
        assert!(lines[1].contains("--dtype"));
        assert_eq!(error.exit(), Exit::BadInput);
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        let gone = CliError::Output(io::ErrorKind::BrokenPipe.into());
        assert_eq!(gone.exit(), Exit::Done);
        let full = CliError::Output(io::ErrorKind::StorageFull.into());
        assert_eq!(full.exit(), Exit::Failed);
    }
}
