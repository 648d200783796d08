//! Peers that do what they must not.

use arena_core::ObjectId;
use arena_core::protocol::{
    Create, Failure, FromSupervisor, GroomDone, GroomOrder, Groomed, Reply, Request, Selector,
    Sharing, TaskReport, ToSupervisor,
};
use arenad::supervisor::{ConnId, Effect, Event, Peer};

use crate::rig::{Rig, floats, hello_message, peer, policy};

fn was_ended(rig: &Rig, conn: ConnId) -> bool {
    let refused = rig.sent().iter().any(|(to, message)| {
        *to == conn && matches!(message, FromSupervisor::Refused(Failure::Protocol { .. }))
    });
    refused && rig.effects.contains(&Effect::Close { conn })
}

#[test]
fn messages_out_of_role_end_the_session() {
    let out_of_role: [fn() -> ToSupervisor; 3] = [
        hello_message,
        || {
            ToSupervisor::Report(TaskReport {
                task: 1,
                outcome: Err(Failure::Cancelled),
                busy_ns: 0,
            })
        },
        || {
            ToSupervisor::Groomed(Groomed {
                order: GroomOrder::Populate {
                    first_block: 0,
                    blocks: 1,
                },
                done: GroomDone {
                    huge: vec![true],
                    shortage: None,
                },
            })
        },
    ];
    for message in out_of_role {
        let mut rig = Rig::new(policy(1), false);
        let client = rig.client(5);
        rig.take();
        rig.message(client, message());
        assert!(was_ended(&rig, client));
        rig.take();
        rig.ask(client, Request::Stats);
        assert!(rig.effects.is_empty(), "an ended session is not served");
    }
}

#[test]
fn requests_before_hello_and_bad_frames_end_the_connection() {
    let mut rig = Rig::new(policy(1), false);
    let early = rig.conn();
    rig.event(Event::Connected {
        conn: early,
        peer: peer(5),
    });
    rig.ask(early, Request::Stats);
    assert!(was_ended(&rig, early));
    let client = rig.client(6);
    rig.event(Event::BadFrame {
        conn: client,
        detail: "garbage".to_owned(),
    });
    assert!(was_ended(&rig, client));
    let silent = rig.conn();
    rig.event(Event::Connected {
        conn: silent,
        peer: peer(7),
    });
    rig.tick_at(5_000_000_000);
    assert!(was_ended(&rig, silent));
}

#[test]
fn a_request_id_in_flight_is_not_used_twice() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = rig.sealed(client, 10, None);
    let id = rig.run(client, "sum", &object);
    rig.message(
        client,
        ToSupervisor::Request {
            id,
            request: Request::Stats,
        },
    );
    assert!(was_ended(&rig, client));
}

#[test]
fn other_uids_are_refused() {
    let mut rig = Rig::new(policy(1), false);
    let conn = rig.conn();
    let stranger = Peer {
        uid: 1001,
        ..peer(5)
    };
    rig.event(Event::Connected {
        conn,
        peer: stranger,
    });
    assert!(
        matches!(rig.sent().last(), Some((to, FromSupervisor::Refused(Failure::Refused { .. }))) if *to == conn)
    );
    assert!(rig.effects.contains(&Effect::Close { conn }));
}

#[test]
fn what_one_session_may_hold_is_bounded() {
    let mut limits = policy(1);
    limits.requests_per_session_max = 4;
    limits.jobs_per_session_max = 3;
    limits.pins_per_session_max = 5;
    limits.objects_per_session_max = 2;
    let mut rig = Rig::new(limits, false);
    let client = rig.client(5);
    let object = rig.sealed(client, 10, Some("a"));
    rig.sealed(client, 10, Some("b"));
    let create = Create {
        layout: floats(1),
        name: None,
        sharing: None,
    };
    assert!(matches!(
        rig.call(client, Request::Create(create)),
        Err(Failure::Busy { limit: 2, .. })
    ));
    let jobs: Vec<u64> = (0..4).map(|_| rig.run(client, "sum", &object)).collect();
    assert!(matches!(
        rig.reply_to(jobs[3]),
        Some(Err(Failure::Busy { limit: 3, .. }))
    ));
    assert!(rig.reply_to(jobs[2]).is_none());
    assert!(
        matches!(rig.call(client, Request::Stats), Ok(Reply::Stats(_))),
        "a busy session is still answered"
    );
}

#[test]
fn nobody_gets_at_what_is_not_theirs() {
    let mut rig = Rig::new(policy(1), false);
    let (maker, other) = (rig.client(5), rig.client(6));
    let object = rig.created(maker, 10, Some("x"));
    let failures = [
        rig.call(other, Request::Seal(object.id)),
        rig.call(other, Request::Abandon(object.id)),
        rig.call(other, Request::Get(Selector::Id(object.id))),
        rig.call(other, Request::Remove(Selector::Id(object.id))),
        rig.call(other, Request::Unpin(vec![object.id])),
        rig.call(maker, Request::Unpin(vec![object.id])),
        rig.call(maker, Request::OpenWindow(object.id)),
        rig.call(maker, Request::RollBack(object.id)),
        rig.call(
            other,
            Request::Unpin(vec![ObjectId {
                index: u32::MAX,
                generation: u64::MAX,
            }]),
        ),
    ];
    assert!(failures.iter().all(Result::is_err), "{failures:?}");
    assert!(
        rig.call(maker, Request::Seal(object.id)).is_ok(),
        "nothing was changed"
    );
}

#[test]
fn an_arena_that_is_full_says_of_what_and_who_has_it() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    rig.created(client, 4 << 20, None);
    let mut create = Create {
        layout: floats(5 << 20),
        name: None,
        sharing: None,
    };
    let Err(Failure::ArenaFull {
        holders,
        free_bytes,
        ..
    }) = rig.call(client, Request::Create(create.clone()))
    else {
        panic!("40 MiB beside 32 MiB of 64 MiB");
    };
    assert_eq!((holders[0].pid, free_bytes), (5, 32 << 20));
    create.layout = floats(70_000);
    create.sharing = Some(Sharing {
        lock_axis: 0,
        stripes: Some(66_000),
        before_images: false,
    });
    let failure = rig.call(client, Request::Create(create)).unwrap_err();
    assert!(matches!(
        failure,
        Failure::ArenaFull {
            shortage: arena_core::protocol::Shortage::Cells,
            ..
        }
    ));
}

#[test]
fn a_window_elsewhere_forbids_the_seal_of_a_shared_object() {
    let mut rig = Rig::new(policy(1), false);
    let (maker, other) = (rig.client(5), rig.client(6));
    let create = Create {
        layout: floats(10),
        name: Some("x".parse().unwrap()),
        sharing: Some(Sharing::default()),
    };
    let Ok(Reply::Object(object)) = rig.call(maker, Request::Create(create)) else {
        panic!("it has room");
    };
    rig.call(maker, Request::Slot).unwrap();
    rig.call(other, Request::Get(Selector::Id(object.id)))
        .unwrap();
    rig.call(other, Request::OpenWindow(object.id)).unwrap();
    assert!(matches!(
        rig.call(maker, Request::Seal(object.id)),
        Err(Failure::StillOpen { .. })
    ));
    rig.call(other, Request::CloseWindow(object.id)).unwrap();
    let Ok(Reply::Object(sealed)) = rig.call(maker, Request::Seal(object.id)) else {
        panic!("nobody else has a window");
    };
    assert_eq!((sealed.stripes, sealed.image), (None, None));
}
