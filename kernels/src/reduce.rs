//! Walking the leaves of a slice.

use std::ops::Range;

use crate::elements::Elements;
use crate::leaf::{leaf_elements, leaves_of};
use crate::partials;
use crate::pass::{BadState, Pass};
use crate::plan::Plan;
use crate::tree::{Cover, Rule};

/// Where a reduction gets its elements from.
pub trait Source {
    /// The elements of that range, in canonical order (the same range of every input): the memory itself where they are
    /// contiguous, else a gathered copy, which need only live until the next call.
    ///
    /// # Errors
    /// To end the walk early: the task was cancelled.
    fn load(&mut self, elements: Range<u64>) -> Result<Operands<'_>, Stopped>;
}

/// The same range of every input of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Operands<'a> {
    /// For kernels of one input.
    One(Elements<'a>),
    /// For kernels of two.
    Two(Elements<'a>, Elements<'a>),
}

/// The source does not want the walk to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped;

/// Elements that lie in memory as they are numbered.
#[derive(Clone, Copy, Debug)]
pub struct Dense<'a> {
    /// The number of the first element there is.
    pub first: u64,
    /// The elements from there on.
    pub operands: Operands<'a>,
}

/// What a slice contributes, as bytes to be sent. At most 64 KiB.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partials(Vec<u8>);

/// Why a slice has no partial result.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum ReduceError {
    #[error("a kernel that works in place gives no value: {kernel}")]
    NotAReduction { kernel: &'static str },
    #[error(transparent)]
    State(#[from] BadState),
    #[error("there are {leaves} leaves, asked for {start}..{end}")]
    Leaves { start: u64, end: u64, leaves: u64 },
    #[error("the source gave other operands than planned for elements {start}..{end}")]
    Operands { start: u64, end: u64 },
    #[error("the walk was stopped")]
    Stopped,
}

impl Plan {
    /// The partial result of a run of leaves. `state` is empty in the first pass, else what [`Outcome::AnotherPass`] gave.
    ///
    /// [`Outcome::AnotherPass`]: crate::Outcome::AnotherPass
    ///
    /// # Errors
    /// When the kernel works in place, state or leaves are not this plan's, or the source gives up.
    pub fn reduce(
        &self,
        state: &[u8],
        leaves: Range<u64>,
        source: &mut dyn Source,
    ) -> Result<Partials, ReduceError> {
        let pass = self.pass(state).ok_or(ReduceError::NotAReduction {
            kernel: self.signature().name,
        })??;
        let all = leaves_of(self.elements());
        if leaves.is_empty() || leaves.end > all {
            return Err(ReduceError::Leaves {
                start: leaves.start,
                end: leaves.end,
                leaves: all,
            });
        }
        let cover = if pass.is_exact() {
            self.fold(pass.as_ref(), leaves, source)?
        } else {
            self.grow(pass.as_ref(), leaves, source)?
        };
        Ok(Partials(partials::encode(&cover)))
    }

    /// All leaves into one node.
    fn fold(
        &self,
        pass: &dyn Pass,
        leaves: Range<u64>,
        source: &mut dyn Source,
    ) -> Result<Cover, ReduceError> {
        let mut node = vec![0; pass.words()];
        pass.clear(&mut node);
        for leaf in leaves.clone() {
            self.add_leaf(pass, leaf, source, &mut node)?;
        }
        let mut cover = Cover::default();
        cover.push(self.rule(pass), leaves, &node);
        Ok(cover)
    }

    /// The canonical cover, leaf by leaf.
    fn grow(
        &self,
        pass: &dyn Pass,
        leaves: Range<u64>,
        source: &mut dyn Source,
    ) -> Result<Cover, ReduceError> {
        let mut cover = Cover::default();
        let mut node = vec![0; pass.words()];
        for leaf in leaves {
            node.fill(0);
            pass.clear(&mut node);
            self.add_leaf(pass, leaf, source, &mut node)?;
            cover.push(self.rule(pass), leaf..leaf + 1, &node);
        }
        Ok(cover)
    }

    fn add_leaf(
        &self,
        pass: &dyn Pass,
        leaf: u64,
        source: &mut dyn Source,
        node: &mut [u64],
    ) -> Result<(), ReduceError> {
        let elements = leaf_elements(&(leaf..leaf + 1), self.elements());
        let operands = source
            .load(elements.clone())
            .map_err(|Stopped| ReduceError::Stopped)?;
        if !self.takes(&operands, elements.end - elements.start) {
            return Err(ReduceError::Operands {
                start: elements.start,
                end: elements.end,
            });
        }
        pass.leaf(&operands, node);
        Ok(())
    }

    fn takes(&self, operands: &Operands<'_>, len: u64) -> bool {
        let fits = |input: usize, given: &Elements<'_>| {
            self.inputs()[input].element == given.element_type() && given.len() as u64 == len
        };
        match operands {
            Operands::One(only) => self.inputs().len() == 1 && fits(0, only),
            Operands::Two(first, second) => {
                self.inputs().len() == 2 && fits(0, first) && fits(1, second)
            }
        }
    }

    pub(crate) fn rule<'a>(&self, pass: &'a dyn Pass) -> Rule<'a> {
        Rule {
            pass,
            elements: self.elements(),
        }
    }
}

impl Partials {
    /// The bytes to send.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes to send.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl<'a> Operands<'a> {
    /// The only input, or the first.
    #[must_use]
    pub const fn first(&self) -> Elements<'a> {
        match *self {
            Self::One(first) | Self::Two(first, _) => first,
        }
    }
}

impl<'a> Dense<'a> {
    /// All elements of one input.
    #[must_use]
    pub const fn one(elements: Elements<'a>) -> Self {
        Self {
            first: 0,
            operands: Operands::One(elements),
        }
    }

    /// All elements of two inputs.
    #[must_use]
    pub const fn two(first: Elements<'a>, second: Elements<'a>) -> Self {
        Self {
            first: 0,
            operands: Operands::Two(first, second),
        }
    }
}

impl Source for Dense<'_> {
    /// Stops where elements are asked for that are not there.
    fn load(&mut self, elements: Range<u64>) -> Result<Operands<'_>, Stopped> {
        let position = |number: u64| {
            number
                .checked_sub(self.first)
                .and_then(|position| usize::try_from(position).ok())
        };
        let (start, end) = position(elements.start)
            .zip(position(elements.end))
            .ok_or(Stopped)?;
        match self.operands {
            Operands::One(only) => only.get(start, end).map(Operands::One),
            Operands::Two(first, second) => first
                .get(start, end)
                .zip(second.get(start, end))
                .map(|(first, second)| Operands::Two(first, second)),
        }
        .ok_or(Stopped)
    }
}
