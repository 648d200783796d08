//! What the tests of arenas share.

use std::sync::atomic::{AtomicU32, Ordering};

use arena_core::array::ArrayLayout;
use arena_core::dtype::Dtype;
use arena_core::files::{self, ArenaSpec, Backing, OpenArena};
use arena_core::layout::{CellRange, Geometry, ObjectRow, ObjectState};
use arena_core::name::ArenaName;
use arena_core::{Extent, Offset, SessionId};

pub(crate) const ARENA_BYTES: u64 = 64 << 20;

/// An arena's place that nobody else uses; what is in it is removed at the end.
pub(crate) struct Home {
    pub(crate) name: ArenaName,
    pub(crate) backing: Backing,
    _directory: Option<tempfile::TempDir>,
}

fn unique_name() -> ArenaName {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{count}", std::process::id())
        .parse()
        .unwrap()
}

impl Home {
    pub(crate) fn named() -> Self {
        Self {
            name: unique_name(),
            backing: Backing::Named,
            _directory: None,
        }
    }

    pub(crate) fn directory() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let backing = Backing::Directory(directory.path().to_owned());
        Self {
            name: unique_name(),
            backing,
            _directory: Some(directory),
        }
    }

    pub(crate) fn private() -> Self {
        Self {
            name: unique_name(),
            backing: Backing::Memfd,
            _directory: None,
        }
    }

    pub(crate) fn open(&self) -> Result<OpenArena, files::FilesError> {
        OpenArena::open_or_create(&self.spec())
    }

    pub(crate) fn spec(&self) -> ArenaSpec {
        ArenaSpec {
            name: self.name.clone(),
            backing: self.backing.clone(),
            geometry: Geometry::new(ARENA_BYTES, 4096).unwrap(),
        }
    }

    /// The path of a part of the arena.
    pub(crate) fn path(&self, part: &str) -> std::path::PathBuf {
        let uid = rustix::process::geteuid().as_raw();
        let directory = self.backing.directory().unwrap();
        directory.join(format!("arenad.{uid}.{}.{part}", self.name))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Tests remove arenas themselves or leave none; whatever a failed test leaves must not stay in /dev/shm.
        if self.backing == Backing::Named {
            for part in ["table", "locks", "data", "lock"] {
                let _ = std::fs::remove_file(self.path(part));
            }
        }
    }
}

/// A valid row of `len` bytes at `offset`.
pub(crate) fn object_row(offset: u64, len: u64, generation: u64, state: ObjectState) -> ObjectRow {
    ObjectRow {
        state,
        generation,
        extent: Extent::new(Offset::new(offset), len).unwrap(),
        layout: ArrayLayout::c_order(Dtype::Uint8, &[len]).unwrap(),
        name: None,
        owner_uid: 1000,
        session: SessionId(7),
        cells: CellRange::default(),
        lock_axis: 0,
        image: Extent::default(),
        flags: 0,
    }
}
