//! Real supervisors, found beside the tests or built first.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use arena_client::{Builder, Client, Endpoint, Error};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, Signal, kill_process, pidfd_open};

pub(crate) const ARENA_BYTES: u64 = 64 << 20;

/// The `arenad` of this build.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| match std::env::var_os("ARENAD_BIN") {
            Some(program) => Some(program.into()),
            None => build(),
        })
        .as_ref()
        .expect("arenad can be built")
}

fn build() -> Option<PathBuf> {
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "arenad", "--bin", "arenad"])
        .args(["--profile", profile])
        .status()
        .unwrap();
    let tests = std::env::current_exe().unwrap();
    let directory = tests.parent().unwrap().parent().unwrap();
    built.success().then(|| directory.join("arenad"))
}

/// A client of a private arena.
pub(crate) fn embedded() -> Client {
    builder().embedded().unwrap()
}

/// A private arena's settings.
pub(crate) fn builder() -> Builder {
    Client::builder()
        .executable(program())
        .size(ARENA_BYTES)
        .workers(1)
        .reply_timeout(Duration::from_secs(60))
}

/// Another session of the same process with the supervisor of `client`.
pub(crate) fn second_session(client: &Client) -> Client {
    Client::connect(&client.address().unwrap()).unwrap()
}

/// A named arena's daemon, ended with the value.
pub(crate) struct Daemon {
    child: Child,
    directory: tempfile::TempDir,
}

impl Daemon {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let child = spawn(directory.path());
        Self { child, directory }
    }

    /// A client that knows the daemon to be ready.
    pub(crate) fn client(&mut self) -> Client {
        loop {
            let attempt = Client::builder()
                .reply_timeout(Duration::from_secs(60))
                .reconnect_timeout(Duration::from_secs(60))
                .connect(&Endpoint::Path(self.directory.path().join("socket")));
            match attempt {
                Ok(client) => return client,
                Err(Error::Connect { .. }) => {
                    let ended = self.child.try_wait().unwrap();
                    assert!(ended.is_none(), "the daemon ended: {ended:?}");
                    pause();
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.directory.path());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn spawn(directory: &Path) -> Child {
    let files = directory.join("files");
    std::fs::create_dir_all(&files).unwrap();
    Command::new(program())
        .args(["--arena", "test", "--size", "64MiB", "--workers", "1"])
        .arg("--dir")
        .arg(&files)
        .arg("--socket")
        .arg(directory.join("socket"))
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets others run before something is looked at again.
fn pause() {
    let a_moment = Timespec {
        tv_sec: 0,
        tv_nsec: 2_000_000,
    };
    poll(&mut [], Some(&a_moment)).ok();
}

/// Repeats a look at something that another process brings about.
pub(crate) fn until(mut look: impl FnMut() -> bool) {
    while !look() {
        pause();
    }
}

/// Kills a process that is no child of this one, and returns when it is gone.
pub(crate) fn kill_and_wait(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None).unwrap();
}
