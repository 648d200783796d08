//! What kernels compute over made-up data. Results of slices are kept, as the same ones come up seed after seed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use arena_core::protocol::Value;
use arena_kernels::{Dense, ElementType, Elements, InputSpec, Operands, Outcome, Plan};

/// Kernels that the world's clients run; of one pass and of several.
pub(crate) const REDUCTIONS: [&str; 4] = ["sum", "mean", "var", "histogram"];

/// Sizes of the arrays: one leaf, a few, more than a block.
pub(crate) const SIZES: [u64; 4] = [0, 100, 3 * 16_384 + 5, 20 * 16_384 + 1];

type Slice = (String, u64, Vec<u8>, Range<u64>);
type Slices = RefCell<BTreeMap<(String, u64, Vec<u8>, u64, u64), Rc<Vec<u8>>>>;

thread_local! {
    static DATA: Vec<f64> = (0..SIZES[3]).map(|i| f64::from((i * 7919 % 10_007) as u32) * 0.37 - 1234.5).collect();
    static SLICES: Slices = const { RefCell::new(BTreeMap::new()) };
    static VALUES: RefCell<BTreeMap<(String, u64), Value>> = const { RefCell::new(BTreeMap::new()) };
}

fn plan(kernel: &str, elements: u64) -> Plan {
    let signature = arena_kernels::find(kernel).unwrap();
    let input = InputSpec {
        element: ElementType::Float64,
        shape: &[elements],
    };
    signature.plan(&[input], &BTreeMap::new()).unwrap()
}

/// What a worker reports for a slice.
pub(crate) fn reduce(kernel: &str, elements: u64, state: &[u8], leaves: Range<u64>) -> Rc<Vec<u8>> {
    let key = (
        kernel.to_owned(),
        elements,
        state.to_vec(),
        leaves.start,
        leaves.end,
    );
    let known = SLICES.with_borrow(|slices| slices.get(&key).cloned());
    known.unwrap_or_else(|| {
        let partial = Rc::new(compute((
            kernel.to_owned(),
            elements,
            state.to_vec(),
            leaves,
        )));
        SLICES.with_borrow_mut(|slices| slices.insert(key, Rc::clone(&partial)));
        partial
    })
}

fn compute((kernel, elements, state, leaves): Slice) -> Vec<u8> {
    DATA.with(|data| {
        let mut source = Dense {
            first: 0,
            operands: Operands::One(Elements::F64(&data[..elements as usize])),
        };
        let partials = plan(&kernel, elements).reduce(&state, leaves, &mut source);
        partials.unwrap().into_bytes()
    })
}

/// The kernel's value, computed in one slice.
pub(crate) fn expected(kernel: &str, elements: u64) -> Value {
    let key = (kernel.to_owned(), elements);
    let known = VALUES.with_borrow(|values| values.get(&key).cloned());
    known.unwrap_or_else(|| {
        let plan = plan(kernel, elements);
        let mut state = Vec::new();
        let value = loop {
            let mut merger = plan.merger(&state).unwrap();
            if plan.leaves() > 0 {
                merger
                    .insert(&reduce(kernel, elements, &state, 0..plan.leaves()))
                    .unwrap();
            }
            match merger.finish().unwrap() {
                Outcome::Value(value) => break to_wire(value),
                Outcome::AnotherPass(next) => state = next,
            }
        };
        VALUES.with_borrow_mut(|values| values.insert(key, value.clone()));
        value
    })
}

fn to_wire(value: arena_kernels::Value) -> Value {
    use arena_kernels::Value as Kernel;
    match value {
        Kernel::Float(value) => Value::Float(value),
        Kernel::Int(value) => Value::Int(value),
        Kernel::Uint(value) => Value::Uint(value),
        Kernel::Ints(values) => Value::Ints(values),
        Kernel::Floats(values) => Value::Floats(values),
        Kernel::Record(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, value)| (name, to_wire(value)));
            Value::Record(fields.collect())
        }
        other => panic!("no kernel of the world gives {other:?}"),
    }
}

/// Whether two results are the same bits.
pub(crate) fn same_bits(a: &Value, b: &Value) -> bool {
    format!("{a:?}") == format!("{b:?}")
}
