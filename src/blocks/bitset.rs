//! A set of small numbers with fast neighbours: a bitmap with summaries.
//!
//! Each level has one bit for each word of the level below, set where that word is not zero. So finding the next member of half
//! a million takes four words, and an arena of a terabyte costs 64 KiB.

/// A set of numbers below a fixed bound.
#[derive(Debug, Clone)]
pub(super) struct BitSet {
    /// From the members themselves up to a single word.
    levels: Vec<Vec<u64>>,
    len: u64,
}

const WORD_BITS: u64 = u64::BITS as u64;

impl BitSet {
    /// An empty set of numbers below `bound`.
    pub(super) fn new(bound: u64) -> Self {
        let mut levels = Vec::new();
        let mut bits = bound.max(1);
        loop {
            let words = bits.div_ceil(WORD_BITS);
            levels.push(vec![0; words as usize]);
            if words == 1 {
                return Self { levels, len: 0 };
            }
            bits = words;
        }
    }

    /// How many members there are.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn contains(&self, member: u64) -> bool {
        self.levels[0][(member / WORD_BITS) as usize] & bit(member) != 0
    }

    /// Makes `member` a member or not.
    pub(super) fn set(&mut self, member: u64, is_member: bool) {
        if self.contains(member) == is_member {
            return;
        }
        if is_member {
            self.len += 1;
        } else {
            self.len -= 1;
        }
        let mut at = member;
        for level in &mut self.levels {
            let word = &mut level[(at / WORD_BITS) as usize];
            let was_empty = *word == 0;
            if is_member {
                *word |= bit(at);
            } else {
                *word &= !bit(at);
            }
            // The level above changes only where this word became or ceased to be empty.
            if was_empty != is_member || (!is_member && *word != 0) {
                return;
            }
            at /= WORD_BITS;
        }
    }

    /// The smallest member that is `from` or more.
    pub(super) fn next(&self, from: u64) -> Option<u64> {
        let mut at = from;
        for (depth, level) in self.levels.iter().enumerate() {
            let word = level.get((at / WORD_BITS) as usize).copied().unwrap_or(0);
            let rest = word & (u64::MAX << (at % WORD_BITS));
            if rest != 0 {
                let found = at / WORD_BITS * WORD_BITS + u64::from(rest.trailing_zeros());
                return Some(self.descend(depth, found, u64::trailing_zeros));
            }
            at = at / WORD_BITS + 1;
        }
        None
    }

    /// The largest member below `to`.
    pub(super) fn previous(&self, to: u64) -> Option<u64> {
        let bound = self.levels[0].len() as u64 * WORD_BITS;
        let mut at = to.min(bound);
        for (depth, level) in self.levels.iter().enumerate() {
            // On a word's boundary the words below are all meant, which the level above knows; the top has none above.
            let (word, mask) = match at % WORD_BITS {
                0 if depth + 1 == self.levels.len() && at > 0 => (0, u64::MAX),
                0 => (0, 0),
                bits => (at / WORD_BITS, !(u64::MAX << bits)),
            };
            let rest = level[word as usize] & mask;
            if rest != 0 {
                let found = word * WORD_BITS + highest(rest);
                return Some(self.descend(depth, found, |word| highest(word) as u32));
            }
            at /= WORD_BITS;
        }
        None
    }

    /// From the member `at` of the level `depth` down to a member of the set, picking a bit of each word.
    fn descend(&self, depth: usize, mut at: u64, pick: impl Fn(u64) -> u32) -> u64 {
        for level in self.levels[..depth].iter().rev() {
            at = at * WORD_BITS + u64::from(pick(level[at as usize]));
        }
        at
    }

    /// The end of the run of members that begins at `start`, but at most `end`.
    pub(super) fn run_end(&self, start: u64, end: u64) -> u64 {
        (start..end)
            .find(|&member| !self.contains(member))
            .unwrap_or(end)
    }
}

const fn bit(member: u64) -> u64 {
    1 << (member % WORD_BITS)
}

const fn highest(word: u64) -> u64 {
    (WORD_BITS - 1) - word.leading_zeros() as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_tree_set(
            bound in 1_u64..20_000,
            changes in prop::collection::vec((any::<u64>(), any::<bool>()), 1..200),
            questions in prop::collection::vec(any::<u64>(), 20),
        ) {
            let mut set = BitSet::new(bound);
            let mut model = BTreeSet::new();
            for (member, is_member) in changes {
                let member = member % bound;
                set.set(member, is_member);
                if is_member { model.insert(member); } else { model.remove(&member); }
            }
            prop_assert_eq!(set.len(), model.len() as u64);
            for at in questions.into_iter().map(|at| at % (bound + 70)).chain([0, bound, u64::MAX]) {
                prop_assert_eq!(set.next(at), model.range(at..).next().copied());
                prop_assert_eq!(set.previous(at), model.range(..at).next_back().copied());
            }
        }
    }
}
