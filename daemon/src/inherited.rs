#![expect(
    unsafe_code,
    reason = "a descriptor inherited by number can only be owned through from_raw_fd"
)]
//! Descriptors that a process gets from the one that started it.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::stdio::{dup2_stdin, stdin};

/// Takes the socket that was inherited under the number `fd`, and keeps it from processes started later. Called once per
/// number, before this process opens descriptors of its own. Standard input is the number that a parent with threads can give
/// a socket without a moment in which children of other threads inherit it too.
pub(crate) fn socket(fd: RawFd) -> io::Result<OwnedFd> {
    if fd == 0 {
        return socket_on_stdin();
    }
    if fd <= 2 {
        return Err(not_a_socket(fd));
    }
    // SAFETY: called before this process opens anything (above), so whatever has this number was inherited and has no other
    // owner here; that nothing has it shows below, before the descriptor is used.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    match fstat(&owned) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Socket => {
            fcntl_setfd(&owned, FdFlags::CLOEXEC)?;
            Ok(owned)
        }
        Ok(_) => Err(not_a_socket(fd)),
        Err(error) => {
            // Nothing to close: dropping it would be a second error.
            std::mem::forget(owned);
            Err(error.into())
        }
    }
}

/// Takes the socket that came as standard input (how the supervisor starts its children) and puts /dev/null in its place, so
/// that code which reads standard input can't take frames.
pub(crate) fn socket_on_stdin() -> io::Result<OwnedFd> {
    if FileType::from_raw_mode(fstat(stdin())?.st_mode) != FileType::Socket {
        return Err(not_a_socket(0));
    }
    let socket = fcntl_dupfd_cloexec(stdin(), 3)?;
    let null = open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    dup2_stdin(&null)?;
    Ok(socket)
}

/// Opens /dev/null in the place of a standard descriptor that is closed, so that no socket or arena file gets its number and
/// is written to by mistake.
pub(crate) fn fill_standard_descriptors() -> io::Result<()> {
    loop {
        let null = open("/dev/null", OFlags::RDWR, Mode::empty())?;
        if std::os::fd::AsRawFd::as_raw_fd(&null) > 2 {
            return Ok(());
        }
        // Kept for the life of the process.
        std::mem::forget(null);
    }
}

fn not_a_socket(fd: RawFd) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("descriptor {fd} is no inherited socket"),
    )
}
