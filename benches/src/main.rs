//! arenad beside the hardware and beside what a user would pick instead, in one run. docs/BENCHMARKS.md says how to read it.

mod arena;
mod deaths;
mod effort;
mod kernels;
mod locks;
mod pages;
mod peer;
mod put;
mod report;
mod requests;
mod scale;
mod syscalls;
mod timing;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::peer::{FutexEcho, SocketEcho};
use crate::report::Report;

/// Measures arenad beside the limits of this machine and its peers; medians of interleaved rounds.
#[derive(Parser)]
struct Arguments {
    /// Sections to run; all unless told.
    sections: Vec<Section>,
    /// The size of the large array in MiB.
    #[arg(long, default_value_t = 1024)]
    mebibytes: u64,
    /// Rounds of each measurement.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// `put` against a copy.
    Put,
    /// Kernels against read bandwidth; memory with many readers.
    Kernels,
    /// Requests and tasks against bare sockets and futexes.
    Requests,
    /// Slice locks against std and raw_sync.
    Lock,
    /// First touch and mapping, with and without 2 MiB pages.
    Pages,
    /// Many workers, many objects, a huge arena; cold start.
    Scale,
    /// Killed workers and daemons.
    Deaths,
}

/// The children that benches start.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    EchoSocket,
    #[command(hide = true)]
    EchoFutex,
    /// What strace counts.
    #[command(hide = true)]
    NoOpTasks { tasks: u32 },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("arena-benches: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    match arguments.part {
        Some(Part::EchoSocket) => return Ok(SocketEcho::serve()?),
        Some(Part::EchoFutex) => return Ok(FutexEcho::serve()?),
        Some(Part::NoOpTasks { tasks }) => return Ok(syscalls::run_tasks(tasks)?),
        None => {}
    }
    let wanted = |section| arguments.sections.is_empty() || arguments.sections.contains(&section);
    let mut report = Report::default();
    let (bytes, rounds) = (arguments.mebibytes << 20, arguments.rounds);
    if wanted(Section::Put) {
        put::run(bytes, rounds, &mut report)?;
    }
    if wanted(Section::Kernels) {
        kernels::run(bytes, rounds, &mut report)?;
        kernels::memory(bytes, &mut report)?;
    }
    if wanted(Section::Requests) {
        requests::run(rounds, &mut report)?;
        syscalls::run(&mut report)?;
    }
    if wanted(Section::Lock) {
        locks::run(rounds, &mut report)?;
    }
    if wanted(Section::Pages) {
        pages::run(bytes, rounds, &mut report)?;
    }
    if wanted(Section::Scale) {
        scale::run(rounds, &mut report)?;
    }
    if wanted(Section::Deaths) {
        deaths::run(rounds, &mut report)?;
    }
    if arguments.json {
        println!("{}", report.json());
    } else {
        println!("{}", report.table());
    }
    Ok(())
}
