//! Starting a private supervisor.

use std::env;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::error::{Error, Result};
use crate::fork;
use crate::sync::locked;

/// The environment variable that names the daemon's program.
const PROGRAM_VARIABLE: &str = "ARENAD_BIN";

/// The daemon's program, which arenactl can stand in for.
const PROGRAM: &str = "arenad";
const CONTROL_PROGRAM: &str = "arenactl";

/// Supervisors that have been started and not been waited for. They end by themselves, after their last client. Locked only
/// behind the gate, so that a forked child never finds it locked.
static STARTED: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// How a private supervisor is to be started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Launch {
    pub(crate) executable: Option<PathBuf>,
    pub(crate) size_bytes: Option<u64>,
    pub(crate) workers: Option<u32>,
}

/// A supervisor that was just started.
#[derive(Debug)]
pub(crate) struct Launched {
    program: PathBuf,
    pid: u32,
}

impl Launch {
    /// Starts the supervisor with one end of a socket pair as its standard input: the one descriptor that a child can be given
    /// without a moment in which children of other threads inherit it too.
    pub(crate) fn start(&self) -> Result<(OwnedFd, Launched)> {
        reap();
        let program = match &self.executable {
            Some(executable) => executable.clone(),
            None => find_program()?,
        };
        let (socket, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|errno| Error::Launch {
            program: program.clone(),
            source: errno.into(),
        })?;
        let child = self
            .command(&program)
            .stdin(theirs)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|source| Error::Launch {
                program: program.clone(),
                source,
            })?;
        let pid = child.id();
        let _gate = fork::gate();
        locked(&STARTED).push(child);
        Ok((socket, Launched { program, pid }))
    }

    fn command(&self, program: &Path) -> Command {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(program);
        // arenactl serves as arenad when it is called so.
        command.arg0(PROGRAM).args(["--embedded", "0"]);
        if let Some(bytes) = self.size_bytes {
            command.arg("--size").arg(format!("{bytes}B"));
        }
        if let Some(workers) = self.workers {
            command.arg("--workers").arg(workers.to_string());
        }
        command
    }
}

impl Launched {
    /// Why the supervisor did not greet: where it has closed its socket, how it ended says more.
    pub(crate) fn explain(self, error: Error) -> Error {
        if !matches!(error, Error::ConnectionLost { .. }) {
            return error;
        }
        match self.wait() {
            Some(status) => Error::EndedAtStart {
                program: self.program,
                status,
            },
            None => error,
        }
    }

    fn wait(&self) -> Option<ExitStatus> {
        let mut child = take_started(self.pid)?;
        child.wait().ok()
    }
}

fn take_started(pid: u32) -> Option<Child> {
    let _gate = fork::gate();
    let mut started = locked(&STARTED);
    let at = started.iter().position(|child| child.id() == pid)?;
    Some(started.swap_remove(at))
}

/// Takes away the remains of supervisors that have ended. Those that a parent of this process started are not its to wait for.
fn reap() {
    let _gate = fork::gate();
    locked(&STARTED).retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

/// The program to start: `ARENAD_BIN`, this program if it is arenactl, beside this program, in `PATH`.
fn find_program() -> Result<PathBuf> {
    let own = env::current_exe().ok();
    find_program_from(
        env::var_os(PROGRAM_VARIABLE),
        own.as_deref(),
        env::var_os("PATH"),
    )
    .ok_or(Error::ProgramNotFound)
}

fn find_program_from(
    told: Option<OsString>,
    own: Option<&Path>,
    path: Option<OsString>,
) -> Option<PathBuf> {
    if let Some(told) = told.filter(|told| !told.is_empty()) {
        return Some(told.into());
    }
    if let Some(own) = own.filter(|own| own.file_name().is_some_and(|n| n == CONTROL_PROGRAM)) {
        return Some(own.to_owned());
    }
    let beside = own.and_then(Path::parent).into_iter().map(Path::to_owned);
    // Tests and examples lie one directory below the programs of their build.
    let above = own
        .and_then(Path::parent)
        .filter(|directory| {
            directory
                .file_name()
                .is_some_and(|n| n == "deps" || n == "examples")
        })
        .and_then(Path::parent)
        .into_iter()
        .map(Path::to_owned);
    let on_path = path.iter().flat_map(env::split_paths);
    beside
        .chain(above)
        .chain(on_path)
        .map(|directory| directory.join(PROGRAM))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn program_in(directory: &Path) -> PathBuf {
        fs::create_dir_all(directory).unwrap();
        let program = directory.join(PROGRAM);
        fs::write(&program, "").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    #[test]
    fn the_program_is_looked_for_in_order() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let on_path = program_in(&root.join("path"));
        let own = root.join("own/demo");
        let path = || Some(root.join("path").into_os_string());
        assert_eq!(find_program_from(None, Some(&own), None), None);
        assert_eq!(find_program_from(None, Some(&own), path()), Some(on_path));
        let beside = program_in(&root.join("own"));
        assert_eq!(find_program_from(None, Some(&own), path()), Some(beside));
        let control = root.join("own/arenactl");
        assert_eq!(
            find_program_from(None, Some(&control), path()),
            Some(control.clone())
        );
        assert_eq!(
            find_program_from(Some("/x".into()), Some(&control), path()),
            Some("/x".into())
        );
    }

    #[test]
    fn a_test_program_finds_its_build() {
        let root = tempfile::tempdir().unwrap();
        let built = program_in(root.path());
        let own = root.path().join("deps/demo-1234");
        assert_eq!(find_program_from(None, Some(&own), None), Some(built));
    }
}
