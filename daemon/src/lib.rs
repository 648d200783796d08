//! The supervisor of an arena and its native workers.

pub mod supervisor;
