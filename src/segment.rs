#![expect(
    unsafe_code,
    reason = "compares a segment that was made with the file that was opened through its mapping"
)]
//! Creating a named POSIX shared-memory segment: the only user of the `shared_memory` crate.
//!
//! The crate creates a segment exclusively and with mode 0600, but hides its descriptor, reserves nothing and unlinks the name
//! when it is dropped. So it is made not to, the name is opened again beside it, and a random mark written through the crate's
//! mapping must be found in the opened file: whatever stands under the name now is the segment that was created. Everything
//! after that (size, checks, mapping, unlinking) is done with the opened file.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::rand::{GetRandomFlags, getrandom};
use shared_memory::{ShmemConf, ShmemError};

/// The directory in which POSIX segments appear.
pub(crate) const SEGMENT_DIRECTORY: &str = "/dev/shm";

type Mark = [u8; 16];

/// Creates the segment `name`, empty, and opens it. `directory` is [`SEGMENT_DIRECTORY`].
pub(crate) fn create_segment(directory: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    let mut segment = ShmemConf::new()
        .os_id(name)
        .size(size_of::<Mark>())
        .create()
        .map_err(io_error)?;

    let mut mark = Mark::default();
    getrandom(&mut mark, GetRandomFlags::empty())?;
    // SAFETY: the segment was created with room for a mark and is mapped as long as `segment` lives. Nobody else relies on its
    // contents, and no reference is made.
    unsafe { segment.as_ptr().cast::<Mark>().write_unaligned(mark) };

    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    let mut found = Mark::default();
    let read = rustix::io::pread(&file, &mut found, 0)?;
    // Until here a failure takes the name away again; from here on it is not the handle's to take.
    segment.set_owner(false);
    if read != found.len() || found != mark {
        let text = "another file took the place of the segment that was created";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    rustix::fs::ftruncate(file.as_fd(), 0)?;
    Ok(file)
}

/// The system's error in the crate's one.
fn io_error(error: ShmemError) -> io::Error {
    match error {
        ShmemError::MappingIdExists => io::ErrorKind::AlreadyExists.into(),
        ShmemError::MapCreateFailed(errno)
        | ShmemError::MapOpenFailed(errno)
        | ShmemError::UnknownOsError(errno) => io::Error::from_raw_os_error(errno.cast_signed()),
        other => io::Error::other(other),
    }
}
