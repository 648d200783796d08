//! Points in time, as the event loop tells them.

use std::time::Duration;

/// Nanoseconds of a monotonic clock since a fixed start. The supervisor reads no clock: every event brings its moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment `duration` later; saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds since `earlier`, 0 where it lies ahead.
    #[must_use]
    pub const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Milliseconds since `earlier`, 0 where it lies ahead.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.nanos_since(earlier) / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates() {
        assert_eq!(Moment(5).after(Duration::MAX), Moment(u64::MAX));
        assert_eq!(Moment(5).nanos_since(Moment(6)), 0);
        assert_eq!(Moment(3_000_000).millis_since(Moment(0)), 3);
    }
}
