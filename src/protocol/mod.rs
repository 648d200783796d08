//! What travels over the socket: length-prefixed frames, each one message in MessagePack with named fields.
//!
//! Array bytes never travel; offsets do, and descriptors travel once, with the welcome. Many requests may be in flight, each
//! carries an id that its reply repeats, and replies come in any order. docs/PROTOCOL.md tells strangers the same.

mod failure;
mod frame;
mod handshake;
mod job;
mod message;
mod object;
mod status;
mod value;
mod work;

pub use failure::{Failure, Holder, Shortage};
pub use frame::{FRAME_BYTES_MAX, FrameDecoder, FrameError, decode, encode};
pub use handshake::{ArenaInfo, Backing, Descriptor, Hello, PROTOCOL_VERSION, Resume, Welcome};
pub use job::{InputInfo, KernelInfo, ParamInfo, Ran, Run};
pub use message::{FromSupervisor, Notice, Reply, Request, ToSupervisor};
pub use object::{Create, Object, ObjectState, Selector, Sharing, Stripes};
pub use status::{
    Charge, Counters, LockRow, MemoryClasses, PageCounts, SessionRow, Stats, WorkerRow, WorkerState,
};
pub use value::{Params, Value};
pub use work::{GroomDone, GroomOrder, Groomed, Operand, Partial, Span, Task, TaskReport, Work};
