//! `arenactl workers`.

use std::time::Duration;

use arena_core::protocol::{WorkerRow, WorkerState};
use clap::Args;

use crate::context::Context;
use crate::error::CliError;
use crate::screen::{Column, table};
use crate::units::{duration_text, grouped};

/// List the native workers
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  arenactl workers")]
pub(crate) struct Workers {}

impl Workers {
    pub(crate) fn run(self, context: &Context) -> Result<(), CliError> {
        let workers = context.client()?.workers()?;
        context.screen.show(&workers, || to_text(&workers))
    }
}

fn to_text(workers: &[WorkerRow]) -> String {
    table(
        [
            Column::Right("SLOT"),
            Column::Right("PID"),
            Column::Left("STATE"),
            Column::Left("KERNEL"),
            Column::Right("TASKS"),
            Column::Right("BUSY"),
            Column::Right("AGE"),
        ],
        workers.iter().map(|worker| {
            [
                worker.slot.to_string(),
                worker.pid.to_string(),
                state_text(worker.state).to_owned(),
                worker.kernel.clone().unwrap_or_else(|| "-".to_owned()),
                grouped(worker.tasks_done),
                duration_text(Duration::from_nanos(worker.busy_ns)),
                duration_text(Duration::from_millis(worker.age_ms)),
            ]
        }),
        "no native workers",
    )
}

const fn state_text(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Starting => "starting",
        WorkerState::Idle => "idle",
        WorkerState::Busy => "busy",
        WorkerState::Spare => "spare",
        WorkerState::Ending => "ending",
    }
}
