//! The whole main of the daemon and of its children: parse, load, run, map the outcome to an exit code.
//!
//! `arenactl` calls [`run`] when it was started under the name `arenad`, which is how it serves private arenas without a
//! second program.

mod args;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use clap::Parser;

use crate::config::ConfigError;
use crate::exit::Exit;
use crate::log::Log;
use crate::serve;
use crate::worker::{self, WorkerError};
use crate::{inherited, spawn};
use args::{Args, Form};

pub use args::command;

/// Runs the program that `args` ask for, name first, and says how it ended.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let exit = match Form::of(&args) {
        Form::Worker { slot } => run_child(|socket| worker::run(socket, slot)),
        Form::Groomer => run_child(worker::groomer),
        Form::Daemon => run_daemon(&args),
    };
    exit.into()
}

fn run_daemon(args: &[OsString]) -> Exit {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // Nothing is left to be done where neither stream can be written.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            };
        }
    };
    match prepare(args) {
        Ok((settings, log)) => {
            let outcome = serve::run(settings, &log);
            let exit = outcome.unwrap_or_else(|error| {
                tracing::error!("{}", chain(&error));
                error.exit()
            });
            log.finish();
            exit
        }
        Err(error) => {
            eprintln!("arenad: {}", chain(&error));
            error.exit()
        }
    }
}

fn prepare(args: Args) -> Result<(serve::Settings, Log), PrepareError> {
    inherited::fill_standard_descriptors().map_err(PrepareError::Descriptor)?;
    let embedded = args
        .embedded
        .map(inherited::socket)
        .transpose()
        .map_err(PrepareError::Embedded)?;
    let config = args.load()?;
    let log = Log::start(config.log.format, config.log.level).map_err(PrepareError::Log)?;
    let settings = serve::Settings {
        config,
        embedded,
        reload: Box::new(move || args.load()),
    };
    Ok((settings, log))
}

/// Why the daemon has not come as far as its log.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error("the standard descriptors can't be opened")]
    Descriptor(#[source] std::io::Error),
    #[error("--embedded must name an inherited socket")]
    Embedded(#[source] std::io::Error),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the log can't be started")]
    Log(#[source] std::io::Error),
}

impl PrepareError {
    fn exit(&self) -> Exit {
        match self {
            Self::Descriptor(_) | Self::Log(_) => Exit::System,
            Self::Embedded(_) => Exit::Usage,
            Self::Config(_) => Exit::Config,
        }
    }
}

/// An error and what it comes from. A message that tells its source already is not told twice.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        source = error.source();
    }
    text
}

/// What the supervisor's children run.
fn run_child(work: impl FnOnce(OwnedFd) -> Result<(), WorkerError>) -> Exit {
    let outcome = inherited::socket_on_stdin()
        .and_then(|socket| {
            spawn::settle(&socket)?;
            Ok(socket)
        })
        .map_err(ChildError::Start)
        .and_then(|socket| work(socket).map_err(ChildError::Work));
    match outcome {
        Ok(()) => Exit::Ok,
        Err(error) => {
            eprintln!("arenad: pid {}: {}", std::process::id(), chain(&error));
            Exit::System
        }
    }
}

/// Why a child ended otherwise than with its supervisor.
#[derive(Debug, thiserror::Error)]
enum ChildError {
    #[error("workers and groomers are started by their daemon")]
    Start(#[source] std::io::Error),
    #[error(transparent)]
    Work(WorkerError),
}
