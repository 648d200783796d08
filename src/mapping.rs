//! The arena's data, mapped once and kept.
//!
//! Every process that looks at objects maps the whole data file read-only, also where it is a sparse terabyte: that is address
//! space, not memory. A stray write faults in the process that made it. Writing goes through a [`Window`].
//!
//! Nothing here makes slices: which bytes are stable enough for a reference is known to the caller alone.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use crate::address::{Access, AddressRange};
use crate::offset::{Extent, Offset};
use crate::window::Window;

/// A read-only mapping of the whole data file.
#[derive(Debug)]
pub struct DataMap {
    range: AddressRange,
    file: Arc<OwnedFd>,
    arena_bytes: u64,
}

/// An extent that does not lie in the arena, or is not aligned as extents are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the extent does not lie in the arena of {arena_bytes} bytes: {extent:?}")]
pub struct OutOfArena {
    /// The extent.
    pub extent: Extent,
    /// The size of the arena.
    pub arena_bytes: u64,
}

impl DataMap {
    /// Maps the data file `file`, whose size must be `arena_bytes`: what the supervisor said is compared with what is there.
    ///
    /// # Errors
    /// What the kernel says, or `InvalidData` where the file has another size.
    pub fn map(file: OwnedFd, arena_bytes: u64) -> io::Result<Self> {
        let found = rustix::fs::fstat(&file)?.st_size;
        if u64::try_from(found) != Ok(arena_bytes) {
            let text = format!("the data file has {found} bytes where {arena_bytes} are expected");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let extent = Extent {
            offset: Offset::ZERO,
            len: arena_bytes,
        };
        let range = AddressRange::map(file.as_fd(), extent, Access::Read)?;
        Ok(Self {
            range,
            file: Arc::new(file),
            arena_bytes,
        })
    }

    /// The size of the arena.
    #[must_use]
    pub const fn arena_bytes(&self) -> u64 {
        self.arena_bytes
    }

    /// The address of the first byte of `extent`, whose `len` bytes are mapped as long as this map lives. Whether they may be
    /// read through a reference depends on the object: sealed, or locked by the caller.
    ///
    /// # Errors
    /// [`OutOfArena`] where the extent leaves the arena.
    pub fn address(&self, extent: Extent) -> Result<NonNull<u8>, OutOfArena> {
        self.check(extent)?;
        if extent.len == 0 {
            return Ok(NonNull::<u128>::dangling().cast());
        }
        let at = usize::try_from(extent.offset.get())
            .expect("the arena is mapped, so it is addressable");
        let address = self.range.base().as_ptr().wrapping_add(at);
        Ok(NonNull::new(address).expect("an address inside a mapping is not null"))
    }

    /// Where `address` lies in the arena, if it points into this map.
    #[must_use]
    pub fn offset_of(&self, address: *const u8) -> Option<Offset> {
        let at = address.addr().checked_sub(self.range.base().addr().get())?;
        (at < self.range.len()).then_some(Offset::new(at as u64))
    }

    /// Opens a window over `extent`, which needs a descriptor that was opened for writing.
    ///
    /// # Errors
    /// What the kernel says, or `InvalidInput` where the extent leaves the arena.
    pub fn window(&self, extent: Extent) -> io::Result<Window> {
        self.check(extent)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Window::map(Arc::clone(&self.file), extent)
    }

    /// The data file.
    #[must_use]
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    fn check(&self, extent: Extent) -> Result<(), OutOfArena> {
        match Extent::new(extent.offset, extent.len) {
            Some(extent) if extent.end().get() <= self.arena_bytes => Ok(()),
            _ => Err(OutOfArena {
                extent,
                arena_bytes: self.arena_bytes,
            }),
        }
    }
}
