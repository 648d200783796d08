//! `arenactl kernels`.

use arena_client::Failure;
use arena_core::protocol::{KernelInfo, ParamInfo};
use clap::Args;

use crate::context::Context;
use crate::error::CliError;
use crate::screen::{Column, table};
use crate::value;
use crate::wrap::{terminal_width, wrapped};

/// List the kernels, or tell all about one
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  arenactl kernels\n  arenactl kernels histogram")]
pub(crate) struct Kernels {
    /// The kernel to tell about
    #[arg(value_name = "KERNEL")]
    name: Option<String>,
}

impl Kernels {
    pub(crate) fn run(self, context: &Context) -> Result<(), CliError> {
        let kernels = context.client()?.kernels()?;
        let Some(name) = self.name else {
            let document: Vec<_> = kernels.iter().map(to_json).collect();
            return context.screen.show(&document, || list_text(&kernels));
        };
        match kernels.iter().find(|kernel| kernel.name == name) {
            Some(kernel) => context.screen.show(&to_json(kernel), || help_text(kernel)),
            None => Err(no_such(name)),
        }
    }
}

/// The error that running it would give.
fn no_such(kernel: String) -> CliError {
    let nearest = arena_kernels::nearest(&kernel).map(str::to_owned);
    CliError::Client(Failure::NoSuchKernel { kernel, nearest }.into())
}

fn to_json(kernel: &KernelInfo) -> serde_json::Value {
    let params: Vec<_> = kernel
        .params
        .iter()
        .map(|param| {
            serde_json::json!({
                "name": param.name,
                "kind": param.kind,
                "default": param.default.as_ref().map(value::to_json),
                "doc": param.doc,
            })
        })
        .collect();
    serde_json::json!({
        "name": kernel.name,
        "summary": kernel.summary,
        "help": kernel.help,
        "in_place": kernel.in_place,
        "inputs": kernel.inputs,
        "params": params,
    })
}

fn list_text(kernels: &[KernelInfo]) -> String {
    table(
        [
            Column::Left("KERNEL"),
            Column::Left("PARAMETERS"),
            Column::Left("WHAT IT DOES"),
        ],
        kernels.iter().map(|kernel| {
            let params: Vec<&str> = kernel
                .params
                .iter()
                .map(|param| param.name.as_str())
                .collect();
            let params = if params.is_empty() {
                "-".to_owned()
            } else {
                params.join(" ")
            };
            [kernel.name.clone(), params, kernel.summary.clone()]
        }),
        "no kernels",
    )
}

/// The help derives from the signature, and tells inputs and parameters.
fn help_text(kernel: &KernelInfo) -> String {
    let inputs: Vec<&str> = kernel
        .inputs
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    let text = format!(
        "{}\n\nUsage: arenactl run {} {}{}",
        kernel.help.trim(),
        kernel.name,
        inputs.join(" ").to_uppercase(),
        usage_of_params(&kernel.params)
    );
    match terminal_width() {
        Some(width) => wrapped(&text, width),
        None => text,
    }
}

fn usage_of_params(params: &[ParamInfo]) -> String {
    params
        .iter()
        .map(|param| format!(" [--param {}=...]", param.name))
        .collect()
}
