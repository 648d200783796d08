//! Pauses between attempts to start a child that keeps failing.

use std::time::Duration;

/// Counts failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    pub(super) failures: u32,
}

impl Backoff {
    /// One more failure: how long to wait before the next attempt.
    pub(super) fn failed(&mut self, first: Duration, max: Duration) -> Duration {
        let doublings = self.failures.min(31);
        self.failures = self.failures.saturating_add(1);
        first.saturating_mul(1 << doublings).min(max)
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let mut next = || {
            backoff
                .failed(Duration::from_millis(100), Duration::from_secs(1))
                .as_millis()
        };
        assert_eq!(
            [next(), next(), next(), next(), next(), next()],
            [100, 200, 400, 800, 1000, 1000]
        );
        for _ in 0..100 {
            assert_eq!(next(), 1000);
        }
        backoff.succeeded();
        assert_eq!(
            backoff
                .failed(Duration::from_millis(100), Duration::from_secs(1))
                .as_millis(),
            100
        );
    }
}
