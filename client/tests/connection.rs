//! The connection against a supervisor that misbehaves on purpose.

mod common;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use arena_client::{Client, Error, Failure, Input, ObjectId, ObjectState};
use arena_core::protocol::{FRAME_BYTES_MAX, FromSupervisor, Reply, Request};
use common::fake::{Peer, Server, frame, sealed, welcome};

/// Never the reason that a test ends.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(60);

/// What `call` returns while `serve` plays the supervisor, and what that returns.
fn both<T: Send, U>(call: impl FnOnce() -> T + Send, serve: impl FnOnce() -> U) -> (T, U) {
    thread::scope(|scope| {
        let called = scope.spawn(call);
        let served = serve();
        (called.join().expect("the call does not panic"), served)
    })
}

fn during<T: Send>(call: impl FnOnce() -> T + Send, serve: impl FnOnce()) -> T {
    both(call, serve).0
}

#[test]
fn a_supervisor_that_never_greets_is_an_error() {
    let server = Server::new();
    let error = Client::builder()
        .reply_timeout(SHORT)
        .connect(&server.endpoint())
        .unwrap_err();
    assert!(matches!(error, Error::NoAnswer { .. }), "{error:?}");
}

#[test]
fn silence_is_an_error_after_a_request_for_a_sign_of_life() {
    let server = Server::new();
    let (client, mut peer) = server.client(SHORT);
    let error = client.stats().unwrap_err();
    assert!(
        matches!(error, Error::NoAnswer { silent } if silent >= SHORT),
        "{error:?}"
    );
    assert!(matches!(peer.request(), (_, Request::Stats)));
    assert!(matches!(peer.request(), (id, Request::Unpin(none)) if id != 0 && none.is_empty()));
}

#[test]
fn a_slow_answer_is_waited_for_while_the_supervisor_lives() {
    let server = Server::new();
    let (client, mut peer) = server.client(SHORT);
    let removed = during(
        || client.remove("x"),
        || {
            let (asked, _) = peer.request();
            for _ in 0..4 {
                let (sign, request) = peer.request();
                assert!(matches!(request, Request::Unpin(_)));
                peer.reply(sign, Ok(Reply::Done));
            }
            peer.reply(asked, Ok(Reply::Done));
        },
    );
    removed.unwrap();
}

#[test]
fn an_object_granted_too_late_is_given_back() {
    let server = Server::new();
    let (client, mut peer) = server.client(SHORT);
    let error = client.get("late").unwrap_err();
    assert!(matches!(error, Error::NoAnswer { .. }), "{error:?}");
    let (late, _) = peer.request();
    let _sign = peer.request();
    let object = sealed(5, 0, 10);
    let id = object.id;
    during(
        || client.remove("next"),
        || {
            let (next, _) = peer.request();
            peer.reply(late, Ok(Reply::Object(Box::new(object))));
            peer.reply(next, Ok(Reply::Done));
        },
    )
    .unwrap();
    assert_eq!(peer.request(), (0, Request::Unpin(vec![id])));
}

#[test]
fn every_thread_gets_its_own_reply_in_whatever_order() {
    const THREADS: usize = 8;
    let server = Server::new();
    let (client, mut peer) = server.client(LONG);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|n| {
                let client = client.clone();
                scope.spawn(move || (n, client.remove(format!("{n}").as_str()).unwrap_err()))
            })
            .collect();
        let mut replies: Vec<Vec<u8>> = (0..THREADS)
            .map(|_| {
                let (id, request) = peer.request();
                let Request::Remove(what) = request else {
                    panic!("{request:?}")
                };
                let object = format!("{what:?}");
                frame(&FromSupervisor::Reply {
                    id,
                    result: Err(Failure::NoSuchObject { object }),
                })
            })
            .collect();
        replies.reverse();
        // The first byte alone has the leader read twice.
        let replies = replies.concat();
        peer.send_bytes(&replies[..1]);
        peer.send_bytes(&replies[1..]);
        for thread in threads {
            let (n, error) = thread.join().unwrap();
            assert!(
                error.to_string().contains(&format!("\"{n}\"")),
                "{n}: {error}"
            );
        }
    });
}

#[test]
fn a_follower_leads_on_when_the_leader_has_its_reply() {
    let server = Server::new();
    let (client, mut peer) = server.client(LONG);
    thread::scope(|scope| {
        let first = scope.spawn(|| client.remove("first"));
        let (first_id, _) = peer.request();
        let second = scope.spawn(|| client.remove("second"));
        let (second_id, _) = peer.request();
        peer.reply(first_id, Ok(Reply::Done));
        first.join().unwrap().unwrap();
        peer.reply(second_id, Ok(Reply::Done));
        second.join().unwrap().unwrap();
    });
}

#[test]
fn a_batch_arrives_at_once_and_is_answered_one_by_one() {
    let server = Server::new();
    server.write(4096, b"hello");
    let (client, mut peer) = server.client(LONG);
    let mut batch = client.batch();
    let object = batch.get("a");
    let misnamed = batch.remove("");
    let gone = batch.remove("gone");
    let sum = batch.run(client.run("sum").input("a"));
    assert_eq!(batch.len(), 4);
    let mut replies = during(
        || batch.send().unwrap(),
        || {
            let (get, _) = peer.request();
            let (remove, _) = peer.request();
            let (run, _) = peer.request();
            assert_eq!((remove, run), (get + 1, get + 2));
            peer.reply(run, Ok(Reply::Done));
            let object = String::new();
            peer.reply(remove, Err(Failure::NoSuchObject { object }));
            peer.reply(get, Ok(Reply::Object(Box::new(sealed(1, 4096, 5)))));
        },
    );
    assert_eq!(replies.take(object).unwrap().bytes(), b"hello");
    assert!(matches!(replies.take(misnamed), Err(Error::Name(_))));
    assert!(matches!(
        replies.take(gone),
        Err(Error::Failed(Failure::NoSuchObject { .. }))
    ));
    assert!(matches!(
        replies.take(sum),
        Err(Error::UnexpectedReply { .. })
    ));
}

#[test]
fn oversized_and_garbage_frames_end_the_connection() {
    for bytes in [
        (FRAME_BYTES_MAX as u32 + 1).to_le_bytes().to_vec(),
        [3_u32.to_le_bytes().to_vec(), vec![0xc1; 3]].concat(),
    ] {
        let server = Server::new();
        let (client, mut peer) = server.client(LONG);
        let error = during(
            || client.remove("x").unwrap_err(),
            || {
                peer.request();
                peer.send_bytes(&bytes);
            },
        );
        assert!(matches!(error, Error::Handshake { .. }), "{error:?}");
    }
}

#[test]
fn welcomes_that_lack_or_repeat_something_are_refused() {
    let mut lacking = welcome();
    lacking.descriptors.pop();
    let mut doubled = welcome();
    doubled.descriptors.push(doubled.descriptors[0]);
    let mut newer = welcome();
    newer.protocol += 1;
    let mut resized = welcome();
    resized.arena.bytes *= 2;
    for welcome in [lacking, doubled, newer, resized] {
        let server = Server::new();
        let error = during(
            || Client::connect(&server.endpoint()).unwrap_err(),
            || {
                let mut peer = server.accept();
                peer.hello();
                peer.welcome(&server, welcome);
            },
        );
        assert!(
            matches!(error, Error::Handshake { .. } | Error::Map { .. }),
            "{error:?}"
        );
    }
}

#[test]
fn a_refusal_says_why() {
    let server = Server::new();
    let error = during(
        || Client::connect(&server.endpoint()).unwrap_err(),
        || {
            let mut peer = server.accept();
            peer.hello();
            let reason = "not you".to_owned();
            peer.send(&FromSupervisor::Refused(Failure::Refused { reason }));
        },
    );
    assert!(error.to_string().contains("not you"), "{error}");
}

#[test]
fn a_loss_under_way_says_whether_it_may_have_happened_and_what_may_be_repeated_is() {
    let server = Server::new();
    server.write(0, b"kept");
    let (client, mut peer) = server.client(LONG);
    let held = during(
        || client.get("held").unwrap(),
        || {
            let (id, _) = peer.request();
            peer.reply(id, Ok(Reply::Object(Box::new(sealed(3, 0, 4)))));
        },
    );
    let lost = during(
        || client.remove("x").unwrap_err(),
        || {
            peer.request();
            drop(peer);
        },
    );
    assert!(
        matches!(
            lost,
            Error::ConnectionLost {
                may_have_happened: true
            }
        ),
        "{lost:?}"
    );
    assert_eq!(held.bytes(), b"kept");

    let mut resuming = welcome();
    resuming.resumed = true;
    resuming.descriptors.clear();
    let again = during(
        || client.get("again").unwrap(),
        || {
            let mut peer = server.accept();
            let resume = peer.hello().resume.unwrap();
            assert_eq!(resume.pins, [held.id()]);
            assert_eq!(resume.session, welcome().session);
            peer.welcome(&server, resuming.clone());
            peer.request();
            drop(peer);
            // Lost once more, with a request that may be repeated.
            let mut peer = server.accept();
            peer.hello();
            peer.welcome(&server, resuming);
            let (id, request) = peer.request();
            assert!(matches!(request, Request::Get(_)));
            peer.reply(id, Ok(Reply::Object(Box::new(sealed(4, 0, 2)))));
            kept_open(peer);
        },
    );
    assert_eq!(again.bytes(), b"ke");
}

/// Keeps a connection open for the rest of the test process.
fn kept_open(peer: Peer) {
    std::mem::forget(peer);
}

#[test]
fn an_object_of_another_arena_is_not_taken_for_one_of_this() {
    let server = Server::new();
    let (client, mut peer) = server.client(LONG);
    let held = during(
        || client.get("held").unwrap(),
        || {
            let (id, _) = peer.request();
            peer.reply(id, Ok(Reply::Object(Box::new(sealed(3, 0, 4)))));
        },
    );
    drop(peer);
    let mut other = welcome();
    other.arena.id = arena_client::ArenaId(0xfb);
    let (namesake, mut peer) = both(
        || client.get("namesake").unwrap(),
        || {
            let mut peer = server.accept();
            peer.hello();
            peer.welcome(&server, other);
            let (id, _) = peer.request();
            peer.reply(id, Ok(Reply::Object(Box::new(sealed(3, 0, 4)))));
            peer
        },
    );
    assert_eq!(namesake.id(), held.id());
    for refused in [
        client.get(&held).map(drop),
        client.remove(&held),
        held.remove(),
        client.run("sum").input(&held).call().map(drop),
    ] {
        assert!(
            matches!(refused, Err(Error::ForeignObject { object }) if object == held.id()),
            "{refused:?}"
        );
    }
    let id = held.id();
    drop(held);
    during(
        || client.remove("next").unwrap(),
        || {
            let (next, request) = peer.request();
            assert!(matches!(request, Request::Remove(_)), "{request:?}");
            peer.reply(next, Ok(Reply::Done));
        },
    );
    drop(namesake);
    drop(client);
    assert_eq!(peer.request(), (0, Request::Unpin(vec![id])));
    assert_eq!(peer.try_receive(), None);
}

#[test]
fn handles_of_an_object_take_its_pins_back_together() {
    let server = Server::new();
    let (client, mut peer) = server.client(LONG);
    let get = |peer: &mut Peer| {
        during(
            || client.get("x").unwrap(),
            || {
                let (id, _) = peer.request();
                peer.reply(id, Ok(Reply::Object(Box::new(sealed(3, 0, 4)))));
            },
        )
    };
    let (one, other) = (get(&mut peer), get(&mut peer));
    let id: ObjectId = one.id();
    let clone = one.clone();
    drop(one);
    drop(clone);
    drop(other);
    assert_eq!(peer.request(), (0, Request::Unpin(vec![id, id])));
}

#[test]
fn what_is_not_sealed_is_not_viewed() {
    let server = Server::new();
    let (client, mut peer) = server.client(LONG);
    let mut filling = sealed(3, 0, 4);
    filling.state = ObjectState::Filling;
    let mut outside = sealed(4, 0, 4);
    outside.extent.offset = arena_client::Offset::new(common::fake::ARENA_BYTES);
    let mut short = sealed(5, 0, 4);
    short.extent.len = 3;
    for bad in [filling, outside, short] {
        let got = during(
            || client.get("x"),
            || {
                let (id, _) = peer.request();
                peer.reply(id, Ok(Reply::Object(Box::new(bad))));
            },
        );
        assert!(got.is_err(), "{got:?}");
        assert!(matches!(peer.request(), (0, Request::Unpin(_))));
    }
}

#[test]
fn a_full_socket_is_read_by_whoever_sends() {
    let server = Server::new();
    let (client, mut peer) = server.client(LONG);
    let (sent, all_sent) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            // Nobody waits for these, so nobody reads their replies but the sender.
            let pending: Vec<_> = (0..20_000)
                .map(|_| client.run("sum").input("x").submit().unwrap())
                .collect();
            sent.send(()).unwrap();
            for pending in pending {
                assert!(matches!(
                    pending.wait(),
                    Err(Error::Failed(Failure::Cancelled))
                ));
            }
        });
        // A supervisor that answers each request before it reads the next one.
        for _ in 0..20_000 {
            let (id, _) = peer.request();
            peer.reply(id, Err(Failure::Cancelled));
        }
        all_sent.recv().unwrap();
    });
}

#[test]
fn names_are_checked_before_anything_is_sent() {
    let server = Server::new();
    let (client, peer) = server.client(LONG);
    assert!(matches!(client.get(""), Err(Error::Name(_))));
    assert!(matches!(
        client.remove("x".repeat(129)),
        Err(Error::Name(_))
    ));
    assert!("ok".selector().is_ok());
    drop((client, peer));
}
