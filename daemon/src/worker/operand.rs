#![expect(
    unsafe_code,
    reason = "turns parts of the mapped arena into slices and copies strided elements"
)]
//! The bytes of operands in mapped memory.
//!
//! **The rule of this file.** A slice exists only over elements that nobody writes, or that nobody else reads or writes, as long as
//! it lives: elements of sealed objects, elements of stripes that this process has locked, and memory of its own. A [`Memory`] is
//! made by who knows that: the supervisor names only sealed or shared objects in tasks, and shared ones are locked before. The
//! gaps between elements, and elements of other stripes, may change at any time, so no slice ever covers them.
//!
//! Bounds are checked here against the mapping, whatever a task says: no number that arrives leads outside of it.

use std::marker::PhantomData;
use std::ptr::NonNull;

use arena_core::Extent;
use arena_core::mapping::{DataMap, OutOfArena};
use arena_core::window::Window;

use crate::worker::runs::Run;

/// Bytes of an operand, counted from its first byte, of which a part is mapped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory<'m> {
    // Invariant: `end - start` bytes from `base` on are mapped readable for 'm.
    base: NonNull<u8>,
    start: u64,
    end: u64,
    mapping: PhantomData<&'m [u8]>,
}

/// As [`Memory`], mapped writable, and with the elements that it is used for under a write lock.
#[derive(Debug)]
pub(crate) struct MemoryMut<'m> {
    // Invariant: as many bytes from `base` on are mapped writable for 'm.
    inner: Memory<'m>,
}

impl<'m> Memory<'m> {
    /// The bytes of an object in the arena. Its elements that are read are sealed, or locked, as long as slices of them live.
    pub(crate) fn of_object(map: &'m DataMap, extent: Extent) -> Result<Self, OutOfArena> {
        // `address` checks that the extent is mapped, and the mapping lives as long as `map`.
        Ok(Self {
            base: map.address(extent)?,
            start: 0,
            end: extent.len,
            mapping: PhantomData,
        })
    }

    /// Side by side `len` bytes from `offset` on, all of them elements.
    ///
    /// # Panics
    /// Where they are not mapped.
    pub(crate) fn slice(&self, offset: u64, len: u64) -> &'m [u8] {
        let address = self.at(offset, len);
        // SAFETY: `at` checked that `len` bytes are mapped from there on, for 'm (invariant of `base`). Nobody writes them: they
        // are elements that are sealed or locked (rule of this file). Any byte is a valid u8.
        unsafe { std::slice::from_raw_parts(address.as_ptr(), len as usize) }
    }

    /// Copies the elements of a run, of `size` bytes each, side by side into `into`.
    ///
    /// # Panics
    /// Where the run is not mapped, or does not fill `into`.
    pub(crate) fn gather(&self, run: Run, size: u64, into: &mut [u8]) {
        let source = self.run(run, size, into.len());
        let into = into.as_mut_ptr();
        // SAFETY: `run` checked that `run.count` elements, each `run.stride` behind the one before, are mapped from `source` on, and
        // that they fill `into`, which this process owns, so that the two do not overlap.
        unsafe { copy_strided(source.as_ptr(), run.stride, into, size, size, run.count) }
    }

    fn run(&self, run: Run, size: u64, filled: usize) -> NonNull<u8> {
        assert_eq!(Some(filled as u64), run.count.checked_mul(size));
        self.at(run.offset, span(run, size))
    }

    fn at(&self, offset: u64, len: u64) -> NonNull<u8> {
        let end = offset.checked_add(len);
        let mapped = offset >= self.start && end.is_some_and(|end| end <= self.end);
        assert!(mapped, "a checked operand's elements lie in its mapping");
        // SAFETY: the sum stays within the mapped bytes, by the assertion.
        unsafe { self.base.add((offset - self.start) as usize) }
    }
}

impl<'m> MemoryMut<'m> {
    /// The part of an object that `window` covers; the window starts `start` bytes into the object. Its elements that are touched
    /// are locked for writing as long as slices of them live.
    pub(crate) fn of_window(window: &'m mut Window, start: u64) -> Self {
        // A window is mapped readable and writable as long as it lives; it is borrowed for 'm.
        Self {
            inner: Memory {
                base: window.address(),
                start,
                end: start.saturating_add(window.len() as u64),
                mapping: PhantomData,
            },
        }
    }

    /// As [`Memory::slice`], to modify.
    ///
    /// # Panics
    /// Where they are not mapped.
    pub(crate) fn slice_mut(&mut self, offset: u64, len: u64) -> &mut [u8] {
        let address = self.inner.at(offset, len);
        // SAFETY: `at` checked that `len` bytes are mapped from there on, writable (invariant of `inner`). Nobody else touches them:
        // they are elements of stripes that this process has locked for writing (rule of this file), and `self` is borrowed.
        unsafe { std::slice::from_raw_parts_mut(address.as_ptr(), len as usize) }
    }

    /// As [`Memory::gather`].
    ///
    /// # Panics
    /// As [`Memory::gather`].
    pub(crate) fn gather(&self, run: Run, size: u64, into: &mut [u8]) {
        self.inner.gather(run, size, into);
    }

    /// Copies `from`, elements of `size` bytes side by side, to the places of a run.
    ///
    /// # Panics
    /// Where the run is not mapped, or `from` does not fill it.
    pub(crate) fn scatter(&mut self, run: Run, size: u64, from: &[u8]) {
        let target = self.inner.run(run, size, from.len());
        // SAFETY: as in `gather`, with the mapping writable (invariant of `inner`) and the elements locked for writing.
        unsafe {
            copy_strided(
                from.as_ptr(),
                size,
                target.as_ptr(),
                run.stride,
                size,
                run.count,
            );
        }
    }

    /// Copies the elements of a run to the same places of `target`, another object.
    ///
    /// # Panics
    /// Where the run is not mapped in both.
    pub(crate) fn copy_run(&self, run: Run, size: u64, target: &mut MemoryMut<'_>) {
        let len = span(run, size);
        let (source, target) = (
            self.inner.at(run.offset, len),
            target.inner.at(run.offset, len),
        );
        // SAFETY: `at` checked that all elements of the run are mapped from both addresses on, the target's writable. The two are
        // windows over extents that do not overlap, and the elements are under this process's write lock.
        unsafe {
            copy_strided(
                source.as_ptr(),
                run.stride,
                target.as_ptr(),
                run.stride,
                size,
                run.count,
            );
        }
    }
}

/// Bytes from the first element of a run to the end of its last; larger than any mapping where that is no number.
fn span(run: Run, size: u64) -> u64 {
    match run.count.checked_sub(1) {
        Some(steps) => steps
            .checked_mul(run.stride)
            .and_then(|bytes| bytes.checked_add(size))
            .unwrap_or(u64::MAX),
        None => 0,
    }
}

/// Copies `count` elements of `size` bytes.
///
/// # Safety
/// - `count` elements, each `source_stride` bytes behind the one before, are readable from `source` on;
/// - `count` elements, each `target_stride` bytes behind the one before, are writable from `target` on;
/// - the two do not overlap.
unsafe fn copy_strided(
    source: *const u8,
    source_stride: u64,
    target: *mut u8,
    target_stride: u64,
    size: u64,
    count: u64,
) {
    if source_stride == size && target_stride == size {
        // SAFETY: the elements lie side by side on both sides (caller).
        unsafe { source.copy_to_nonoverlapping(target, (count * size) as usize) };
        return;
    }
    let (from, to) = (source_stride as usize, target_stride as usize);
    for element in 0..count as usize {
        // SAFETY: element `element` of both sides exists (caller). A constant size makes the copy a load and a store.
        unsafe {
            let (source, target) = (source.add(element * from), target.add(element * to));
            match size {
                1 => source.copy_to_nonoverlapping(target, 1),
                2 => source.copy_to_nonoverlapping(target, 2),
                4 => source.copy_to_nonoverlapping(target, 4),
                8 => source.copy_to_nonoverlapping(target, 8),
                _ => source.copy_to_nonoverlapping(target, size as usize),
            }
        }
    }
}
