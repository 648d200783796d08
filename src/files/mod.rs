//! The files of an arena: making, opening, removing and listing them.
//!
//! An arena has four parts. Whoever holds the flock on the *lock* file is its supervisor; only that process touches the other
//! parts' names. The *table* is the journal, the *locks* file holds lock cells, the *data* file the objects. Where they are is
//! told by the [`Backing`]. A creation that was interrupted has no ready word in its table and is made anew; a removal unlinks
//! the table first, so that what an interrupted one leaves is never served either.

mod admin;
mod error;
mod memfd;
mod place;

pub use admin::{ArenaListing, list, remove};
pub use error::FilesError;
pub use place::{Backing, Part};

pub(crate) use memfd::sealed_memfd;
pub(crate) use place::Place;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::SystemTime;

use rustix::fs::FallocateFlags;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::id::ArenaId;
use crate::layout::{
    ArenaIdentity, CELL_BYTES, CELL_COUNT, CellRange, Geometry, LOCKS_BYTES, SLOT_COUNT,
};
use crate::lifeline::Lifeline;
use crate::name::ArenaName;
use crate::process::boot_id;
use crate::table::{Damage, Recovered, Table, TableError};

/// What arena to open or create.
#[derive(Debug, Clone)]
pub struct ArenaSpec {
    /// Its name; private arenas have one too, for people to read.
    pub name: ArenaName,
    /// What its files are.
    pub backing: Backing,
    /// The sizes of a new arena. One that exists keeps its own.
    pub geometry: Geometry,
}

/// The descriptors of an arena, held by its supervisor. All are close-on-exec.
#[derive(Debug)]
pub struct ArenaFiles {
    name: ArenaName,
    backing: Backing,
    place: Option<Place>,
    /// Held for life and never passed on; private arenas need none.
    _lock: Option<OwnedFd>,
    data: OwnedFd,
    locks: OwnedFd,
}

/// An arena that this process now serves.
pub struct OpenArena {
    /// Its files.
    pub files: ArenaFiles,
    /// Its journal.
    pub table: Table,
    /// Who made it.
    pub identity: ArenaIdentity,
    /// What an earlier daemon left in it; `None` for a new arena.
    pub recovered: Option<Recovered>,
}

impl OpenArena {
    /// Opens the arena, or creates it where there is none.
    ///
    /// # Errors
    /// [`FilesError`]: served by another daemon, foreign, stale, older, newer or damaged files, no room.
    pub fn open_or_create(spec: &ArenaSpec) -> Result<Self, FilesError> {
        match Place::of(&spec.backing, &spec.name)? {
            None => Self::create_private(spec),
            Some(place) => Self::open_or_create_at(spec, place),
        }
    }

    fn create_private(spec: &ArenaSpec) -> Result<Self, FilesError> {
        let part = |part: Part, bytes| memfd::create(&spec.name, part, bytes);
        let table = part(Part::Table, spec.geometry.table_bytes())?;
        let files = ArenaFiles {
            name: spec.name.clone(),
            backing: spec.backing.clone(),
            place: None,
            _lock: None,
            data: part(Part::Data, spec.geometry.arena_bytes())?,
            locks: part(Part::Locks, LOCKS_BYTES)?,
        };
        Self::finish_creation(spec, files, table)
    }

    fn open_or_create_at(spec: &ArenaSpec, place: Place) -> Result<Self, FilesError> {
        let lock = place.acquire_lock()?;
        let table = match place.open_part(Part::Table) {
            Ok(file) => match Table::load(file, &spec.name, boot()?) {
                // The data gets its first page when the table is ready, so no interrupted creation left this.
                Err(TableError::Unfinished) if place.has_pages(Part::Data)? => {
                    Err(TableError::Damaged {
                        damage: Damage::Emptied,
                        arena: spec.name.clone(),
                    })
                }
                loaded => loaded,
            },
            Err(error) if error.is_not_found() => Err(TableError::Unfinished),
            Err(error) => return Err(error),
        };
        match table {
            Ok((table, recovered)) => Self::serve_again(spec, place, lock, table, recovered),
            Err(TableError::Unfinished) => Self::create_or_clean_up(spec, place, lock),
            Err(error) => Err(error.into()),
        }
    }

    fn serve_again(
        spec: &ArenaSpec,
        place: Place,
        lock: OwnedFd,
        table: Table,
        recovered: Recovered,
    ) -> Result<Self, FilesError> {
        let data = place.open_sized_part(Part::Data, table.geometry().arena_bytes())?;
        let locks = place.open_sized_part(Part::Locks, LOCKS_BYTES)?;
        let files = ArenaFiles {
            name: spec.name.clone(),
            backing: spec.backing.clone(),
            place: Some(place),
            _lock: Some(lock),
            data,
            locks,
        };
        files.reserve_slots()?;
        let sessions: Vec<_> = recovered
            .processes
            .iter()
            .map(|(_, row)| row.session)
            .collect();
        Lifeline::remove_unknown(&files, &sessions).map_err(|source| {
            FilesError::of_io("remove lifelines beside", Part::Table.name(), source)
        })?;
        let identity = recovered.identity.clone();
        Ok(Self {
            files,
            table,
            identity,
            recovered: Some(recovered),
        })
    }

    /// A creation that fails, for instance because the file system is full, leaves nothing.
    fn create_or_clean_up(
        spec: &ArenaSpec,
        place: Place,
        lock: OwnedFd,
    ) -> Result<Self, FilesError> {
        // A duplicate keeps the flock beyond the failure, so that nobody else's arena is cleaned up.
        let still_locked = lock
            .try_clone()
            .map_err(|source| FilesError::of_io("duplicate", Part::Lock.name(), source))?;
        let created = Self::create_at(spec, place, lock);
        if created.is_err()
            && let Ok(Some(place)) = Place::of(&spec.backing, &spec.name)
        {
            // The failure itself is what is reported.
            place.remove_contents().ok();
            place.unlink(Part::Lock.name()).ok();
        }
        drop(still_locked);
        created
    }

    fn create_at(spec: &ArenaSpec, place: Place, lock: OwnedFd) -> Result<Self, FilesError> {
        place.remove_contents()?;
        let data = place.create_part(Part::Data, spec.geometry.arena_bytes())?;
        let locks = place.create_part(Part::Locks, LOCKS_BYTES)?;
        let table = place.create_part(Part::Table, spec.geometry.table_bytes())?;
        let files = ArenaFiles {
            name: spec.name.clone(),
            backing: spec.backing.clone(),
            place: Some(place),
            _lock: Some(lock),
            data,
            locks,
        };
        Self::finish_creation(spec, files, table)
    }

    fn finish_creation(
        spec: &ArenaSpec,
        files: ArenaFiles,
        table: OwnedFd,
    ) -> Result<Self, FilesError> {
        files.reserve_slots()?;
        let identity = new_identity(spec)?;
        let table = Table::create(table, &identity, spec.geometry)?;
        Ok(Self {
            files,
            table,
            identity,
            recovered: None,
        })
    }
}

impl ArenaFiles {
    /// The arena's name.
    #[must_use]
    pub const fn name(&self) -> &ArenaName {
        &self.name
    }

    /// What the files are.
    #[must_use]
    pub const fn backing(&self) -> &Backing {
        &self.backing
    }

    /// The data file, for reading and writing: for workers and writer clients.
    #[must_use]
    pub fn data(&self) -> BorrowedFd<'_> {
        self.data.as_fd()
    }

    /// The locks file, for reading and writing.
    #[must_use]
    pub fn locks(&self) -> BorrowedFd<'_> {
        self.locks.as_fd()
    }

    /// Takes memory for lock cells before they are handed out, so that no access to them can be a SIGBUS. Cells that have
    /// memory keep their contents.
    ///
    /// # Errors
    /// [`FilesError::Full`] where the file system has no room.
    pub fn reserve_cells(&self, cells: CellRange) -> Result<(), FilesError> {
        self.reserve_locks(u64::from(cells.first), u64::from(cells.count))
    }

    fn reserve_slots(&self) -> Result<(), FilesError> {
        self.reserve_locks(u64::from(CELL_COUNT), u64::from(SLOT_COUNT))
    }

    fn reserve_locks(&self, first: u64, count: u64) -> Result<(), FilesError> {
        if count == 0 {
            return Ok(());
        }
        reserve(&self.locks, first * CELL_BYTES, count * CELL_BYTES)
            .map_err(|errno| FilesError::of_errno("reserve room in", Part::Locks.name(), errno))
    }

    /// Where the arena's files have names, and other files may be put beside them.
    pub(crate) const fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

/// Takes memory of the file system for a part of `file`, so that no store into it can fail.
pub(crate) fn reserve(file: impl AsFd, offset: u64, len: u64) -> rustix::io::Result<()> {
    rustix::io::retry_on_intr(|| rustix::fs::fallocate(&file, FallocateFlags::empty(), offset, len))
}

fn boot() -> Result<[u8; 16], FilesError> {
    boot_id().map_err(|source| FilesError::Io {
        action: "read",
        path: "/proc/sys/kernel/random/boot_id".into(),
        source,
    })
}

fn new_identity(spec: &ArenaSpec) -> Result<ArenaIdentity, FilesError> {
    let mut id = [0; 16];
    getrandom(&mut id, GetRandomFlags::empty())
        .map_err(|errno| FilesError::of_errno("draw", "an arena id", errno))?;
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Ok(ArenaIdentity {
        arena_id: ArenaId(u128::from_le_bytes(id)),
        name: spec.name.clone(),
        owner_uid: rustix::process::geteuid().as_raw(),
        backing: spec.backing.code(),
        boot_id: boot()?,
        created_unix_s: since_epoch.map_or(0, |elapsed| elapsed.as_secs()),
    })
}
