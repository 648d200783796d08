//! The `arenad` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    arenad::entry::run(std::env::args_os())
}
