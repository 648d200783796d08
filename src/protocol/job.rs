//! Jobs: a kernel applied to objects.

use serde::{Deserialize, Serialize};

use crate::dtype::Dtype;
use crate::protocol::object::Selector;
use crate::protocol::value::{Params, Value};

/// Asks for a kernel to be applied to objects by all workers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The kernel's name.
    pub kernel: String,
    /// The objects it works on, in the order of its signature.
    pub inputs: Vec<Selector>,
    /// Its parameters; those left out have the defaults of the signature.
    #[serde(default)]
    pub params: Params,
    /// Milliseconds from arrival until the job fails; none for no deadline.
    #[serde(default)]
    pub deadline_ms: Option<u64>,
}

/// A finished job.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Ran {
    /// What the kernel computed; none for kernels that work in place.
    pub value: Option<Value>,
    /// Tasks it was cut into.
    pub tasks: u32,
    /// Tasks that ran again because their worker died.
    pub retries: u32,
    /// Nanoseconds from arrival to the last report.
    pub elapsed_ns: u64,
    /// Nanoseconds of computing, over all workers.
    pub busy_ns: u64,
}

/// A kernel's signature, for help and completion.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct KernelInfo {
    /// What `Run` calls it.
    pub name: String,
    /// One line.
    pub summary: String,
    /// Formula, accuracy, source.
    pub help: String,
    /// Whether it modifies its input under slice locks.
    pub in_place: bool,
    /// What it works on.
    pub inputs: Vec<InputInfo>,
    /// What can be set.
    pub params: Vec<ParamInfo>,
}

/// One input of a kernel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct InputInfo {
    /// Its name in the signature.
    pub name: String,
    /// The element types it takes.
    pub dtypes: Vec<Dtype>,
}

/// One parameter of a kernel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ParamInfo {
    /// Its name.
    pub name: String,
    /// What it takes, for people: "an integer >= 0".
    pub kind: String,
    /// Its value unless set; none where it may be absent.
    pub default: Option<Value>,
    /// One line.
    pub doc: String,
}
