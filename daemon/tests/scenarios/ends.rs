//! How sessions and the supervisor end, and how it starts again.

use arena_core::SessionId;
use arena_core::protocol::{
    Failure, FromSupervisor, Hello, Notice, ObjectState, PROTOCOL_VERSION, Reply, Request, Resume,
    ToSupervisor,
};
use arenad::supervisor::{
    ConnId, Effect, Event, ExitReason, ObjectRecord, ProcessRecord, Recovered, Role, Survivor,
};

use crate::rig::{Rig, floats, hello_message, peer, policy};

fn exits(rig: &Rig) -> Vec<ExitReason> {
    let exits = rig.effects.iter().filter_map(|effect| match effect {
        Effect::Exit(reason) => Some(*reason),
        _ => None,
    });
    exits.collect()
}

#[test]
fn pins_outlive_the_process_as_long_as_its_lifeline() {
    let mut rig = Rig::new(policy(1), false);
    let (maker, reader) = (rig.client(5), rig.client(6));
    let object = rig.sealed(maker, 10, Some("x"));
    rig.call(
        reader,
        Request::Get(arena_core::protocol::Selector::Id(object.id)),
    )
    .unwrap();
    rig.call(maker, Request::Unpin(vec![object.id])).unwrap();
    rig.call(
        maker,
        Request::Remove(arena_core::protocol::Selector::Id(object.id)),
    )
    .unwrap();
    rig.take();
    rig.dies(reader);
    assert!(!rig.effects.contains(&Effect::ClearObject(object.id)));
    rig.event(Event::LifelineEnded { conn: reader });
    assert!(rig.effects.contains(&Effect::ClearObject(object.id)));
}

#[test]
fn what_a_closed_session_was_filling_lingers_and_its_name_is_free() {
    let mut rig = Rig::new(policy(1), false);
    let (maker, other) = (rig.client(5), rig.client(6));
    let object = rig.created(maker, 10, Some("x"));
    rig.take();
    rig.event(Event::Closed { conn: maker });
    let lingers = |effect: &Effect| matches!(effect, Effect::WriteObject(record) if record.state == ObjectState::Lingering);
    assert!(rig.effects.iter().any(lingers));
    assert!(rig.supervisor.memory_classes().lingering_bytes > 0);
    rig.created(other, 10, Some("x"));
    rig.event(Event::Gone {
        conn: maker,
        cause: None,
    });
    rig.event(Event::LifelineEnded { conn: maker });
    assert!(rig.effects.contains(&Effect::ClearObject(object.id)));
    assert_eq!(rig.supervisor.memory_classes().lingering_bytes, 0);
}

#[test]
fn a_private_supervisor_ends_with_its_last_client() {
    let mut rig = Rig::new(policy(1), true);
    assert!(exits(&rig).is_empty());
    let (first, second) = (rig.client(5), rig.client(6));
    rig.event(Event::Closed { conn: first });
    rig.event(Event::LifelineEnded { conn: first });
    assert!(exits(&rig).is_empty());
    rig.dies(second);
    assert!(
        exits(&rig).is_empty(),
        "a forked child still has the lifeline"
    );
    rig.event(Event::LifelineEnded { conn: second });
    assert_eq!(exits(&rig), [ExitReason::LastClientGone]);
}

#[test]
fn a_private_supervisor_ends_when_its_client_never_said_hello() {
    let mut rig = Rig::new(policy(1), true);
    let conn = rig.conn();
    rig.event(Event::Connected {
        conn,
        peer: peer(5),
    });
    rig.event(Event::Closed { conn });
    assert_eq!(exits(&rig), [ExitReason::LastClientGone]);
}

#[test]
fn draining_finishes_what_runs_and_takes_nothing_new() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = rig.sealed(client, 10, Some("x"));
    let running = rig.run(client, "sum", &object);
    rig.event(Event::Drain);
    let notice = FromSupervisor::Notice(Notice::Draining);
    assert!(rig.sent().contains(&(client, notice)));
    let refused = rig.run(client, "sum", &object);
    assert_eq!(rig.reply_to(refused), Some(Err(Failure::Draining)));
    let late = rig.client(6);
    assert!(
        rig.sent()
            .contains(&(late, FromSupervisor::Refused(Failure::Draining)))
    );
    let (worker, task) = rig.tasks()[0].clone();
    rig.report(worker, &task);
    assert!(matches!(rig.reply_to(running), Some(Ok(Reply::Ran(_)))));
    assert!(rig.effects.contains(&Effect::Close { conn: worker }));
    assert!(exits(&rig).is_empty(), "the children have not ended");
    rig.dies(worker);
    let groomer = rig.groomer.unwrap();
    rig.dies(groomer);
    assert_eq!(exits(&rig), [ExitReason::Drained]);
}

#[test]
fn draining_ends_in_time() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = rig.sealed(client, 10, Some("x"));
    let running = rig.run(client, "sum", &object);
    rig.event(Event::Drain);
    let due = rig.supervisor.next_deadline().unwrap();
    rig.tick_at(due.0);
    assert_eq!(rig.reply_to(running), Some(Err(Failure::Draining)));
    let due = rig.supervisor.next_deadline().unwrap();
    rig.tick_at(due.0);
    let worker = rig.workers[0].1;
    assert!(rig.effects.contains(&Effect::Kill { conn: worker }));
    assert_eq!(exits(&rig), [ExitReason::DrainTimedOut]);
}

#[test]
fn damage_ends_the_supervisor_at_once() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    rig.event(Event::Damaged);
    assert!(
        rig.sent()
            .contains(&(client, FromSupervisor::Notice(Notice::Damaged)))
    );
    assert!(matches!(
        rig.effects.last(),
        Some(Effect::Exit(ExitReason::Damaged))
    ));
}

fn left_behind(state: ObjectState, lifeline_held: bool) -> Recovered {
    let process = ProcessRecord {
        row: 0,
        session: SessionId(9),
        role: Role::Client,
        peer: peer(5),
        slot: None,
    };
    let object = ObjectRecord {
        id: arena_core::ObjectId {
            index: 0,
            generation: 1,
        },
        state,
        layout: floats(10),
        extent: arena_core::Extent {
            offset: arena_core::Offset::ZERO,
            len: 80,
        },
        name: Some("x".parse().unwrap()),
        session: SessionId(9),
        uid: 1000,
        stripes: None,
        image: None,
    };
    Recovered {
        first_session: SessionId(100),
        generations: vec![1],
        objects: vec![object],
        blocks: Vec::new(),
        processes: vec![Survivor {
            record: process,
            conn: ConnId(1000),
            alive: true,
            lifeline_held,
        }],
    }
}

fn comes_back(rig: &mut Rig, pins: Vec<arena_core::ObjectId>) -> ConnId {
    let conn = rig.conn();
    rig.event(Event::Connected {
        conn,
        peer: peer(5),
    });
    rig.message(
        conn,
        ToSupervisor::Hello(Hello {
            protocol: PROTOCOL_VERSION,
            program: "test".to_owned(),
            resume: Some(Resume {
                arena: arena_core::ArenaId(1),
                session: SessionId(9),
                pins,
                windows: Vec::new(),
            }),
        }),
    );
    conn
}

#[test]
fn a_removed_object_waits_for_processes_of_before_the_restart() {
    let mut rig = Rig::recovered(policy(1), false, left_behind(ObjectState::Removed, true));
    let id = arena_core::ObjectId {
        index: 0,
        generation: 1,
    };
    assert!(!rig.effects.contains(&Effect::ClearObject(id)));
    let conn = comes_back(&mut rig, vec![id]);
    let resumed = rig.sent().into_iter().any(|(to, message)| {
        to == conn && matches!(message, FromSupervisor::Welcome(welcome) if welcome.resumed && welcome.session == SessionId(9) && welcome.descriptors.is_empty())
    });
    assert!(resumed);
    assert!(!rig.effects.contains(&Effect::ClearObject(id)));
    rig.call(conn, Request::Unpin(vec![id])).unwrap();
    assert!(rig.effects.contains(&Effect::ClearObject(id)));
}

#[test]
fn a_grant_that_its_maker_never_heard_of_goes_when_it_comes_back() {
    let mut rig = Rig::recovered(policy(1), false, left_behind(ObjectState::Filling, true));
    let conn = comes_back(&mut rig, Vec::new());
    rig.created(conn, 10, Some("x"));
}

#[test]
fn only_the_same_process_resumes_a_session() {
    let mut rig = Rig::recovered(policy(1), false, left_behind(ObjectState::Sealed, true));
    let conn = rig.conn();
    rig.event(Event::Connected {
        conn,
        peer: peer(6),
    });
    let mut hello = hello_message();
    if let ToSupervisor::Hello(hello) = &mut hello {
        hello.resume = Some(Resume {
            arena: arena_core::ArenaId(1),
            session: SessionId(9),
            pins: Vec::new(),
            windows: Vec::new(),
        });
    }
    rig.message(conn, hello);
    let afresh = rig.sent().into_iter().any(|(to, message)| {
        to == conn && matches!(message, FromSupervisor::Welcome(welcome) if !welcome.resumed && welcome.session != SessionId(9))
    });
    assert!(afresh);
}
