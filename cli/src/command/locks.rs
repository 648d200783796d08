//! `arenactl locks`.

use arena_core::protocol::LockRow;
use clap::Args;

use crate::context::Context;
use crate::error::CliError;
use crate::screen::{Column, table};

/// List the stripes that are locked, waited for or poisoned
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  arenactl locks")]
pub(crate) struct Locks {}

impl Locks {
    pub(crate) fn run(self, context: &Context) -> Result<(), CliError> {
        let locks = context.client()?.locks()?;
        context.screen.show(&locks, || to_text(&locks))
    }
}

fn to_text(locks: &[LockRow]) -> String {
    table(
        [
            Column::Left("OBJECT"),
            Column::Right("STRIPE"),
            Column::Left("WRITER"),
            Column::Right("READERS"),
            Column::Left("WAITERS"),
            Column::Left("STATE"),
        ],
        locks.iter().map(|lock| {
            [
                lock.name
                    .as_ref()
                    .map_or_else(|| lock.object.to_string(), ToString::to_string),
                lock.stripe.to_string(),
                writer_text(lock),
                lock.readers.to_string(),
                if lock.waiters { "yes" } else { "-" }.to_owned(),
                state_text(lock).to_owned(),
            ]
        }),
        "no stripe is locked, waited for or poisoned",
    )
}

fn writer_text(lock: &LockRow) -> String {
    match (lock.writer_slot, lock.writer_pid) {
        (Some(slot), Some(pid)) => format!("pid {pid} (slot {slot})"),
        (Some(slot), None) => format!("slot {slot}"),
        _ => "-".to_owned(),
    }
}

const fn state_text(lock: &LockRow) -> &'static str {
    match (lock.poisoned, lock.image_valid) {
        (true, true) => "poisoned, can be rolled back",
        (true, false) => "poisoned",
        (false, _) => "sound",
    }
}
