//! What a run is judged by: the memory's bandwidth in the same minute, and the memory that processes really take. Public for the
//! benches.

pub mod limits;
pub mod memory;
