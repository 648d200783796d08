//! Why a table cannot be served.

use crate::layout::{GeometryError, RowError, VERSION};
use crate::name::ArenaName;

/// Why a table cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file system has no room for more of the table.
    #[error("the file system that holds the arena's table is full")]
    Full,
    /// A system call failed.
    #[error("cannot {action} the arena's table: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A daemon ended while it made the arena.
    #[error("the arena's creation was interrupted before anything was stored in it")]
    Unfinished,
    /// Another format.
    #[error(
        "the arena was made by {} version of arenad (format {found}, this program reads {VERSION}): serve it with that version, or remove it with: arenactl arena rm {arena}",
        if *.found < VERSION { "an older" } else { "a newer" }
    )]
    Version {
        /// The format's version.
        found: u32,
        /// Which arena.
        arena: ArenaName,
    },
    /// Another layout under the same version.
    #[error(
        "the arena's layout is not this program's although the format version agrees: serve it with the build that made it, or remove it with: arenactl arena rm {arena}"
    )]
    LayoutHash {
        /// Which arena.
        arena: ArenaName,
    },
    /// Made before a reboot.
    #[error(
        "the arena was made before the machine was started anew, so its contents are not complete: remove it with: arenactl arena rm {arena}"
    )]
    StaleBoot {
        /// Which arena.
        arena: ArenaName,
    },
    /// Something that no daemon can have written or left.
    #[error("the arena is damaged: {damage}; remove it with: arenactl arena rm {arena}")]
    Damaged {
        /// What is damaged.
        damage: Damage,
        /// Which arena.
        arena: ArenaName,
    },
}

/// Where a table is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum Damage {
    #[error("the table file has {found} bytes, at least {expected} expected")]
    Size { found: u64, expected: u64 },
    #[error("the table is empty, but there is data")]
    Emptied,
    #[error("the table does not begin with the arena magic")]
    Magic,
    #[error("the ready word has no meaning")]
    Ready,
    #[error("the header's checksum does not match")]
    HeaderChecksum,
    #[error("the header's sizes make no arena: {0}")]
    Geometry(#[from] GeometryError),
    #[error("a field of the header is out of range: {0}")]
    HeaderField(&'static str),
    #[error("the header belongs to the arena {0}")]
    OtherArena(ArenaName),
    #[error("the state of block {block} has no meaning: {code:#x}")]
    Block { block: u64, code: u8 },
    #[error("object row {row}: {error}")]
    Object { row: u32, error: RowError },
    #[error("process row {row}: {error}")]
    Process { row: u32, error: RowError },
}
