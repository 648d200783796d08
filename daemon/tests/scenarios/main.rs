//! Single scenes of the supervisor's state machine, told effect by effect. The simulator finds what nobody thought of; these say
//! what was thought of.

#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]

mod deaths;
mod ends;
mod hostile;
mod rig;
mod work;
