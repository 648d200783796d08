//! Sums in float64 over leaves and up the tree, for `sum` and `mean`.

use half::f16;
use num_complex::{Complex32, Complex64};

use crate::elements::Elements;
use crate::loops::lanes::{self, LANES, fold};
use crate::loops::{canonical, ints};
use crate::merge::Outcome;
use crate::pass::{DataError, Pass, Sizes};
use crate::reduce::Operands;
use crate::value::Value;

/// Node: the sum; for complex numbers (`N` = 2) of each part.
#[derive(Debug)]
pub(crate) struct FloatSum<const N: usize> {
    divisor: Option<u64>,
}

impl<const N: usize> FloatSum<N> {
    /// Gives the sum.
    pub(crate) const fn total() -> Self {
        Self { divisor: None }
    }

    /// Gives the mean of that many elements.
    pub(crate) const fn mean(elements: u64) -> Self {
        Self {
            divisor: Some(elements),
        }
    }
}

impl<const N: usize> Pass for FloatSum<N> {
    fn words(&self) -> usize {
        N
    }

    fn is_exact(&self) -> bool {
        false
    }

    fn leaf(&self, operands: &Operands<'_>, node: &mut [u64]) {
        let parts: [f64; N] = leaf_sum(&operands.first());
        for (word, part) in node.iter_mut().zip(parts) {
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
pub(crate) fn leaf_sum<const N: usize>(elements: &Elements<'_>) -> [f64; N] {
    let lanes = match *elements {
        Elements::Bool(x) => return [unsigned(ints::count_true::best(x)); N],
        Elements::I8(x) => return [signed(ints::sum::best(x)); N],
        Elements::I16(x) => return [signed(ints::sum::best(x)); N],
        Elements::I32(x) => return [signed(ints::sum::best(x)); N],
        Elements::U8(x) => return [unsigned(ints::sum::best(x)); N],
        Elements::U16(x) => return [unsigned(ints::sum::best(x)); N],
        Elements::U32(x) => return [unsigned(ints::sum::best(x)); N],
        Elements::I64(x) => lanes::sum::best::<i64>(x),
        Elements::U64(x) => lanes::sum::best::<u64>(x),
        Elements::F16(x) => lanes::sum::best::<f16>(x),
        Elements::F32(x) => lanes::sum::best::<f32>(x),
        Elements::F64(x) => lanes::sum::best::<f64>(x),
        Elements::C64(x) => lanes::sum::best::<f32>(parts_of_c64(x)),
        Elements::C128(x) => lanes::sum::best::<f64>(parts_of_c128(x)),
    };
    const { assert!(N <= LANES) };
    fold(lanes)
}

fn signed(word: u64) -> f64 {
    word.cast_signed() as f64
}

fn unsigned(word: u64) -> f64 {
    word as f64
}

/// Real and imaginary parts in turn.
pub(crate) fn parts_of_c64(elements: &[Complex32]) -> &[f32] {
    bytemuck::cast_slice(elements)
}

/// Real and imaginary parts in turn.
pub(crate) fn parts_of_c128(elements: &[Complex64]) -> &[f64] {
    bytemuck::cast_slice(elements)
}
