//! `sum`.

use crate::element::ElementType;
use crate::elements::{Elements, Flag};
use crate::kernel::float_sum::{FloatSum, leaf_sum};
use crate::kernel::int_sum::{Gives, IntSum};
use crate::loops::ints;
use crate::pass::{BadState, Pass};
use crate::plan::Plan;
use crate::reduce::Operands;
use crate::signature::{Body, Input, Signature, no_further_check};

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
        element if element.is_complex() => Box::new(FloatSum::<2> {
            leaf: leaf_sum,
            divisor: None,
        }),
        element if element.is_float() => Box::new(FloatSum::<1> {
            leaf: leaf_sum,
            divisor: None,
        }),
        element => Box::new(IntSum {
            leaf: wrapped_sum,
            gives: if element.is_unsigned() {
                Gives::Unsigned
            } else {
                Gives::Signed
            },
        }),
    })
}

fn wrapped_sum(operands: &Operands<'_>) -> u64 {
    match operands.first() {
        Elements::Bool(x) => ints::sum::best::<Flag>(bytemuck::cast_slice(x)),
        Elements::I8(x) => ints::sum::best(x),
        Elements::I16(x) => ints::sum::best(x),
        Elements::I32(x) => ints::sum::best(x),
        Elements::I64(x) => ints::sum::best(x),
        Elements::U8(x) => ints::sum::best(x),
        Elements::U16(x) => ints::sum::best(x),
        Elements::U32(x) => ints::sum::best(x),
        Elements::U64(x) => ints::sum::best(x),
        other => unreachable!("planned for integers, not {}", other.element_type()),
    }
}
