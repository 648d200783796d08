//! `var`.

use crate::element::ElementType;
use crate::kernel::moments::{self, DDOF, Gives};
use crate::pass::{BadState, Pass};
use crate::plan::Plan;
use crate::signature::{Body, Input, Signature, no_further_check};

pub(crate) static SIGNATURE: Signature = Signature {
    name: "var",
    summary: "the variance of all elements",
    doc: "
(|x[0] - m|^2 + |x[1] - m|^2 + ...) / (n - ddof), m being the mean. As numpy.var, but always in
float64: float16 and float32 too, where NumPy rounds to the element type. The divisor is never below 0, and division by 0 gives
infinity or NaN; no elements give NaN, and so do NaNs and infinities among the elements.
Blocks of 2,048 numbers are read twice, blocks and leaves combined by the formulae of Chan, Golub and LeVeque (1979). The result has the
same bits for any number of workers. With u = 2^-53 and c = 100 + 4 log2(n / 16384), its relative error is at most about
c * u + (c * u * |m| / s)^2, s being the standard deviation; NumPy's is at most about (log2(n) + 20) * u + (20 * u * |m| / s)^2.",
    inputs: &[Input {
        name: "x",
        doc: "whose spread to measure",
        elements: &ElementType::ALL,
    }],
    params: &[DDOF],
    result: "float64",
    check: no_further_check,
    body: Body::Reduce(pass),
};

fn pass(plan: &Plan, state: &[u8]) -> Result<Box<dyn Pass>, BadState> {
    moments::pass(plan, state, Gives::Variance)
}
