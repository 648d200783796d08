//! A writable mapping over exactly one object.
//!
//! A window ends in one of two ways. Dropping it unmaps it: that is how a worker gives up its part of an output before it
//! reports. [`Window::make_private`] maps it anew in place: the address stays valid, the bytes are still the object's, and what
//! the process writes from then on is its own. That is how a producer seals, and what a fork handler does first, because a
//! shared window is not inherited by forked children and a private one is.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use rustix::mm::Advice;

use crate::address::{Access, AddressRange};
use crate::offset::Extent;

/// A mapping over the page-rounded extent of one object; writable in the arena until it is made private.
#[derive(Debug)]
pub struct Window {
    range: AddressRange,
    file: Arc<OwnedFd>,
    extent: Extent,
    private: bool,
}

impl Window {
    /// Maps `extent` of the data file. [`crate::mapping::DataMap::window`] checks it first.
    ///
    /// # Errors
    /// What the kernel says: `PermissionDenied` where the descriptor is read-only.
    pub(crate) fn map(file: Arc<OwnedFd>, extent: Extent) -> io::Result<Self> {
        let range = AddressRange::map(file.as_fd(), extent, Access::Write)?;
        range.advise(Advice::LinuxDontFork)?;
        Ok(Self {
            range,
            file,
            extent,
            private: false,
        })
    }

    /// Maps the window anew, in place: its address stays valid, its bytes are the object's, later writes are this process's own
    /// and reach nobody, and forked children inherit it. Doing it again changes nothing. It allocates nothing, so that a fork
    /// handler may call it.
    ///
    /// A new mapping is inherited and dumped unless advised otherwise, so there is no DOFORK to give.
    ///
    /// # Errors
    /// What the kernel says; the window is unchanged then.
    pub fn make_private(&mut self) -> io::Result<()> {
        if !self.private {
            self.range.remap(self.file.as_fd(), Access::Private)?;
            self.private = true;
        }
        Ok(())
    }

    /// Takes [`Window::make_private`] back: writes reach the arena again, and what was written meanwhile is lost. For an owner
    /// whose seal was refused, while nobody else may write the object.
    ///
    /// # Errors
    /// What the kernel says; the window may then be inherited by forked children.
    pub fn make_shared(&mut self) -> io::Result<()> {
        if self.private {
            self.range.remap(self.file.as_fd(), Access::Write)?;
            self.private = false;
            self.range.advise(Advice::LinuxDontFork)?;
        }
        Ok(())
    }

    /// Whether writes reach nobody.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.private
    }

    /// The object's extent.
    #[must_use]
    pub const fn extent(&self) -> Extent {
        self.extent
    }

    /// The address of the object's first byte; [`Window::len`] bytes from there are mapped readable and writable as long as the
    /// window lives.
    #[must_use]
    pub const fn address(&self) -> NonNull<u8> {
        self.range.base()
    }

    /// The bytes of the object.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.extent.len as usize
    }

    /// Whether the object has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.extent.len == 0
    }
}
