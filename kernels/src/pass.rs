//! What a reduction does in one pass over the data.
//!
//! A pass works on *nodes*: a fixed number of 64-bit words that stand for a run of leaves. Words, not structs, so that nodes of
//! every kernel are merged, sent and checked by the same code.

use std::fmt;

use crate::merge::Outcome;
use crate::reduce::Operands;

/// One pass of one plan.
pub(crate) trait Pass: fmt::Debug + Send + Sync {
    /// Words of a node; at least one.
    fn words(&self) -> usize;

    /// Whether combining is associative to the bit. Then a node may stand for any run of leaves, and `leaf` may be called on a
    /// node that earlier leaves went into.
    fn is_exact(&self) -> bool;

    /// Makes `node`, which holds zeros, the node of no elements.
    fn clear(&self, _node: &mut [u64]) {}

    /// Adds a leaf to a cleared node.
    fn leaf(&self, operands: &Operands<'_>, node: &mut [u64]);

    /// Combines two neighbours; `left` becomes the node of both.
    fn combine(&self, left: &mut [u64], right: &[u64], sizes: Sizes);

    /// Whether a node from another process can be of that many elements. Values may still be wrong; `combine` and `finish` must
    /// not panic on what passes.
    fn is_sound(&self, node: &[u64], elements: u64) -> bool;

    /// What the node of all elements means; `None` if there are no elements.
    fn finish(&self, root: Option<&[u64]>) -> Result<Outcome, DataError>;
}

/// Elements of two neighbours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) left: u64,
    pub(crate) right: u64,
}

/// A pass state that this plan cannot have given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is no state of a pass of this kernel")]
pub struct BadState;

impl BadState {
    /// For kernels of one pass: refuses every state but that of the first.
    pub(crate) const fn unless_first(state: &[u8]) -> Result<(), Self> {
        if state.is_empty() { Ok(()) } else { Err(Self) }
    }
}

/// Data for which the kernel has no value.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum DataError {
    #[error("the data's own range is not finite (give a range): [{min}, {max}]")]
    RangeNotFinite { min: f64, max: f64 },
    #[error(
        "the data's range is too narrow for bins of finite size (give fewer bins or a wider range): {bins}"
    )]
    TooManyBins { bins: u64 },
}
