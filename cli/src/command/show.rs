//! `arenactl show`.

use arena_core::ObjectName;
use clap::Args;

use crate::context::Context;
use crate::error::CliError;
use crate::object::{ObjectView, details};

/// Tell everything about an object
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  arenactl show prices")]
pub(crate) struct Show {
    /// The object
    name: ObjectName,
}

impl Show {
    pub(crate) fn run(self, context: &Context) -> Result<(), CliError> {
        let client = context.client()?;
        let mut object = client.info(&self.name)?;
        // Looking it up has pinned it.
        object.pins = object.pins.saturating_sub(1);
        context
            .screen
            .show(&ObjectView::of(&object), || details(&object))
    }
}
