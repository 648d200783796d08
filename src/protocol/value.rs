//! Parameters and results of kernels: small, never arrays of the arena.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Named parameters of a kernel.
pub type Params = BTreeMap<String, Value>;

/// A parameter or a result.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Value {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Complex {
        re: f64,
        im: f64,
    },
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    /// Several results with names.
    Record(BTreeMap<String, Value>),
}

macro_rules! value_from {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

value_from! {
    bool => Bool,
    i8 => Int,
    i16 => Int,
    i32 => Int,
    i64 => Int,
    u8 => Uint,
    u16 => Uint,
    u32 => Uint,
    u64 => Uint,
    f32 => Float,
    f64 => Float,
    Vec<i64> => Ints,
    Vec<f64> => Floats,
}
