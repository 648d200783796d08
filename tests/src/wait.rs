//! Waiting for what another process does.

use std::time::{Duration, Instant};

#[expect(
    clippy::disallowed_methods,
    reason = "what a daemon tells only when asked has to be asked for again and again"
)]
/// Looks again and again until `seen` gives something, and says how long that took. Bounded by the watchdog alone.
pub fn until<T>(mut seen: impl FnMut() -> Option<T>) -> (T, Duration) {
    let started = Instant::now();
    loop {
        if let Some(value) = seen() {
            return (value, started.elapsed());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}
