#![expect(
    unsafe_code,
    reason = "a SIGBUS handler can only be installed, and can only mend the fault, through raw system calls"
)]
//! The one SIGBUS handler.
//!
//! The race: the files behind a named arena can be shrunk by their owner at any moment, also between a check of their size and
//! an access. The kernel answers an access behind the end of a file with SIGBUS. So accesses to the mappings registered here
//! are not checked but mended: the handler puts a zero page over the fault, rings a bell (an eventfd that the event loop
//! watches) and returns; the access reads zeros or writes into the private page. The event loop then ends the process in
//! order, with a code of its own. A fault anywhere else, or one that can't be mended, takes the default action.
//!
//! The handler touches only atomics and makes only `mmap` and `write` calls, both async-signal-safe.

use std::ffi::c_int;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use arena_core::PAGE_BYTES;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use rustix::event::{EventfdFlags, eventfd};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// How many mappings can be registered: the table and the locks, with room for tests.
const MAPPINGS_MAX: usize = 8;

/// Start and end address of each registered mapping. `end` is written last (Release) and read first (Acquire): a pair whose
/// end is not 0 is whole.
static MAPPINGS: [(AtomicUsize, AtomicUsize); MAPPINGS_MAX] =
    [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; MAPPINGS_MAX];
static REGISTERED: AtomicUsize = AtomicUsize::new(0);
/// An eventfd that the handler rings. Never closed: a fault may come at any time.
static BELL: OnceLock<OwnedFd> = OnceLock::new();

/// Installs the handler. Returns the bell, which becomes readable when a registered mapping has lost its file.
pub(crate) fn install() -> std::io::Result<BorrowedFd<'static>> {
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let bell = BELL.get_or_init(|| bell).as_fd();
    let action = SigAction::new(
        SigHandler::SigAction(on_sigbus),
        SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK | SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    // SAFETY: `on_sigbus` is async-signal-safe (module doc) and lives as long as the process.
    unsafe { sigaction(Signal::SIGBUS, &action) }?;
    Ok(bell)
}

/// Has faults in `addresses` mended from now on. The range is one mapping that stays for the life of the process.
pub(crate) fn register(addresses: Range<usize>) {
    let index = REGISTERED.fetch_add(1, Ordering::Relaxed);
    let (start, end) = &MAPPINGS[index];
    start.store(addresses.start, Ordering::Relaxed);
    // Release: the handler that sees the end sees the start.
    end.store(addresses.end, Ordering::Release);
}

extern "C" fn on_sigbus(_signal: c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a valid siginfo_t, whose si_addr is set for SIGBUS.
    let address = unsafe { (*info).si_addr() } as usize;
    if !(is_registered(address) && mend(address)) {
        // The access is repeated when the handler returns, and then ends the process as it would have without a handler.
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: the default action has no code of ours; sigaction is async-signal-safe. Its failure leaves this handler in
        // place, which is the same again.
        let _ = unsafe { sigaction(Signal::SIGBUS, &default) };
        return;
    }
    if let Some(bell) = BELL.get() {
        // A counter that is full means that the bell is ringing already.
        let _ = rustix::io::write(bell, &1u64.to_ne_bytes());
    }
}

fn is_registered(address: usize) -> bool {
    MAPPINGS.iter().any(|(start, end)| {
        let end = end.load(Ordering::Acquire);
        end != 0 && (start.load(Ordering::Relaxed)..end).contains(&address)
    })
}

/// Puts a zero page over the page of `address`.
fn mend(address: usize) -> bool {
    let page_bytes = PAGE_BYTES as usize;
    let page = address - address % page_bytes;
    // SAFETY: the page belongs to a mapping registered by its owner as staying for the life of the process, so MAP_FIXED
    // replaces nothing else; the memory holds plain bytes and atomics for which zeros are a value.
    let mapped = unsafe {
        mmap_anonymous(
            page as *mut std::ffi::c_void,
            page_bytes,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::FIXED,
        )
    };
    mapped.is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// A file shrunk under a registered mapping reads as zeros from then on, and the bell rings.
    #[test]
    fn a_fault_in_a_registered_mapping_is_mended() {
        let bell = install().unwrap();
        let file: File = tempfile::tempfile().unwrap();
        file.set_len(2 * PAGE_BYTES).unwrap();
        let map = memmap2::MmapOptions::new().map_raw(&file).unwrap();
        let start = map.as_ptr() as usize;
        register(start..start + map.len());
        // SAFETY: both addresses lie in `map`, which lives until the end of the test.
        let read = |index: usize| unsafe { map.as_ptr().add(index).read_volatile() };
        // SAFETY: as above.
        unsafe { map.as_mut_ptr().add(PAGE_BYTES as usize).write_volatile(7) };
        assert_eq!(read(PAGE_BYTES as usize), 7);
        file.set_len(PAGE_BYTES).unwrap();
        assert_eq!(read(PAGE_BYTES as usize), 0);
        let mut count = [0; 8];
        assert_eq!(rustix::io::read(bell, &mut count).unwrap(), 8);
    }
}
