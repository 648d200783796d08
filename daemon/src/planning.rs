//! Between the protocol's words and those of the kernels crate, which knows nothing of arenas.
//!
//! Supervisor and workers plan a job by the same function from the same words, so that a plan never travels.

use std::collections::BTreeMap;

use arena_core::protocol::{Failure, Params, Value};
use arena_core::{ArrayLayout, Dtype};
use arena_kernels::{ElementType, InputSpec, Plan, Signature};

/// The kernel of that name.
pub(crate) fn find(kernel: &str) -> Result<&'static Signature, Failure> {
    arena_kernels::find(kernel).ok_or_else(|| Failure::NoSuchKernel {
        kernel: kernel.to_owned(),
        nearest: arena_kernels::nearest(kernel).map(str::to_owned),
    })
}

/// Checks what a job or task brings against the kernel's signature.
pub(crate) fn plan(
    signature: &'static Signature,
    inputs: &[&ArrayLayout],
    params: &Params,
) -> Result<Plan, Failure> {
    let specs = inputs
        .iter()
        .map(|layout| input_spec(signature, layout))
        .collect::<Result<Vec<_>, _>>()?;
    let params: BTreeMap<String, arena_kernels::Value> = params
        .iter()
        .map(|(name, value)| (name.clone(), value_to_kernel(value)))
        .collect();
    signature
        .plan(&specs, &params)
        .map_err(|reject| Failure::BadArguments {
            detail: reject.to_string(),
        })
}

fn input_spec<'a>(
    signature: &Signature,
    layout: &'a ArrayLayout,
) -> Result<InputSpec<'a>, Failure> {
    let element = element_type(layout.dtype()).ok_or_else(|| Failure::BadArguments {
        detail: format!(
            "{} does not take opaque bytes (store them as numbers)",
            signature.name
        ),
    })?;
    Ok(InputSpec {
        element,
        shape: layout.shape(),
    })
}

/// The element type that kernels calculate with; none for opaque bytes.
pub(crate) const fn element_type(dtype: Dtype) -> Option<ElementType> {
    Some(match dtype {
        Dtype::Bool => ElementType::Bool,
        Dtype::Int8 => ElementType::Int8,
        Dtype::Int16 => ElementType::Int16,
        Dtype::Int32 => ElementType::Int32,
        Dtype::Int64 => ElementType::Int64,
        Dtype::Uint8 => ElementType::Uint8,
        Dtype::Uint16 => ElementType::Uint16,
        Dtype::Uint32 => ElementType::Uint32,
        Dtype::Uint64 => ElementType::Uint64,
        Dtype::Float16 => ElementType::Float16,
        Dtype::Float32 => ElementType::Float32,
        Dtype::Float64 => ElementType::Float64,
        Dtype::Complex64 => ElementType::Complex64,
        Dtype::Complex128 => ElementType::Complex128,
        Dtype::Bytes => return None,
    })
}

fn value_to_kernel(value: &Value) -> arena_kernels::Value {
    use arena_kernels::Value as Kernel;
    match value {
        Value::Bool(value) => Kernel::Bool(*value),
        Value::Int(value) => Kernel::Int(*value),
        Value::Uint(value) => Kernel::Uint(*value),
        Value::Float(value) => Kernel::Float(*value),
        Value::Complex { re, im } => Kernel::Complex { re: *re, im: *im },
        Value::Ints(values) => Kernel::Ints(values.clone()),
        Value::Floats(values) => Kernel::Floats(values.clone()),
        Value::Record(fields) => Kernel::Record(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), value_to_kernel(value)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn element_types_keep_name_and_size() {
        for dtype in Dtype::ALL {
            match element_type(dtype) {
                Some(element) => {
                    assert_eq!(element.name(), dtype.name());
                    assert_eq!(element.size_bytes() as u64, dtype.size_bytes());
                }
                None => assert_eq!(dtype, Dtype::Bytes),
            }
        }
    }

    #[test]
    fn an_unknown_kernel_gets_a_suggestion() {
        let Err(Failure::NoSuchKernel { nearest, .. }) = find("summ") else {
            panic!("there is no such kernel");
        };
        assert_eq!(nearest.as_deref(), Some("sum"));
    }

    #[test]
    fn opaque_bytes_and_unknown_parameters_are_refused() {
        let sum = find("sum").unwrap();
        let bytes = ArrayLayout::c_order(Dtype::Bytes, &[4]).unwrap();
        let floats = ArrayLayout::c_order(Dtype::Float64, &[4]).unwrap();
        let unknown = Params::from([("bins".to_owned(), Value::Int(3))]);
        assert!(plan(sum, &[&floats], &Params::new()).is_ok());
        for (layout, params) in [(&bytes, Params::new()), (&floats, unknown)] {
            let refused = plan(sum, &[layout], &params);
            assert!(matches!(refused, Err(Failure::BadArguments { .. })));
        }
    }
}
