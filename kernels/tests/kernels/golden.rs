//! Against NumPy: `golden/numpy.txt`, written by `golden/generate.py`.

use std::collections::BTreeMap;

use arena_kernels::{Dense, ElementType, ElementsMut, LEAF_ELEMENTS, Plan, Value};

use crate::arrays::Array;
use crate::common::{run, try_plan};

const GOLDEN: &str = include_str!("../golden/numpy.txt");

struct Line<'a> {
    text: &'a str,
    kernel: &'a str,
    element: ElementType,
    pattern: &'a str,
    len: usize,
    params: Vec<(&'a str, Value)>,
    kind: &'a str,
    expected: &'a str,
}

#[test]
fn reductions_give_what_numpy_gives() {
    let mut compared = BTreeMap::new();
    for line in lines().filter(|line| line.kernel != "scale_add") {
        let array = Array::new(line.element, line.pattern, line.len, 0);
        let other = Array::new(line.element, line.pattern, line.len, 5);
        let result = line.plan().map(|plan| {
            if line.kernel == "dot" {
                run(&plan, &mut Dense::two(array.elements(), other.elements()))
            } else {
                run(&plan, &mut Dense::one(array.elements()))
            }
        });
        let value = match result {
            Some(Ok(value)) => value,
            refused => {
                assert_eq!(line.kind, "error", "{}: {refused:?}", line.text);
                continue;
            }
        };
        compare(&line, &value, tolerance(&line, &array, &other));
        *compared.entry(line.kernel).or_insert(0) += 1;
    }
    assert_eq!(compared.len(), 8, "{compared:?}");
}

#[test]
fn scale_add_leaves_what_numpy_leaves() {
    let mut compared = 0;
    for line in lines().filter(|line| line.kernel == "scale_add") {
        let mut array = Array::new(line.element, line.pattern, line.len, 0);
        let plan = line.plan().unwrap();
        plan.apply(&mut array.elements_mut()).unwrap();
        let found: Vec<String> = match array.elements_mut() {
            ElementsMut::I8(x) => shown(x),
            ElementsMut::I16(x) => shown(x),
            ElementsMut::I32(x) => shown(x),
            ElementsMut::I64(x) => shown(x),
            ElementsMut::U8(x) => shown(x),
            ElementsMut::U16(x) => shown(x),
            ElementsMut::U32(x) => shown(x),
            ElementsMut::U64(x) => shown(x),
            _ => array.widened().into_iter().map(bits).collect(),
        };
        assert_eq!(found.join(" "), line.expected, "{}", line.text);
        compared += 1;
    }
    assert!(compared > 30);
}

fn lines() -> impl Iterator<Item = Line<'static>> {
    GOLDEN.lines().map(|text| {
        let fields: Vec<&str> = text.split('\t').collect();
        let [kernel, element, pattern, len, params, result] = fields[..] else {
            panic!("six fields: {text}");
        };
        let (kind, expected) = result.split_once(' ').unwrap_or((result, ""));
        Line {
            text,
            kernel,
            element: element.parse().unwrap(),
            pattern,
            len: len.parse().unwrap(),
            params: params.split(' ').filter_map(param).collect(),
            kind,
            expected,
        }
    })
}

fn param(text: &str) -> Option<(&str, Value)> {
    let (name, value) = text.split_once('=')?;
    let value = match value.split_once(',') {
        None => value
            .parse()
            .map_or_else(|_| Value::Float(value.parse().unwrap()), Value::Int),
        Some((first, last)) => match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) => Value::Ints(vec![first, last]),
            _ => Value::Floats(vec![first.parse().unwrap(), last.parse().unwrap()]),
        },
    };
    Some((name, value))
}

impl Line<'_> {
    fn plan(&self) -> Option<Plan> {
        try_plan(self.kernel, self.element, &[self.len as u64], &self.params).ok()
    }
}

/// What the kernels' docs allow between their result and the true one, doubled for what NumPy may be off.
fn tolerance(line: &Line<'_>, array: &Array, other: &Array) -> f64 {
    let sum_bound = |magnitudes: f64| {
        let levels = (line.len as f64 / LEAF_ELEMENTS as f64).max(1.0).log2();
        2.0 * (70.0 + levels) * f64::EPSILON / 2.0 * magnitudes
    };
    let x = array.widened();
    let total: f64 = x.iter().map(|x| x.abs()).sum();
    match line.kernel {
        "sum" => sum_bound(total),
        "mean" => sum_bound(total) / line.len as f64,
        "dot" if line.element.is_complex() => sum_bound(2.0 * total.powi(2)),
        "dot" => sum_bound(
            x.iter()
                .zip(other.widened())
                .map(|(a, b)| (a * b).abs())
                .sum(),
        ),
        "var" | "std" => {
            let expected = parse(line.expected.split(' ').next().unwrap());
            let mean = total / line.len as f64;
            200.0 * f64::EPSILON * expected.abs() + (200.0 * f64::EPSILON * mean).powi(2)
        }
        _ => 0.0,
    }
}

fn compare(line: &Line<'_>, value: &Value, tolerance: f64) {
    let near = |found: f64, expected: &str| {
        let expected = parse(expected);
        let is_near = (found - expected).abs() <= tolerance
            || found.to_bits() == expected.to_bits()
            || (found.is_nan() && expected.is_nan())
            || found == expected;
        assert!(is_near, "{}: {found} is not {expected}", line.text);
    };
    match (line.kind, value) {
        ("int", Value::Int(found)) => assert_eq!(found.to_string(), line.expected, "{}", line.text),
        ("uint", Value::Uint(found)) => {
            assert_eq!(found.to_string(), line.expected, "{}", line.text);
        }
        ("bool", Value::Bool(found)) => {
            assert_eq!(u8::from(*found).to_string(), line.expected, "{}", line.text);
        }
        ("float", Value::Float(found)) => near(*found, line.expected),
        ("complex", Value::Complex { re, im }) => {
            let (expected_re, expected_im) = line.expected.split_once(' ').unwrap();
            near(*re, expected_re);
            near(*im, expected_im);
        }
        ("record", Value::Record(fields)) => {
            let (Value::Ints(counts), Value::Floats(edges)) = (&fields["counts"], &fields["edges"])
            else {
                panic!("{}: {fields:?}", line.text);
            };
            let edges: Vec<String> = edges.iter().map(|edge| bits(*edge)).collect();
            let found = format!("{} | {}", shown(counts).join(" "), edges.join(" "));
            assert_eq!(found, line.expected, "{}", line.text);
        }
        (_, other) => panic!("{}: {other:?}", line.text),
    }
}

fn shown<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn bits(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else {
        format!("{:016x}", value.to_bits())
    }
}

fn parse(bits: &str) -> f64 {
    match bits {
        "nan" => f64::NAN,
        bits => f64::from_bits(u64::from_str_radix(bits, 16).unwrap()),
    }
}
