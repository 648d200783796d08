//! What the tests of the client share.

#![expect(
    dead_code,
    reason = "each test program uses its own part of the helpers"
)]

pub(crate) mod daemon;
pub(crate) mod fake;
