//! The atomics that the locks are built of, and the one switch between real ones and loom's.

#[cfg(loom)]
pub(super) use loom::sync::{
    Mutex,
    atomic::{AtomicU32, AtomicU64, fence},
};
#[cfg(not(loom))]
pub(super) use std::sync::{
    Mutex,
    atomic::{AtomicU32, AtomicU64},
};

#[cfg(all(not(loom), not(target_arch = "x86_64")))]
use std::sync::atomic::fence;

pub(super) use std::sync::atomic::Ordering;

/// Orders the read-modify-write directly before it against every load behind it, for all processes: the store-load order that
/// both sides of a "set mine, look at yours" handshake need.
///
/// On x86-64 a locked instruction is already a full barrier, so only the compiler has to be held (what Linux calls
/// `smp_mb__after_atomic`); an `mfence` would cost as much as the whole acquire. Elsewhere, and under loom, it is a sequentially
/// consistent fence.
#[inline(always)]
pub(super) fn fence_after_rmw() {
    #[cfg(any(loom, not(target_arch = "x86_64")))]
    fence(Ordering::SeqCst);
    #[cfg(all(not(loom), target_arch = "x86_64"))]
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
}
