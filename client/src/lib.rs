//! The Rust client of arenad, a shared-memory data daemon.
//!
//! A [`Client`] is a session with a supervisor: a daemon ([`Client::connect`]) or a private one of its own
//! ([`Client::embedded`]). Arrays are copied into the arena once ([`Client::put`]) or made there ([`Client::create`]); from then on
//! every process of the arena looks at the same bytes, without a copy and without a call ([`Object::view`]). Kernels run over them
//! in the daemon's workers ([`Client::run`]). Arrays that stay mutable are written under slice locks ([`Client::create_shared`]).
//!
//! ```
//! use arena_client::Client;
//! use ndarray::Array2;
//!
//! let client = Client::embedded()?;
//! let image = client.put("image", &Array2::<f32>::ones((480, 640)))?;
//! assert_eq!(image.view::<f32>()?[[479, 639]], 1.0);
//! assert_eq!(client.run("sum").input("image").call()?.float()?, 480.0 * 640.0);
//! # Ok::<(), arena_client::Error>(())
//! ```
//!
//! # When things end
//! - A handle is a pin: the object's memory is reused only when nobody looks at it any more.
//! - When a daemon goes, views stay valid. The next call reconnects for as long as
//!   [`reconnect_timeout`](Builder::reconnect_timeout) says, and resumes with all pins. A request under way fails with
//!   [`Error::ConnectionLost`], unless repeating it is as good as doing it once.
//! - A forked child keeps the views of immutable objects, and becomes a session of its own at its first call. Guards and
//!   [`Shared`] handles can't be used in it; what is being filled at a fork is sealed by it ([`Filling`]).
//!
//! # What this library does not do
//! It starts no threads of its own and needs no runtime: the thread that waits for a reply reads the socket, also for others. It
//! never starts the user's daemon.

mod arena;
mod batch;
mod builder;
mod client;
mod element;
mod endpoint;
mod error;
mod filling;
mod fork;
mod guard;
mod handshake;
mod input;
mod launch;
mod link;
mod listing;
mod object;
mod pins;
mod put;
mod reader;
mod replies;
mod run;
mod session;
mod settings;
mod shared;
mod sync;
mod this_process;
mod view;
mod window;

pub use arena_core::protocol::{
    ArenaInfo, Backing, Charge, Counters, Failure, Holder, InputInfo, KernelInfo, LockRow,
    MemoryClasses, Object as ObjectInfo, ObjectState, PageCounts, ParamInfo, Params, Selector,
    SessionRow, Sharing, Shortage, Stats, Stripes, Value, WorkerRow, WorkerState,
};
pub use arena_core::{
    ArenaId, ArenaName, ArrayLayout, Dtype, Extent, LayoutError, NameError, ObjectId, ObjectName,
    Offset, SessionId, SlotId,
};

pub use batch::{Batch, BatchReply, Replies, Ticket};
pub use builder::Builder;
pub use client::Client;
pub use element::Element;
pub use endpoint::Endpoint;
pub use error::{Error, Result};
pub use filling::Filling;
pub use guard::{ReadGuard, WriteGuard};
pub use input::Input;
pub use listing::Objects;
pub use object::Object;
pub use run::{Job, Pending, Ran};
pub use shared::Shared;
