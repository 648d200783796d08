//! The supervisor of an arena and its native workers.

mod planning;
pub mod supervisor;
pub mod worker;
