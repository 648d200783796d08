//! Native workers and the groomer: the supervisor's children, which do what it must not do itself.
//!
//! A worker computes on slices of objects, the groomer brings and takes pages. Both speak the protocol over one socket, hold no
//! state that matters, may be killed at any instruction, and end when the socket does. Neither starts a thread that outlives an
//! order, logs, or reads configuration.
//!
//! | file | what |
//! |---|---|
//! | `native`, `groomer` | the two loops |
//! | `channel`, `handshake` | the socket |
//! | `execute` | a task from its frame to its outcome |
//! | `checked`, `operand` | from what a task says to memory that may be touched; `operand` is the only unsafe file |
//! | `runs`, `elements` | order and place of elements, bytes as elements |
//! | `reduce`, `in_place`, `roll_back` | the three kinds of work |
//! | `locks`, `panic` | what can go wrong, as typed failures |

mod channel;
mod checked;
mod elements;
mod error;
mod execute;
mod groomer;
mod handshake;
mod in_place;
mod locks;
mod native;
mod operand;
mod panic;
mod reduce;
mod roll_back;
mod runs;

pub use error::WorkerError;
pub use groomer::groomer;
pub use native::run;
