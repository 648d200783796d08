//! Native workers and the groomer, driven over their socket as the supervisor drives them.
//!
//! Each test plays the supervisor: a memfd arena, a locks file, one slot for each worker. Workers run as threads where only their
//! answers matter, and as processes where they are killed.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod grooming;
mod hostile;
mod in_place;
mod kills;
mod player;
mod reduce;
mod shared_inputs;
mod stage;
