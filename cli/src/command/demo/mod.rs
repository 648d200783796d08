//! `arenactl demo`: arenad's main job from end to end, checked and measured, with nothing installed and nothing configured.
//!
//! A private daemon is started; an array is put into its arena; all workers add it up, find its standard deviation and update a
//! shared one in place under slice locks. What a plain process computes on the same numbers judges every result. Then the same
//! sum is computed the serialising way, and what the memory allows is measured, so that every figure stands beside its limit of
//! the same minute.

mod jobs;
mod numbers;
mod plan;
mod report;
mod run;
mod serialised;

use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use arena_core::Dtype;
use arenad::config::Bytes;
use clap::Args;

use crate::context::Context;
use crate::error::CliError;
use crate::progress::during;
use crate::source::Source;
use numbers::Float;
use plan::Plan;
use report::Report;
pub(crate) use serialised::WORKER_WORD;

/// Show what arenad does, with a private daemon: nothing installed, nothing configured
///
/// Puts an array into an arena, lets all workers compute on it, checks every result against a plain single process, and
/// does the same job by sending the array through pipes to worker processes.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  arenactl demo\n  arenactl demo --size 64MiB --json\n  arenactl demo --file points.npy"
)]
pub(crate) struct Demo {
    /// How large an array of float64 to make: 64MiB, 1.5G, 4096
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1GiB",
        conflicts_with = "file"
    )]
    size: Bytes,
    /// Native workers [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=192))]
    workers: Option<u32>,
    /// Take the numbers of a .npy file of float32 or float64 instead
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Demo {
    pub(crate) fn run(self, context: &Context) -> Result<(), CliError> {
        let report = match &self.file {
            Some(path) => self.with_file(path)?,
            None => self.with_numbers()?,
        };
        context.screen.show(&report, || report.to_text())?;
        if report.results_ok {
            Ok(())
        } else {
            Err(CliError::WrongResults)
        }
    }

    fn with_numbers(&self) -> Result<Report, CliError> {
        let elements = (self.size.0 / Dtype::Float64.size_bytes()).max(1);
        let plan = Plan::new::<f64>(elements, self.workers)?;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        run::run::<f64>(&plan, |elements| {
            during("making the numbers", || {
                numbers::generate(elements, threads);
            });
            Ok(())
        })
    }

    fn with_file(&self, path: &Path) -> Result<Report, CliError> {
        let source = Source::open(path, None)?;
        match source.layout().dtype() {
            Dtype::Float32 => self.with_source::<f32>(path, &source),
            Dtype::Float64 => self.with_source::<f64>(path, &source),
            dtype => Err(CliError::DemoDtype {
                path: path.to_owned(),
                dtype,
            }),
        }
    }

    /// Shape and order of axes mean nothing to what the demo computes.
    fn with_source<T: Float>(&self, path: &Path, source: &Source) -> Result<Report, CliError> {
        let elements = source.layout().element_count();
        if elements == 0 {
            return Err(CliError::DemoEmpty {
                path: path.to_owned(),
            });
        }
        let plan = Plan::new::<T>(elements, self.workers)?;
        run::run::<T>(&plan, |elements| {
            source.read_into(bytemuck::cast_slice_mut(elements))
        })
    }
}

/// Serves as a worker process of the serialising way.
pub(crate) fn work() -> Result<(), CliError> {
    serialised::serve(io::stdin().lock(), io::stdout().lock()).map_err(|source| CliError::Demo {
        action: "serve the serialising way",
        source,
    })
}
