//! A daemon under test.

use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;

/// Behind this a wait has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A directory of the test's own, in memory: for the arena's files and for the socket.
pub(crate) fn private_dir() -> TempDir {
    tempfile::Builder::new()
        .prefix("arenad-test-")
        .tempdir_in("/dev/shm")
        .unwrap()
}

/// The program, without anything of the test's environment that it would heed.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arenad"));
    command.env_clear();
    command
}

/// A running daemon and what it has written on standard error. Killed at the end of the test.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    pidfd: OwnedFd,
    lines: Receiver<String>,
    pub(crate) log: Vec<String>,
    pub(crate) socket: PathBuf,
}

impl Daemon {
    /// A small arena in `dir`, with two workers.
    pub(crate) fn command(dir: &Path) -> Command {
        let mut command = program();
        command
            .args(["--arena", "test", "--size", "64MiB", "--workers", "2"])
            .arg("--dir")
            .arg(dir)
            .arg("--socket")
            .arg(dir.join("test.sock"));
        command
    }

    /// Starts a daemon and waits until it listens.
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[])
    }

    pub(crate) fn start_with(dir: &Path, options: &[&str]) -> Self {
        let mut command = Self::command(dir);
        command.args(options);
        let mut daemon = Self::spawn(&mut command, dir);
        daemon.wait_for_line("listening");
        daemon
    }

    /// Starts a daemon and waits for nothing.
    pub(crate) fn spawn(command: &mut Command, dir: &Path) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            pidfd: pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap(),
            child,
            lines,
            log: Vec::new(),
            socket: dir.join("test.sock"),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line with all the words of `text`, which may have been written already.
    pub(crate) fn wait_for_line(&mut self, text: &str) -> String {
        let has_all = |line: &&String| text.split(' ').all(|word| line.contains(word));
        if let Some(line) = self.log.iter().find(has_all) {
            return line.clone();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.log.push(line);
                    if let Some(line) = self.log.last().filter(has_all) {
                        return line.clone();
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line with {text:?} in {:#?}", self.log);
                }
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for_end(&self.pidfd);
        let status = self.child.wait().unwrap();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.log.push(line);
        }
        status
    }

    /// Waits for the end, which must be by exit, and gives the code and what was written.
    pub(crate) fn wait_for_exit(&mut self) -> (i32, String) {
        let status = self.wait();
        let log = self.log.join("\n");
        assert_eq!(status.signal(), None, "{log}");
        (status.code().unwrap(), log)
    }

    /// Has it end in order.
    pub(crate) fn stop(mut self) -> Vec<String> {
        self.signal(Signal::TERM);
        let (code, log) = self.wait_for_exit();
        assert_eq!(code, 0, "{log}");
        std::mem::take(&mut self.log)
    }

    /// Its children that run `form`, as pids.
    pub(crate) fn children(&self, form: &str) -> Vec<u32> {
        children_of(self.pid(), form)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a process has ended.
pub(crate) fn wait_for_end(pidfd: &impl AsFd) {
    let patience = Timespec::try_from(PATIENCE).unwrap();
    let mut polled = [PollFd::new(pidfd, PollFlags::IN)];
    assert_eq!(
        poll(&mut polled, Some(&patience)).unwrap(),
        1,
        "a process does not end"
    );
}

/// The children of a process whose title begins with `arenad FORM`.
pub(crate) fn children_of(pid: u32, form: &str) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children
        .split_ascii_whitespace()
        .map(|child| child.parse().unwrap())
        .filter(|child| title(*child).starts_with(&format!("arenad {form}")))
        .collect()
}

/// The arguments of a process, as `ps` shows them.
pub(crate) fn title(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8(bytes)
        .unwrap()
        .trim_end_matches('\0')
        .replace('\0', " ")
}

/// A handle on another process.
pub(crate) fn pidfd_of(pid: u32) -> OwnedFd {
    pidfd_open(
        Pid::from_raw(pid.cast_signed()).unwrap(),
        PidfdFlags::empty(),
    )
    .unwrap()
}
