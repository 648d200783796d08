//! `arenactl completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::error::CliError;
use crate::screen;

/// Print completions for a shell
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  arenactl completions bash > ~/.local/share/bash-completion/completions/arenactl"
)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut Arguments::command(),
            "arenactl",
            &mut script,
        );
        screen::print(&String::from_utf8_lossy(&script))
    }
}
