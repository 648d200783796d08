//! Slice locks between real processes that are killed and stopped: at named moments, and at random ones.
//!
//! The test plays the supervisor: it gives slots out, waits for pidfds, sweeps and gives the slots out again. The children are this
//! program again. Their rounds are longer than their deadlines, so that a waiter whose wake-up is lost fails by its deadline
//! instead of being saved by the next round. The guarded data are pairs of numbers in a file, written one after the other.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod child;
mod frozen;
mod hammer;
mod moments;
mod stage;
