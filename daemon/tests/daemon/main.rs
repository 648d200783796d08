//! The daemon as a process: its command line, its exit codes, its sockets, its children, its signals.
//!
//! Each test has its own directory and arena. Every wait has a deadline, behind which the test fails.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod arena;
mod children;
mod embedded;
mod peer;
mod process;
mod sessions;
mod signals;
mod starting;
