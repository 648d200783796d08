//! Why a kernel does not take its arguments.

use crate::element::ElementType;

/// Arguments that do not go with a kernel's signature.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum Reject {
    #[error("{kernel} takes {expected} input{}, given: {given}", plural(*.expected))]
    InputCount {
        kernel: &'static str,
        expected: usize,
        given: usize,
    },
    #[error("{kernel} does not take {given} for input {input:?} (it takes {})", listed(.accepted))]
    ElementType {
        kernel: &'static str,
        input: &'static str,
        given: ElementType,
        accepted: &'static [ElementType],
    },
    #[error(
        "{kernel} needs inputs of one element type, {input:?} differs from {expected}: {given}"
    )]
    MixedElements {
        kernel: &'static str,
        input: &'static str,
        expected: ElementType,
        given: ElementType,
    },
    #[error("{kernel} needs {needs} for input {input:?}, given shape: {given:?}")]
    Shape {
        kernel: &'static str,
        input: &'static str,
        needs: String,
        given: Vec<u64>,
    },
    #[error(
        "{kernel} has no value for an array without elements (give it at least one), input: {input:?}"
    )]
    Empty {
        kernel: &'static str,
        input: &'static str,
    },
    #[error("{kernel} has no such parameter ({}): {param:?}", params_text(.known))]
    UnknownParam {
        kernel: &'static str,
        param: String,
        known: Vec<&'static str>,
    },
    #[error("{kernel} takes {accepted} for {param:?}, given {given}")]
    Param {
        kernel: &'static str,
        param: &'static str,
        accepted: String,
        given: String,
    },
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn listed(elements: &[ElementType]) -> String {
    let names: Vec<&str> = elements.iter().map(|element| element.name()).collect();
    names.join(", ")
}

fn params_text(params: &[&'static str]) -> String {
    if params.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has {}", params.join(", "))
    }
}
