#![expect(
    unsafe_code,
    reason = "asks /proc/self/pagemap by an ioctl that no crate wraps"
)]
//! Asking the kernel which pages of this process are still the file's (PAGEMAP_SCAN, since Linux 6.7).

use std::fs::File;

use rustix::io::Errno;
use rustix::ioctl::{Updater, ioctl, opcode};

/// The kernel's `struct pm_scan_arg`.
#[repr(C)]
#[derive(Default)]
struct ScanArguments {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    regions_len: u64,
    pages_max: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

const _: () = assert!(size_of::<ScanArguments>() == 96);

const PAGEMAP_SCAN: rustix::ioctl::Opcode = opcode::read_write::<ScanArguments>(b'f', 16);

/// Whether the kernel can scan, tried on an empty range.
pub(crate) fn probe_scan() -> Result<(), Errno> {
    let pagemap = File::open("/proc/self/pagemap")
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let mut arguments = ScanArguments {
        size: size_of::<ScanArguments>() as u64,
        ..ScanArguments::default()
    };
    // SAFETY: the opcode is PAGEMAP_SCAN's, and the argument is its struct. The range is empty and there is no room for regions,
    // so the kernel writes to nothing but the struct.
    unsafe { ioctl(&pagemap, Updater::<PAGEMAP_SCAN, _>::new(&mut arguments)) }
}
