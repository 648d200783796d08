//! Where the sections of the table file lie.

use super::{HEADER_SECTION_BYTES, PROCESS_ROWS, RawObject, RawProcess};
use crate::offset::{BLOCK_BYTES, PAGE_BYTES, round_up};

/// The sizes that an arena was created with. They never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    arena_bytes: u64,
    object_rows: u32,
}

/// Why sizes make no arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum GeometryError {
    #[error(
        "an arena has between 2 MiB and 64 TiB, in whole 2 MiB blocks, got {arena_bytes} bytes"
    )]
    ArenaSize { arena_bytes: u64 },
    #[error("an arena has between 1 and 16777216 object rows, got {object_rows}")]
    ObjectRows { object_rows: u32 },
}

impl Geometry {
    /// The largest arena: half of what 47 bits of user addresses allow.
    pub const ARENA_BYTES_MAX: u64 = 1 << 46;
    /// The most object rows.
    pub const OBJECT_ROWS_MAX: u32 = 1 << 24;

    /// A geometry for an arena of `arena_bytes` and at most `object_rows` objects.
    ///
    /// # Errors
    /// [`GeometryError`] for sizes out of range.
    pub const fn new(arena_bytes: u64, object_rows: u32) -> Result<Self, GeometryError> {
        let whole = arena_bytes.is_multiple_of(BLOCK_BYTES);
        if !whole || arena_bytes == 0 || arena_bytes > Self::ARENA_BYTES_MAX {
            return Err(GeometryError::ArenaSize { arena_bytes });
        }
        if object_rows == 0 || object_rows > Self::OBJECT_ROWS_MAX {
            return Err(GeometryError::ObjectRows { object_rows });
        }
        Ok(Self {
            arena_bytes,
            object_rows,
        })
    }

    /// The size of the data file.
    #[must_use]
    pub const fn arena_bytes(self) -> u64 {
        self.arena_bytes
    }

    /// How many rows the object table has.
    #[must_use]
    pub const fn object_rows(self) -> u32 {
        self.object_rows
    }

    /// How many rows the process table has.
    #[must_use]
    pub const fn process_rows(self) -> u32 {
        PROCESS_ROWS
    }

    /// How many 2 MiB blocks the arena has.
    #[must_use]
    pub const fn block_count(self) -> u64 {
        self.arena_bytes / BLOCK_BYTES
    }

    /// Where the block states begin: one byte a block.
    #[must_use]
    pub const fn blocks_offset(self) -> u64 {
        HEADER_SECTION_BYTES
    }

    /// Where the process rows begin.
    #[must_use]
    pub const fn processes_offset(self) -> u64 {
        self.blocks_offset() + page_rounded(self.block_count())
    }

    /// Where the object rows begin. They come last because only their used front is ever backed by memory.
    #[must_use]
    pub const fn objects_offset(self) -> u64 {
        self.processes_offset() + page_rounded(PROCESS_ROWS as u64 * size_of::<RawProcess>() as u64)
    }

    /// The size of the table file.
    #[must_use]
    pub const fn table_bytes(self) -> u64 {
        self.objects_offset()
            + page_rounded(self.object_rows as u64 * size_of::<RawObject>() as u64)
    }

    /// Where the object row `index` begins.
    #[must_use]
    pub const fn object_offset(self, index: u32) -> u64 {
        self.objects_offset() + index as u64 * size_of::<RawObject>() as u64
    }

    /// Where the process row `index` begins.
    #[must_use]
    pub const fn process_offset(self, index: u32) -> u64 {
        self.processes_offset() + index as u64 * size_of::<RawProcess>() as u64
    }
}

const fn page_rounded(bytes: u64) -> u64 {
    match round_up(bytes, PAGE_BYTES) {
        Some(bytes) => bytes,
        None => panic!("sections of a valid geometry are far below 2^64 bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_follow_each_other_on_page_boundaries() {
        let geometry = Geometry::new(64 << 20, 1000).unwrap();
        assert_eq!(geometry.block_count(), 32);
        assert_eq!(geometry.blocks_offset(), 4096);
        assert_eq!(geometry.processes_offset(), 8192);
        assert_eq!(geometry.objects_offset(), 8192 + 1024 * 128);
        assert_eq!(geometry.table_bytes(), geometry.objects_offset() + 512_000);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for bytes in [
            0,
            4096,
            BLOCK_BYTES + 1,
            Geometry::ARENA_BYTES_MAX + BLOCK_BYTES,
        ] {
            assert!(Geometry::new(bytes, 1).is_err(), "{bytes}");
        }
        assert!(Geometry::new(BLOCK_BYTES, 0).is_err());
        assert!(Geometry::new(BLOCK_BYTES, u32::MAX).is_err());
    }
}
