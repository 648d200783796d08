//! Sums in float64 over leaves and up the tree, for `sum`, `mean` and `dot`.

use crate::elements::{Elements, on_numbers};
use crate::loops::canonical;
use crate::loops::ints;
use crate::loops::lanes::{self, fold};
use crate::merge::Outcome;
use crate::pass::{DataError, Pass, Sizes};
use crate::reduce::Operands;
use crate::value::Value;

/// Node: the sum; for complex numbers (`N` = 2) of each part.
#[derive(Debug)]
pub(crate) struct FloatSum<const N: usize> {
    pub(crate) leaf: fn(&Operands<'_>) -> [f64; N],
    /// What the sum is divided by at the end, if it is.
    pub(crate) divisor: Option<u64>,
}

impl<const N: usize> Pass for FloatSum<N> {
    fn words(&self) -> usize {
        N
    }

    fn is_exact(&self) -> bool {
        false
    }

    fn leaf(&self, operands: &Operands<'_>, node: &mut [u64]) {
        for (word, part) in node.iter_mut().zip((self.leaf)(operands)) {
            *word = part.to_bits();
        }
    }

    fn combine(&self, left: &mut [u64], right: &[u64], _: Sizes) {
        for (left, right) in left.iter_mut().zip(right) {
            *left = (f64::from_bits(*left) + f64::from_bits(*right)).to_bits();
        }
    }

    fn is_sound(&self, _: &[u64], _: u64) -> bool {
        true
    }

    fn finish(&self, root: Option<&[u64]>) -> Result<Outcome, DataError> {
        let part = |index: usize| {
            let sum = root.map_or(0.0, |node| f64::from_bits(node[index]));
            canonical(self.divisor.map_or(sum, |elements| sum / elements as f64))
        };
        Ok(Outcome::Value(if N == 2 {
            Value::Complex {
                re: part(0),
                im: part(1),
            }
        } else {
            Value::Float(part(0))
        }))
    }
}

/// The sum of a leaf, in `N` parts. Sums of integers of up to 32 bits are exact; 64-bit ones are rounded before they are added.
pub(crate) fn leaf_sum<const N: usize>(operands: &Operands<'_>) -> [f64; N] {
    match operands.first() {
        Elements::Bool(x) => {
            [ints::sum::best::<crate::elements::Flag>(bytemuck::cast_slice(x)) as f64; N]
        }
        Elements::I8(x) => [ints::sum::best(x).cast_signed() as f64; N],
        Elements::I16(x) => [ints::sum::best(x).cast_signed() as f64; N],
        Elements::I32(x) => [ints::sum::best(x).cast_signed() as f64; N],
        Elements::U8(x) => [ints::sum::best(x) as f64; N],
        Elements::U16(x) => [ints::sum::best(x) as f64; N],
        Elements::U32(x) => [ints::sum::best(x) as f64; N],
        elements => fold(on_numbers!(elements, x => lanes::sum::best(x))),
    }
}
