//! Mean and sum of squared deviations, for `var` and `std`.
//!
//! Blocks that fit into the first-level cache are read twice: for their mean, then for the deviations from it, corrected by
//! what the rounded mean left over. Blocks, and up the tree leaves, are combined as in T. F. Chan, G. H. Golub and
//! R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979). Nothing is lost where the
//! mean is large against the deviations, as it is with sums of squares.

use crate::elements::Elements;
use crate::elements::on_numbers;
use crate::loops::canonical;
use crate::loops::deviations::deviations;
use crate::loops::lanes::{self, LANES, fold};
use crate::loops::widen::Widen;
use crate::merge::Outcome;
use crate::pass::{BadState, DataError, Pass, Sizes};
use crate::plan::Plan;
use crate::reduce::Operands;
use crate::signature::{Fallback, Param, ParamKind};
use crate::value::Value;

/// Numbers of a block; part of what the bits depend on.
const BLOCK: usize = 2_048;

pub(crate) const DDOF: Param = Param {
    name: "ddof",
    doc: "delta degrees of freedom: what is taken from n in the divisor",
    kind: ParamKind::Float,
    fallback: Fallback::Float(0.0),
};

/// What is made of the sum of squared deviations at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gives {
    Variance,
    Deviation,
}

pub(crate) fn pass(plan: &Plan, state: &[u8], gives: Gives) -> Result<Box<dyn Pass>, BadState> {
    BadState::unless_first(state)?;
    let ddof = match plan.param(DDOF.name) {
        Some(Value::Float(ddof)) => *ddof,
        _ => 0.0,
    };
    let divisor = (plan.elements() as f64 - ddof).max(0.0);
    Ok(if plan.element().is_complex() {
        Box::new(MomentsPass::<2> { divisor, gives })
    } else {
        Box::new(MomentsPass::<1> { divisor, gives })
    })
}

/// Node: the mean's `N` parts, then the sum of squared deviations.
#[derive(Debug)]
struct MomentsPass<const N: usize> {
    divisor: f64,
    gives: Gives,
}

impl<const N: usize> Pass for MomentsPass<N> {
    fn words(&self) -> usize {
        N + 1
    }

    fn is_exact(&self) -> bool {
        false
    }

    fn leaf(&self, operands: &Operands<'_>, node: &mut [u64]) {
        on_numbers!(operands.first(), x => leaf_moments::<_, N>(x)).store(node);
    }

    fn combine(&self, left: &mut [u64], right: &[u64], sizes: Sizes) {
        let mut both = Moments::<N>::load(left);
        both.combine(&Moments::load(right), sizes);
        both.store(left);
    }

    fn is_sound(&self, _: &[u64], _: u64) -> bool {
        true
    }

    fn finish(&self, root: Option<&[u64]>) -> Result<Outcome, DataError> {
        let squares = root.map_or(0.0, |node| Moments::<N>::load(node).squares);
        let variance = squares / self.divisor;
        Ok(Outcome::Value(Value::Float(canonical(match self.gives {
            Gives::Variance => variance,
            Gives::Deviation => variance.sqrt(),
        }))))
    }
}

#[derive(Clone, Copy, Debug)]
struct Moments<const N: usize> {
    mean: [f64; N],
    squares: f64,
}

impl<const N: usize> Moments<N> {
    fn load(node: &[u64]) -> Self {
        Self {
            mean: std::array::from_fn(|part| f64::from_bits(node[part])),
            squares: f64::from_bits(node[N]),
        }
    }

    fn store(&self, node: &mut [u64]) {
        for (word, mean) in node.iter_mut().zip(self.mean) {
            *word = mean.to_bits();
        }
        node[N] = self.squares.to_bits();
    }

    fn combine(&mut self, right: &Self, sizes: Sizes) {
        let (left_len, right_len) = (sizes.left as f64, sizes.right as f64);
        let len = left_len + right_len;
        let mut distance = 0.0;
        for (mean, right_mean) in self.mean.iter_mut().zip(right.mean) {
            let delta = right_mean - *mean;
            *mean += delta * (right_len / len);
            distance += delta * delta;
        }
        self.squares += right.squares + distance * (left_len / len * right_len);
    }
}

/// Moments of a leaf, given its numbers: elements, or the parts of complex ones in turn.
fn leaf_moments<T: Widen, const N: usize>(numbers: &[T]) -> Moments<N> {
    let mut blocks = numbers.chunks(BLOCK);
    let mut done = blocks.next().map_or(&[][..], |first| first);
    let mut all = block_moments(done);
    for block in blocks {
        let sizes = Sizes {
            left: (done.len() / N) as u64,
            right: (block.len() / N) as u64,
        };
        all.combine(&block_moments(block), sizes);
        done = &numbers[..done.len() + block.len()];
    }
    all
}

fn block_moments<T: Widen, const N: usize>(block: &[T]) -> Moments<N> {
    let len = (block.len() / N) as f64;
    let sums: [f64; N] = fold(lanes::sum::best(block));
    let mean = sums.map(|sum| sum / len);
    let by_lane: [f64; LANES] = std::array::from_fn(|lane| mean[lane % N]);
    let found = deviations::best(block, &by_lane);
    let left_over: [f64; N] = fold(found.sum);
    let [squares] = fold(found.squares);
    let correction: f64 = left_over.iter().map(|sum| sum * sum / len).sum();
    // Without finite deviations there is nothing to correct, and inf - inf would hide an infinite variance.
    let corrected = if correction.is_finite() {
        (squares - correction).max(0.0)
    } else {
        squares
    };
    Moments {
        mean: std::array::from_fn(|part| mean[part] + left_over[part] / len),
        squares: corrected,
    }
}
