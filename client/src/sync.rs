//! Mutexes whose data stays usable when a thread panics while it holds one: every critical section of this crate leaves its data
//! whole at each step.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
