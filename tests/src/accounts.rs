//! The arena's account as tests look at it.

use std::time::Duration;

use arena_client::{Client, MemoryClasses, Stats};

use crate::wait::until;

/// Asks for the account and checks what must always hold.
///
/// # Panics
/// Where a byte is in no class or in two.
#[must_use]
pub fn sum_of_classes_is_the_arena(client: &Client) -> Stats {
    let stats = client.stats().unwrap();
    assert_eq!(
        stats.memory.total_bytes(),
        stats.arena.bytes,
        "{:#?}",
        stats.memory
    );
    stats
}

/// Waits until the account is as `wanted` says, and gives it with the time that took. Checks every account on the way.
///
/// # Panics
/// As [`sum_of_classes_is_the_arena`].
pub fn settled(client: &Client, mut wanted: impl FnMut(&Stats) -> bool) -> (Stats, Duration) {
    until(|| {
        let stats = sum_of_classes_is_the_arena(client);
        wanted(&stats).then_some(stats)
    })
}

/// Whether nothing is held more or less than before. Free bytes may be warm or cold.
#[must_use]
pub fn unchanged(before: &MemoryClasses, now: &MemoryClasses) -> bool {
    let held = |memory: &MemoryClasses| MemoryClasses {
        free_warm_bytes: memory.free_warm_bytes + memory.free_cold_bytes,
        free_cold_bytes: 0,
        ..*memory
    };
    held(before) == held(now)
}
