//! Kernels over resident data against the read bandwidth of the same minute, two threads.
//!
//! `cargo run --release -p arena-kernels --example bandwidth [MiB [KERNEL]]`

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use arena_kernels::{
    Access, Dense, ElementType, Elements, ElementsMut, InputSpec, Operands, Outcome, Plan, Value,
    find, leaf_elements,
};

const THREADS: u64 = 2;
const ROUNDS: usize = 7;

fn main() {
    let mebibytes = std::env::args().nth(1).and_then(|arg| arg.parse().ok());
    let len = mebibytes.unwrap_or(1_024_usize) << 17;
    let mut data: Vec<f64> = (0..len as u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1_u64 << 53) as f64)
        .collect();
    let uniform = [
        ("bins", Value::Int(256)),
        ("range", Value::Floats(vec![0.0, 1.0])),
    ];
    let tasks = [
        ("sum", &[][..]),
        ("mean", &[]),
        ("var", &[]),
        ("std", &[]),
        ("min", &[]),
        ("max", &[]),
        ("dot", &[]),
        ("histogram", &uniform),
        ("scale_add", &[]),
    ];
    println!("kernel      seconds    of read");
    let only = std::env::args().nth(2);
    for (kernel, params) in tasks {
        if only.as_ref().is_some_and(|only| only != kernel) {
            continue;
        }
        let plan = planned(kernel, params, len);
        let (mut limits, mut times) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            limits.push(timed(|| read(&data)));
            times.push(timed(|| match plan.signature().access() {
                Access::Reduce => reduce(&plan, &data),
                Access::InPlace => apply(&plan, &mut data),
            }));
        }
        // Two inputs, or reading and writing one, move twice the bytes.
        let moved = if matches!(kernel, "dot" | "scale_add") {
            2.0
        } else {
            1.0
        };
        let (limit, time) = (median(limits), median(times));
        println!("{kernel:10} {time:8.4}   {:8.3}", moved * limit / time);
    }
}

fn planned(kernel: &str, params: &[(&str, Value)], len: usize) -> Plan {
    let signature = find(kernel).expect("the kernel exists");
    let shape = [len as u64];
    let element = ElementType::Float64;
    let inputs = vec![
        InputSpec {
            element,
            shape: &shape
        };
        signature.inputs.len()
    ];
    let params: BTreeMap<String, Value> = params
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    signature
        .plan(&inputs, &params)
        .expect("the arguments suit the kernel")
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The bound: every cache line is read, and hardly anything done with it.
fn read(data: &[f64]) {
    std::thread::scope(|scope| {
        for part in data.chunks(data.len().div_ceil(THREADS as usize)) {
            scope.spawn(move || black_box(touch(part)));
        }
    });
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn touch(part: &[f64]) -> u64 {
    let mut all = [0_u64; 64];
    let (rows, _) = part.as_chunks::<64>();
    for row in rows {
        for (all, element) in all.iter_mut().zip(row) {
            *all |= element.to_bits();
        }
    }
    all.iter().fold(0, |all, lane| all | lane)
}

/// As a job does it: slices by the half, merged.
fn reduce(plan: &Plan, data: &[f64]) {
    let leaves = plan.leaves();
    let mut merger = plan.merger(&[]).expect("the kernel reduces");
    let parts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|i| leaves * i / THREADS..leaves * (i + 1) / THREADS)
            .map(|slice| scope.spawn(move || part(plan, data, slice)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("kernels do not panic"))
            .collect()
    });
    for part in parts {
        merger.insert(&part).expect("slices do not overlap");
    }
    let outcome = merger.finish().expect("the data suits the kernel");
    assert!(matches!(black_box(outcome), Outcome::Value(_)));
}

fn part(plan: &Plan, data: &[f64], slice: std::ops::Range<u64>) -> Vec<u8> {
    let elements = leaf_elements(&slice, plan.elements());
    let own = Elements::F64(&data[elements.start as usize..elements.end as usize]);
    // The second input of `dot` is read from elsewhere in the data, so that both come from memory.
    let start = (elements.start as usize + data.len() / 4) % (data.len() / 2 + 1);
    let len = (elements.end - elements.start) as usize;
    let operands = match plan.signature().inputs.len() {
        1 => Operands::One(own),
        _ => Operands::Two(own, Elements::F64(&data[start..start + len])),
    };
    let mut source = Dense {
        first: elements.start,
        operands,
    };
    plan.reduce(&[], slice, &mut source)
        .expect("the slice is the plan's")
        .into_bytes()
}

fn apply(plan: &Plan, data: &mut [f64]) {
    let part = data.len().div_ceil(THREADS as usize);
    std::thread::scope(|scope| {
        for part in data.chunks_mut(part) {
            scope.spawn(move || {
                plan.apply(&mut ElementsMut::F64(part))
                    .expect("planned for float64");
            });
        }
    });
}
