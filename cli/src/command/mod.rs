//! The commands, one file each.

mod arena;
mod completions;
mod demo;
mod doctor;
mod get;
mod kernels;
mod locks;
mod ls;
mod put;
mod rm;
mod roll_back;
mod run;
mod sessions;
mod show;
mod stats;
mod workers;

use clap::Subcommand;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::CliError;

/// What can be asked for.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    Put(put::Put),
    Get(get::Get),
    Rm(rm::Rm),
    Ls(ls::Ls),
    Show(show::Show),
    Run(run::Run),
    RollBack(roll_back::RollBack),
    Kernels(kernels::Kernels),
    Stats(stats::Stats),
    Workers(workers::Workers),
    Locks(locks::Locks),
    Sessions(sessions::Sessions),
    Arena(arena::Arena),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    Demo(demo::Demo),
}

pub(crate) use demo::{WORKER_WORD, work};

/// Runs the command of a command line.
pub(crate) fn run(arguments: Arguments) -> Result<(), CliError> {
    let context = Context::new(arguments.global);
    match arguments.command {
        Command::Put(command) => command.run(&context),
        Command::Get(command) => command.run(&context),
        Command::Rm(command) => command.run(&context),
        Command::Ls(command) => command.run(&context),
        Command::Show(command) => command.run(&context),
        Command::Run(command) => command.run(&context),
        Command::RollBack(command) => command.run(&context),
        Command::Kernels(command) => command.run(&context),
        Command::Stats(command) => command.run(&context),
        Command::Workers(command) => command.run(&context),
        Command::Locks(command) => command.run(&context),
        Command::Sessions(command) => command.run(&context),
        Command::Arena(command) => command.run(context.screen),
        Command::Doctor(command) => command.run(context.screen),
        Command::Completions(command) => command.run(),
        Command::Demo(command) => command.run(&context),
    }
}
