//! The program `arenactl`. Everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    arenactl::run(std::env::args_os().collect())
}
