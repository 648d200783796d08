//! What derives from signatures, for every kernel.

use std::collections::BTreeMap;

use arena_kernels::{
    Access, ApplyError, Dense, ElementType, Elements, InputSpec, LEAF_ELEMENTS, ParamKind,
    ReduceError, Reject, Value, find, kernels,
};

use crate::arrays::Array;
use crate::common::{plan, run, try_plan};

#[test]
fn every_signature_is_documented_and_its_help_names_everything() {
    for kernel in kernels() {
        let help = kernel.help();
        assert!(help.starts_with(&format!("{}: {}\n", kernel.name, kernel.summary)));
        assert!(help.contains(kernel.result), "{help}");
        for input in kernel.inputs {
            assert!(
                help.contains(&format!("  {}  {}", input.name, input.doc)),
                "{help}"
            );
        }
        for param in kernel.params {
            let line = format!("  {}  {}: {}", param.name, param.doc, param.kind.describe());
            assert!(help.contains(&line), "{help}");
        }
    }
}

#[test]
fn every_accepted_element_type_runs() {
    let mut ran = 0;
    for kernel in kernels() {
        for element in kernel.inputs[0].elements {
            let mut array = Array::new(*element, "noise", 100, 0);
            // `dot` takes 1-d arrays only.
            let shape: &[u64] = if kernel.inputs.len() == 2 {
                &[100]
            } else {
                &[4, 25]
            };
            let plan = plan(kernel.name, *element, shape, &[]);
            match kernel.access() {
                Access::Reduce if kernel.inputs.len() == 2 => {
                    let (first, second) = (array.elements(), array.elements());
                    run(&plan, &mut Dense::two(first, second)).unwrap();
                }
                Access::Reduce => {
                    run(&plan, &mut Dense::one(array.elements())).unwrap();
                }
                Access::InPlace => plan.apply(&mut array.elements_mut()).unwrap(),
            }
            ran += 1;
        }
    }
    assert_eq!(ran, 5 * 14 + 3 * 12 + 13);
}

#[test]
fn every_other_element_type_is_refused_by_name() {
    for kernel in kernels() {
        for element in ElementType::ALL {
            if !kernel.inputs[0].elements.contains(&element) {
                let refused = try_plan(kernel.name, element, &[3], &[]).unwrap_err();
                assert!(
                    matches!(refused, Reject::ElementType { given, .. } if given == element),
                    "{refused}"
                );
                assert!(refused.to_string().contains(kernel.name));
                assert!(refused.to_string().contains("float64"), "{refused}");
            }
        }
    }
}

#[test]
fn surplus_and_missing_inputs_are_refused() {
    let spec = InputSpec {
        element: ElementType::Float64,
        shape: &[3],
    };
    for kernel in kernels() {
        for given in [0, kernel.inputs.len() + 1] {
            let refused = kernel
                .plan(&vec![spec; given], &BTreeMap::new())
                .unwrap_err();
            let expected = kernel.inputs.len();
            let kernel = kernel.name;
            assert_eq!(
                refused,
                Reject::InputCount {
                    kernel,
                    expected,
                    given
                }
            );
        }
    }
}

#[test]
fn unknown_parameters_and_wrong_kinds_are_refused() {
    for kernel in kernels() {
        let shape = [3];
        let unknown = [("colour", Value::Int(1))];
        let refused = try_plan(kernel.name, ElementType::Float64, &shape, &unknown).unwrap_err();
        assert!(matches!(&refused, Reject::UnknownParam { param, .. } if param == "colour"));
        for param in kernel.params {
            for value in unsuitable(param.kind) {
                let given = [(param.name, value)];
                let refused =
                    try_plan(kernel.name, ElementType::Float64, &shape, &given).unwrap_err();
                assert!(
                    matches!(refused, Reject::Param { param: named, .. } if named == param.name),
                    "{refused}"
                );
            }
        }
    }
}

fn unsuitable(kind: ParamKind) -> Vec<Value> {
    let mut values = vec![
        Value::Bool(true),
        Value::Ints(vec![1, 2, 3]),
        Value::Floats(vec![1.0]),
        Value::Record(BTreeMap::new()),
    ];
    values.extend(match kind {
        ParamKind::Int { min, max } => vec![
            Value::Float(2.0),
            Value::Int(min - 1),
            Value::Int(max + 1),
            Value::Uint(u64::MAX),
        ],
        ParamKind::Float => vec![Value::Float(f64::NAN), Value::Float(f64::INFINITY)],
        ParamKind::Number => vec![],
        ParamKind::Range => vec![
            Value::Ints(vec![2, 1]),
            Value::Floats(vec![0.0, f64::NAN]),
            Value::Floats(vec![0.0, f64::INFINITY]),
            Value::Floats(vec![1.0, 0.0]),
        ],
    });
    values
}

#[test]
fn shapes_that_cannot_be_addressed_are_refused() {
    for kernel in kernels() {
        for shape in [&[1 << 40, 1 << 40][..], &[u64::MAX], &[1 << 59]] {
            let refused = try_plan(kernel.name, ElementType::Int8, shape, &[]).unwrap_err();
            assert!(matches!(refused, Reject::Shape { .. }), "{refused}");
        }
    }
    assert_eq!(
        plan("sum", ElementType::Int8, &[1 << 40, 0, 1 << 40], &[]).leaves(),
        0
    );
}

#[test]
fn no_elements_and_one_element_without_dimensions() {
    for (kernel, expected) in [
        ("sum", 0.0),
        ("mean", f64::NAN),
        ("var", f64::NAN),
        ("std", f64::NAN),
        ("dot", 0.0),
    ] {
        let plan = plan(kernel, ElementType::Float32, &[0], &[]);
        let Ok(Value::Float(found)) = run(&plan, &mut Dense::one(Elements::F32(&[]))) else {
            panic!("{kernel} gives a float");
        };
        assert!(
            found == expected || (found.is_nan() && expected.is_nan()),
            "{kernel}: {found}"
        );
    }
    for kernel in ["min", "max"] {
        let refused = try_plan(kernel, ElementType::Float32, &[0], &[]).unwrap_err();
        assert!(matches!(refused, Reject::Empty { .. }), "{refused}");
    }
    let counts = run(
        &plan(
            "histogram",
            ElementType::Float32,
            &[0],
            &[("bins", Value::Int(2))],
        ),
        &mut Dense::one(Elements::F32(&[])),
    );
    let Ok(Value::Record(fields)) = counts else {
        panic!("a histogram is a record");
    };
    assert_eq!(fields["counts"], Value::Ints(vec![0, 0]));
    assert_eq!(fields["edges"], Value::Floats(vec![0.0, 0.5, 1.0]));
    let scalar = plan("sum", ElementType::Int32, &[], &[]);
    let sum = run(&scalar, &mut Dense::one(Elements::I32(&[-7])));
    assert_eq!(sum, Ok(Value::Int(-7)));
}

#[test]
fn dot_refuses_what_is_not_two_equal_rows() {
    let dot = find("dot").unwrap();
    let try_dot = |first: (ElementType, &[u64]), second: (ElementType, &[u64])| {
        let inputs = [first, second].map(|(element, shape)| InputSpec { element, shape });
        dot.plan(&inputs, &BTreeMap::new())
            .map(|plan| plan.elements())
    };
    let (float, double) = (ElementType::Float32, ElementType::Float64);
    assert_eq!(try_dot((float, &[3]), (float, &[3])), Ok(3));
    let mixed = try_dot((float, &[3]), (double, &[3]));
    assert!(matches!(
        mixed,
        Err(Reject::MixedElements { input: "b", .. })
    ));
    for (first, second, culprit) in [
        (&[3][..], &[4][..], "b"),
        (&[2, 3], &[2, 3], "a"),
        (&[], &[], "a"),
        (&[3], &[3, 1], "b"),
    ] {
        let refused = try_dot((float, first), (float, second));
        assert!(
            matches!(refused, Err(Reject::Shape { input, .. }) if input == culprit),
            "{first:?} {second:?}"
        );
    }
}

#[test]
fn scale_add_refuses_what_its_elements_cannot_hold() {
    let cases = [
        (ElementType::Int8, Value::Int(128), Value::Int(127)),
        (ElementType::Uint16, Value::Int(-1), Value::Uint(65_535)),
        (
            ElementType::Int64,
            Value::Uint(1 << 63),
            Value::Int(i64::MIN),
        ),
        (ElementType::Uint64, Value::Float(0.5), Value::Float(2.0)),
        (
            ElementType::Int32,
            Value::Float(f64::NAN),
            Value::Float(-3.0),
        ),
        (
            ElementType::Uint64,
            Value::Float(1e30),
            Value::Uint(u64::MAX),
        ),
        (ElementType::Float16, Value::Float(1e5), Value::Float(0.1)),
        (ElementType::Float32, Value::Float(1e39), Value::Float(1e38)),
        (
            ElementType::Float64,
            Value::Complex { re: 1.0, im: 0.0 },
            Value::Float(1e300),
        ),
        (
            ElementType::Complex64,
            Value::Complex { re: 0.0, im: 1e39 },
            Value::Complex { re: 0.0, im: 1.0 },
        ),
    ];
    for (element, refused, taken) in cases {
        for param in ["scale", "offset"] {
            let error =
                try_plan("scale_add", element, &[1], &[(param, refused.clone())]).unwrap_err();
            assert!(error.to_string().contains(element.name()), "{error}");
            plan("scale_add", element, &[1], &[(param, taken.clone())]);
        }
    }
}

#[test]
fn data_without_a_finite_range_has_no_histogram() {
    for hole in [f64::NAN, f64::NEG_INFINITY] {
        let data = [1.0, hole, 2.0];
        let own = plan("histogram", ElementType::Float64, &[3], &[]);
        let error = run(&own, &mut Dense::one(Elements::F64(&data))).unwrap_err();
        assert!(error.to_string().contains("not finite"), "{error}");
        let range = [("range", Value::Ints(vec![0, 4])), ("bins", Value::Int(2))];
        let given = plan("histogram", ElementType::Float64, &[3], &range);
        let counts = run(&given, &mut Dense::one(Elements::F64(&data))).unwrap();
        assert!(
            matches!(counts, Value::Record(fields) if fields["counts"] == Value::Ints(vec![1, 1]))
        );
    }
    let narrow = [("range", Value::Floats(vec![1.0, 1.0 + 1e-15]))];
    let refused = try_plan("histogram", ElementType::Float64, &[3], &narrow).unwrap_err();
    assert!(
        matches!(refused, Reject::Param { param: "range", .. }),
        "{refused}"
    );
}

#[test]
fn the_largest_histogram_fits_into_a_partial_result() {
    let data: Vec<f64> = (0..3 * LEAF_ELEMENTS).map(|i| i as f64).collect();
    let plan = plan(
        "histogram",
        ElementType::Float64,
        &[data.len() as u64],
        &[("bins", Value::Int(8_000))],
    );
    // `run` checks the size of what it merges.
    let result = run(&plan, &mut Dense::one(Elements::F64(&data))).unwrap();
    let Value::Record(fields) = result else {
        panic!("a histogram is a record");
    };
    let Value::Ints(counts) = &fields["counts"] else {
        panic!("counts are integers");
    };
    assert_eq!(counts.iter().sum::<i64>(), data.len() as i64);
}

#[test]
fn what_does_not_belong_to_the_plan_is_an_error() {
    let data = [1.0; 10];
    let mut source = Dense::one(Elements::F64(&data));
    let sum = plan("sum", ElementType::Float64, &[10], &[]);
    assert_eq!(
        sum.reduce(&[1], 0..1, &mut source).unwrap_err().to_string(),
        "this is no state of a pass of this kernel"
    );
    assert!(matches!(
        sum.reduce(&[], 0..2, &mut source),
        Err(ReduceError::Leaves { .. })
    ));
    assert!(matches!(
        sum.reduce(&[], 0..0, &mut source),
        Err(ReduceError::Leaves { .. })
    ));
    let mut ints = Dense::one(Elements::I64(&[1; 10]));
    assert!(matches!(
        sum.reduce(&[], 0..1, &mut ints),
        Err(ReduceError::Operands { .. })
    ));
    let mut short = Dense::one(Elements::F64(&data[1..]));
    assert_eq!(sum.reduce(&[], 0..1, &mut short), Err(ReduceError::Stopped));
    let scale = plan("scale_add", ElementType::Float64, &[10], &[]);
    assert!(matches!(
        scale.reduce(&[], 0..1, &mut source),
        Err(ReduceError::NotAReduction { .. })
    ));
    assert!(matches!(
        scale.merger(&[]),
        Err(ReduceError::NotAReduction { .. })
    ));
    let mut bytes = Array::new(ElementType::Int8, "noise", 3, 0);
    assert!(matches!(
        scale.apply(&mut bytes.elements_mut()),
        Err(ApplyError::ElementType { .. })
    ));
    assert!(matches!(
        sum.apply(&mut bytes.elements_mut()),
        Err(ApplyError::NotInPlace { .. })
    ));
    let histogram = plan("histogram", ElementType::Float64, &[10], &[]);
    for state in [vec![0; 24], vec![255; 24], vec![0; 23]] {
        assert!(histogram.merger(&state).is_err());
    }
}

#[test]
fn ranges_of_elements_are_modified_alike_whole_or_in_pieces() {
    let scale = [("scale", Value::Float(1.5)), ("offset", Value::Float(-2.0))];
    let plan = plan("scale_add", ElementType::Float16, &[1_500], &scale);
    let mut whole = Array::new(ElementType::Float16, "noise", 1_500, 0);
    plan.apply(&mut whole.elements_mut()).unwrap();
    let mut pieces = Array::new(ElementType::Float16, "noise", 1_500, 0);
    if let Array::F16(elements) = &mut pieces {
        for piece in elements.chunks_mut(333) {
            plan.apply(&mut arena_kernels::ElementsMut::F16(piece))
                .unwrap();
        }
    }
    assert_eq!(whole.widened(), pieces.widened());
}
