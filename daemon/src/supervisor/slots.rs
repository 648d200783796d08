//! Which of the 256 slots are given out.
//!
//! A slot is free, or held from its grant to the sweep after its holder's death. Native workers take the lowest free slots, so that
//! they are few and known to people; clients take the highest, and leave the workers' share alone.

use arena_core::SlotId;

/// A set of slots with a cheap first element.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct SlotBits([u64; 4]);

impl SlotBits {
    pub(super) fn insert(&mut self, slot: SlotId) {
        self.0[slot.index() / 64] |= 1 << (slot.index() % 64);
    }

    pub(super) fn remove(&mut self, slot: SlotId) {
        self.0[slot.index() / 64] &= !(1 << (slot.index() % 64));
    }

    pub(super) fn contains(&self, slot: SlotId) -> bool {
        self.0[slot.index() / 64] & (1 << (slot.index() % 64)) != 0
    }

    pub(super) fn first(&self) -> Option<SlotId> {
        let word = self.0.iter().position(|&word| word != 0)?;
        slot_at(word, self.0[word].trailing_zeros())
    }

    pub(super) fn last(&self) -> Option<SlotId> {
        let word = self.0.iter().rposition(|&word| word != 0)?;
        slot_at(word, 63 - self.0[word].leading_zeros())
    }

    pub(super) fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

fn slot_at(word: usize, bit: u32) -> Option<SlotId> {
    u8::try_from(word * 64 + bit as usize).ok().map(SlotId)
}

/// The slots that nobody holds.
#[derive(Debug)]
pub(super) struct Slots {
    free: SlotBits,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            free: SlotBits([u64::MAX; 4]),
        }
    }

    /// Marks a slot that a process of before a restart holds.
    pub(super) fn occupy(&mut self, slot: SlotId) {
        self.free.remove(slot);
    }

    pub(super) fn take_for_worker(&mut self) -> Option<SlotId> {
        let slot = self.free.first()?;
        self.free.remove(slot);
        Some(slot)
    }

    /// A slot for a client, as long as `reserved` more stay free for workers.
    pub(super) fn take_for_client(&mut self, reserved: u32) -> Option<SlotId> {
        if self.free.len() <= reserved {
            return None;
        }
        let slot = self.free.last()?;
        self.free.remove(slot);
        Some(slot)
    }

    /// Takes a slot back, after its sweep.
    pub(super) fn give_back(&mut self, slot: SlotId) {
        debug_assert!(!self.free.contains(slot), "a slot is given back once");
        self.free.insert(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_get_low_slots_and_clients_high_ones() {
        let mut slots = Slots::new();
        assert_eq!(slots.take_for_worker(), Some(SlotId(0)));
        assert_eq!(slots.take_for_client(2), Some(SlotId(255)));
        assert_eq!(slots.take_for_worker(), Some(SlotId(1)));
        slots.give_back(SlotId(0));
        assert_eq!(slots.take_for_worker(), Some(SlotId(0)));
    }

    #[test]
    fn clients_leave_the_workers_share() {
        let mut slots = Slots::new();
        let given = std::iter::from_fn(|| slots.take_for_client(3)).count();
        assert_eq!(given, 253);
        assert_eq!(slots.take_for_worker(), Some(SlotId(0)));
        assert_eq!(slots.take_for_client(3), None);
    }
}
