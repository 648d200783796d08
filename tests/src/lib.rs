//! What the end-to-end tests share: real daemons, real client processes, and a way to look at what is left of them.
//!
//! Every test has a [`Site`]: an arena name and a run directory of its own. [`Site::start`] runs a daemon in it, [`Site::puppet`] a
//! client process that does what the test tells it, so that it can be killed, stopped or forked. What a test starts is ended when
//! its handle is dropped, and by the [`watchdog`] where a test hangs. Nothing else is ever signalled.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod accounts;
mod daemon;
mod outcome;
mod process;
mod programs;
mod puppet;
mod site;
mod wait;
mod watchdog;
pub mod wire;

pub use accounts::{settled, sum_of_classes_is_the_arena, unchanged};
pub use daemon::{Daemon, Refused};
pub use outcome::Outcome;
pub use process::{Process, with_marker};
pub use programs::{program, testdata};
pub use puppet::Puppet;
pub use site::Site;
pub use wait::until;
