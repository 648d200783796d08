//! A daemon that runs.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::Signal;

use crate::process::Process;
use crate::watchdog;

/// What the daemon logs when clients can connect.
const READY: &str = "listening";

/// A daemon that listens. Ended by SIGKILL when dropped.
pub struct Daemon {
    child: Child,
    process: Process,
    log: Arc<Mutex<Vec<String>>>,
}

/// A daemon that ended instead of listening.
#[derive(Debug)]
pub struct Refused {
    /// Its exit code; none after a signal.
    pub code: Option<i32>,
    /// The signal it died of.
    pub signal: Option<i32>,
    /// What it said.
    pub message: String,
}

impl Daemon {
    /// Starts a daemon and waits until it listens or ends.
    ///
    /// # Errors
    /// [`Refused`] where it ends.
    ///
    /// # Panics
    /// Where the program can't be started.
    pub fn start(mut command: Command) -> Result<Self, Refused> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let process = Process::of(child.id()).unwrap();
        watchdog::watch(process);
        let log = Arc::new(Mutex::new(Vec::new()));
        let ready = follow(&mut child, &log);
        if ready.recv().is_ok() {
            return Ok(Self {
                child,
                process,
                log,
            });
        }
        let status = child.wait().unwrap();
        Err(Refused {
            code: status.code(),
            signal: status.signal(),
            message: log.lock().unwrap().join("\n"),
        })
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> Process {
        self.process
    }

    /// What it has logged so far.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Its workers, spares too; not the groomer.
    #[must_use]
    pub fn workers(&self) -> Vec<Process> {
        self.children_named("arenad worker ")
    }

    /// Its groomer.
    #[must_use]
    pub fn groomer(&self) -> Option<Process> {
        self.children_named("arenad groomer ").pop()
    }

    fn children_named(&self, name: &str) -> Vec<Process> {
        let mut children = self.process.children();
        children.retain(|child| child.command_line().starts_with(name));
        children
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    /// SIGKILL, and waits for its end.
    ///
    /// # Panics
    /// Where it ended otherwise before.
    pub fn kill(mut self) {
        self.process.kill();
        assert_eq!(self.child.wait().unwrap().signal(), Some(9));
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Panics
    /// Where it can't be waited for.
    pub fn terminate(self) -> ExitStatus {
        self.process.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it can't be waited for.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.process.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log().join("\n"));
        }
    }
}

/// Keeps what a daemon logs, and tells once that it listens. The sender is gone when the daemon is.
fn follow(child: &mut Child, log: &Arc<Mutex<Vec<String>>>) -> Receiver<()> {
    let (sender, ready) = channel();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let log = Arc::clone(log);
    thread::spawn(move || {
        let mut sender = Some(sender);
        for line in stderr.lines().map_while(Result::ok) {
            let is_ready = line.contains(READY);
            log.lock().unwrap().push(line);
            if is_ready && let Some(sender) = sender.take() {
                // Nobody waits any more where it says so twice.
                let _ = sender.send(());
            }
        }
    });
    ready
}
