//! Waiting on a word of shared memory.
//!
//! Every call is made on the *shared* form of the futex: the private form is keyed by address space and never wakes another
//! process. Waits are bounded, because a word that other processes may write is no promise of a wake-up.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Timespec};

/// Why a wait ended. Callers look at their condition again in each case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// Woken, or the word no longer held the value, or a signal came.
    Maybe,
    /// The time was up.
    TimedOut,
}

/// Sleeps while `word` holds `seen`, until a wake-up, a signal, or `timeout`.
pub fn wait(word: &AtomicU32, seen: u32, timeout: Duration) -> Wake {
    let timeout = Timespec::try_from(timeout).unwrap_or(Timespec {
        tv_sec: i64::MAX,
        tv_nsec: 0,
    });
    match futex::wait(word, Flags::empty(), seen, Some(&timeout)) {
        Err(Errno::TIMEDOUT) => Wake::TimedOut,
        // AGAIN and INTR are ordinary. Anything else cannot come from a valid word; the caller's deadline bounds it.
        Ok(()) | Err(_) => Wake::Maybe,
    }
}

/// Wakes every process and thread that sleeps on `word`.
pub fn wake_all(word: &AtomicU32) {
    // The count is an int for the kernel: a larger one would be negative. The call fails only for words outside memory.
    let _woken = futex::wake(word, Flags::empty(), i32::MAX as u32);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn a_changed_word_does_not_sleep() {
        let word = AtomicU32::new(7);
        assert_eq!(wait(&word, 6, Duration::from_secs(3600)), Wake::Maybe);
    }

    #[test]
    fn an_unchanged_word_sleeps_until_the_timeout() {
        let word = AtomicU32::new(7);
        assert_eq!(wait(&word, 7, Duration::from_millis(1)), Wake::TimedOut);
    }

    #[test]
    fn a_wake_reaches_every_sleeper() {
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while word.load(Ordering::Acquire) == 0 {
                        wait(&word, 0, Duration::from_secs(3600));
                    }
                });
            }
            word.store(1, Ordering::Release);
            wake_all(&word);
        });
    }
}
