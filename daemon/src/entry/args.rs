//! The command line.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

use arena_core::{ArenaName, SlotId};
use clap::{CommandFactory, Parser};

use crate::config::{Config, ConfigError, LogFormat, LogLevel, Size, Workers};
use crate::exit;

/// Serves one shared-memory arena to the processes of one user.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "arenad",
    version,
    args_override_self = true,
    after_help = exit::help(),
    long_about = "Serves one shared-memory arena to the processes of one user.\n\n\
        The arena's contents survive the daemon: the next start with the same --arena serves them again. `arenactl` puts \
        arrays into it, runs kernels over them and shows what is going on.\n\n\
        Each option can also be set in the configuration file; options win over environment variables, those over the file.\n\
        SIGTERM and SIGINT finish the work that runs and end the daemon; SIGHUP reads the configuration file again."
)]
pub(super) struct Args {
    /// The arena to serve, made if there is none of this name [default: default]
    #[arg(long, value_name = "NAME", env = "ARENAD_ARENA")]
    arena: Option<ArenaName>,
    /// The size of a new arena, like 8GiB or 50% [default: 50%]
    #[arg(long, env = "ARENAD_SIZE")]
    size: Option<Size>,
    /// Native workers, or "auto" for one per core [default: auto]
    #[arg(long, value_name = "N", env = "ARENAD_WORKERS")]
    workers: Option<Workers>,
    /// Where to listen [default: arenad.sock in the user's run directory]
    #[arg(long, value_name = "PATH", env = arena_core::scope::SOCKET_VARIABLE)]
    socket: Option<PathBuf>,
    /// Keeps the arena's files in this directory instead of POSIX shared memory
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "ARENAD_CONFIG")]
    config: Option<PathBuf>,
    /// How log lines look [default: text]
    #[arg(long, value_name = "FORMAT", env = "ARENAD_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    /// The least important log lines to write [default: info, with --embedded warn]
    #[arg(long, value_name = "LEVEL", env = "ARENAD_LOG_LEVEL")]
    log_level: Option<LogLevel>,
    /// Serves a private arena to the process at the other end of this inherited socket, and ends with its last client
    #[arg(long, value_name = "FD", conflicts_with = "dir")]
    pub(super) embedded: Option<RawFd>,
}

impl Args {
    /// The configuration: defaults, file, environment and options in this order.
    pub(super) fn load(&self) -> Result<Config, ConfigError> {
        let mut config = match &self.config {
            Some(path) => Config::load(path)?,
            None => Config::default(),
        };
        let is_private = self.embedded.is_some();
        if is_private && self.config.is_none() {
            // Its standard error is its client's.
            config.log.level = LogLevel::Warn;
        }
        let over = self.clone();
        replace(&mut config.arena.name, over.arena);
        replace(&mut config.arena.size, over.size);
        replace(&mut config.workers.count, over.workers);
        replace(&mut config.log.format, over.log_format);
        replace(&mut config.log.level, over.log_level);
        config.listen.socket = over.socket.or(config.listen.socket);
        config.arena.dir = over.dir.or(config.arena.dir);
        Ok(config)
    }
}

fn replace<T>(value: &mut T, over: Option<T>) {
    if let Some(over) = over {
        *value = over;
    }
}

/// The command line's definition, for completions and manual pages.
#[must_use]
pub fn command() -> clap::Command {
    Args::command()
}

/// What the arguments ask for. The forms of children are not for people, so they stand apart from the options. The arena's name
/// is there for `ps`.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Form {
    Daemon,
    Worker { slot: SlotId },
    Groomer,
}

impl Form {
    pub(super) fn of(args: &[OsString]) -> Self {
        let texts: Vec<&str> = args.iter().skip(1).map_while(|arg| arg.to_str()).collect();
        match texts.as_slice() {
            ["worker", _arena, slot] => slot
                .parse()
                .map_or(Self::Daemon, |slot| Self::Worker { slot: SlotId(slot) }),
            ["groomer", _arena] => Self::Groomer,
            _ => Self::Daemon,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn options_win_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("arenad.toml");
        std::fs::write(&path, "[arena]\nname = \"lab\"\nsize = \"1GiB\"\n").unwrap();
        let path = path.to_str().unwrap();
        let args = Args::parse_from(["arenad", "--config", path, "--size", "2GiB"]);
        let config = args.load().unwrap();
        assert_eq!(config.arena.name.as_str(), "lab");
        assert_eq!(config.arena.size, Size::Bytes(2 << 30));
    }

    #[test]
    fn the_forms_of_children_are_told_apart() {
        let form = |args: &[&str]| {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            Form::of(&args)
        };
        assert_eq!(
            form(&["arenad", "worker", "lab", "7"]),
            Form::Worker { slot: SlotId(7) }
        );
        assert_eq!(form(&["arenad", "groomer", "lab"]), Form::Groomer);
        assert_eq!(form(&["arenad", "worker", "lab", "256"]), Form::Daemon);
        assert_eq!(form(&["arenad"]), Form::Daemon);
    }
}
