//! The arenad supervisor, its event loop and its native workers.
//!
//! `entry` is the daemon's whole main; `supervisor` decides, without I/O; `serve` is the event loop around it; `worker` is what
//! the supervisor's children run.

pub mod config;
mod convert;
pub mod entry;
pub mod exit;
mod inherited;
mod log;
mod planning;
mod serve;
mod sigbus;
mod spawn;
pub mod supervisor;
pub mod worker;
