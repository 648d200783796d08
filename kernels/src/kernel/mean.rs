//! `mean`.

use crate::element::ElementType;
use crate::kernel::float_sum::{FloatSum, leaf_sum};
use crate::pass::{BadState, Pass};
use crate::plan::Plan;
use crate::signature::{Body, Input, Signature, no_further_check};

pub(crate) static SIGNATURE: Signature = Signature {
    name: "mean",
    summary: "the arithmetic mean of all elements",
    doc: "
(x[0] + x[1] + ...) / n. As numpy.mean, but always in float64: float16 and float32 too, where NumPy adds in float32 and rounds
to the element type. The sum is that of the kernel `sum`, with its bits and its error bound; integers never wrap: up to 32 bits they
are added exactly within leaves, 64-bit ones are rounded to float64 first. The mean of no elements is NaN.
Of complex numbers the parts are averaged each on its own, so that a NaN in one of them leaves the other alone.",
    inputs: &[Input {
        name: "x",
        doc: "what to average",
        elements: &ElementType::ALL,
    }],
    params: &[],
    result: "float64, for complex elements complex128",
    check: no_further_check,
    body: Body::Reduce(pass),
};

fn pass(plan: &Plan, state: &[u8]) -> Result<Box<dyn Pass>, BadState> {
    BadState::unless_first(state)?;
    let divisor = Some(plan.elements());
    Ok(if plan.element().is_complex() {
        Box::new(FloatSum::<2> {
            leaf: leaf_sum,
            divisor,
        })
    } else {
        Box::new(FloatSum::<1> {
            leaf: leaf_sum,
            divisor,
        })
    })
}
