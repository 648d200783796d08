//! Tests of an arena's files and memory against the real kernel.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod files;
mod format;
mod memory;
mod support;
