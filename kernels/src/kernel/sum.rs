//! `sum`.

use crate::element::ElementType;
use crate::elements::Elements;
use crate::kernel::float_sum::FloatSum;
use crate::loops::ints;
use crate::merge::Outcome;
use crate::pass::{BadState, DataError, Pass, Sizes};
use crate::plan::Plan;
use crate::reduce::Operands;
use crate::signature::{Body, Input, Signature, no_further_check};
use crate::value::Value;

pub(crate) static SIGNATURE: Signature = Signature {
    name: "sum",
    summary: "the sum of all elements",
    doc: "
x[0] + x[1] + ... As numpy.sum: integers and bools are added in 64 bits and wrap; the empty sum is 0.
Floats are added in float64, float16 and float32 too, where NumPy rounds to the element type: in 32 lanes within a leaf of
16,384 elements, and leaves in a binary tree. The result has the same bits for any number of workers. Its error is at most
(70 + log2(n / 16384)) * 2^-53 * (|x[0]| + |x[1]| + ...), to first order; NumPy's pairwise sum is as good to a small factor.
NaNs and infinities propagate. Sums of complex numbers are sums of their parts.",
    inputs: &[Input {
        name: "x",
        doc: "what to add",
        elements: &ElementType::ALL,
    }],
    params: &[],
    result: "int64 for bools and signed integers, uint64 for unsigned ones, float64, or complex128",
    check: no_further_check,
    body: Body::Reduce(pass),
};

fn pass(plan: &Plan, state: &[u8]) -> Result<Box<dyn Pass>, BadState> {
    BadState::unless_first(state)?;
    Ok(match plan.element() {
        element if element.is_complex() => Box::new(FloatSum::<2>::total()),
        element if element.is_float() => Box::new(FloatSum::<1>::total()),
        element => Box::new(IntSum {
            unsigned: element.is_unsigned(),
        }),
    })
}

/// Node: the sum, wrapped.
#[derive(Debug)]
struct IntSum {
    unsigned: bool,
}

impl Pass for IntSum {
    fn words(&self) -> usize {
        1
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn leaf(&self, operands: &Operands<'_>, node: &mut [u64]) {
        node[0] = node[0].wrapping_add(int_sum(operands));
    }

    fn combine(&self, left: &mut [u64], right: &[u64], _: Sizes) {
        left[0] = left[0].wrapping_add(right[0]);
    }

    fn is_sound(&self, _: &[u64], _: u64) -> bool {
        true
    }

    fn finish(&self, root: Option<&[u64]>) -> Result<Outcome, DataError> {
        let word = root.map_or(0, |node| node[0]);
        Ok(Outcome::Value(if self.unsigned {
            Value::Uint(word)
        } else {
            Value::Int(word.cast_signed())
        }))
    }
}

fn int_sum(operands: &Operands<'_>) -> u64 {
    match operands.first() {
        Elements::Bool(x) => ints::count_true::best(x),
        Elements::I8(x) => ints::sum::best(x),
        Elements::I16(x) => ints::sum::best(x),
        Elements::I32(x) => ints::sum::best(x),
        Elements::I64(x) => ints::sum::best(x),
        Elements::U8(x) => ints::sum::best(x),
        Elements::U16(x) => ints::sum::best(x),
        Elements::U32(x) => ints::sum::best(x),
        Elements::U64(x) => ints::sum::best(x),
        Elements::F16(_)
        | Elements::F32(_)
        | Elements::F64(_)
        | Elements::C64(_)
        | Elements::C128(_) => unreachable!("operands have the planned element type"),
    }
}
