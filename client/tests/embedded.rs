//! Private supervisors: how they start and end.

mod common;

use arena_client::{Backing, Client, Error};
use common::daemon::{ARENA_BYTES, embedded, second_session};
use ndarray::arr0;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

#[test]
fn a_private_arena_has_no_name_and_the_size_it_was_given() {
    let client = embedded();
    let arena = client.arena().unwrap();
    assert_eq!(arena.name, None);
    assert_eq!(arena.backing, Backing::Memfd);
    assert_eq!(arena.bytes, ARENA_BYTES);
    assert_eq!(client.worker_count().unwrap(), 1);
}

#[test]
fn it_ends_with_its_last_client() {
    let client = embedded();
    let pid = Pid::from_raw(client.supervisor_pid().unwrap().try_into().unwrap()).unwrap();
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let other = second_session(&client);
    let object = other.put("x", &arr0(1)).unwrap();
    drop(client);
    other.stats().unwrap();
    drop(other);
    assert_eq!(object.view::<i32>().unwrap(), arr0(1).into_dyn());
    drop(object);
    poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None).unwrap();
}

#[test]
fn a_program_that_is_missing_or_ends_is_an_error() {
    let missing = Client::builder()
        .executable("/nonexistent/arenad")
        .embedded();
    assert!(matches!(missing, Err(Error::Launch { .. })));
    let useless = Client::builder().executable("/bin/false").embedded();
    assert!(matches!(useless, Err(Error::EndedAtStart { status, .. }) if status.code() == Some(1)));
}
