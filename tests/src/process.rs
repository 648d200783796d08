//! Processes by pid and start time, so that a recycled pid is never taken for the one that was meant.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// One process, alive or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Process {
    /// Its pid.
    pub pid: u32,
    start_time: u64,
}

struct Status {
    state: char,
    parent: u32,
    start_time: u64,
}

fn status(pid: u32) -> Option<Status> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Status {
        state: fields[0].chars().next()?,
        parent: fields[1].parse().ok()?,
        start_time: fields[19].parse().ok()?,
    })
}

impl Process {
    /// The process that has this pid now.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let start_time = status(pid)?.start_time;
        Some(Self { pid, start_time })
    }

    fn status(self) -> Option<Status> {
        status(self.pid).filter(|status| status.start_time == self.start_time)
    }

    /// Whether it runs, or could again.
    #[must_use]
    pub fn is_alive(self) -> bool {
        self.status()
            .is_some_and(|status| !matches!(status.state, 'Z' | 'X'))
    }

    /// Whether it is stopped.
    #[must_use]
    pub fn is_stopped(self) -> bool {
        self.status().is_some_and(|status| status.state == 'T')
    }

    /// Its living children.
    #[must_use]
    pub fn children(self) -> Vec<Self> {
        all()
            .filter(|process| {
                process.is_alive()
                    && process
                        .status()
                        .is_some_and(|status| status.parent == self.pid)
            })
            .collect()
    }

    /// The command line, its words separated by blanks.
    #[must_use]
    pub fn command_line(self) -> String {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let words: Vec<String> = bytes
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        words.join(" ").trim_end().to_owned()
    }

    /// Sends SIGKILL, unless it ended.
    pub fn kill(self) {
        self.signal(Signal::KILL);
    }

    /// Sends a signal, unless it ended.
    ///
    /// # Panics
    /// Never: a pid of 0 has no status.
    pub fn signal(self, signal: Signal) {
        if self.status().is_some() {
            let pid = Pid::from_raw(i32::try_from(self.pid).unwrap()).unwrap();
            // It may have ended meanwhile.
            let _ = kill_process(pid, signal);
        }
    }
}

fn all() -> impl Iterator<Item = Process> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Process::of)
}

/// The environment variable that the processes of a site carry from parent to child.
pub(crate) const MARKER_VARIABLE: &str = "ARENA_TESTS_MARKER";

/// All living processes with a marker in their environment, whoever their parents are by now.
#[must_use]
pub fn with_marker(marker: &str) -> Vec<Process> {
    let wanted = format!("{MARKER_VARIABLE}={marker}");
    all()
        .filter(|process| process.is_alive())
        .filter(|process| {
            let environment =
                fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == wanted.as_bytes())
        })
        .collect()
}
