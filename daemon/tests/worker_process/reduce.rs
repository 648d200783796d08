//! Reductions of sealed objects.

use arena_core::protocol::{FromSupervisor, Operand, Params, Span, Value, Work};
use arena_core::{ArrayLayout, Dtype};
use arena_kernels::{
    Access, FinishError, InputSpec, LEAF_ELEMENTS, Merger, Outcome, Plan, leaves_of,
};

use crate::player::{Player, run};
use crate::stage::{Stage, element, filled, layouts, offsets};

/// The plan that the supervisor would make.
fn plan(kernel: &str, inputs: &[Operand]) -> Plan {
    let specs: Vec<InputSpec<'_>> = inputs
        .iter()
        .map(|input| InputSpec {
            element: input.layout.dtype().name().parse().unwrap(),
            shape: input.layout.shape(),
        })
        .collect();
    let kernel = arena_kernels::find(kernel).unwrap();
    kernel
        .plan(&specs, &std::collections::BTreeMap::new())
        .unwrap()
}

/// What a kernel gives, its leaves sent as two tasks for each pass.
pub(crate) fn reduced(
    player: &mut Player,
    kernel: &str,
    inputs: &[Operand],
) -> Result<arena_kernels::Value, FinishError> {
    let plan = plan(kernel, inputs);
    let leaves = plan.leaves();
    let mut state = Vec::new();
    loop {
        let mut merger: Merger = plan.merger(&state).unwrap();
        for span in [0..leaves / 2, leaves / 2..leaves] {
            if span.is_empty() {
                continue;
            }
            let work = Work::Run {
                kernel: kernel.to_owned(),
                params: Params::new(),
                state: state.clone(),
                inputs: inputs.to_vec(),
                span: Span::Leaves {
                    start: span.start,
                    end: span.end,
                },
            };
            merger.insert(&player.run(work).unwrap()).unwrap();
        }
        match merger.finish()? {
            Outcome::Value(value) => return Ok(value),
            Outcome::AnotherPass(next) => state = next,
        }
    }
}

/// Elements in the order in which they are numbered, as a dense object.
fn canonical_copy(stage: &mut Stage, operand: &Operand) -> Operand {
    let layout = &operand.layout;
    let mut order = offsets(layout);
    if layout.is_dense() {
        order.sort_unstable();
    }
    let bytes = stage.elements(operand, &order);
    let flat = ArrayLayout::c_order(layout.dtype(), &[layout.element_count()]).unwrap();
    stage.sealed(&flat, &bytes)
}

fn random_element(dtype: Dtype, number: usize) -> Vec<u8> {
    // Bits that are neither NaN nor infinite in any type: the top byte of every component stays small.
    let mut bytes = number
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .to_be_bytes()
        .repeat(2);
    bytes.truncate(dtype.size_bytes() as usize);
    let component = match dtype {
        Dtype::Complex64 => 4,
        Dtype::Complex128 => 8,
        _ => bytes.len(),
    };
    for top in bytes.iter_mut().skip(component - 1).step_by(component) {
        *top &= if dtype == Dtype::Bool { 1 } else { 0x3b };
    }
    bytes
}

#[test]
fn every_kernel_gives_for_any_layout_what_it_gives_for_a_dense_copy() {
    let mut compared = 0;
    for dtype in Dtype::ALL {
        let mut stage = Stage::new();
        let mut worker = stage.worker(3);
        for layout in layouts(dtype) {
            let bytes = filled(&layout, |number| random_element(dtype, number));
            let array = stage.sealed(&layout, &bytes);
            let copy = canonical_copy(&mut stage, &array);
            for kernel in arena_kernels::kernels() {
                let takes = kernel.inputs[0].elements.iter();
                let takes = takes.filter(|element| element.name() == dtype.name());
                if kernel.access() != Access::Reduce
                    || kernel.inputs.len() > 1
                    || takes.count() == 0
                {
                    continue;
                }
                let expected = reduced(&mut worker, kernel.name, std::slice::from_ref(&copy));
                let found = reduced(&mut worker, kernel.name, std::slice::from_ref(&array));
                // Compared as text: a NaN is to be equal to itself.
                let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
                assert_eq!(found, expected, "{} of {layout:?}", kernel.name);
                compared += 1;
            }
        }
        worker.hang_up().unwrap();
    }
    assert!(compared > 300, "too few comparisons: {compared}");
}

#[test]
fn sums_are_those_of_plain_arithmetic() {
    let mut stage = Stage::new();
    let mut worker = stage.worker(3);
    for dtype in Dtype::ALL
        .into_iter()
        .filter(|&dtype| dtype != Dtype::Bytes)
    {
        for layout in layouts(dtype) {
            let bytes = filled(&layout, |number| element(dtype, number % 3 == 0));
            let array = stage.sealed(&layout, &bytes);
            let ones = layout.element_count().div_ceil(3);
            let found = reduced(&mut worker, "sum", &[array]);
            let number = match found.unwrap() {
                arena_kernels::Value::Int(sum) => sum as f64,
                arena_kernels::Value::Uint(sum) => sum as f64,
                arena_kernels::Value::Float(sum) => sum,
                arena_kernels::Value::Complex { re, im } => {
                    assert_eq!(re, im);
                    re
                }
                other => panic!("no number: {other}"),
            };
            assert_eq!(number, ones as f64, "{layout:?}");
        }
    }
}

#[test]
fn dot_pairs_elements_by_position() {
    let mut stage = Stage::new();
    let mut worker = stage.worker(3);
    let len = 3 * LEAF_ELEMENTS + 5;
    let dense = ArrayLayout::c_order(Dtype::Int64, &[len]).unwrap();
    let gaps = ArrayLayout::strided(Dtype::Int64, &[len], &[24]).unwrap();
    let value = |number: usize| (number as i64 % 1000).to_le_bytes().to_vec();
    let a = stage.sealed(&dense, &filled(&dense, value));
    let b = stage.sealed(&gaps, &filled(&gaps, value));
    let expected: i64 = (0..len as i64).map(|i| (i % 1000) * (i % 1000)).sum();
    for inputs in [[&a, &b], [&b, &a], [&a, &a], [&b, &b]] {
        let inputs = inputs.map(Clone::clone);
        let found = reduced(&mut worker, "dot", &inputs);
        assert_eq!(found, Ok(arena_kernels::Value::Int(expected)));
    }
}

#[test]
fn queued_tasks_are_answered_in_order() {
    let mut stage = Stage::new();
    let mut worker = stage.worker(3);
    let layout = ArrayLayout::c_order(Dtype::Int32, &[LEAF_ELEMENTS * 40]).unwrap();
    let bytes = filled(&layout, |number| (number as i32).to_le_bytes().to_vec());
    let array = stage.sealed(&layout, &bytes);
    let all = leaves_of(layout.element_count());
    let mut tasks = Vec::new();
    for round in 0..100u64 {
        let end = if round % 7 == 0 { all } else { round % all + 1 };
        let span = Span::Leaves {
            start: if round % 7 == 0 { 0 } else { end - 1 },
            end,
        };
        tasks.push(worker.task(run(
            "sum",
            Params::new(),
            std::slice::from_ref(&array),
            span,
        )));
    }
    let frames: Vec<_> = tasks
        .iter()
        .map(|task| FromSupervisor::Task(Box::new(task.clone())))
        .collect();
    worker.send(&frames);
    for task in &tasks {
        let report = worker.report().unwrap();
        assert_eq!(report.task, task.task);
        assert!(report.outcome.is_ok());
    }
}

#[test]
fn parameters_and_states_reach_the_kernel() {
    let mut stage = Stage::new();
    let mut worker = stage.worker(3);
    let layout = ArrayLayout::c_order(Dtype::Float64, &[1000]).unwrap();
    let bytes = filled(&layout, |number| (number as f64).to_le_bytes().to_vec());
    let array = stage.sealed(&layout, &bytes);
    let params = Params::from([
        ("bins".to_owned(), Value::Int(10)),
        ("range".to_owned(), Value::Floats(vec![0.0, 1000.0])),
    ]);
    let span = Span::Leaves { start: 0, end: 1 };
    let few = worker.run(run("histogram", params, std::slice::from_ref(&array), span));
    let default = run(
        "histogram",
        Params::new(),
        std::slice::from_ref(&array),
        span,
    );
    let garbage = Work::Run {
        kernel: "sum".to_owned(),
        params: Params::new(),
        state: vec![1, 2, 3],
        inputs: vec![array],
        span,
    };
    assert_ne!(few.unwrap(), worker.run(default).unwrap());
    assert!(worker.run(garbage).is_err());
}

#[test]
fn the_end_of_the_supervisor_ends_the_worker() {
    let stage = Stage::new();
    let worker = stage.worker(3);
    assert!(worker.hang_up().is_ok());
    let groomer = stage.groomer();
    assert!(groomer.hang_up().is_ok());
}
