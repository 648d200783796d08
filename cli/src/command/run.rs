//! `arenactl run`.

use arena_client::Ran;
use arena_core::ObjectName;
use arenad::config::Time;
use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::screen;
use crate::units::duration_text;
use crate::value::{self, Assignment, parse_assignment};

/// Let all workers apply a kernel to objects
///
/// The result goes to stdout, what it took to stderr. In JSON, what is no finite number is "nan", "inf" or "-inf".
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  arenactl run std prices\n  arenactl run histogram prices --param bins=64 --deadline 2s --json"
)]
pub(crate) struct Run {
    /// The kernel; `arenactl kernels` lists them
    kernel: String,
    /// The objects, in the order of the kernel's signature
    #[arg(required = true, value_name = "NAME")]
    objects: Vec<ObjectName>,
    /// Set a parameter
    #[arg(long = "param", short = 'p', value_name = "KEY=VALUE", value_parser = parse_assignment)]
    params: Vec<Assignment>,
    /// Fail if it takes longer than this: 500ms, 2s, 1.5m
    #[arg(long, value_name = "TIME")]
    deadline: Option<Time>,
}

impl Run {
    pub(crate) fn run(self, context: &Context) -> Result<(), CliError> {
        let client = context.client()?;
        let mut job = client.run(&self.kernel);
        for object in &self.objects {
            job = job.input(object);
        }
        job = job.params(
            self.params
                .iter()
                .map(|Assignment { key, value }| (key.clone(), value.clone())),
        );
        if let Some(deadline) = self.deadline {
            job = job.deadline(deadline.0);
        }
        let ran = job.call()?;
        if !context.screen.is_json() {
            screen::tell(&effort(&ran));
        }
        match (&ran.value, context.screen.is_json()) {
            // What works in place leaves nothing to print.
            (None, false) => Ok(()),
            (Some(result), false) => screen::print(&value::to_text(result)),
            (_, true) => context.screen.show(&self.document(&ran), String::new),
        }
    }

    fn document(self, ran: &Ran) -> Document {
        Document {
            kernel: self.kernel,
            objects: self.objects,
            value: ran.value.as_ref().map(value::to_json),
            tasks: ran.tasks,
            retries: ran.retries,
            elapsed_seconds: ran.elapsed.as_secs_f64(),
            busy_seconds: ran.busy.as_secs_f64(),
        }
    }
}

/// A finished job, for JSON.
#[derive(Serialize, Debug)]
struct Document {
    kernel: String,
    objects: Vec<ObjectName>,
    value: Option<serde_json::Value>,
    tasks: u32,
    retries: u32,
    elapsed_seconds: f64,
    busy_seconds: f64,
}

/// What the job took.
fn effort(ran: &Ran) -> String {
    let plural = if ran.tasks == 1 { "" } else { "s" };
    let retries = match ran.retries {
        0 => String::new(),
        count => format!(", {count} run again because their worker died"),
    };
    format!(
        "{} task{plural}{retries}: {} ({} of computing)",
        ran.tasks,
        duration_text(ran.elapsed),
        duration_text(ran.busy)
    )
}
