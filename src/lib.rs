//! The contract of both sides of an arenad arena.
//!
//! Whatever obliges both sides of the mapping or of the socket to be redeployed when it changes lives here: offsets, array
//! layouts, the files of an arena, mappings, the allocator, slice locks and the protocol. This crate starts no threads that outlive a
//! call, has no runtime, reads no configuration and logs nothing.

mod address;
pub mod alloc;
pub mod array;
pub mod copy;
pub mod dtype;
pub mod files;
pub mod futex;
pub mod groom;
pub mod id;
pub mod layout;
pub mod lifeline;
pub mod lock;
pub mod mapping;
pub mod memory;
pub mod name;
pub mod offset;
mod pagemap;
pub mod placement;
pub mod probe;
pub mod process;
pub mod protocol;
pub mod scope;
mod segment;
pub mod table;
pub mod window;

pub use array::{ArrayLayout, LayoutError, NDIM_MAX};
pub use dtype::Dtype;
pub use id::{ArenaId, ObjectId, SessionId, SlotId};
pub use name::{ArenaName, NameError, ObjectName};
pub use offset::{BLOCK_BYTES, Extent, Offset, PAGE_BYTES};
