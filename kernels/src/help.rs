//! A kernel's help, derived from its signature.

use std::fmt::Write as _;

use crate::element::ElementType;
use crate::signature::{Access, Input, Param, Signature};

impl Signature {
    /// Everything a person needs to call it.
    #[must_use]
    pub fn help(&self) -> String {
        let mut text = format!("{}: {}\n\n{}\n", self.name, self.summary, self.doc.trim());
        text.push_str("\nInputs:\n");
        for input in self.inputs {
            text.push_str(&input_line(input));
        }
        if !self.params.is_empty() {
            text.push_str("\nParameters:\n");
        }
        for param in self.params {
            text.push_str(&param_line(param));
        }
        let heading = match self.access() {
            Access::Reduce => "Result",
            Access::InPlace => "In place",
        };
        let _ = write!(text, "\n{heading}: {}\n", self.result);
        text
    }
}

fn input_line(input: &Input) -> String {
    let names: Vec<&str> = input
        .elements
        .iter()
        .map(|element| element.name())
        .collect();
    let accepted = if input.elements.len() == ElementType::ALL.len() {
        "any element type but bytes".to_owned()
    } else {
        names.join(", ")
    };
    format!("  {}  {} ({accepted})\n", input.name, input.doc)
}

fn param_line(param: &Param) -> String {
    let fallback = match param.fallback.value() {
        Some(value) => format!("default {value}"),
        None => "may be left out".to_owned(),
    };
    format!(
        "  {}  {}: {}; {fallback}\n",
        param.name,
        param.doc,
        param.kind.describe()
    )
}
