//! Between the protocol's values and those of the kernels, which know nothing of the protocol.

use std::collections::BTreeMap;

use arena_core::Dtype;
use arena_core::protocol::{Params, Value};
use arena_kernels::{ElementType, Value as KernelValue};

/// What elements of this type are to kernels; opaque bytes are nothing to them.
pub(crate) fn element_type(dtype: Dtype) -> Option<ElementType> {
    dtype.name().parse().ok()
}

/// The element type as the protocol names it.
pub(crate) fn dtype(element: ElementType) -> Option<Dtype> {
    element.name().parse().ok()
}

pub(crate) fn params_from_wire(params: &Params) -> BTreeMap<String, KernelValue> {
    params
        .iter()
        .map(|(name, value)| (name.clone(), value_from_wire(value)))
        .collect()
}

fn value_from_wire(value: &Value) -> KernelValue {
    match value {
        Value::Bool(value) => KernelValue::Bool(*value),
        Value::Int(value) => KernelValue::Int(*value),
        Value::Uint(value) => KernelValue::Uint(*value),
        Value::Float(value) => KernelValue::Float(*value),
        Value::Complex { re, im } => KernelValue::Complex { re: *re, im: *im },
        Value::Ints(values) => KernelValue::Ints(values.clone()),
        Value::Floats(values) => KernelValue::Floats(values.clone()),
        Value::Record(fields) => KernelValue::Record(params_from_wire(fields)),
    }
}

pub(crate) fn value_to_wire(value: KernelValue) -> Value {
    match value {
        KernelValue::Bool(value) => Value::Bool(value),
        KernelValue::Int(value) => Value::Int(value),
        KernelValue::Uint(value) => Value::Uint(value),
        KernelValue::Float(value) => Value::Float(value),
        KernelValue::Complex { re, im } => Value::Complex { re, im },
        KernelValue::Ints(values) => Value::Ints(values),
        KernelValue::Floats(values) => Value::Floats(values),
        KernelValue::Record(fields) => Value::Record(
            fields
                .into_iter()
                .map(|(name, value)| (name, value_to_wire(value)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_type_has_its_dtype() {
        for element in ElementType::ALL {
            let there = dtype(element).unwrap();
            assert_eq!(element_type(there), Some(element));
        }
        assert_eq!(element_type(Dtype::Bytes), None);
    }

    #[test]
    fn values_survive_the_way_there_and_back() {
        let record = Value::Record(BTreeMap::from([
            ("a".to_owned(), Value::Bool(true)),
            ("b".to_owned(), Value::Int(-1)),
            ("c".to_owned(), Value::Uint(u64::MAX)),
            ("d".to_owned(), Value::Float(0.5)),
            ("e".to_owned(), Value::Complex { re: 1.0, im: 2.0 }),
            ("f".to_owned(), Value::Ints(vec![1, 2])),
            ("g".to_owned(), Value::Floats(vec![1.5])),
        ]));
        assert_eq!(value_to_wire(value_from_wire(&record)), record);
    }
}
