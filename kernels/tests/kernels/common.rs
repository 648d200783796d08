//! What the tests share: plans by name, and a whole job in one process.

use std::collections::BTreeMap;

use arena_kernels::{
    Access, ElementType, FinishError, InputSpec, Outcome, Plan, Reject, Source, Value, find,
    kernels,
};

/// Plans a kernel, each of whose inputs is of that element type and shape.
pub(crate) fn try_plan(
    kernel: &str,
    element: ElementType,
    shape: &[u64],
    params: &[(&str, Value)],
) -> Result<Plan, Reject> {
    let signature = find(kernel).unwrap();
    let inputs = vec![InputSpec { element, shape }; signature.inputs.len()];
    let params: BTreeMap<String, Value> = params
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    signature.plan(&inputs, &params)
}

/// The same for arguments that the kernel takes.
pub(crate) fn plan(
    kernel: &str,
    element: ElementType,
    shape: &[u64],
    params: &[(&str, Value)],
) -> Plan {
    try_plan(kernel, element, shape, params).unwrap()
}

/// Runs all passes over the data, one slice each.
pub(crate) fn run(plan: &Plan, source: &mut dyn Source) -> Result<Value, FinishError> {
    let mut state = Vec::new();
    loop {
        let mut merger = plan.merger(&state).unwrap();
        if plan.leaves() > 0 {
            let partials = plan.reduce(&state, 0..plan.leaves(), source).unwrap();
            assert!(partials.as_bytes().len() <= 64 * 1024);
            merger.insert(partials.as_bytes()).unwrap();
        }
        match merger.finish()? {
            Outcome::Value(value) => return Ok(value),
            Outcome::AnotherPass(next) => state = next,
        }
    }
}

/// All reductions of one input.
pub(crate) fn reductions() -> Vec<&'static str> {
    kernels()
        .iter()
        .filter(|kernel| kernel.access() == Access::Reduce && kernel.inputs.len() == 1)
        .map(|kernel| kernel.name)
        .collect()
}

/// Those that give a float at once.
pub(crate) fn single_pass_reductions() -> Vec<&'static str> {
    let mut names = reductions();
    names.retain(|name| *name != "histogram");
    names
}
