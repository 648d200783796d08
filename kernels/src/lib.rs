//! Numeric kernels over plain slices.
//!
//! A kernel is declared once, as a [`Signature`]: what it takes, what can be set, what it gives. Validation, help and tests
//! derive from it. A [`Plan`] is a signature together with checked inputs and parameters; the same inputs and parameters give
//! the same plan in every process, so a plan never travels.
//!
//! - A *reduction* reads its inputs leaf by leaf. [`Plan::reduce`] turns a run of leaves into [partial results](Partials),
//!   [`Merger`] puts the partial results of all runs together, in any order, and [`Merger::finish`] gives the value or asks
//!   for another pass over the data.
//! - An *in-place* kernel modifies its one input element by element: [`Plan::apply`] on any contiguous run.
//!
//! Reductions give the same bits for any slicing, any number of workers and any x86-64 level: elements are cut into leaves of
//! [`LEAF_ELEMENTS`], leaves are combined in a binary tree that depends on nothing but their number, and inside a leaf
//! every loop has a fixed lane structure.
//!
//! This crate knows nothing of arenas, processes, locks or files, and allocates nothing that grows with the data.

mod element;
mod elements;
mod help;
mod kernel;
mod leaf;
mod loops;
mod merge;
mod partials;
mod pass;
mod plan;
mod reduce;
mod registry;
mod reject;
mod signature;
mod tree;
mod value;

pub use element::{ElementType, UnknownElementType};
pub use elements::{Elements, ElementsMut};
pub use leaf::{LEAF_ELEMENTS, leaf_elements, leaves_of};
pub use merge::{FinishError, MergeError, Merger, Outcome};
pub use partials::{PartialsError, decode_span};
pub use pass::{BadState, DataError};
pub use plan::{ApplyError, InputSpec, Plan};
pub use reduce::{Dense, Operands, Partials, ReduceError, Source, Stopped};
pub use registry::{find, kernels, nearest};
pub use reject::Reject;
pub use signature::{Access, Fallback, Input, Param, ParamKind, Signature};
pub use value::Value;
