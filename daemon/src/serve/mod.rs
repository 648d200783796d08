//! Serving an arena: opening it, listening, and the event loop around the supervisor.

mod acceptor;
mod arena;
mod connection;
mod effects;
mod error;
mod event_loop;
mod identity;
mod journal;
mod link;
mod listener;
mod locks;
mod note;
mod outbound;
mod recover;
mod setup;
mod token;
mod traffic;

pub(crate) use setup::{Settings, run};
