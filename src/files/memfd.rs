//! Parts of private arenas: anonymous files, sealed against resizing, so that no writer can turn another process's access into
//! a SIGBUS.

use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, Mode, SealFlags};
use rustix::io::Errno;

use super::{FilesError, Part};
use crate::name::ArenaName;

/// A sparse memfd of `bytes`, whose size is final.
pub(super) fn create(arena: &ArenaName, part: Part, bytes: u64) -> Result<OwnedFd, FilesError> {
    let name = format!("arenad.{arena}.{}", part.name());
    sealed_memfd(&name, bytes).map_err(|errno| FilesError::of_errno("create", name, errno))
}

/// A sparse memfd of `bytes`, closed to other users and sealed against resizing.
pub(crate) fn sealed_memfd(name: &str, bytes: u64) -> Result<OwnedFd, Errno> {
    let file = open(name)?;
    // The default mode lets every user open the file through /proc.
    rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    rustix::fs::ftruncate(&file, bytes)?;
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file)
}

/// NOEXEC_SEAL is refused by kernels before 6.3, and asked for by the sysctl vm.memfd_noexec of later ones.
fn open(name: &str) -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => rustix::fs::memfd_create(name, flags),
        opened => opened,
    }
}
