//! Putting partial results together.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::leaf::leaves_of;
use crate::partials::{self, PartialsError};
use crate::pass::{DataError, Pass};
use crate::plan::Plan;
use crate::reduce::ReduceError;
use crate::tree::{Cover, Rule};
use crate::value::Value;

/// Collects the partial results of one pass, in any order.
///
/// Holds one cover for each unbroken run of leaves that has arrived: O(runs x log leaves) nodes, whatever the data's size.
#[derive(Debug)]
pub struct Merger {
    pass: Box<dyn Pass>,
    elements: u64,
    covers: BTreeMap<u64, Cover>,
    covered: u64,
}

/// What a pass has come to.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// The kernel's result.
    Value(Value),
    /// All leaves are to be reduced and merged once more, with this state.
    AnotherPass(Vec<u8>),
}

/// A partial result that cannot be merged; nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum MergeError {
    #[error(transparent)]
    Partials(#[from] PartialsError),
    #[error("leaves {start}..{end} overlap what is merged already")]
    Overlap { start: u64, end: u64 },
}

/// Why a pass has not come to anything.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum FinishError {
    #[error("leaves are missing, the first of them: {}..{}", .missing.start, .missing.end)]
    Incomplete { missing: Range<u64> },
    #[error(transparent)]
    Data(#[from] DataError),
}

impl Plan {
    /// Collects the partial results of the pass that `state` asks for (empty: the first).
    ///
    /// # Errors
    /// When the kernel works in place, or the state is not this plan's.
    pub fn merger(&self, state: &[u8]) -> Result<Merger, ReduceError> {
        let pass = self.pass(state).ok_or(ReduceError::NotAReduction {
            kernel: self.signature().name,
        })??;
        Ok(Merger {
            pass,
            elements: self.elements(),
            covers: BTreeMap::new(),
            covered: 0,
        })
    }
}

impl Merger {
    /// Adds what [`Plan::reduce`] gave for a run of leaves.
    ///
    /// # Errors
    /// When the bytes are no partial result of this pass, or one of its leaves is there already.
    pub fn insert(&mut self, partials: &[u8]) -> Result<(), MergeError> {
        let cover = partials::decode(self.rule(), partials)?;
        let Range { start, end } = cover.leaves();
        let before = self.covers.range(..end).next_back();
        if before.is_some_and(|(_, cover)| cover.leaves().end > start) {
            return Err(MergeError::Overlap { start, end });
        }
        self.covered += end - start;
        self.join(cover);
        Ok(())
    }

    /// Whether that run of leaves could be inserted: none of them is there yet.
    #[must_use]
    pub fn is_missing(&self, leaves: &Range<u64>) -> bool {
        let before = self.covers.range(..leaves.end).next_back();
        before.is_none_or(|(_, cover)| cover.leaves().end <= leaves.start)
    }

    /// How many leaves have been merged.
    #[must_use]
    pub fn covered(&self) -> u64 {
        self.covered
    }

    /// Whether all leaves have.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.covered == leaves_of(self.elements)
    }

    /// The first run of leaves that is not there.
    #[must_use]
    pub fn first_missing(&self) -> Option<Range<u64>> {
        let start = self.covers.get(&0).map_or(0, |cover| cover.leaves().end);
        let next = self.covers.range(start.max(1)..).next();
        let end = next.map_or(leaves_of(self.elements), |(first, _)| *first);
        (start < end).then_some(start..end)
    }

    /// The value, or the state of another pass. Without elements there is nothing to insert first.
    ///
    /// # Errors
    /// When leaves are missing, or there is no value for this data.
    pub fn finish(mut self) -> Result<Outcome, FinishError> {
        if let Some(missing) = self.first_missing() {
            return Err(FinishError::Incomplete { missing });
        }
        let all = self.covers.remove(&0).unwrap_or_default();
        let root = all.into_root(self.rule());
        Ok(self.pass.finish(root.as_deref())?)
    }

    /// Puts a cover between its neighbours.
    fn join(&mut self, cover: Cover) {
        let Range { start, end } = cover.leaves();
        let before = self.covers.range(..start).next_back();
        let before = before.filter(|(_, cover)| cover.leaves().end == start);
        let mut joined = match before.map(|(first, _)| *first) {
            Some(first) => self.take_and_append(first, &cover),
            None => cover,
        };
        if let Some(after) = self.covers.remove(&end) {
            joined.append(self.rule(), &after);
        }
        self.covers.insert(joined.leaves().start, joined);
    }

    fn take_and_append(&mut self, first: u64, next: &Cover) -> Cover {
        let mut cover = self.covers.remove(&first).unwrap_or_default();
        cover.append(self.rule(), next);
        cover
    }

    fn rule(&self) -> Rule<'_> {
        Rule {
            pass: self.pass.as_ref(),
            elements: self.elements,
        }
    }
}
