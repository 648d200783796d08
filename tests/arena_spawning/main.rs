//! Tests of an arena that start processes. They have a program of their own, because between a fork and an exec a child holds
//! every descriptor of its parent: also the locks of arenas that other tests have just closed.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod full;
mod lock;
#[expect(dead_code, reason = "these tests use a part of it")]
#[path = "../arena/support.rs"]
mod support;
