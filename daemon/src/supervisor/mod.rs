//! The supervisor's decisions: a state machine without I/O.
//!
//! Events go in, effects come out: `Supervisor::new(policy, identity, recovered, now, &mut effects)` once,
//! then
//! `handle(now, event, &mut effects)` for each event and `next_deadline() -> Option<Moment>`. The event loop turns sockets, pidfds, lifelines and
//! deadlines into [`Event`]s and executes [`Effect`]s in their order; a simulator drives the same code. Nothing here reads a
//! clock, opens a file, starts a thread or logs.
//!
//! The contract with the loop:
//! - Effects are executed in the order they were appended, all of one call before the next event. So a row is in the journal
//!   before the reply that grants what it describes, and a row is cleared before its extent is granted again.
//! - [`Effect::Spawn`], [`Effect::ReserveRows`], [`Effect::Sweep`], [`Effect::InspectCells`] and [`Effect::CheckLocked`] are answered by one event each. The
//!   answers are handed in, in the order of their effects, after the last effect of the call and before any other event.
//! - [`Event::Tick`] is due when the moment that `next_deadline()` names has passed. An early or surplus tick does no harm.
//! - What a peer sent before its end is handed in before its `Closed` and its `Gone`.
//! - Every peer has a [`ConnId`] that is never used again. Events about a conn that the supervisor has forgotten are ignored.

mod aftermath;
mod allocation;
mod backoff;
mod blocks;
mod catalogue;
mod cells;
mod charges;
mod connections;
mod dispatch;
mod draining;
mod effect;
mod ending;
mod event;
mod greeting;
mod groomer;
mod job;
mod machine;
mod memory;
mod moment;
mod objects;
mod policy;
mod process_rows;
mod publishing;
mod queue;
mod rates;
mod records;
mod recovery;
mod reports;
mod requests;
mod session;
mod sharing;
mod slots;
mod staffing;
mod status;
mod submission;
mod timers;
mod worker;

pub use effect::{Child, Effect, ExitReason, Note};
pub use event::{CellSeen, ConnId, Event, Peer, Progress, Swept};
pub use machine::Supervisor;
pub use moment::Moment;
pub use policy::Policy;
pub use records::{Geometry, Identity, ObjectRecord, ProcessRecord, Recovered, Role, Survivor};
pub use recovery::RecoverError;
