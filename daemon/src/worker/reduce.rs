//! Reductions: leaves of one or two inputs, as they lie or gathered.

use std::ops::Range;
use std::time::Duration;

use arena_core::Dtype;
use arena_core::lock::{Guard, Mode, Request};
use arena_core::mapping::DataMap;
use arena_core::protocol::{Failure, Partial};
use arena_kernels::{Elements, Operands, Plan, ReduceError, Source, Stopped, leaf_elements};

use crate::worker::checked::Checked;
use crate::worker::elements::{Scratch, typed};
use crate::worker::locks::{self, UntilHangup, WorkerLocks};
use crate::worker::operand::Memory;
use crate::worker::runs::{AxisOrder, Walk};

/// The most inputs that a reduction has.
pub(crate) const INPUTS_MAX: usize = 2;

/// A reduction's share of a task.
#[derive(Debug)]
pub(crate) struct Reduction<'t> {
    pub(crate) plan: &'t Plan,
    pub(crate) state: &'t [u8],
    pub(crate) inputs: &'t [Checked<'t>],
    pub(crate) leaves: Range<u64>,
    pub(crate) lock_timeout: Duration,
}

impl Reduction<'_> {
    /// The partial result of the leaves. Stripes of shared inputs that hold an element of them are locked for reading meanwhile.
    pub(crate) fn run(
        &self,
        data: &DataMap,
        locker: &WorkerLocks,
        scratch: &mut [Scratch; INPUTS_MAX],
    ) -> Result<Partial, Failure> {
        let order = AxisOrder::common(self.inputs.iter().map(|input| input.layout));
        let _held = self.lock_inputs(&order, locker)?;
        let mut sources = Vec::with_capacity(INPUTS_MAX);
        for (input, scratch) in self.inputs.iter().zip(scratch) {
            sources.push(InputSource::new(input, &order, data, scratch)?);
        }
        self.plan
            .reduce(self.state, self.leaves.clone(), &mut Sources(sources))
            .map(|partials| Partial::from(partials.into_bytes()))
            .map_err(failure)
    }

    fn lock_inputs<'l>(
        &self,
        order: &AxisOrder,
        locker: &'l WorkerLocks,
    ) -> Result<Vec<Guard<'l, UntilHangup>>, Failure> {
        let elements = leaf_elements(&self.leaves, self.plan.elements());
        let mut requests: Vec<Request> = Vec::new();
        for input in self.inputs {
            let wanted = read_request(input, order, elements.clone());
            // An array may be both inputs; its stripes are then asked for once.
            requests.extend(wanted.filter(|wanted| !requests.contains(wanted)));
        }
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        locker
            .acquire_all(&requests, self.lock_timeout)
            .map_err(|error| locks::failure(&error, self.inputs))
    }
}

/// The read locks that elements of an input need; none for a sealed one.
fn read_request(input: &Checked<'_>, order: &AxisOrder, elements: Range<u64>) -> Option<Request> {
    let stripes = input.stripes?;
    let axis = usize::from(stripes.axis);
    let indices = order.indices_along(input.layout.shape(), axis, elements);
    let covering = stripes.covering(indices, input.layout.shape()[axis]);
    (!covering.is_empty()).then(|| input.request(stripes, covering, Mode::Read))
}

/// Kernels tell what they don't take when they are planned; what is left are spans and states that don't belong to the plan.
fn failure(error: ReduceError) -> Failure {
    match error {
        ReduceError::NotAReduction { .. } => Failure::BadArguments {
            detail: error.to_string(),
        },
        _ => Failure::Protocol {
            detail: error.to_string(),
        },
    }
}

/// Where one input's elements come from.
#[derive(Debug)]
struct InputSource<'m> {
    dtype: Dtype,
    memory: Memory<'m>,
    walk: Walk,
    scratch: &'m mut Scratch,
}

impl<'m> InputSource<'m> {
    fn new(
        input: &Checked<'_>,
        order: &AxisOrder,
        data: &'m DataMap,
        scratch: &'m mut Scratch,
    ) -> Result<Self, Failure> {
        let memory = Memory::of_object(data, input.extent).map_err(|error| Failure::Protocol {
            detail: error.to_string(),
        })?;
        Ok(Self {
            dtype: input.layout.dtype(),
            memory,
            walk: Walk::new(input.layout, order),
            scratch,
        })
    }

    fn load(&mut self, elements: Range<u64>) -> Result<Elements<'_>, Stopped> {
        let dtype = self.dtype;
        let size = dtype.size_bytes();
        let len = elements.end.saturating_sub(elements.start) * size;
        let bytes = match self.walk.contiguous(elements.clone()) {
            Some(offset) => self.memory.slice(offset, len),
            None => self.gather(elements, size, len),
        };
        typed(dtype, bytes).ok_or(Stopped)
    }

    fn gather(&mut self, elements: Range<u64>, size: u64, len: u64) -> &[u8] {
        let gathered = self.scratch.bytes(len as usize);
        self.walk.pieces(elements, size, |run, piece| {
            self.memory.gather(run, size, &mut gathered[piece]);
        });
        gathered
    }
}

/// The inputs of a kernel.
struct Sources<'m>(Vec<InputSource<'m>>);

impl Source for Sources<'_> {
    fn load(&mut self, elements: Range<u64>) -> Result<Operands<'_>, Stopped> {
        match self.0.as_mut_slice() {
            [only] => Ok(Operands::One(only.load(elements)?)),
            [first, second] => Ok(Operands::Two(
                first.load(elements.clone())?,
                second.load(elements)?,
            )),
            _ => Err(Stopped),
        }
    }
}
