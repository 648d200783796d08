//! The tree of leaves.
//!
//! Leaf `i` is node `i` of level 0; node `j` of level `l + 1` combines nodes `2j` and `2j + 1` of level `l`; a node whose right
//! neighbour would lie behind the last leaf is passed up as it is. A run of leaves has one *canonical cover*: the fewest nodes
//! of full size (2^l leaves) that make it up. Covers of neighbouring runs combine to the cover of both, whatever the runs and
//! the order: so the root's bits depend on the leaves alone.
//!
//! Exact passes need no tree: the cover of any run is one node.

use std::ops::Range;

use crate::leaf::leaf_elements;
use crate::pass::{Pass, Sizes};

/// The canonical cover of a run of leaves: at most 2 * 64 nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cover {
    /// The leaves of each node, left to right without gaps.
    runs: Vec<Range<u64>>,
    /// The nodes' words, one after the other.
    words: Vec<u64>,
}

/// How to combine: the pass, and elements in all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule<'a> {
    pub(crate) pass: &'a dyn Pass,
    pub(crate) elements: u64,
}

impl Cover {
    /// The leaves covered.
    pub(crate) fn leaves(&self) -> Range<u64> {
        match (self.runs.first(), self.runs.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// Adds the node of the leaves that follow, and combines what now can be.
    pub(crate) fn push(&mut self, rule: Rule<'_>, run: Range<u64>, node: &[u64]) {
        self.runs.push(run);
        self.words.extend_from_slice(node);
        while let [.., left, right] = self.runs.as_slice()
            && (rule.pass.is_exact() || are_siblings(left, right))
        {
            self.combine_last(rule);
        }
    }

    /// Adds the cover of the leaves that follow.
    pub(crate) fn append(&mut self, rule: Rule<'_>, next: &Self) {
        let nodes = next.words.chunks_exact(rule.pass.words());
        for (run, node) in next.runs.iter().zip(nodes) {
            self.push(rule, run.clone(), node);
        }
    }

    /// The node of all leaves, given that all are covered.
    pub(crate) fn into_root(mut self, rule: Rule<'_>) -> Option<Vec<u64>> {
        while self.runs.len() > 1 {
            self.combine_last(rule);
        }
        (!self.runs.is_empty()).then_some(self.words)
    }

    fn combine_last(&mut self, rule: Rule<'_>) {
        let right_run = self.runs.pop().expect("the callers saw two nodes");
        let left_run = self.runs.last_mut().expect("the callers saw two nodes");
        let sizes = Sizes {
            left: rule.elements_of(left_run),
            right: rule.elements_of(&right_run),
        };
        left_run.end = right_run.end;
        let right_at = self.words.len() - rule.pass.words();
        let (lefts, right) = self.words.split_at_mut(right_at);
        let left_at = right_at - rule.pass.words();
        rule.pass.combine(&mut lefts[left_at..], right, sizes);
        self.words.truncate(right_at);
    }

    /// Puts the cover of `leaves` together again from the words of its nodes, or `None` if there are not as many or one of
    /// them cannot be what it stands for.
    pub(crate) fn from_words(rule: Rule<'_>, leaves: Range<u64>, words: Vec<u64>) -> Option<Self> {
        let runs = if rule.pass.is_exact() {
            vec![leaves]
        } else {
            canonical_runs(leaves)
        };
        let width = rule.pass.words();
        let sound = words.len() == runs.len() * width
            && runs
                .iter()
                .zip(words.chunks_exact(width))
                .all(|(run, node)| rule.pass.is_sound(node, rule.elements_of(run)));
        sound.then_some(Self { runs, words })
    }
}

impl Rule<'_> {
    fn elements_of(&self, run: &Range<u64>) -> u64 {
        let elements = leaf_elements(run, self.elements);
        elements.end - elements.start
    }
}

fn are_siblings(left: &Range<u64>, right: &Range<u64>) -> bool {
    let len = left.end - left.start;
    right.end - right.start == len && left.start.is_multiple_of(2 * len)
}

/// The runs of full size that make up `leaves`, longest possible ones.
fn canonical_runs(leaves: Range<u64>) -> Vec<Range<u64>> {
    let mut runs = Vec::new();
    let mut start = leaves.start;
    while start < leaves.end {
        let fitting = 1 << (leaves.end - start).ilog2();
        let aligned = if start == 0 {
            fitting
        } else {
            1 << start.trailing_zeros()
        };
        let end = start + aligned.min(fitting);
        runs.push(start..end);
        start = end;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::test_support::sum_rule_pass;
    use proptest::prelude::*;

    proptest! {
        /// Decoding derives the runs from the range; pushing leaf by leaf must have made the same.
        #[test]
        fn pushing_leaves_gives_the_canonical_runs(start in 0_u64..5_000, len in 1_u64..300) {
            let pass = sum_rule_pass();
            let rule = Rule { pass: pass.as_ref(), elements: u64::MAX };
            let mut cover = Cover::default();
            for leaf in start..start + len {
                cover.push(rule, leaf..leaf + 1, &[0]);
            }
            prop_assert_eq!(cover.runs, canonical_runs(start..start + len));
        }
    }

    #[test]
    fn covers_stay_short() {
        assert_eq!(canonical_runs(0..1 << 40).len(), 1);
        assert_eq!(canonical_runs(1..(1 << 40) - 1).len(), 78);
        assert_eq!(canonical_runs(5..6), vec![5..6]);
    }
}
