//! What the lock algorithm asks of its surroundings: sleeping, waking, a clock, and a place where tests interrupt it.
//!
//! The same algorithm runs on real futexes, under loom, and in tests that kill a process at a named moment.

use std::time::Duration;

use super::atomic::{AtomicU32, Ordering};

/// How long a waiter sleeps at most before it looks again, and how long a pending writer's hint binds readers.
pub const ROUND: Duration = Duration::from_millis(100);

/// Sleeping, waking and time. `wait` may return at any time for no reason; `wake_all` must reach everybody who waits for `event`.
pub trait Waiting {
    /// The rules of the algorithm; [`Protocol`] everywhere but in models that seed mistakes.
    type Rules: Rules;

    /// A monotonic clock in nanoseconds.
    fn now_ns(&self) -> u64;

    /// Sleeps while `event` holds `seen`, at most `timeout`.
    fn wait(&self, event: &AtomicU32, seen: u32, timeout: Duration);

    /// Wakes all who wait for `event`.
    fn wake_all(&self, event: &AtomicU32);

    /// The length of one round.
    fn round(&self) -> Duration {
        ROUND
    }

    /// Whether the caller wants to stop waiting; asked after each round and each wake-up.
    fn interrupted(&self) -> bool {
        false
    }

    /// Called at each named moment. Tests die or park here.
    #[inline(always)]
    fn reached(&self, moment: Moment) {
        let _ = moment;
    }
}

/// The moments between two changes of shared words, at which a process may die.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// The own reader bit is set, the state not looked at.
    ReaderBitSet,
    /// A read lock is held.
    Reading,
    /// The own reader bit is cleared, nobody woken.
    ReaderBitCleared,
    /// The cell is claimed, readers not looked at.
    Claimed,
    /// A write lock is held.
    Granted,
    /// The before-image is copied, not yet marked valid.
    ImageCopied,
    /// The before-image is marked valid.
    ImageMarked,
    /// The writer has left the cell, nobody woken.
    WriterLeft,
    /// The intent to wake is recorded.
    WakeIntended,
    /// WAITERS is cleared.
    WaitersCleared,
    /// The event is counted up, nobody woken.
    EventBumped,
    /// Everybody is woken, the intent still stands.
    Woken,
    /// WAITERS is set, the words not looked at again.
    WaitersSet,
    /// About to sleep.
    Sleeping,
    /// A sweep has cleared the dead slot's reader bit.
    SweptReader,
    /// A sweep has set POISONED, the dead writer still stands.
    SweptPoisoned,
    /// A sweep has cleared the dead writer.
    SweptWriter,
    /// A sweep has counted the event up, nobody woken.
    SweptEvent,
}

/// What the algorithm does, as constants. Each may be wrong in a model that shows that the mistake is caught; the defaults are the
/// protocol, and no other value exists in a production build.
pub trait Rules {
    /// Leaving a cell publishes what was done in it.
    const LEAVE: Ordering = Ordering::Release;
    /// Entering a cell observes what was done in it.
    const ENTER: Ordering = Ordering::Acquire;
    /// A reader orders its bit before its look at the state.
    const READER_FENCE: bool = true;
    /// A writer orders its claim before its look at the readers.
    const WRITER_FENCE: bool = true;
    /// A leaving reader orders its cleared bit before its look at WAITERS.
    const LEAVE_FENCE: bool = true;
    /// A waiter orders WAITERS before its second look.
    const WAIT_FENCE: bool = true;
    /// A reader refuses a poisoned cell.
    const READER_HEEDS_POISON: bool = true;
    /// The sweep of a granted writer poisons.
    const SWEEP_POISONS: bool = true;
    /// A sweep orders what an earlier one cleared before its look at WAITERS.
    const SWEEP_FENCE: bool = true;
    /// The sweep wakes waiters.
    const SWEEP_WAKES: bool = true;
    /// The sweep wakes the intent range of the dead slot.
    const SWEEP_HEEDS_INTENT: bool = true;
    /// Generation and CLOSED are looked at after acquiring.
    const CHECK_GENERATION: bool = true;
}

/// The rules of docs/LOCKING.md.
#[derive(Clone, Copy, Debug, Default)]
pub struct Protocol;

impl Rules for Protocol {}

/// Waiting on shared futexes, for production.
#[cfg(not(loom))]
#[derive(Clone, Copy, Debug, Default)]
pub struct FutexWaiting;

#[cfg(not(loom))]
impl Waiting for FutexWaiting {
    type Rules = Protocol;

    fn now_ns(&self) -> u64 {
        monotonic_ns()
    }

    fn wait(&self, event: &AtomicU32, seen: u32, timeout: Duration) {
        crate::futex::wait(event, seen, timeout);
    }

    fn wake_all(&self, event: &AtomicU32) {
        crate::futex::wake_all(event);
    }
}

/// The monotonic clock in nanoseconds, as [`FutexWaiting`] reads it.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}
