//! A place of one test: an arena's name, a run directory, and what is left there at the end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use arena_client::{Client, Endpoint};
use tempfile::TempDir;

use crate::daemon::{Daemon, Refused};
use crate::outcome::Outcome;
use crate::process::{MARKER_VARIABLE, Process, with_marker};
use crate::programs::program;
use crate::puppet::Puppet;

/// The size of a test's arena, as options tell it.
const SIZE: &str = "64MiB";

static SITES: AtomicU32 = AtomicU32::new(0);

/// An arena's name and a run directory that no other test has. Removes the arena's files in the end.
pub struct Site {
    directory: TempDir,
    arena: String,
    size: String,
    workers: u32,
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// A new place.
    ///
    /// # Panics
    /// Where no directory can be made.
    #[must_use]
    pub fn new() -> Self {
        let number = SITES.fetch_add(1, Ordering::Relaxed);
        Self {
            directory: tempfile::Builder::new().prefix("e2e").tempdir().unwrap(),
            arena: format!("e2e-{}-{number}", std::process::id()),
            size: SIZE.to_owned(),
            workers: 2,
        }
    }

    /// With an arena of another size.
    #[must_use]
    pub fn size(mut self, size: &str) -> Self {
        size.clone_into(&mut self.size);
        self
    }

    /// With another number of workers.
    #[must_use]
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// The arena's name.
    #[must_use]
    pub fn arena(&self) -> &str {
        &self.arena
    }

    /// A path in the test's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where the daemon listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path("arenad.sock")
    }

    /// A program in this place's environment.
    pub fn command(&self, executable: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(executable);
        for variable in [
            "ARENAD_ARENA",
            "ARENAD_SIZE",
            "ARENAD_CONFIG",
            "ARENAD_WORKERS",
        ] {
            command.env_remove(variable);
        }
        command
            .env("ARENAD_SOCKET", self.socket())
            .env("ARENAD_BIN", program("arenad"))
            .env("XDG_RUNTIME_DIR", self.directory.path())
            .env(MARKER_VARIABLE, &self.arena)
            .current_dir(self.directory.path());
        command
    }

    /// The daemon's command with this place's arena, size and workers.
    #[must_use]
    pub fn daemon_command(&self) -> Command {
        let mut command = self.command(program("arenad"));
        command
            .args(["--arena", &self.arena, "--size", &self.size])
            .args(["--workers", &self.workers.to_string()]);
        command
    }

    /// Starts the daemon and waits until it listens.
    ///
    /// # Panics
    /// Where it ends instead.
    #[must_use]
    pub fn start(&self) -> Daemon {
        self.start_as(self.daemon_command())
    }

    /// Starts the daemon by this command.
    ///
    /// # Panics
    /// Where it ends instead.
    #[must_use]
    pub fn start_as(&self, command: Command) -> Daemon {
        Daemon::start(command).unwrap_or_else(|refused| panic!("{refused:#?}"))
    }

    /// Starts a daemon that must refuse to serve.
    ///
    /// # Panics
    /// Where it serves.
    #[must_use]
    pub fn refused(&self) -> Refused {
        match Daemon::start(self.daemon_command()) {
            Ok(daemon) => panic!("it serves: {:?}", daemon.log()),
            Err(refused) => refused,
        }
    }

    /// Runs `arenactl` to its end.
    pub fn arenactl<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Outcome {
        Outcome::of(self.command(program("arenactl")).args(words))
    }

    /// A client of this test's own process.
    ///
    /// # Panics
    /// Where nobody serves.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(&self.endpoint()).unwrap()
    }

    /// Where clients connect to.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Path(self.socket())
    }

    /// A client process that does what it is told, connected to the daemon.
    #[must_use]
    pub fn puppet(&self) -> Puppet {
        let mut puppet = self.loose_puppet();
        let socket = self.socket();
        puppet.tell(&["connect", socket.to_str().unwrap_or_default()]);
        puppet
    }

    /// A client process that is not connected yet.
    #[must_use]
    pub fn loose_puppet(&self) -> Puppet {
        Puppet::start(self)
    }

    /// The living processes that were started here, by this test or by what it started.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        with_marker(&self.arena)
    }

    /// The arena's files.
    ///
    /// # Panics
    /// Where the directory can't be listed.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let infix = format!(".{}.", self.arena);
        let entries = std::fs::read_dir("/dev/shm").unwrap();
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().contains(&infix))
            .collect();
        files.sort();
        files
    }

    /// One of the arena's files.
    ///
    /// # Panics
    /// Where it is not there.
    #[must_use]
    pub fn file(&self, part: &str) -> PathBuf {
        let is_part = |path: &PathBuf| path.extension() == Some(OsStr::new(part));
        self.files().into_iter().find(is_part).unwrap()
    }

    /// The test's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for process in self.processes() {
            process.kill();
        }
        for file in self.files() {
            let _ = std::fs::remove_file(file);
        }
    }
}
