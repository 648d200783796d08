//! `scale_add`.

use half::f16;
use num_complex::Complex;

use crate::element::ElementType;
use crate::elements::ElementsMut;
use crate::loops::scaling::{scale_add, scale_add_f16};
use crate::plan::Plan;
use crate::reject::Reject;
use crate::signature::{Body, Fallback, Input, Param, ParamKind, Signature};
use crate::value::Value;

pub(crate) static SIGNATURE: Signature = Signature {
    name: "scale_add",
    summary: "multiplies every element and adds to it, in place",
    doc: "
x[i] = x[i] * scale + offset, in the element type. As x *= scale; x += offset in NumPy, to the bit: the product is rounded before the
offset is added; integers wrap; complex numbers are multiplied in full, so that infinite parts may give NaN.
Parameters have to suit the elements: integers within range (or floats that are such integers) for integers, real ones for floats,
within the range of the element type. Every element is modified once, whatever the stripes.",
    inputs: &[Input {
        name: "x",
        doc: "what to modify",
        elements: &ElementType::NUMBERS,
    }],
    params: &[
        Param {
            name: "scale",
            doc: "what to multiply by",
            kind: ParamKind::Number,
            fallback: Fallback::Int(1),
        },
        Param {
            name: "offset",
            doc: "what to add",
            kind: ParamKind::Number,
            fallback: Fallback::Int(0),
        },
    ],
    result: "x itself, scaled",
    check,
    body: Body::InPlace(apply),
};

fn check(plan: &Plan) -> Result<(), Reject> {
    for param in SIGNATURE.params {
        let given = &plan.params()[param.name];
        if !suits(plan.element(), given) {
            return Err(Reject::Param {
                kernel: SIGNATURE.name,
                param: param.name,
                accepted: accepted(plan.element()),
                given: format!("{}: {given}", given.kind()),
            });
        }
    }
    Ok(())
}

fn suits(element: ElementType, given: &Value) -> bool {
    match element {
        ElementType::Bool => false,
        ElementType::Int8 => int::<i8>(given).is_some(),
        ElementType::Int16 => int::<i16>(given).is_some(),
        ElementType::Int32 => int::<i32>(given).is_some(),
        ElementType::Int64 => int::<i64>(given).is_some(),
        ElementType::Uint8 => int::<u8>(given).is_some(),
        ElementType::Uint16 => int::<u16>(given).is_some(),
        ElementType::Uint32 => int::<u32>(given).is_some(),
        ElementType::Uint64 => int::<u64>(given).is_some(),
        ElementType::Float16 => {
            real(given).is_some_and(|x| f16::from_f64(x).is_finite() || !x.is_finite())
        }
        ElementType::Float32 => real(given).is_some_and(stays_finite_in_f32),
        ElementType::Float64 => real(given).is_some(),
        ElementType::Complex64 => {
            let Complex { re, im } = complex(given);
            stays_finite_in_f32(re) && stays_finite_in_f32(im)
        }
        ElementType::Complex128 => true,
    }
}

fn accepted(element: ElementType) -> String {
    if element.is_complex() {
        format!("a number in the range of {element}")
    } else if element.is_float() {
        format!("a real number in the range of {element}")
    } else {
        format!("an integer in the range of {element}")
    }
}

fn apply(plan: &Plan, run: &mut ElementsMut<'_>) {
    let [scale, offset] = SIGNATURE.params else {
        unreachable!("the signature has two parameters");
    };
    let (scale, offset) = (&plan.params()[scale.name], &plan.params()[offset.name]);
    const CHECKED: &str = "the plan was made of parameters that suit the elements";
    macro_rules! ints {
        ($run:expr) => {
            scale_add::best(
                $run,
                int(scale).expect(CHECKED),
                int(offset).expect(CHECKED),
            )
        };
    }
    let reals = || (real(scale).expect(CHECKED), real(offset).expect(CHECKED));
    match run {
        ElementsMut::Bool(_) => unreachable!("the signature takes no bools"),
        ElementsMut::I8(run) => ints!(run),
        ElementsMut::I16(run) => ints!(run),
        ElementsMut::I32(run) => ints!(run),
        ElementsMut::I64(run) => ints!(run),
        ElementsMut::U8(run) => ints!(run),
        ElementsMut::U16(run) => ints!(run),
        ElementsMut::U32(run) => ints!(run),
        ElementsMut::U64(run) => ints!(run),
        ElementsMut::F16(run) => {
            let (scale, offset) = reals();
            scale_add_f16(run, f16::from_f64(scale), f16::from_f64(offset));
        }
        ElementsMut::F32(run) => {
            let (scale, offset) = reals();
            scale_add::best(run, scale as f32, offset as f32);
        }
        ElementsMut::F64(run) => {
            let (scale, offset) = reals();
            scale_add::best(run, scale, offset);
        }
        ElementsMut::C64(run) => {
            let narrow = |value: Complex<f64>| Complex::new(value.re as f32, value.im as f32);
            scale_add::best(run, narrow(complex(scale)), narrow(complex(offset)));
        }
        ElementsMut::C128(run) => scale_add::best(run, complex(scale), complex(offset)),
    }
}

/// The integer that a number is, if it is one that the type holds.
fn int<T: TryFrom<i128>>(given: &Value) -> Option<T> {
    let exact = match *given {
        Value::Int(value) => i128::from(value),
        Value::Uint(value) => i128::from(value),
        // Integral floats beyond 2^64 saturate to what no element type holds.
        Value::Float(value) if value.trunc() == value => value as i128,
        _ => return None,
    };
    T::try_from(exact).ok()
}

/// The float nearest to a real number.
fn real(given: &Value) -> Option<f64> {
    match *given {
        Value::Int(value) => Some(value as f64),
        Value::Uint(value) => Some(value as f64),
        Value::Float(value) => Some(value),
        _ => None,
    }
}

fn complex(given: &Value) -> Complex<f64> {
    match *given {
        Value::Complex { re, im } => Complex::new(re, im),
        ref other => Complex::new(real(other).unwrap_or(0.0), 0.0),
    }
}

/// Whether a number is in the range of float32; infinity and NaN, asked for, are.
fn stays_finite_in_f32(value: f64) -> bool {
    (value as f32).is_finite() || !value.is_finite()
}
