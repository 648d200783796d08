//! Arrays that `golden/generate.py` makes too, of every element type.

use arena_kernels::{ElementType, Elements, ElementsMut};
use half::f16;
use num_complex::{Complex32, Complex64};

/// An array that owns its elements.
pub(crate) enum Array {
    Bool(Vec<u8>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F16(Vec<f16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    C64(Vec<Complex32>),
    C128(Vec<Complex64>),
}

impl Array {
    pub(crate) fn new(element: ElementType, pattern: &str, len: usize, seed: u64) -> Self {
        let words = |len| (0..len).map(|index| word(pattern, index as u64 + seed));
        let twice = |word: u64| {
            if pattern == "edges" {
                word
            } else {
                word * 0x1_0000_0001
            }
        };
        match element {
            ElementType::Bool => Self::Bool(words(len).map(|w| u8::from(w % 3 == 1)).collect()),
            ElementType::Int8 => Self::I8(words(len).map(|w| w as i8).collect()),
            ElementType::Int16 => Self::I16(words(len).map(|w| w as i16).collect()),
            ElementType::Int32 => Self::I32(words(len).map(|w| w as i32).collect()),
            ElementType::Int64 => Self::I64(words(len).map(|w| twice(w) as i64).collect()),
            ElementType::Uint8 => Self::U8(words(len).map(|w| w as u8).collect()),
            ElementType::Uint16 => Self::U16(words(len).map(|w| w as u16).collect()),
            ElementType::Uint32 => Self::U32(words(len).map(|w| w as u32).collect()),
            ElementType::Uint64 => Self::U64(words(len).map(twice).collect()),
            ElementType::Float16 => {
                let x = floats(pattern, len, words(len), false);
                Self::F16(x.into_iter().map(f16::from_f64).collect())
            }
            ElementType::Float32 => {
                let x = floats(pattern, len, words(len), false);
                Self::F32(x.into_iter().map(|x| x as f32).collect())
            }
            ElementType::Float64 => Self::F64(floats(pattern, len, words(len), true)),
            ElementType::Complex64 => {
                let x = floats(pattern, 2 * len, words(2 * len), false);
                let (pairs, _) = x.as_chunks::<2>();
                let complex = |[re, im]: &[f64; 2]| Complex32::new(*re as f32, *im as f32);
                Self::C64(pairs.iter().map(complex).collect())
            }
            ElementType::Complex128 => {
                let x = floats(pattern, 2 * len, words(2 * len), true);
                let (pairs, _) = x.as_chunks::<2>();
                let complex = |[re, im]: &[f64; 2]| Complex64::new(*re, *im);
                Self::C128(pairs.iter().map(complex).collect())
            }
        }
    }

    pub(crate) fn elements(&self) -> Elements<'_> {
        match self {
            Self::Bool(x) => Elements::Bool(x),
            Self::I8(x) => Elements::I8(x),
            Self::I16(x) => Elements::I16(x),
            Self::I32(x) => Elements::I32(x),
            Self::I64(x) => Elements::I64(x),
            Self::U8(x) => Elements::U8(x),
            Self::U16(x) => Elements::U16(x),
            Self::U32(x) => Elements::U32(x),
            Self::U64(x) => Elements::U64(x),
            Self::F16(x) => Elements::F16(x),
            Self::F32(x) => Elements::F32(x),
            Self::F64(x) => Elements::F64(x),
            Self::C64(x) => Elements::C64(x),
            Self::C128(x) => Elements::C128(x),
        }
    }

    pub(crate) fn elements_mut(&mut self) -> ElementsMut<'_> {
        match self {
            Self::Bool(x) => ElementsMut::Bool(x),
            Self::I8(x) => ElementsMut::I8(x),
            Self::I16(x) => ElementsMut::I16(x),
            Self::I32(x) => ElementsMut::I32(x),
            Self::I64(x) => ElementsMut::I64(x),
            Self::U8(x) => ElementsMut::U8(x),
            Self::U16(x) => ElementsMut::U16(x),
            Self::U32(x) => ElementsMut::U32(x),
            Self::U64(x) => ElementsMut::U64(x),
            Self::F16(x) => ElementsMut::F16(x),
            Self::F32(x) => ElementsMut::F32(x),
            Self::F64(x) => ElementsMut::F64(x),
            Self::C64(x) => ElementsMut::C64(x),
            Self::C128(x) => ElementsMut::C128(x),
        }
    }

    /// The numbers as float64, parts of complex ones in turn.
    pub(crate) fn widened(&self) -> Vec<f64> {
        match self {
            Self::Bool(x) | Self::U8(x) => x.iter().map(|x| f64::from(*x)).collect(),
            Self::I8(x) => x.iter().map(|x| f64::from(*x)).collect(),
            Self::I16(x) => x.iter().map(|x| f64::from(*x)).collect(),
            Self::I32(x) => x.iter().map(|x| f64::from(*x)).collect(),
            Self::I64(x) => x.iter().map(|x| *x as f64).collect(),
            Self::U16(x) => x.iter().map(|x| f64::from(*x)).collect(),
            Self::U32(x) => x.iter().map(|x| f64::from(*x)).collect(),
            Self::U64(x) => x.iter().map(|x| *x as f64).collect(),
            Self::F16(x) => x.iter().map(|x| x.to_f64()).collect(),
            Self::F32(x) => x.iter().map(|x| f64::from(*x)).collect(),
            Self::F64(x) => x.clone(),
            Self::C64(x) => x.iter().flat_map(|x| [x.re.into(), x.im.into()]).collect(),
            Self::C128(x) => x.iter().flat_map(|x| [x.re, x.im]).collect(),
        }
    }
}

/// 32 bits of a multiplicative hash of the index.
fn word(pattern: &str, index: u64) -> u64 {
    let noise = index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    match pattern {
        "constant" => 77,
        "edges" => noise % 11,
        _ => noise,
    }
}

fn floats(
    pattern: &str,
    len: usize,
    words: impl Iterator<Item = u64>,
    is_double: bool,
) -> Vec<f64> {
    let mut x: Vec<f64> = words.map(|word| float(pattern, word, is_double)).collect();
    match pattern {
        "nan" => x[len / 3] = f64::NAN,
        "inf" => x[len / 3] = f64::INFINITY,
        _ => {}
    }
    x
}

fn float(pattern: &str, word: u64, is_double: bool) -> f64 {
    let top = (word >> 21) as f64;
    match pattern {
        "edges" => word as f64 / 10.0,
        "constant" => (word as f64 - 1_024.0) / 256.0,
        "offset" => top / 256.0 + 1_000.0,
        "noise" if is_double => (word as f64 - 2_147_483_648.0) / 3.0,
        "negzero" => (top - 1_024.0) / 256.0 * -0.0,
        _ => (top - 1_024.0) / 256.0,
    }
}
