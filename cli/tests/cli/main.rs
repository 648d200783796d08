//! The program as its users meet it: real files, real daemons, exit codes, tables and JSON.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod alone;
mod computing;
mod demo;
mod files;
mod rolling_back;
mod support;
