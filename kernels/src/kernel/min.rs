//! `min`.

use crate::element::ElementType;
use crate::kernel::extremes;
use crate::loops::extremes::Least;
use crate::signature::{Body, Input, Signature};

pub(crate) static SIGNATURE: Signature = Signature {
    name: "min",
    summary: "the least element",
    doc: "
As numpy.min, exactly: a NaN anywhere gives NaN, and an array without elements is refused. Complex numbers, which NumPy compares by real
part first, are refused. Where 0.0 and -0.0 are both least, NumPy leaves open which is given; here it is the same for any number of
workers.",
    inputs: &[Input {
        name: "x",
        doc: "where to look",
        elements: &ElementType::REAL,
    }],
    params: &[],
    result: "bool, int64 or uint64 as the elements are; float64 for floats of any width, whose value it holds exactly",
    check: extremes::check,
    body: Body::Reduce(extremes::pass::<Least>),
};
