//! The header of the table file.

use super::checksum::checksum;
use super::{CELL_COUNT, Geometry, LAYOUT_HASH, SLOT_COUNT, shared_struct};
use crate::id::ArenaId;
use crate::name::ArenaName;
use crate::offset::{BLOCK_BYTES, PAGE_BYTES};

/// The bytes that tell a table file from anything else.
pub const MAGIC: [u8; 8] = *b"ARENADTB";
/// The version of the format. Each change of the layout or of its meaning counts it up.
pub const VERSION: u32 = 1;
/// The ready word, written when everything else is in place. Zero until then.
pub const READY: u64 = u64::from_le_bytes(*b"isREADY!");
/// The header's share of the file; what follows the struct is zero.
pub const HEADER_SECTION_BYTES: u64 = 4096;

shared_struct! {
    /// The first bytes of the table file.
    pub struct Header {
        /// Zero while the arena is being created, [`READY`] afterwards.
        pub ready: u64,
        /// [`MAGIC`].
        pub magic: [u8; 8],
        /// [`VERSION`].
        pub version: u32,
        /// The size of this struct.
        pub header_bytes: u32,
        /// [`LAYOUT_HASH`].
        pub layout_hash: u64,
        /// The size of the data file.
        pub arena_bytes: u64,
        /// The unit of extents.
        pub page_bytes: u32,
        /// The unit of populating.
        pub block_bytes: u32,
        /// Rows of the object table.
        pub object_rows: u32,
        /// Rows of the process table.
        pub process_rows: u32,
        /// Cells of the locks file.
        pub cell_count: u32,
        /// Slot records of the locks file.
        pub slot_count: u32,
        /// Where the block states begin.
        pub blocks_offset: u64,
        /// Where the process rows begin.
        pub processes_offset: u64,
        /// Where the object rows begin.
        pub objects_offset: u64,
        /// The size of the table file.
        pub table_bytes: u64,
        /// The boot during which the arena was created.
        pub boot_id: [u8; 16],
        /// The arena's random identity.
        pub arena_id: [u8; 16],
        /// The user whose daemon made the arena.
        pub owner_uid: u32,
        /// A [`BackingCode`].
        pub backing: u8,
        /// Bytes of the name.
        pub name_len: u8,
        /// Zero.
        pub reserved_a: [u8; 2],
        /// The arena's name, filled up with zeros.
        pub name: [u8; 64],
        /// When the arena was created, in seconds of the Unix epoch.
        pub created_unix_s: u64,
        /// The checksum of the bytes from `magic` up to here.
        pub sum: u64,
        /// How many daemons have served the arena: a counter that checks itself.
        pub incarnation: u64,
        /// No session up to this number is given out again: a counter that checks itself.
        pub session_floor: u64,
        /// Zero.
        pub reserved_b: [u8; 24],
    }
}

const _: () = assert!(size_of::<Header>() == 256);
const _: () = assert!(core::mem::offset_of!(Header, ready) == 0);
const _: () = assert!(core::mem::offset_of!(Header, incarnation).is_multiple_of(8));

/// What the arena's files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BackingCode {
    /// Memfds: private.
    Memfd = 1,
    /// POSIX shared-memory segments.
    Named = 2,
    /// Files in a directory.
    Directory = 3,
}

impl BackingCode {
    /// The backing that `code` stands for, or `None`.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Memfd, Self::Named, Self::Directory]
            .into_iter()
            .find(|backing| *backing as u8 == code)
    }
}

/// What a header says about an arena, beside its sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArenaIdentity {
    /// The arena's random identity.
    pub arena_id: ArenaId,
    /// The arena's name.
    pub name: ArenaName,
    /// The user whose daemon made it.
    pub owner_uid: u32,
    /// What its files are.
    pub backing: BackingCode,
    /// The boot during which it was made.
    pub boot_id: [u8; 16],
    /// When it was made, in seconds of the Unix epoch.
    pub created_unix_s: u64,
}

impl Header {
    /// The header of a new arena, not yet ready.
    #[must_use]
    pub fn new(identity: &ArenaIdentity, geometry: Geometry) -> Self {
        let text = identity.name.as_str().as_bytes();
        let mut name = [0; 64];
        name[..text.len()].copy_from_slice(text);
        let mut header = Self {
            boot_id: identity.boot_id,
            arena_id: identity.arena_id.0.to_le_bytes(),
            owner_uid: identity.owner_uid,
            backing: identity.backing as u8,
            name_len: u8::try_from(text.len()).expect("arena names have at most 64 bytes"),
            name,
            created_unix_s: identity.created_unix_s,
            ..Self::of_geometry(geometry)
        };
        header.sum = header.computed_sum();
        header
    }

    fn of_geometry(geometry: Geometry) -> Self {
        Self {
            magic: MAGIC,
            version: VERSION,
            header_bytes: size_of::<Self>() as u32,
            layout_hash: LAYOUT_HASH,
            arena_bytes: geometry.arena_bytes(),
            page_bytes: PAGE_BYTES as u32,
            block_bytes: BLOCK_BYTES as u32,
            object_rows: geometry.object_rows(),
            process_rows: geometry.process_rows(),
            cell_count: CELL_COUNT,
            slot_count: SLOT_COUNT,
            blocks_offset: geometry.blocks_offset(),
            processes_offset: geometry.processes_offset(),
            objects_offset: geometry.objects_offset(),
            table_bytes: geometry.table_bytes(),
            ..bytemuck::Zeroable::zeroed()
        }
    }

    /// Whether every size in the header is what `geometry` leads to.
    #[must_use]
    pub fn agrees_with(&self, geometry: Geometry) -> bool {
        let expected = Self {
            ready: self.ready,
            boot_id: self.boot_id,
            arena_id: self.arena_id,
            owner_uid: self.owner_uid,
            backing: self.backing,
            name_len: self.name_len,
            name: self.name,
            created_unix_s: self.created_unix_s,
            sum: self.sum,
            incarnation: self.incarnation,
            session_floor: self.session_floor,
            ..Self::of_geometry(geometry)
        };
        *self == expected
    }

    /// The checksum that belongs to the header's constant part.
    #[must_use]
    pub fn computed_sum(&self) -> u64 {
        let bytes = bytemuck::bytes_of(self);
        checksum(&bytes[core::mem::offset_of!(Self, magic)..core::mem::offset_of!(Self, sum)])
    }

    /// The identity in the header, or `None` where a field is out of range.
    #[must_use]
    pub fn identity(&self) -> Option<ArenaIdentity> {
        let (text, rest) = self.name.split_at_checked(usize::from(self.name_len))?;
        if rest.iter().any(|&byte| byte != 0) {
            return None;
        }
        Some(ArenaIdentity {
            arena_id: ArenaId(u128::from_le_bytes(self.arena_id)),
            name: core::str::from_utf8(text).ok()?.parse().ok()?,
            owner_uid: self.owner_uid,
            backing: BackingCode::from_code(self.backing)?,
            boot_id: self.boot_id,
            created_unix_s: self.created_unix_s,
        })
    }
}
