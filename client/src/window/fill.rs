#![expect(
    unsafe_code,
    reason = "makes slices and array views over writable mapped memory"
)]
//! The window of an object that is being filled.

use std::sync::Arc;

use arena_core::copy::copy_bytes;
use arena_core::window::Window;
use arena_core::{ArrayLayout, ObjectId};
use ndarray::ArrayViewMutD;

use crate::element::Element;
use crate::error::{Error, Result};
use crate::fork::{self, Kept};
use crate::session::Session;
use crate::view::{Grid, Span};

/// The window of an object that is being filled. Its bytes are nobody else's: the supervisor has granted the extent to this
/// session alone, and the value is not cloned.
#[derive(Debug)]
pub(crate) struct Fill {
    span: Span,
    grid: Grid,
    object: ObjectId,
    kept: Kept,
}

impl Fill {
    /// Gives the window into the keeping of the fork handlers, which may make it private in place, and never unmap it.
    pub(crate) fn new(
        window: Window,
        layout: &ArrayLayout,
        object: ObjectId,
        session: &Arc<Session>,
    ) -> Result<Self> {
        let span = Span::of_window(&window);
        Ok(Self {
            span,
            grid: Grid::new(layout, span)?,
            object,
            kept: fork::keep(window, object, session),
        })
    }

    pub(crate) fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        self.check()?;
        // SAFETY: the window is mapped until `take`, which needs `self` unborrowed, and writable ever; see the type for the rest.
        Ok(unsafe { self.span.bytes_mut() })
    }

    pub(crate) fn copy_from(&mut self, source: &[u8]) -> Result<()> {
        let target = self.bytes_mut()?;
        if target.len() != source.len() {
            return Err(Error::WrongLength {
                expected: target.len() as u64,
                found: source.len() as u64,
            });
        }
        // SAFETY: both are slices of that length, and an exclusive one overlaps no other.
        unsafe { copy_bytes(source.as_ptr(), target.as_mut_ptr(), source.len()) };
        Ok(())
    }

    pub(crate) fn view_mut<T: Element>(&mut self) -> Result<ArrayViewMutD<'_, T>> {
        self.check()?;
        // SAFETY: as for `bytes_mut`; the span is the grid's own.
        unsafe {
            self.grid.make_bools(self.span)?;
            self.grid.view_mut(self.span)
        }
    }

    /// The window, and whether a fork has sealed its object.
    pub(crate) fn take(&mut self) -> Option<(Window, bool)> {
        self.kept.take()
    }

    fn check(&self) -> Result<()> {
        if self.kept.is_sealed_by_fork() {
            return Err(Error::SealedByFork {
                object: self.object,
            });
        }
        Ok(())
    }
}

/// Lets `fill` write the bytes of a window that nobody else knows yet. For an object that this call has just been granted.
pub(crate) fn fill_unshared<R>(window: &mut Window, fill: impl FnOnce(&mut [u8]) -> R) -> R {
    assert!(!window.is_private());
    // SAFETY: the window is borrowed exclusively and mapped meanwhile, and the supervisor has granted its extent to this
    // session alone.
    fill(unsafe { Span::of_window(window).bytes_mut() })
}
