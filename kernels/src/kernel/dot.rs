//! `dot`.

use crate::element::ElementType;
use crate::elements::Elements;
use crate::kernel::float_sum::FloatSum;
use crate::kernel::int_sum::{Gives, IntSum};
use crate::loops::lanes::fold;
use crate::loops::{ints, products};
use crate::pass::{BadState, Pass};
use crate::plan::Plan;
use crate::reduce::Operands;
use crate::reject::Reject;
use crate::signature::{Body, Input, Signature};

pub(crate) static SIGNATURE: Signature = Signature {
    name: "dot",
    summary: "the dot product of two 1-d arrays",
    doc: "
a[0]*b[0] + a[1]*b[1] + ... As numpy.dot of two 1-d arrays of one length; both of one element type. Complex numbers are not conjugated;
bools give whether there is an index where both are true; the dot product of no elements is 0.
Integers are multiplied and added in 64 bits and wrap there, where NumPy wraps in the element type. Floats are multiplied and added in
float64 (products of float16 and float32 are exact), where NumPy rounds to the element type: in 32 lanes within a leaf of 16,384
elements, and leaves in a binary tree; no fused operations. The result has the same bits for any number of workers. Its error is
at most (70 + log2(n / 16384)) * 2^-53 * (|a[0]*b[0]| + |a[1]*b[1]| + ...), to first order.",
    inputs: &[
        Input {
            name: "a",
            doc: "a 1-d array",
            elements: &ElementType::ALL,
        },
        Input {
            name: "b",
            doc: "a 1-d array of the same length and element type",
            elements: &ElementType::ALL,
        },
    ],
    params: &[],
    result: "bool for bools, int64 for signed integers, uint64 for unsigned ones, float64, or complex128",
    check,
    body: Body::Reduce(pass),
};

fn check(plan: &Plan) -> Result<(), Reject> {
    let [a, b] = plan.inputs() else {
        unreachable!("the signature has two inputs");
    };
    if a.element != b.element {
        return Err(Reject::MixedElements {
            kernel: "dot",
            input: "b",
            expected: a.element,
            given: b.element,
        });
    }
    let refuse = |input, needs, given: &[u64]| {
        Err(Reject::Shape {
            kernel: "dot",
            input,
            needs,
            given: given.to_vec(),
        })
    };
    if a.shape.len() != 1 {
        return refuse("a", "a 1-d array".to_owned(), &a.shape);
    }
    if b.shape != a.shape {
        return refuse("b", format!("the shape of \"a\", {:?}", a.shape), &b.shape);
    }
    Ok(())
}

fn pass(plan: &Plan, state: &[u8]) -> Result<Box<dyn Pass>, BadState> {
    BadState::unless_first(state)?;
    let int_sum = |gives| {
        Box::new(IntSum {
            leaf: wrapped_dot,
            gives,
        })
    };
    Ok(match plan.element() {
        ElementType::Bool => int_sum(Gives::Truth),
        element if element.is_complex() => Box::new(FloatSum::<2> {
            leaf: complex_dot,
            divisor: None,
        }),
        element if element.is_float() => Box::new(FloatSum::<1> {
            leaf: real_dot,
            divisor: None,
        }),
        element if element.is_unsigned() => int_sum(Gives::Unsigned),
        _ => int_sum(Gives::Signed),
    })
}

fn real_dot(operands: &Operands<'_>) -> [f64; 1] {
    fold(match *operands {
        Operands::Two(Elements::F16(a), Elements::F16(b)) => products::dot::best(a, b),
        Operands::Two(Elements::F32(a), Elements::F32(b)) => products::dot::best(a, b),
        Operands::Two(Elements::F64(a), Elements::F64(b)) => products::dot::best(a, b),
        _ => unreachable!("planned for two inputs of floats"),
    })
}

fn complex_dot(operands: &Operands<'_>) -> [f64; 2] {
    fold(match *operands {
        Operands::Two(Elements::C64(a), Elements::C64(b)) => {
            products::complex_dot::best::<f32>(bytemuck::cast_slice(a), bytemuck::cast_slice(b))
        }
        Operands::Two(Elements::C128(a), Elements::C128(b)) => {
            products::complex_dot::best::<f64>(bytemuck::cast_slice(a), bytemuck::cast_slice(b))
        }
        _ => unreachable!("planned for two inputs of complex numbers"),
    })
}

fn wrapped_dot(operands: &Operands<'_>) -> u64 {
    match *operands {
        Operands::Two(Elements::Bool(a), Elements::Bool(b)) => {
            u64::from(a.iter().zip(b).any(|(a, b)| *a != 0 && *b != 0))
        }
        Operands::Two(Elements::I8(a), Elements::I8(b)) => ints::dot::best(a, b),
        Operands::Two(Elements::I16(a), Elements::I16(b)) => ints::dot::best(a, b),
        Operands::Two(Elements::I32(a), Elements::I32(b)) => ints::dot::best(a, b),
        Operands::Two(Elements::I64(a), Elements::I64(b)) => ints::dot::best(a, b),
        Operands::Two(Elements::U8(a), Elements::U8(b)) => ints::dot::best(a, b),
        Operands::Two(Elements::U16(a), Elements::U16(b)) => ints::dot::best(a, b),
        Operands::Two(Elements::U32(a), Elements::U32(b)) => ints::dot::best(a, b),
        Operands::Two(Elements::U64(a), Elements::U64(b)) => ints::dot::best(a, b),
        _ => unreachable!("planned for two inputs of integers or bools"),
    }
}
