//! Removing and listing arenas of this user.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

use super::place::{flock_holder, names_in, prefix};
use super::{Backing, FilesError, Part, Place};
use crate::name::ArenaName;

/// What can be said of an arena without serving it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArenaListing {
    /// Its name.
    pub name: ArenaName,
    /// The size of its data file; `None` where that is missing.
    pub arena_bytes: Option<u64>,
    /// How much memory or disk its files take.
    pub populated_bytes: u64,
    /// The daemon that serves it, where the kernel tells.
    pub served_by: Option<u32>,
}

/// Removes an arena and everything in it. Processes that have it mapped keep the memory until they end.
///
/// # Errors
/// [`FilesError::InUse`] while a daemon serves it, [`FilesError::NotFound`] where there is none.
pub fn remove(backing: &Backing, arena: &ArenaName) -> Result<(), FilesError> {
    let not_found = || FilesError::NotFound {
        arena: arena.clone(),
    };
    let place = Place::of(backing, arena)?.ok_or_else(not_found)?;
    let parts = [Part::Lock, Part::Table, Part::Locks, Part::Data];
    if parts.iter().all(|part| place.stat(part.name()).is_none()) {
        return Err(not_found());
    }
    let _lock = place.acquire_lock()?;
    place.remove_contents()?;
    place.unlink(Part::Lock.name())
}

/// The arenas of this user at `backing`, by name. Private ones cannot be listed.
///
/// # Errors
/// [`FilesError::Io`] where the directory cannot be read.
pub fn list(backing: &Backing) -> Result<Vec<ArenaListing>, FilesError> {
    let Some(path) = backing.directory() else {
        return Ok(Vec::new());
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let failed = |errno| FilesError::of_errno("list", path, errno);
    let directory: OwnedFd = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
    let prefix = prefix(rustix::process::geteuid().as_raw(), None);
    let arenas: BTreeSet<ArenaName> = names_in(&directory)
        .map_err(failed)?
        .iter()
        .filter_map(|name| arena_of(name.strip_prefix(&prefix)?))
        .collect();
    arenas
        .into_iter()
        .map(|arena| listing(backing, arena))
        .collect()
}

/// The arena in `ARENA.PART`, for the parts that make an arena.
fn arena_of(rest: &str) -> Option<ArenaName> {
    let (arena, part) = rest.split_once('.')?;
    let is_part = [Part::Table, Part::Locks, Part::Data]
        .iter()
        .any(|known| known.name() == part);
    if is_part { arena.parse().ok() } else { None }
}

fn listing(backing: &Backing, name: ArenaName) -> Result<ArenaListing, FilesError> {
    let not_found = || FilesError::NotFound {
        arena: name.clone(),
    };
    let place = Place::of(backing, &name)?.ok_or_else(not_found)?;
    let parts = [Part::Table, Part::Locks, Part::Data];
    let populated = parts.iter().filter_map(|part| place.stat(part.name()));
    // The unit of st_blocks is 512 bytes, whatever the file system's.
    let populated_bytes = populated
        .map(|stat| u64::try_from(stat.st_blocks).unwrap_or(0) * 512)
        .sum();
    let data = place.stat(Part::Data.name());
    Ok(ArenaListing {
        arena_bytes: data.and_then(|stat| u64::try_from(stat.st_size).ok()),
        populated_bytes,
        served_by: place
            .stat(Part::Lock.name())
            .as_ref()
            .and_then(flock_holder),
        name,
    })
}
