//! A kernel and what it is applied to, checked: supervisor and workers plan by the same function from the same words, so that a
//! plan never travels.

use arena_core::ArrayLayout;
use arena_core::protocol::{Failure, Params};
use arena_kernels::{InputSpec, Plan, Signature};

use crate::convert::{element_type, params_from_wire};

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
    signature
        .plan(&specs, &params_from_wire(params))
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

#[cfg(test)]
mod tests {
    use arena_core::Dtype;
    use arena_core::protocol::Value;

    use super::*;

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
