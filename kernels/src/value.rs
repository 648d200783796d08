//! Parameters and results: small values, never arrays of data.

use std::collections::BTreeMap;
use std::fmt;

/// A parameter or a result.
#[derive(Clone, PartialEq, Debug)]
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

impl Value {
    /// What kind of value this is, for error messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a bool",
            Self::Int(_) | Self::Uint(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Complex { .. } => "a complex number",
            Self::Ints(_) => "a list of integers",
            Self::Floats(_) => "a list of floats",
            Self::Record(_) => "a record",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Uint(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Complex { re, im } => write!(f, "{re}{im:+}j"),
            Self::Ints(values) => write!(f, "{values:?}"),
            Self::Floats(values) => write!(f, "{values:?}"),
            Self::Record(fields) => f.debug_map().entries(fields).finish(),
        }
    }
}
