#![expect(
    unsafe_code,
    reason = "reserves address ranges and maps files into them at chosen places"
)]
//! Address ranges: a part of a file mapped at an address that is congruent to its offset modulo 2 MiB.
//!
//! The kernel uses a 2 MiB page in a mapping only where address and file offset agree modulo 2 MiB. memmap2 can choose neither
//! the alignment nor the place of a mapping, so data is mapped through rustix: an inaccessible range is reserved, the file is
//! mapped over its aligned part with MAP_FIXED, and what is left at both ends is given back.

use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use nix::libc;
use rustix::mm::{Advice, MapFlags, ProtFlags};

use crate::offset::{BLOCK_BYTES, Extent};

/// Since Linux 6.1; the libc crate does not have it yet.
const MADV_COLLAPSE: libc::c_int = 25;

/// How a file is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Readable, shared.
    Read,
    /// Readable and writable, shared.
    Write,
    /// Readable and writable; what is written belongs to this process alone.
    Private,
}

impl Access {
    const fn protection(self) -> ProtFlags {
        match self {
            Self::Read => ProtFlags::READ,
            Self::Write | Self::Private => ProtFlags::READ.union(ProtFlags::WRITE),
        }
    }

    /// NORESERVE: a sparse arena of 1 TiB is address space, not a promise of memory.
    const fn flags(self) -> MapFlags {
        match self {
            Self::Read | Self::Write => MapFlags::SHARED.union(MapFlags::NORESERVE),
            Self::Private => MapFlags::PRIVATE.union(MapFlags::NORESERVE),
        }
    }
}

/// A mapped part of a file, unmapped on drop. Empty parts have a dangling address and no mapping.
#[derive(Debug)]
pub(crate) struct AddressRange {
    base: NonNull<u8>,
    /// Whole pages; zero where nothing is mapped.
    len: usize,
    offset: u64,
}

// SAFETY: the range is plain address space owned by this value; nothing in it is tied to a thread. All access to its bytes goes
// through raw pointers whose users argue for themselves.
unsafe impl Send for AddressRange {}
// SAFETY: as for Send; shared methods only compute addresses and give advice to the kernel.
unsafe impl Sync for AddressRange {}

impl AddressRange {
    /// Maps `extent` of `file`, its end rounded up to whole pages. Its offset is a multiple of the page size.
    pub(crate) fn map(
        file: BorrowedFd<'_>,
        extent: Extent,
        access: Access,
    ) -> std::io::Result<Self> {
        let len = mapped_len(extent)?;
        if len == 0 {
            return Ok(Self {
                base: NonNull::<u128>::dangling().cast(),
                len: 0,
                offset: extent.offset.get(),
            });
        }
        let offset = extent.offset.get();
        let reserved = Reserved::new(len, offset)?;
        let base = reserved.base;
        // SAFETY: `base..base + len` lies in the range that `reserved` owns, so MAP_FIXED replaces nothing but that.
        let mapped = unsafe {
            rustix::mm::mmap(
                base.as_ptr().cast(),
                len,
                access.protection(),
                access.flags() | MapFlags::FIXED,
                file,
                offset,
            )
        };
        mapped?;
        reserved.keep_only_the_middle();
        let range = Self { base, len, offset };
        range.advise(Advice::LinuxDontDump)?;
        Ok(range)
    }

    /// Maps the same part of `file` anew at the same address, as `access` says. The old mapping is replaced in one step: no
    /// other thread can meet a hole.
    pub(crate) fn remap(&mut self, file: BorrowedFd<'_>, access: Access) -> std::io::Result<()> {
        if self.len == 0 {
            return Ok(());
        }
        // SAFETY: the range belongs to `self`, so MAP_FIXED replaces nothing but its own mapping; the mapping has the same
        // length and is at least readable, so no pointer into it becomes dangling.
        unsafe {
            rustix::mm::mmap(
                self.base.as_ptr().cast(),
                self.len,
                access.protection(),
                access.flags() | MapFlags::FIXED,
                file,
                self.offset,
            )
        }?;
        // The old mapping is gone, so from here on there is nothing to report: a core dump would merely be larger.
        self.advise(Advice::LinuxDontDump).ok();
        Ok(())
    }

    /// Gives advice that changes no contents.
    pub(crate) fn advise(&self, advice: Advice) -> rustix::io::Result<()> {
        debug_assert!(matches!(
            advice,
            Advice::LinuxDontDump | Advice::LinuxDontFork | Advice::LinuxPopulateWrite
        ));
        self.advise_part(0, self.len, advice)
    }

    /// Gives advice that changes no contents about `len` bytes from `start` on.
    pub(crate) fn advise_part(
        &self,
        start: usize,
        len: usize,
        advice: Advice,
    ) -> rustix::io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        assert!(start <= self.len && len <= self.len - start);
        // SAFETY: the part lies in the range of `self`, and the advice changes no contents.
        unsafe { rustix::mm::madvise(self.base.as_ptr().add(start).cast(), len, advice) }
    }

    /// Makes the 2 MiB block at `start` one large page, keeping what it holds. Neither rustix nor nix knows the advice.
    pub(crate) fn collapse_block(&self, start: usize) -> rustix::io::Result<()> {
        let block = BLOCK_BYTES as usize;
        assert!(start <= self.len && block <= self.len - start);
        // SAFETY: the block lies in the range of `self`, and collapsing changes no contents.
        let result =
            unsafe { libc::madvise(self.base.as_ptr().add(start).cast(), block, MADV_COLLAPSE) };
        if result == 0 {
            Ok(())
        } else {
            Err(
                rustix::io::Errno::from_io_error(&std::io::Error::last_os_error())
                    .unwrap_or(rustix::io::Errno::INVAL),
            )
        }
    }

    /// The first address; dangling where nothing is mapped.
    pub(crate) const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// How many bytes are mapped: whole pages.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

impl Drop for AddressRange {
    fn drop(&mut self) {
        unmap(self.base, 0, self.len);
    }
}

fn mapped_len(extent: Extent) -> std::io::Result<usize> {
    let too_long = || std::io::Error::from(rustix::io::Errno::OVERFLOW);
    let len = usize::try_from(extent.len).map_err(|_| too_long())?;
    // Room for the alignment is left, so that no sum below can overflow.
    let page = crate::offset::PAGE_BYTES as usize;
    match len.checked_next_multiple_of(page) {
        Some(len) if len < isize::MAX as usize - 2 * BLOCK_BYTES as usize => Ok(len),
        _ => Err(too_long()),
    }
}

/// Inaccessible address space around a place for a mapping.
struct Reserved {
    start: NonNull<u8>,
    reserved_len: usize,
    base: NonNull<u8>,
    len: usize,
}

impl Reserved {
    fn new(len: usize, offset: u64) -> std::io::Result<Self> {
        let block = BLOCK_BYTES as usize;
        let reserved_len = len + block;
        // SAFETY: the kernel chooses the place, so nothing that exists is touched.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                reserved_len,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        }?;
        let start = NonNull::new(start.cast::<u8>()).ok_or(rustix::io::Errno::NOMEM)?;
        let wanted = (offset % BLOCK_BYTES) as usize;
        let shift = (wanted + block - start.addr().get() % block) % block;
        // SAFETY: `shift` is below one block, and the reserved range is one block longer than `len`.
        let base = unsafe { start.add(shift) };
        Ok(Self {
            start,
            reserved_len,
            base,
            len,
        })
    }

    fn keep_only_the_middle(self) {
        let head = self.base.addr().get() - self.start.addr().get();
        unmap(self.start, 0, head);
        unmap(
            self.start,
            head + self.len,
            self.reserved_len - head - self.len,
        );
        std::mem::forget(self);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        unmap(self.start, 0, self.reserved_len);
    }
}

/// Unmaps a part of a range that the caller owns and never uses again.
fn unmap(base: NonNull<u8>, start: usize, len: usize) {
    if len == 0 {
        return;
    }
    // SAFETY: only called by owners of the range, who give the part up here: `Drop` implementations and
    // `keep_only_the_middle`, whose parts lie around the mapping.
    let unmapped = unsafe { rustix::mm::munmap(base.as_ptr().add(start).cast::<c_void>(), len) };
    debug_assert!(
        unmapped.is_ok(),
        "whole pages of an owned range can be unmapped"
    );
}
