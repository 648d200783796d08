//! What a user would pick instead, and the bare mechanisms underneath: echo processes over a socket and a futex word.

mod futex_echo;
mod socket_echo;

pub(crate) use futex_echo::FutexEcho;
pub(crate) use socket_echo::SocketEcho;
