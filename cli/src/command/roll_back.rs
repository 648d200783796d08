//! `arenactl roll-back`.

use std::time::Duration;

use arena_core::ObjectName;
use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::units::duration_text;

/// Undo what writers that died left half written in an object with before-images
///
/// A worker copies the before-images of the poisoned stripes back, after which the object can be used again. `arenactl locks`
/// lists the stripes that are poisoned.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  arenactl roll-back prices")]
pub(crate) struct RollBack {
    /// The object
    name: ObjectName,
}

impl RollBack {
    pub(crate) fn run(self, context: &Context) -> Result<(), CliError> {
        let ran = context.client()?.roll_back(&self.name)?;
        let document = Document {
            name: self.name,
            // Without a poisoned stripe there is no task.
            rolled_back: ran.tasks > 0,
            elapsed_seconds: ran.elapsed.as_secs_f64(),
        };
        context
            .screen
            .show(&document, || to_text(&document, ran.elapsed))
    }
}

/// What was done, for JSON.
#[derive(Serialize, Debug)]
struct Document {
    name: ObjectName,
    rolled_back: bool,
    elapsed_seconds: f64,
}

fn to_text(document: &Document, elapsed: Duration) -> String {
    let name = &document.name;
    if document.rolled_back {
        format!("rolled back {name}: {}", duration_text(elapsed))
    } else {
        format!("no stripe of {name} is poisoned")
    }
}
