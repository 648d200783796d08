//! Locked ranges of shared objects.

use std::ops::Range;

use ndarray::{ArrayViewD, ArrayViewMutD};

use crate::element::Element;
use crate::error::{Error, Result};
use crate::window::Locked;

/// A range that is locked for reading, until this is dropped. Made by [`Shared::read`](crate::Shared::read).
#[derive(Debug)]
#[must_use = "the range is locked as long as the guard lives"]
pub struct ReadGuard<'s> {
    locked: Locked<'s>,
}

impl<'s> ReadGuard<'s> {
    #[inline(always)]
    pub(crate) fn new(locked: Locked<'s>) -> Self {
        Self { locked }
    }

    /// The indices along the lock axis.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.locked.indices().clone()
    }

    /// The part of the array with exactly these indices.
    ///
    /// # Errors
    /// [`Error::WrongDtype`], [`Error::NotBool`], and [`Error::BeforeFork`] in a forked child.
    pub fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        self.locked.view()
    }

    /// The elements of the part in C order.
    ///
    /// # Errors
    /// As [`ReadGuard::view`], and [`Error::NotContiguous`] where they don't lie so.
    pub fn slice<T: Element>(&self) -> Result<&[T]> {
        self.view()?.to_slice().ok_or(Error::NotContiguous)
    }

    /// The bytes of the whole array, as they lie in the arena.
    ///
    /// # Errors
    /// [`Error::NotContiguous`] where only a part is locked, [`Error::BeforeFork`].
    pub fn bytes(&self) -> Result<&[u8]> {
        self.locked.bytes()
    }
}

/// A range that is locked for writing. Made by [`Shared::write`](crate::Shared::write) and
/// [`Shared::overwrite`](crate::Shared::overwrite).
///
/// Dropped without [`WriteGuard::commit`], it leaves the range as it was where the object keeps before-images, else poisoned.
#[derive(Debug)]
#[must_use = "what is written counts once it is committed"]
pub struct WriteGuard<'s> {
    locked: Locked<'s>,
}

impl<'s> WriteGuard<'s> {
    #[inline(always)]
    pub(crate) fn new(locked: Locked<'s>) -> Self {
        Self { locked }
    }

    /// The indices along the lock axis.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.locked.indices().clone()
    }

    /// The part of the array with exactly these indices.
    ///
    /// # Errors
    /// [`Error::WrongDtype`], [`Error::NotBool`], and [`Error::BeforeFork`] in a forked child.
    pub fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        self.locked.view()
    }

    /// The part of the array with exactly these indices, to be written.
    ///
    /// # Errors
    /// As [`WriteGuard::view`].
    pub fn view_mut<T: Element>(&mut self) -> Result<ArrayViewMutD<'_, T>> {
        self.locked.view_mut()
    }

    /// The elements of the part in C order.
    ///
    /// # Errors
    /// As [`WriteGuard::view`], and [`Error::NotContiguous`] where they don't lie so.
    pub fn slice<T: Element>(&self) -> Result<&[T]> {
        self.view()?.to_slice().ok_or(Error::NotContiguous)
    }

    /// The elements of the part in C order, to be written.
    ///
    /// # Errors
    /// As [`WriteGuard::slice`].
    pub fn slice_mut<T: Element>(&mut self) -> Result<&mut [T]> {
        self.view_mut()?.into_slice().ok_or(Error::NotContiguous)
    }

    /// The bytes of the whole array, as they lie in the arena, to be written.
    ///
    /// # Errors
    /// [`Error::NotContiguous`] where only a part is locked, [`Error::BeforeFork`].
    pub fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        self.locked.bytes_mut()
    }

    /// Makes what was written count and lets others in, stripe by stripe.
    ///
    /// # Errors
    /// [`Error::Lock`] where a stripe was taken away meanwhile: then somebody else says what it holds.
    #[inline]
    pub fn commit(self) -> Result<()> {
        let object = self.locked.object();
        self.locked
            .commit()
            .map_err(|source| Error::Lock { object, source })
    }
}
