//! The kernels from outside, as supervisor and worker use them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with their test")]

mod common;
mod slicings;
