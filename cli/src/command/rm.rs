//! `arenactl rm`.

use arena_core::ObjectName;
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::error::CliError;

/// Remove objects
///
/// Those who look at one go on looking; its memory is free for others when the last of them is gone.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  arenactl rm prices volumes")]
pub(crate) struct Rm {
    /// The objects
    #[arg(required = true, value_name = "NAME")]
    names: Vec<ObjectName>,
}

impl Rm {
    /// Removes what can be removed; the first failure is told at the end.
    pub(crate) fn run(self, context: &Context) -> Result<(), CliError> {
        let client = context.client()?;
        let mut removed = Vec::new();
        let mut failure = None;
        for name in &self.names {
            match client.remove(name) {
                Ok(()) => removed.push(name),
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        if !removed.is_empty() {
            context.screen.show(&json!({ "removed": removed }), || {
                let lines: Vec<String> = removed
                    .iter()
                    .map(|name| format!("removed {name}"))
                    .collect();
                lines.join("\n")
            })?;
        }
        failure.map_or(Ok(()), |error| Err(error.into()))
    }
}
