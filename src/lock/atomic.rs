//! The atomics that the locks are built of, and the one switch between real ones and loom's.

#[cfg(loom)]
pub(super) use self::modelled::Mutex;
#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, fence};
#[cfg(not(loom))]
pub(super) use std::sync::atomic::fence;
#[cfg(not(loom))]
pub(super) use std::sync::{
    Mutex,
    atomic::{AtomicU32, AtomicU64},
};

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

#[cfg(loom)]
mod modelled {
    //! A mutex of loom's atomics: loom's own prints a line each time that it is taken.

    use std::ops::{Deref, DerefMut};
    use std::sync::{Mutex as StdMutex, MutexGuard as StdGuard, PoisonError};

    use super::{AtomicU32, Ordering};

    #[derive(Debug)]
    pub(in super::super) struct Mutex<T> {
        taken: AtomicU32,
        value: StdMutex<T>,
    }

    pub(in super::super) struct Guard<'a, T> {
        taken: &'a AtomicU32,
        value: Option<StdGuard<'a, T>>,
    }

    impl<T> Mutex<T> {
        pub(in super::super) fn new(value: T) -> Self {
            Self {
                taken: AtomicU32::new(0),
                value: StdMutex::new(value),
            }
        }

        pub(in super::super) fn lock(&self) -> Result<Guard<'_, T>, PoisonError<Guard<'_, T>>> {
            while self
                .taken
                .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
            {
                loom::thread::yield_now();
            }
            Ok(Guard {
                taken: &self.taken,
                value: self.value.try_lock().ok(),
            })
        }
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.value.as_ref().expect("guarded by `taken`")
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.value.as_mut().expect("guarded by `taken`")
        }
    }

    impl<T> Drop for Guard<'_, T> {
        fn drop(&mut self) {
            self.value = None;
            self.taken.swap(0, Ordering::Release);
        }
    }
}
