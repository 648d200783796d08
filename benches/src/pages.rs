//! What 2 MiB pages are worth: first touch, mapping by another process, and what the groomer takes to get them.

#![expect(
    unsafe_code,
    reason = "touches mapped pages that no slice may be made over"
)]

use std::error::Error;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use arena_core::groom::Groomer;
use arena_core::mapping::DataMap;
use arena_core::{BLOCK_BYTES, Extent, Offset, PAGE_BYTES};
use rustix::fs::MemfdFlags;

use crate::report::Report;
use crate::timing::{interleave, timed};

const SECTION: &str = "pages";

/// Milliseconds for `bytes` of anonymous shared memory.
pub(crate) fn run(bytes: u64, rounds: usize, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let threads = std::thread::available_parallelism()?;
    let groomed = Memory::new(bytes)?;
    groomed.groom(threads)?;
    let touched = Memory::new(bytes)?;
    touched.touch_for_writing();

    let seconds = interleave(
        rounds,
        &mut [
            &mut || {
                Memory::new(bytes)
                    .map_or(Duration::MAX, |memory| timed(|| memory.touch_for_writing()))
            },
            &mut || {
                Memory::new(bytes).map_or(Duration::MAX, |memory| timed(|| memory.groom(threads)))
            },
            &mut || touched.map_anew_and_read(),
            &mut || groomed.map_anew_and_read(),
        ],
    );
    let ms: Vec<f64> = seconds.iter().map(|s| s * 1e3).collect();
    report.figure(SECTION, "first touch, 4 KiB pages, 1 thread", ms[0], "ms");
    report.compare(
        SECTION,
        "populate and collapse to 2 MiB pages",
        ms[1],
        "ms",
        "first touch, 4 KiB pages, 1 thread",
        None,
    );
    report.figure(
        SECTION,
        "another mapping reads each page, 4 KiB",
        ms[2],
        "ms",
    );
    report.compare(
        SECTION,
        "another mapping reads each page, 2 MiB",
        ms[3],
        "ms",
        "another mapping reads each page, 4 KiB",
        None,
    );
    Ok(())
}

/// Anonymous shared memory, sparse at first.
struct Memory {
    file: OwnedFd,
    bytes: u64,
}

impl Memory {
    fn new(bytes: u64) -> std::io::Result<Self> {
        let bytes = bytes.next_multiple_of(BLOCK_BYTES);
        let file = rustix::fs::memfd_create("bench-pages", MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&file, bytes)?;
        Ok(Self { file, bytes })
    }

    fn groom(&self, threads: NonZeroUsize) -> std::io::Result<()> {
        Groomer::new(self.file.as_fd(), threads).populate(0..self.bytes / BLOCK_BYTES)?;
        Ok(())
    }

    fn map(&self) -> std::io::Result<DataMap> {
        DataMap::map(self.file.try_clone()?, self.bytes)
    }

    fn touch_for_writing(&self) {
        let everything = Extent {
            offset: Offset::ZERO,
            len: self.bytes,
        };
        let window = self
            .map()
            .and_then(|map| map.window(everything))
            .expect("the memory was just made");
        for at in (0..window.len()).step_by(PAGE_BYTES as usize) {
            // SAFETY: the offset lies inside the window, which nobody else uses.
            unsafe { window.address().as_ptr().add(at).write_volatile(1) };
        }
    }

    fn map_anew_and_read(&self) -> Duration {
        timed(|| {
            let map = self.map().expect("the memory was just made");
            let everything = Extent {
                offset: Offset::ZERO,
                len: self.bytes,
            };
            let base = map
                .address(everything)
                .expect("the extent is the whole map");
            for at in (0..self.bytes as usize).step_by(PAGE_BYTES as usize) {
                // SAFETY: the offset lies inside the map, which nobody writes to.
                unsafe { base.as_ptr().add(at).read_volatile() };
            }
        })
    }
}
