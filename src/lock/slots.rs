//! Sets of slots.

use crate::SlotId;

/// A set of slots, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SlotSet {
    pub(super) words: [u64; 4],
}

impl SlotSet {
    /// No slot.
    pub const EMPTY: Self = Self { words: [0; 4] };

    /// Every slot.
    pub const ALL: Self = Self {
        words: [u64::MAX; 4],
    };

    /// Adds a slot.
    pub fn insert(&mut self, slot: SlotId) {
        self.words[slot.index() / 64] |= 1 << (slot.index() % 64);
    }

    /// Takes a slot out.
    pub fn remove(&mut self, slot: SlotId) {
        self.words[slot.index() / 64] &= !(1 << (slot.index() % 64));
    }

    /// Whether the slot is in the set.
    #[must_use]
    pub fn contains(&self, slot: SlotId) -> bool {
        self.words[slot.index() / 64] & (1 << (slot.index() % 64)) != 0
    }

    /// Whether every slot of this set is in `other` too.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        (0..4).all(|word| self.words[word] & !other.words[word] == 0)
    }

    /// How many slots are in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// The slots in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = SlotId> + '_ {
        (0..=u8::MAX)
            .map(SlotId)
            .filter(|&slot| self.contains(slot))
    }
}

impl FromIterator<SlotId> for SlotSet {
    fn from_iter<T: IntoIterator<Item = SlotId>>(slots: T) -> Self {
        let mut set = Self::EMPTY;
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_all_256_slots() {
        let mut set = SlotSet::EMPTY;
        for slot in [0, 63, 64, 255].map(SlotId) {
            set.insert(slot);
        }
        assert_eq!(
            set.iter().map(|slot| slot.0).collect::<Vec<_>>(),
            [0, 63, 64, 255]
        );
        assert!(set.is_subset(&SlotSet::ALL) && !SlotSet::ALL.is_subset(&set));
        set.remove(SlotId(64));
        assert_eq!(set.len(), 3);
    }
}
