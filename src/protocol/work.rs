//! What the supervisor asks of its native workers and of the groomer.

use serde::{Deserialize, Serialize};

use crate::array::ArrayLayout;
use crate::id::ObjectId;
use crate::offset::Extent;
use crate::protocol::failure::{Failure, Shortage};
use crate::protocol::object::Stripes;
use crate::protocol::value::Params;

/// One slice's share of a job.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Repeated by the report; written to the slot's progress word by in-place work.
    pub task: u64,
    /// What to do.
    pub work: Work,
    /// How long to wait for a slice lock, in milliseconds.
    pub lock_timeout_ms: u64,
}

/// What a task does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Applies a kernel to a slice.
    Run {
        /// The kernel's name.
        kernel: String,
        /// Its parameters.
        params: Params,
        /// What earlier passes over the data found, in the kernel's own form.
        #[serde(with = "serde_bytes")]
        state: Vec<u8>,
        /// The objects, in the order of the kernel's signature.
        inputs: Vec<Operand>,
        /// Which part of them.
        span: Span,
    },
    /// Copies before-images back over poisoned stripes, under `overwrite`; stripes that are not poisoned are left alone.
    RollBack {
        /// The object.
        operand: Operand,
        /// The stripes to look at.
        stripes: Vec<u32>,
    },
}

/// An object as a worker needs it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Operand {
    /// Row and generation.
    pub object: ObjectId,
    /// Where its bytes lie.
    pub extent: Extent,
    /// Element type, shape and strides.
    pub layout: ArrayLayout,
    /// Its lock cells, for shared objects.
    pub stripes: Option<Stripes>,
    /// Where before-images go, if the object keeps them.
    pub image: Option<Extent>,
}

/// Which part of its operands a task works on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// Leaves `start..end` of the reduction tree.
    Leaves {
        /// The first leaf.
        start: u64,
        /// Behind the last leaf.
        end: u64,
    },
    /// Stripes `start..end` of the shared object worked on in place.
    Stripes {
        /// The first stripe.
        start: u32,
        /// Behind the last stripe.
        end: u32,
    },
}

/// A worker's answer to a task.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TaskReport {
    /// The task.
    pub task: u64,
    /// The kernel's partial result, in its own form, or why there is none.
    pub outcome: Result<Partial, Failure>,
    /// Nanoseconds of work.
    pub busy_ns: u64,
}

/// Bytes of a partial result.
pub type Partial = serde_bytes::ByteBuf;

/// Work for the groomer: a run of blocks nobody has been granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroomOrder {
    /// Bring pages.
    Populate {
        /// The first block.
        first_block: u64,
        /// How many blocks.
        blocks: u64,
    },
    /// Give pages back.
    Release {
        /// The first block.
        first_block: u64,
        /// How many blocks.
        blocks: u64,
    },
}

/// The groomer's answer; orders are answered in the order they came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Groomed {
    /// What was asked.
    pub order: GroomOrder,
    /// How it went.
    pub done: GroomDone,
}

/// How an order went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroomDone {
    /// For `Populate`: for each populated block from the first on, whether it is one 2 MiB page. Shorter than the order where
    /// memory ran short.
    pub huge: Vec<bool>,
    /// What ran short.
    pub shortage: Option<Shortage>,
}
