//! The command line: what every command shares, and the list of commands.

use std::ffi::OsString;
use std::path::PathBuf;

use arena_core::ArenaName;
use clap::{Args, CommandFactory, Parser};

use crate::command::Command;
use crate::exit;

/// Puts arrays into shared memory and lets worker processes compute on them.
///
/// The commands talk to a running arenad: `arenad &` starts one. `arenactl demo` needs none.
#[derive(Parser, Debug)]
#[command(name = "arenactl", version, after_help = exit::help(), max_term_width = 120)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which daemon to talk to, and how to print.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of all commands")]
pub(crate) struct Global {
    /// The daemon's socket [default: ARENAD_SOCKET, else arenad.sock in the user's run directory]
    #[arg(long, value_name = "PATH", global = true, conflicts_with = "system")]
    pub(crate) socket: Option<PathBuf>,
    /// The system daemon of that name [default name: default]
    #[arg(
        long,
        value_name = "NAME",
        global = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "default"
    )]
    pub(crate) system: Option<ArenaName>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Lets `--system NAME` stand before the command without `=`, as `--system=NAME` may stand anywhere. A word that is a command
/// is the command.
pub(crate) fn join_system_name(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut words = words.into_iter().peekable();
    joined.extend(words.next());
    while let Some(mut word) = words.next() {
        let is_option = word.as_encoded_bytes().starts_with(b"-");
        if word == "--system"
            && let Some(name) = words.next_if(is_a_name)
        {
            word.push("=");
            word.push(name);
        }
        let takes_value = word == "--socket";
        joined.push(word);
        if takes_value {
            joined.extend(words.next());
        } else if !is_option {
            // The command: what follows is its own.
            joined.extend(words.by_ref());
        }
    }
    joined
}

fn is_a_name(word: &OsString) -> bool {
    let is_command = |word: &OsString| Arguments::command().find_subcommand(word).is_some();
    !word.as_encoded_bytes().starts_with(b"-") && word != "help" && !is_command(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, clap::Error> {
        let words = std::iter::once("arenactl").chain(words.iter().copied());
        Arguments::try_parse_from(join_system_name(words.map(OsString::from)))
    }

    fn system(words: &[&str]) -> Option<String> {
        parse(words).unwrap().global.system.map(String::from)
    }

    #[test]
    fn the_definitions_agree_with_each_other() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_system_daemon_is_named_before_or_behind_the_command() {
        assert_eq!(system(&["ls"]), None);
        assert_eq!(system(&["--system", "ls"]).as_deref(), Some("default"));
        assert_eq!(system(&["--system", "lab", "ls"]).as_deref(), Some("lab"));
        assert_eq!(
            system(&["--json", "--system", "lab", "ls"]).as_deref(),
            Some("lab")
        );
        assert_eq!(system(&["ls", "--system=lab"]).as_deref(), Some("lab"));
        assert_eq!(
            system(&["show", "--system", "prices"]).as_deref(),
            Some("default")
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for words in [
            &[][..],
            &["--socket", "a", "--system", "ls"],
            &["--system=../x", "ls"],
            &["lss"],
            &["rm"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
