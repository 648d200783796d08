//! What this kernel and this sandbox give, found by trying it, and what each lack costs.

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt::PeerPidfd};
use rustix::mm::Advice;
use serde::Serialize;

use crate::address::{Access, AddressRange};
use crate::files::sealed_memfd;
use crate::groom::Groomer;
use crate::memory::{CgroupChain, MachineMemory};
use crate::offset::{BLOCK_BYTES, Extent, Offset, PAGE_BYTES};
use crate::pagemap::probe_scan;
use crate::process::open_pidfd;

/// A call of the kernel that arenad uses where it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Feature {
    /// What people call it.
    pub name: &'static str,
    /// The first kernel that has it.
    pub since: &'static str,
    /// Whether it works here.
    pub works: bool,
    /// What the kernel said where it does not.
    pub error: Option<String>,
    /// What its lack costs.
    pub without: &'static str,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// The kernel's release.
    pub kernel: String,
    /// Each call that was tried.
    pub features: Vec<Feature>,
    /// The page size that a block of shared memory got: 2 MiB or 4 KiB; zero where it got no memory.
    pub page_bytes: u64,
    /// The setting of /sys/kernel/mm/transparent_hugepage/shmem_enabled.
    pub shmem_enabled: Option<String>,
    /// The size of /dev/shm, which limits named arenas.
    pub dev_shm_bytes: Option<u64>,
    /// What of it is free.
    pub dev_shm_free_bytes: Option<u64>,
    /// The machine's memory.
    pub memory_bytes: Option<u64>,
    /// The smallest limit of the memory cgroups of this process.
    pub cgroup_limit_bytes: Option<u64>,
    /// Cores that this process may use.
    pub cores: usize,
}

impl Probe {
    /// Tries everything. Takes a few milliseconds and leaves nothing.
    #[must_use]
    pub fn run() -> Self {
        let dev_shm = rustix::fs::statvfs(crate::segment::SEGMENT_DIRECTORY).ok();
        Self {
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            features: features(),
            page_bytes: page_bytes().unwrap_or(0),
            shmem_enabled: shmem_enabled(),
            dev_shm_bytes: dev_shm.as_ref().map(|stat| stat.f_blocks * stat.f_frsize),
            dev_shm_free_bytes: dev_shm.map(|stat| stat.f_bavail * stat.f_frsize),
            memory_bytes: MachineMemory::read()
                .ok()
                .map(|machine| machine.total_bytes),
            cgroup_limit_bytes: CgroupChain::discover().limit_bytes(),
            cores: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        }
    }
}

/// A feature's name, its first kernel, what its lack costs, and how it is tried.
type Trial = (
    &'static str,
    &'static str,
    &'static str,
    fn() -> io::Result<()>,
);

const TRIALS: [Trial; 6] = [
    (
        "sealed memfd",
        "3.17",
        "no private arenas: start a daemon with a name",
        || block_of_memory().map(drop),
    ),
    (
        "MADV_POPULATE_WRITE",
        "5.14",
        "pages come from fallocate: 4 KiB ones, and their first touch is slower",
        || {
            with_block(|range| {
                range.advise_part(0, PAGE_BYTES as usize, Advice::LinuxPopulateWrite)
            })
        },
    ),
    (
        "MADV_COLLAPSE",
        "6.1",
        "4 KiB pages unless shmem_enabled or the mount gives large ones: mapping, first touch and recovery are many times slower",
        || {
            with_block(|range| {
                range.advise_part(0, PAGE_BYTES as usize, Advice::LinuxPopulateWrite)?;
                range.collapse_block(0)
            })
        },
    ),
    (
        "pidfd_open",
        "5.3",
        "deaths cannot be certified: arenad does not run",
        || match open_pidfd(std::process::id())? {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        },
    ),
    (
        "SO_PEERPIDFD",
        "6.5",
        "a client is identified by its process number and start time, read just after it connected",
        || {
            let (ours, _theirs) = UnixStream::pair()?;
            getsockopt(&ours, PeerPidfd)
                .map(drop)
                .map_err(io::Error::from)
        },
    ),
    (
        "PAGEMAP_SCAN",
        "6.7",
        "whether a private view was written to is read page by page",
        || probe_scan().map_err(io::Error::from),
    ),
];

fn features() -> Vec<Feature> {
    let feature = |(name, since, without, try_it): Trial| {
        let error = try_it().err().map(|error| error.to_string());
        Feature {
            name,
            since,
            works: error.is_none(),
            error,
            without,
        }
    };
    TRIALS.into_iter().map(feature).collect()
}

fn block_of_memory() -> io::Result<std::os::fd::OwnedFd> {
    Ok(sealed_memfd("arenad.probe", BLOCK_BYTES)?)
}

fn with_block(advise: impl Fn(&AddressRange) -> rustix::io::Result<()>) -> io::Result<()> {
    let file = block_of_memory()?;
    let extent = Extent {
        offset: Offset::ZERO,
        len: BLOCK_BYTES,
    };
    let range = AddressRange::map(file.as_fd(), extent, Access::Write)?;
    Ok(advise(&range)?)
}

/// The size of the pages that a groomer gets for one block.
fn page_bytes() -> io::Result<u64> {
    let file = block_of_memory()?;
    let done = Groomer::new(file.as_fd(), NonZeroUsize::MIN).populate(0..1)?;
    Ok(match done.huge.first() {
        Some(true) => BLOCK_BYTES,
        Some(false) => PAGE_BYTES,
        None => 0,
    })
}

/// The word in brackets is the one in force.
fn shmem_enabled() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/shmem_enabled").ok()?;
    let (_, behind) = text.split_once('[')?;
    Some(behind.split_once(']')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_works_has_no_error_and_the_page_size_follows() {
        let probe = Probe::run();
        assert!(!probe.kernel.is_empty() && probe.cores > 0);
        assert!(
            probe
                .features
                .iter()
                .all(|feature| feature.works == feature.error.is_none())
        );
        let works = |name| {
            probe
                .features
                .iter()
                .any(|feature| feature.name == name && feature.works)
        };
        assert!(works("sealed memfd") && works("pidfd_open"));
        if works("MADV_COLLAPSE") {
            assert_eq!(probe.page_bytes, BLOCK_BYTES);
        }
    }
}
