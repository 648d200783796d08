//! Lifelines: how the supervisor learns that nobody is left who might still see a session's views.
//!
//! A lifeline is the write end of a pipe that a session holds and never writes to. Children inherit it at a fork and lose it at
//! an exec, which is also what happens to the mappings that it stands for. The supervisor keeps the read end: as long as
//! anybody holds the write end a read says *try again*, afterwards it says *end of file*.
//!
//! Arenas with named files use a FIFO beside them, which a restarted supervisor opens again; private ones use a pipe, since
//! their sessions end with their supervisor. A FIFO that is missing counts as held: that wastes memory, the opposite would reuse
//! what somebody still sees.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use crate::files::ArenaFiles;
use crate::id::SessionId;

/// The supervisor's end of a lifeline.
#[derive(Debug)]
pub struct Lifeline {
    read: OwnedFd,
}

/// Whether somebody holds a lifeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grip {
    /// Somebody does, or may.
    Held,
    /// Nobody does, and nobody will.
    Released,
}

const NAME_PREFIX: &str = "life.";

/// A holder that writes without end must not hold up the supervisor.
const READS_MAX: usize = 16;

fn part(session: SessionId) -> String {
    format!("{NAME_PREFIX}{session}")
}

const READ_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Lifeline {
    /// Makes a lifeline for `session`: the supervisor's end, and the end to hand out.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn create(files: &ArenaFiles, session: SessionId) -> io::Result<(Self, OwnedFd)> {
        let Some(place) = files.place() else {
            let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
            return Ok((Self { read }, write));
        };
        let name = place.file_name(&part(session));
        // Session numbers are not reused: what is there was left by a creation that was interrupted.
        place.unlink(&part(session)).map_err(io::Error::other)?;
        rustix::fs::mkfifoat(place.directory(), &name, Mode::RUSR | Mode::WUSR)?;
        let open = |flags| rustix::fs::openat(place.directory(), &name, flags, Mode::empty());
        let read = open(READ_FLAGS)?;
        let write = open(OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC)?;
        Ok((Self { read }, write))
    }

    /// Opens the lifeline of a session of an earlier supervisor; `None` where it is missing, which counts as held.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn reopen(files: &ArenaFiles, session: SessionId) -> io::Result<Option<Self>> {
        let Some(place) = files.place() else {
            return Ok(None);
        };
        let name = place.file_name(&part(session));
        match rustix::fs::openat(place.directory(), name, READ_FLAGS, Mode::empty()) {
            Ok(read) => Ok(Some(Self { read })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether somebody holds it. Ask once after [`Lifeline::reopen`]: the kernel announces the end only of lifelines that were
    /// held since the read end was opened.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn grip(&self) -> io::Result<Grip> {
        let mut bytes = [0_u8; 64];
        for _ in 0..READS_MAX {
            match rustix::io::read(&self.read, &mut bytes) {
                Ok(0) => return Ok(Grip::Released),
                // Nobody has a reason to write; whoever does, holds it.
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Grip::Held),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(Grip::Held)
    }

    /// Removes the FIFOs of sessions that are not `known`: an earlier supervisor was killed between making one and recording it,
    /// so nobody was given its write end.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remove_unknown(files: &ArenaFiles, known: &[SessionId]) -> io::Result<()> {
        let Some(place) = files.place() else {
            return Ok(());
        };
        for part in place.parts().map_err(io::Error::other)? {
            let session = part
                .strip_prefix(NAME_PREFIX)
                .and_then(|number| number.parse().ok());
            if let Some(session) = session.map(SessionId)
                && !known.contains(&session)
            {
                place.unlink(&part).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    /// Removes the FIFO of a session whose lifeline is no longer needed; one that is not there is no error.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remove(files: &ArenaFiles, session: SessionId) -> io::Result<()> {
        match files.place() {
            Some(place) => place.unlink(&part(session)).map_err(io::Error::other),
            None => Ok(()),
        }
    }
}

impl AsFd for Lifeline {
    /// The read end, for the event loop: readable at the end of file.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}
