//! How much memory the demo takes, decided before it takes any.

use arena_core::BLOCK_BYTES;
use arena_core::memory::{CgroupChain, MachineMemory};

use super::numbers::Float;
use super::serialised;
use crate::error::CliError;

/// The array that is updated in place is at most this large, because it and its before-images come on top.
const UPDATE_BYTES_MAX: u64 = 512 << 20;

/// For what the arena's objects are rounded up to, and for processes.
const SLACK_BYTES: u64 = 32 << 20;

/// The sizes of everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Plan {
    /// Elements of the array.
    pub(super) elements: u64,
    /// Elements of the shared array that is updated.
    pub(super) update_elements: u64,
    /// Elements of the array that the limit of copying is measured with.
    pub(super) copy_elements: u64,
    pub(super) arena_bytes: u64,
    pub(super) workers: Option<u32>,
}

impl Plan {
    /// Sizes for an array of `elements`; an error where memory would run short.
    pub(super) fn new<T: Float>(elements: u64, workers: Option<u32>) -> Result<Self, CliError> {
        let available = available_bytes().map_err(|source| CliError::Demo {
            action: "find out how much memory there is",
            source,
        })?;
        let size = size_of::<T>() as u64;
        // The array twice, once in the arena, and messages of the serialising way.
        let private = u128::from(elements) * u128::from(size) + u128::from(serialised::PEAK_BYTES);
        let plan = Self::sized(elements, size, workers);
        let needed = private + u128::from(plan.map_or(u64::MAX, |plan| plan.arena_bytes));
        plan.filter(|_| needed <= u128::from(available))
            .ok_or(CliError::DemoTooLarge {
                needed: u64::try_from(needed).unwrap_or(u64::MAX),
                available,
            })
    }

    fn sized(elements: u64, size: u64, workers: Option<u32>) -> Option<Self> {
        let update_elements = elements.min(UPDATE_BYTES_MAX / size);
        // Where the copy went, the shared array and its before-images go afterwards.
        let scratch_elements = 2 * update_elements;
        let bytes = elements.checked_mul(size)?;
        let arena_bytes = bytes
            .checked_add(scratch_elements * size)?
            .checked_add(SLACK_BYTES)?
            .checked_next_multiple_of(BLOCK_BYTES)?;
        Some(Self {
            elements,
            update_elements,
            copy_elements: elements.min(scratch_elements),
            arena_bytes,
            workers,
        })
    }
}

fn available_bytes() -> std::io::Result<u64> {
    let machine = MachineMemory::read()?.available_bytes;
    let cgroup = CgroupChain::discover().tightest();
    Ok(cgroup.map_or(machine, |room| machine.min(room.available_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arena_holds_the_array_and_what_comes_beside_it() {
        for elements in [1, 1000, 1 << 20, 1 << 27, 1 << 30] {
            let plan = Plan::sized(elements, 8, None).unwrap();
            assert_eq!(plan.arena_bytes % BLOCK_BYTES, 0);
            assert!(plan.arena_bytes >= 8 * (elements + 2 * plan.update_elements));
            assert!(plan.arena_bytes >= 8 * (elements + plan.copy_elements));
        }
        assert_eq!(Plan::sized(u64::MAX / 8, 8, None), None);
    }

    #[test]
    fn more_than_there_is_is_refused() {
        for elements in [1 << 50, u64::MAX] {
            assert!(matches!(
                Plan::new::<f64>(elements, None),
                Err(CliError::DemoTooLarge { .. })
            ));
        }
    }
}
