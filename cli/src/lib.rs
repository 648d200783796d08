//! `arenactl`, the command line of arenad.
//!
//! One file for each command under `command/`; they parse nothing and decide no exit code themselves. [`npy`] reads and writes
//! NumPy's files and is public for fuzzing. Array bytes go between file and mapped memory without a buffer between them.
//!
//! This crate talks to daemons through `arena-client` alone. It links the daemon's library so that `arenactl demo` needs no second
//! program: started under the name `arenad`, it is `arenad`. Sizes, times and the causes of errors are read and told alike by both.

mod arguments;
mod command;
mod context;
mod destination;
mod error;
mod exit;
mod gather;
pub mod measure;
pub mod npy;
mod object;
mod progress;
mod screen;
mod shape;
mod source;
mod transfer;
mod units;
mod value;
mod wrap;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, join_system_name};
pub use exit::Exit;

/// Runs the program: `arenad` if that is the name it was started under, else the command that `words` tell.
#[must_use]
pub fn run(words: Vec<OsString>) -> ExitCode {
    if is_arenad(words.first()) {
        return arenad::entry::run(words);
    }
    if words
        .get(1)
        .is_some_and(|word| word == command::WORKER_WORD)
    {
        return finish(command::work()).into();
    }
    match Arguments::try_parse_from(join_system_name(words)) {
        Ok(arguments) => finish(command::run(arguments)).into(),
        Err(error) => refuse(&error),
    }
}

fn is_arenad(program: Option<&OsString>) -> bool {
    program.and_then(|program| Path::new(program).file_name()) == Some("arenad".as_ref())
}

/// Help and version are asked for; everything else that clap stops at is wrong usage.
fn refuse(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell if the terminal is gone.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage.into()
    } else {
        Exit::Done.into()
    }
}

fn finish(result: Result<(), error::CliError>) -> Exit {
    match result {
        Ok(()) => Exit::Done,
        Err(error) => {
            if error.exit() != Exit::Done {
                screen::tell(&error.report());
            }
            error.exit()
        }
    }
}
