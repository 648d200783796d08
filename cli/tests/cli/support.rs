//! A daemon of its own for each test, and the program under test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

/// A directory in which a test lives: its files, its socket, its run directory.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The program in this place's environment, where no daemon runs unless the test starts one.
    pub(crate) fn arenactl(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_arenactl"));
        command
            .env_remove("ARENAD_SOCKET")
            .env_remove("ARENAD_BIN")
            .env("XDG_RUNTIME_DIR", self.directory.path())
            .current_dir(self.directory.path());
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, words: &[S]) -> Outcome {
        Outcome::of(self.arenactl().args(words))
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output: Output = command.stdin(Stdio::null()).output().unwrap();
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The document on stdout of a command that succeeded.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// What stdout says, of a command that succeeded.
    pub(crate) fn text(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        &self.stdout
    }

    /// The complaint of a command that failed with `code`; it is one line with causes, and perhaps one with advice.
    pub(crate) fn complaint(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stdout.is_empty(), "{self:?}");
        assert!(self.stderr.starts_with("arenactl: "), "{self:?}");
        assert!(self.stderr.lines().count() <= 2, "{self:?}");
        &self.stderr
    }
}

/// A running daemon with an arena of its own, both gone with this value.
pub(crate) struct Daemon {
    pub(crate) place: Place,
    process: Child,
    arena: String,
}

static ARENAS: AtomicU32 = AtomicU32::new(0);

impl Daemon {
    pub(crate) fn start() -> Self {
        let place = Place::new();
        let number = ARENAS.fetch_add(1, Ordering::Relaxed);
        let arena = format!("cli-test-{}-{number}", std::process::id());
        // Its log is the news that it listens.
        let mut process = place
            .arenactl()
            .arg0("arenad")
            .args(["--arena", &arena, "--size", "64MiB", "--workers", "2"])
            .args(["--log-format", "json", "--log-level", "info"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut seen = String::new();
        while !is_listening(&place.path("arenad/arenad.sock")) {
            assert!(
                log.read_line(&mut seen).unwrap() > 0,
                "the daemon ended: {seen}"
            );
        }
        thread::spawn(move || log.lines().for_each(drop));
        Self {
            place,
            process,
            arena,
        }
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, words: &[S]) -> Outcome {
        self.place.run(words)
    }
}

fn is_listening(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.process.wait().unwrap();
        let removed = self.run(&["arena", "rm", &self.arena]);
        if !thread::panicking() {
            assert_eq!(removed.code, 0, "{removed:?}");
        }
    }
}

/// A `.npy` file of version 1.0.
pub(crate) fn npy(descr: &str, fortran_order: bool, shape: &[u64], data: &[u8]) -> Vec<u8> {
    let order = if fortran_order { "True" } else { "False" };
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let shape = if shape.len() > 1 {
        sizes.trim_end_matches(", ")
    } else {
        sizes.trim_end()
    };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.into_bytes());
    file.extend(data);
    file
}
