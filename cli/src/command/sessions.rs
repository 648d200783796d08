//! `arenactl sessions`.

use std::time::Duration;

use arena_core::protocol::SessionRow;
use clap::Args;

use crate::context::Context;
use crate::error::CliError;
use crate::screen::{Column, table};
use crate::units::{Bytes, duration_text};

/// List the sessions: one for each connected process, this command's too
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  arenactl sessions")]
pub(crate) struct Sessions {}

impl Sessions {
    pub(crate) fn run(self, context: &Context) -> Result<(), CliError> {
        let sessions = context.client()?.sessions()?;
        context.screen.show(&sessions, || to_text(&sessions))
    }
}

fn to_text(sessions: &[SessionRow]) -> String {
    table(
        [
            Column::Right("SESSION"),
            Column::Right("PID"),
            Column::Right("UID"),
            Column::Left("PROGRAM"),
            Column::Left("STATE"),
            Column::Right("SLOT"),
            Column::Right("SIZE"),
            Column::Right("OBJECTS"),
            Column::Right("PINS"),
            Column::Right("IN FLIGHT"),
            Column::Right("AGE"),
        ],
        sessions.iter().map(|session| {
            [
                session.session.to_string(),
                session.pid.to_string(),
                session.uid.to_string(),
                // Told by the peer: whatever it is, it must not steer the terminal.
                session.program.escape_debug().to_string(),
                if session.open { "open" } else { "closed" }.to_owned(),
                session
                    .slot
                    .map_or_else(|| "-".to_owned(), |slot| slot.to_string()),
                Bytes(session.bytes).to_string(),
                session.objects.to_string(),
                session.pins.to_string(),
                session.in_flight.to_string(),
                duration_text(Duration::from_millis(session.age_ms)),
            ]
        }),
        "no sessions",
    )
}
