//! What a kernel declares about itself.
//!
//! Validation (`plan`), help (`help`) and the tests that run through all kernels derive from signatures; nothing about a
//! kernel's arguments is written down twice.

use crate::element::ElementType;
use crate::elements::ElementsMut;
use crate::pass::{BadState, Pass};
use crate::plan::Plan;
use crate::reject::Reject;
use crate::value::Value;

/// A kernel.
#[derive(Debug)]
pub struct Signature {
    /// What requests call it.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Formula, accuracy against NumPy, source of the algorithm.
    pub doc: &'static str,
    /// What it works on.
    pub inputs: &'static [Input],
    /// What can be set.
    pub params: &'static [Param],
    /// What it gives; for kernels in place, what they leave.
    pub result: &'static str,
    /// What only this kernel checks, after everything that derives from the signature.
    pub(crate) check: fn(&Plan) -> Result<(), Reject>,
    pub(crate) body: Body,
}

/// What a kernel does to its inputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reads them and gives a value.
    Reduce,
    /// Modifies the one input, element by element, stripe by stripe, under locks.
    InPlace,
}

/// One input.
#[derive(Debug)]
pub struct Input {
    /// Its name.
    pub name: &'static str,
    /// One line.
    pub doc: &'static str,
    /// The element types it may have.
    pub elements: &'static [ElementType],
}

/// One parameter. All parameters may be left out.
#[derive(Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// One line.
    pub doc: &'static str,
    /// What it takes.
    pub kind: ParamKind,
    /// What holds where it is left out.
    pub fallback: Fallback,
}

/// What a parameter takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParamKind {
    /// An integer in a closed range.
    Int {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A finite float, or an integer that stands for one.
    Float,
    /// An integer, float or complex number; the kernel says which ones go with which elements.
    Number,
    /// Two finite numbers, the first not above the second.
    Range,
}

/// What holds where a parameter is left out.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fallback {
    /// This integer.
    Int(i64),
    /// This float.
    Float(f64),
    /// Nothing: the kernel finds its own.
    Absent,
}

/// What makes the pass that a state asks for.
pub(crate) type MakePass = fn(&Plan, &[u8]) -> Result<Box<dyn Pass>, BadState>;

pub(crate) enum Body {
    /// Makes the pass that a state asks for; the empty state asks for the first.
    Reduce(MakePass),
    /// Modifies a run whose element type is the plan's.
    InPlace(fn(&Plan, &mut ElementsMut<'_>)),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reduce(_) => "Reduce",
            Self::InPlace(_) => "InPlace",
        })
    }
}

impl Signature {
    /// What it does to its inputs.
    #[must_use]
    pub const fn access(&self) -> Access {
        match self.body {
            Body::Reduce(_) => Access::Reduce,
            Body::InPlace(_) => Access::InPlace,
        }
    }
}

impl ParamKind {
    /// What it takes, in words: "an integer from 1 to 8000".
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Int { min, max } => format!("an integer from {min} to {max}"),
            Self::Float => "a finite number".to_owned(),
            Self::Number => "an integer, float or complex number".to_owned(),
            Self::Range => "two finite numbers, the first not above the second".to_owned(),
        }
    }
}

impl Fallback {
    /// The value, if there is one.
    #[must_use]
    pub const fn value(self) -> Option<Value> {
        match self {
            Self::Int(value) => Some(Value::Int(value)),
            Self::Float(value) => Some(Value::Float(value)),
            Self::Absent => None,
        }
    }
}

/// For kernels whose signature says everything.
pub(crate) fn no_further_check(_: &Plan) -> Result<(), Reject> {
    Ok(())
}
