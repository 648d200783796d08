//! The kernels' signatures as the protocol tells them.

use arena_core::protocol::{InputInfo, KernelInfo, ParamInfo};
use arena_kernels::{Access, Signature};

use crate::convert::{dtype, value_to_wire};

pub(super) fn kernels() -> Vec<KernelInfo> {
    arena_kernels::kernels()
        .iter()
        .map(|signature| info(signature))
        .collect()
}

fn info(signature: &Signature) -> KernelInfo {
    let inputs = signature.inputs.iter().map(|input| InputInfo {
        name: input.name.to_owned(),
        dtypes: input
            .elements
            .iter()
            .filter_map(|&element| dtype(element))
            .collect(),
    });
    let params = signature.params.iter().map(|param| ParamInfo {
        name: param.name.to_owned(),
        kind: param.kind.describe(),
        default: param.fallback.value().map(value_to_wire),
        doc: param.doc.to_owned(),
    });
    KernelInfo {
        name: signature.name.to_owned(),
        summary: signature.summary.to_owned(),
        help: signature.help(),
        in_place: signature.access() == Access::InPlace,
        inputs: inputs.collect(),
        params: params.collect(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_kernel_is_listed() {
        let listed: Vec<String> = super::kernels()
            .into_iter()
            .map(|kernel| kernel.name)
            .collect();
        let known: Vec<&str> = arena_kernels::kernels()
            .iter()
            .map(|kernel| kernel.name)
            .collect();
        assert_eq!(listed, known);
    }
}
