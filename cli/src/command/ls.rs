//! `arenactl ls`.

use arena_core::protocol::Object;
use clap::Args;

use crate::context::Context;
use crate::error::CliError;
use crate::object::{ObjectView, name_text, shape_text, state_text};
use crate::screen::{Column, table};
use crate::units::Bytes;

/// List the objects
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  arenactl ls\n  arenactl ls --json | jq -r '.[].name'")]
pub(crate) struct Ls {}

impl Ls {
    pub(crate) fn run(self, context: &Context) -> Result<(), CliError> {
        let mut objects = context.client()?.objects().collect::<Result<Vec<_>, _>>()?;
        // Named ones first, by name; the rest as they lie in the table.
        objects.sort_by_key(|object| (object.name.is_none(), object.name.clone(), object.id));
        let document: Vec<_> = objects.iter().map(ObjectView::of).collect();
        context.screen.show(&document, || to_text(&objects))
    }
}

fn to_text(objects: &[Object]) -> String {
    table(
        [
            Column::Left("NAME"),
            Column::Left("DTYPE"),
            Column::Left("SHAPE"),
            Column::Right("SIZE"),
            Column::Left("STATE"),
            Column::Right("PINS"),
            Column::Right("UID"),
            Column::Right("ID"),
        ],
        objects.iter().map(|object| {
            [
                name_text(object),
                object.layout.dtype().to_string(),
                shape_text(object.layout.shape()),
                Bytes(object.layout.extent_bytes()).to_string(),
                state_text(object.state).to_owned(),
                object.pins.to_string(),
                object.uid.to_string(),
                object.id.to_string(),
            ]
        }),
        "no objects",
    )
}
