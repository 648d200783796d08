//! Starting the supervisor's children: this very program again, as `arenad worker ARENA SLOT` or `arenad groomer ARENA`.
//!
//! The child's end of a socket pair is its standard input; everything else that the supervisor has open is close-on-exec. No
//! code of ours runs between fork and exec, so the standard library can use posix_spawn; what a child must do for itself (an own
//! process session, ending with its supervisor) it does first thing, in [`settle`].

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{
    Pid, PidfdFlags, Signal, getppid, pidfd_open, set_parent_process_death_signal, setsid,
};

/// What a child is started as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// A native worker with its slot.
    Worker(u8),
    /// The groomer.
    Groomer,
}

/// A process that was just started.
pub(crate) struct Started {
    /// The supervisor's end, nonblocking.
    pub(crate) socket: OwnedFd,
    /// Readable when the process is gone.
    pub(crate) pidfd: OwnedFd,
    pub(crate) pid: u32,
}

/// Starts a child. It is reaped through its pidfd, never through a handle of the standard library.
pub(crate) fn spawn(form: Form, arena: &str) -> io::Result<Started> {
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("arenad").stdin(Stdio::from(theirs));
    match form {
        Form::Worker(slot) => command.args(["worker", arena, &slot.to_string()]),
        Form::Groomer => command.args(["groomer", arena]),
    };
    let mut child = command.spawn()?;
    // The child is not waited for yet, so that its pid can't be another process's.
    match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Started {
            socket: ours,
            pidfd,
            pid: child.id(),
        }),
        Err(error) => {
            // Without a pidfd nobody would ever reap it. It has ended for all that is known, which is no error here.
            let _ = child.kill();
            let _ = child.wait();
            Err(error.into())
        }
    }
}

/// What a child does before anything else: leaves the terminal's process session, takes its name, and sees to it that it ends
/// with its supervisor, which the end of its socket tells it too, but only when it looks there.
pub(crate) fn settle(socket: impl AsFd) -> io::Result<()> {
    // Fails for a process group leader, which a child started by hand may be; it is no harm there.
    let _ = setsid();
    // The kernel shows the executable's file name, which is "exe" here.
    rustix::thread::set_name(c"arenad")?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The supervisor may have ended before that call; then somebody else is the parent now.
    let supervisor = rustix::net::sockopt::socket_peercred(socket)?.pid;
    if getppid() == Some(supervisor) {
        Ok(())
    } else {
        Err(io::Error::other("the supervisor has ended"))
    }
}
