#![expect(
    unsafe_code,
    reason = "makes slices and array views over mapped memory"
)]
//! Arrays over mapped memory.
//!
//! A [`Span`] is a range of mapped bytes, a [`Grid`] says how elements lie in one. A reference is made of the two only where the
//! bytes can't change under it: [`Sealed`] holds the bytes of an immutable object; [`crate::window`] those that this process may
//! write.

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arena_core::window::Window;
use arena_core::{ArrayLayout, Dtype, Extent};
use ndarray::{ArrayViewD, ArrayViewMutD, Dimension, IxDyn, ShapeBuilder};
use num_complex::Complex;

use crate::arena::Arena;
use crate::element::Element;
use crate::error::{Error, Result};

/// Mapped bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    address: NonNull<u8>,
    len: usize,
}

// SAFETY: a span is a place, not access to it: everything that reads or writes there is an unsafe function whose callers argue
// for themselves, or belongs to a type that does.
unsafe impl Send for Span {}
// SAFETY: as for Send.
unsafe impl Sync for Span {}

impl Span {
    /// The bytes of a window.
    pub(crate) fn of_window(window: &Window) -> Self {
        Self {
            address: window.address(),
            len: window.len(),
        }
    }

    /// An extent in the read-only mapping of the arena.
    pub(crate) fn of_extent(arena: &Arena, extent: Extent) -> Result<Self> {
        let address = arena
            .data()
            .address(extent)
            .map_err(|error| Error::map(std::io::Error::other(error)))?;
        let len = usize::try_from(extent.len)
            .map_err(|_| Error::map(std::io::ErrorKind::InvalidInput))?;
        Ok(Self { address, len })
    }

    pub(crate) fn len(self) -> usize {
        self.len
    }

    /// The bytes from `start` on, all of them in the span.
    pub(crate) fn part(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: the start lies in the span or at its end (above).
        let address = unsafe { self.address.add(range.start) };
        Self {
            address,
            len: range.len(),
        }
    }

    /// The bytes.
    ///
    /// # Safety
    /// For `'a`, the bytes must stay mapped, and nobody may write them.
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: the caller's promise; a mapping is at most `isize::MAX` bytes and initialised by the kernel.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.len) }
    }

    /// The bytes, writable.
    ///
    /// # Safety
    /// For `'a`, the bytes must stay mapped writable, and nobody else may read or write them.
    pub(crate) unsafe fn bytes_mut<'a>(self) -> &'a mut [u8] {
        // SAFETY: as for `bytes`.
        unsafe { std::slice::from_raw_parts_mut(self.address.as_ptr(), self.len) }
    }
}

/// Element type, shape and strides as ndarray counts them: in elements.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    dtype: Dtype,
    shape: IxDyn,
    strides: IxDyn,
    /// From the first byte to behind the last.
    len_bytes: usize,
}

impl Grid {
    /// The grid of a whole array, which must fit `span`.
    pub(crate) fn new(layout: &ArrayLayout, span: Span) -> Result<Self> {
        let found = span.len() as u64;
        let expected = layout.extent_bytes();
        if found < expected {
            return Err(Error::WrongLength { expected, found });
        }
        let size = layout.dtype().size_bytes();
        let indices = |values: &mut dyn Iterator<Item = u64>| -> Vec<usize> {
            // Lengths and strides of arrays without elements may be anything; no element is ever looked for with them.
            values
                .map(|value| usize::try_from(value).unwrap_or(usize::MAX))
                .collect()
        };
        Ok(Self {
            dtype: layout.dtype(),
            shape: IxDyn(&indices(&mut layout.shape().iter().copied())),
            strides: IxDyn(&indices(
                &mut layout.strides().iter().map(|stride| stride / size),
            )),
            len_bytes: usize::try_from(expected)
                .map_err(|_| Error::map(std::io::ErrorKind::InvalidInput))?,
        })
    }

    /// Bytes from the first element to behind the last.
    pub(crate) fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// The elements.
    ///
    /// # Safety
    /// As [`Span::bytes`]; `span` must be the one that the grid was made for.
    pub(crate) unsafe fn view<'a, T: Element>(&self, span: Span) -> Result<ArrayViewD<'a, T>> {
        self.check::<T>(span)?;
        let shape = self.shape.clone().strides(self.strides.clone());
        // SAFETY: the layout's elements lie within `len_bytes` (ArrayLayout establishes it), which are in the span (`new`); the
        // address is aligned, and strides are whole elements; the caller promises the rest. Every bit pattern is a `T`; bool
        // is checked by the callers, before anybody gets the view.
        Ok(unsafe { ArrayViewD::from_shape_ptr(shape, span.address.as_ptr().cast()) })
    }

    /// The elements, writable.
    ///
    /// # Safety
    /// As [`Span::bytes_mut`]; `span` must be the one that the grid was made for.
    pub(crate) unsafe fn view_mut<'a, T: Element>(
        &self,
        span: Span,
    ) -> Result<ArrayViewMutD<'a, T>> {
        self.check::<T>(span)?;
        let shape = self.shape.clone().strides(self.strides.clone());
        // SAFETY: as for `view`; ArrayLayout also establishes that no two elements share a byte.
        Ok(unsafe { ArrayViewMutD::from_shape_ptr(shape, span.address.as_ptr().cast()) })
    }

    /// The part of the array with the indices `range` along `axis`, and where it begins in the array's span.
    pub(crate) fn part(&self, axis: usize, range: Range<usize>) -> (Self, usize) {
        let mut part = self.clone();
        if self.shape.ndim() == 0 {
            return (part, 0);
        }
        part.shape[axis] = range.len();
        let size = usize::try_from(self.dtype.size_bytes()).expect("at most 16");
        let has_elements = part.shape.slice().iter().all(|len| *len > 0);
        let start = if has_elements {
            range.start * self.strides[axis] * size
        } else {
            0
        };
        part.len_bytes -= start;
        (part, start)
    }

    /// The same array with its elements taken for another type of their size.
    fn retyped(&self, dtype: Dtype) -> Self {
        debug_assert_eq!(dtype.size_bytes(), self.dtype.size_bytes());
        Self {
            dtype,
            ..self.clone()
        }
    }

    /// Copies all elements between two places that this grid fits.
    ///
    /// # Safety
    /// As [`Grid::view`] for `from` and [`Grid::view_mut`] for `to`, which must not overlap.
    pub(crate) unsafe fn copy(&self, from: Span, to: Span) -> Result<()> {
        /// # Safety
        /// As [`Grid::copy`]; `T` has the size of the elements.
        unsafe fn copy<T: Element>(grid: &Grid, from: Span, to: Span) -> Result<()> {
            let grid = grid.retyped(T::DTYPE);
            // SAFETY: the caller's promise.
            unsafe { grid.view_mut::<T>(to)?.assign(&grid.view(from)?) };
            Ok(())
        }
        // SAFETY: the caller's promise; the types have the sizes.
        unsafe {
            match self.dtype.size_bytes() {
                1 => copy::<u8>(self, from, to),
                2 => copy::<u16>(self, from, to),
                4 => copy::<u32>(self, from, to),
                8 => copy::<u64>(self, from, to),
                _ => copy::<Complex<f64>>(self, from, to),
            }
        }
    }

    /// Looks at the bytes of a bool array before they are taken for bools.
    ///
    /// # Safety
    /// As [`Grid::view`].
    pub(crate) unsafe fn check_bools(&self, span: Span) -> Result<()> {
        if self.dtype != Dtype::Bool {
            return Ok(());
        }
        // SAFETY: the caller's promise; a bool has the size of a byte.
        let bytes = unsafe { self.retyped(Dtype::Uint8).view::<u8>(span) }?;
        match bytes.iter().position(|byte| *byte > 1) {
            Some(at) => Err(Error::NotBool { at }),
            None => Ok(()),
        }
    }

    /// Makes every byte of a bool array a bool, before somebody is given memory that holds anything.
    ///
    /// # Safety
    /// As [`Grid::view_mut`].
    pub(crate) unsafe fn make_bools(&self, span: Span) -> Result<()> {
        if self.dtype == Dtype::Bool {
            // SAFETY: the caller's promise; a bool has the size of a byte.
            let mut bytes = unsafe { self.retyped(Dtype::Uint8).view_mut::<u8>(span) }?;
            bytes.mapv_inplace(|byte| byte.min(1));
        }
        Ok(())
    }

    fn check<T: Element>(&self, span: Span) -> Result<()> {
        if !T::views(self.dtype) {
            return Err(Error::WrongDtype {
                actual: self.dtype,
                requested: T::DTYPE,
            });
        }
        if !span.address.cast::<T>().is_aligned() {
            return Err(Error::Misaligned { dtype: self.dtype });
        }
        debug_assert!(self.len_bytes <= span.len);
        Ok(())
    }
}

/// The bytes of elements that are no shared memory.
pub(crate) fn bytes_of<T: Element>(elements: &[T]) -> &[u8] {
    // SAFETY: elements have no padding (each has the size of its element type, see `Element`), and the bytes are borrowed as
    // the elements are.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), size_of_val(elements)) }
}

/// The bytes of an immutable object, which stay mapped and unchanged as long as this lives.
///
/// That they don't change: the supervisor has said that the object is sealed, so every writable window over it is gone, and it
/// is pinned by a handle that holds this.
#[derive(Debug)]
pub(crate) struct Sealed {
    span: Span,
    grid: Grid,
    bools_checked: AtomicBool,
    _arena: Arc<Arena>,
    /// The producer's own window, private by now, so that addresses from before the seal stay valid.
    _window: Option<Window>,
}

impl Sealed {
    /// The bytes of a sealed object in the arena's mapping.
    pub(crate) fn in_arena(
        arena: Arc<Arena>,
        layout: &ArrayLayout,
        extent: Extent,
    ) -> Result<Self> {
        let span = Span::of_extent(&arena, extent)?;
        Self::new(arena, layout, span, None)
    }

    /// The bytes of a sealed object in its producer's window, which has been made private.
    pub(crate) fn in_window(
        arena: Arc<Arena>,
        layout: &ArrayLayout,
        window: Window,
    ) -> Result<Self> {
        assert!(window.is_private());
        let span = Span::of_window(&window);
        Self::new(arena, layout, span, Some(window))
    }

    fn new(
        arena: Arc<Arena>,
        layout: &ArrayLayout,
        span: Span,
        window: Option<Window>,
    ) -> Result<Self> {
        Ok(Self {
            span,
            grid: Grid::new(layout, span)?,
            bools_checked: AtomicBool::new(layout.dtype() != Dtype::Bool),
            _arena: arena,
            _window: window,
        })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: see the type; the reference lives no longer than `self`.
        unsafe { self.span.bytes() }
    }

    pub(crate) fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        if !self.bools_checked.load(Ordering::Relaxed) {
            // SAFETY: see the type.
            unsafe { self.grid.check_bools(self.span) }?;
            self.bools_checked.store(true, Ordering::Relaxed);
        }
        // SAFETY: see the type; the view lives no longer than `self`, and the span is the grid's own.
        unsafe { self.grid.view(self.span) }
    }
}
