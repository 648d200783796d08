//! The kernels from outside, as supervisor and worker use them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with their test")]

mod arrays;
mod common;
mod golden;
mod signatures;
mod slicings;
