//! The layout of the table file, told once.
//!
//! Every struct here is `repr(C)`, fixed-width and without padding; `bytemuck` proves it. The order of fields and sections is
//! hashed into [`LAYOUT_HASH`], which the header carries, so that a program with another idea of the layout refuses the file
//! instead of misreading it. docs/FORMAT.md shows the same tables and a test compares the two.
//!
//! Nothing here reads or writes a file: see [`crate::table`].

mod block;
mod checksum;
mod fields;
mod geometry;
mod header;
mod object;
mod process;

pub use block::BlockState;
pub use checksum::{checked_counter, counter_value};
pub use fields::{Field, LAYOUT_HASH, STRUCTS};
pub use geometry::{Geometry, GeometryError};
pub use header::{ArenaIdentity, BackingCode, HEADER_SECTION_BYTES, Header, MAGIC, READY, VERSION};
pub use object::{
    CellRange, DecodedObject, ObjectFixed, ObjectRow, ObjectState, ObjectTwin, RawObject, RowError,
};
pub use process::{ProcessIdentity, ProcessRole, ProcessRow, ProcessTwin, RawProcess};

pub(crate) use checksum::WRITING;
pub(crate) use fields::shared_struct;

/// How many lock cells the locks file has room for.
pub const CELL_COUNT: u32 = 65_536;
/// The size of one lock cell and of one slot record.
pub const CELL_BYTES: u64 = 64;
/// How many slot records follow the cells.
pub const SLOT_COUNT: u32 = 256;
/// The size of the locks file.
pub const LOCKS_BYTES: u64 = (CELL_COUNT as u64 + SLOT_COUNT as u64) * CELL_BYTES;
/// How many processes may be known at once.
pub const PROCESS_ROWS: u32 = 1024;
