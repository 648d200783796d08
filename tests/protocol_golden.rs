//! Golden frames: one example of every message, byte for byte, so that a change of the wire format can't happen unnoticed.
//!
//! A failure means that older peers would misread newer ones: raise `PROTOCOL_VERSION`, tell docs/PROTOCOL.md, and write the
//! file anew with `ARENA_BLESS=1 cargo test -p arena-core --test protocol_golden`.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use arena_core::protocol::*;
use arena_core::{ArenaId, ArrayLayout, Dtype, Extent, ObjectId, Offset, SessionId, SlotId};
use serde::Serialize;
use serde::de::DeserializeOwned;

const OBJECT: ObjectId = ObjectId {
    index: 7,
    generation: 3,
};

fn layout() -> ArrayLayout {
    ArrayLayout::c_order(Dtype::Float64, &[3, 4]).unwrap()
}

fn extent() -> Extent {
    Extent::new(Offset::new(1 << 21), 96).unwrap()
}

fn arena() -> ArenaInfo {
    ArenaInfo {
        id: ArenaId(0x0123_4567_89ab_cdef),
        name: Some("lab".parse().unwrap()),
        bytes: 64 << 20,
        backing: Backing::Named,
    }
}

fn stripes() -> Stripes {
    Stripes {
        axis: 0,
        first_cell: 512,
        count: 3,
    }
}

fn object() -> Object {
    Object {
        id: OBJECT,
        name: Some("prices".parse().unwrap()),
        layout: layout(),
        extent: extent(),
        state: ObjectState::Shared,
        stripes: Some(stripes()),
        image: Extent::new(Offset::new(2 << 21), 96),
        uid: 1000,
        pins: 2,
    }
}

fn run() -> Run {
    Run {
        kernel: "histogram".into(),
        inputs: vec![
            Selector::Name("prices".parse().unwrap()),
            Selector::Id(OBJECT),
        ],
        params: BTreeMap::from([
            ("bins".into(), Value::Int(10)),
            ("range".into(), Value::Floats(vec![0.0, 1.0])),
        ]),
        deadline_ms: Some(2000),
    }
}

fn operand() -> Operand {
    Operand {
        object: OBJECT,
        extent: extent(),
        layout: layout(),
        stripes: Some(stripes()),
        image: None,
    }
}

/// One of each message that peers send, by name.
fn to_supervisor() -> Vec<(&'static str, ToSupervisor)> {
    let request = |request| ToSupervisor::Request { id: 5, request };
    vec![
        (
            "hello",
            ToSupervisor::Hello(Hello {
                protocol: 1,
                program: "example".into(),
                resume: None,
            }),
        ),
        (
            "hello_resume",
            ToSupervisor::Hello(Hello {
                protocol: 1,
                program: "example".into(),
                resume: Some(Resume {
                    arena: arena().id,
                    session: SessionId(9),
                    pins: vec![OBJECT],
                    windows: vec![OBJECT],
                }),
            }),
        ),
        (
            "create",
            request(Request::Create(Create {
                layout: layout(),
                name: Some("prices".parse().unwrap()),
                sharing: Some(Sharing {
                    lock_axis: 0,
                    stripes: Some(3),
                    before_images: true,
                }),
            })),
        ),
        ("seal", request(Request::Seal(OBJECT))),
        ("abandon", request(Request::Abandon(OBJECT))),
        (
            "get",
            request(Request::Get(Selector::Name("prices".parse().unwrap()))),
        ),
        ("unpin", request(Request::Unpin(vec![OBJECT]))),
        ("remove", request(Request::Remove(Selector::Id(OBJECT)))),
        ("list", request(Request::List { from: 0 })),
        ("slot", request(Request::Slot)),
        ("open_window", request(Request::OpenWindow(OBJECT))),
        ("close_window", request(Request::CloseWindow(OBJECT))),
        ("roll_back", request(Request::RollBack(OBJECT))),
        ("run", request(Request::Run(run()))),
        ("cancel", request(Request::Cancel(4))),
        ("kernels", request(Request::Kernels)),
        ("stats", request(Request::Stats)),
        ("workers", request(Request::Workers)),
        ("locks", request(Request::Locks)),
        ("sessions", request(Request::Sessions)),
        (
            "report",
            ToSupervisor::Report(TaskReport {
                task: 11,
                outcome: Ok(Partial::from(vec![1, 2, 3])),
                busy_ns: 1_000_000,
            }),
        ),
        (
            "groomed",
            ToSupervisor::Groomed(Groomed {
                order: GroomOrder::Populate {
                    first_block: 0,
                    blocks: 2,
                },
                done: GroomDone {
                    huge: vec![true],
                    shortage: Some(Shortage::Memory),
                },
            }),
        ),
    ]
}

/// One of each message that the supervisor sends, by name.
fn from_supervisor() -> Vec<(&'static str, FromSupervisor)> {
    let reply = |reply| FromSupervisor::Reply {
        id: 5,
        result: Ok(reply),
    };
    vec![
        (
            "welcome",
            FromSupervisor::Welcome(Box::new(Welcome {
                protocol: 1,
                session: SessionId(9),
                resumed: false,
                supervisor_pid: 4242,
                workers: 2,
                address: "/run/user/1000/arenad/arenad.sock".into(),
                arena: arena(),
                descriptors: vec![Descriptor::Data, Descriptor::Locks, Descriptor::Lifeline],
            })),
        ),
        (
            "refused",
            FromSupervisor::Refused(Failure::Refused {
                reason: "uid 1001".into(),
            }),
        ),
        ("done", reply(Reply::Done)),
        ("object", reply(Reply::Object(Box::new(object())))),
        (
            "objects",
            reply(Reply::Objects {
                objects: vec![object()],
                next: Some(8),
            }),
        ),
        (
            "slot",
            reply(Reply::Slot {
                slot: SlotId(17),
                incarnation: 2,
            }),
        ),
        (
            "ran",
            reply(Reply::Ran(Box::new(Ran {
                value: Some(Value::Float(6.5)),
                tasks: 4,
                retries: 1,
                elapsed_ns: 30_000_000,
                busy_ns: 55_000_000,
            }))),
        ),
        (
            "failure",
            FromSupervisor::Reply {
                id: 5,
                result: Err(Failure::ArenaFull {
                    shortage: Shortage::Arena,
                    requested_bytes: 1 << 30,
                    free_bytes: 4096,
                    holders: vec![Holder {
                        session: SessionId(9),
                        pid: 77,
                        bytes: 1 << 29,
                    }],
                }),
            },
        ),
        (
            "task_run",
            FromSupervisor::Task(Box::new(Task {
                task: 11,
                work: Work::Run {
                    kernel: "scale_add".into(),
                    params: BTreeMap::from([("scale".into(), Value::Complex { re: 2.0, im: 0.5 })]),
                    state: vec![9, 8],
                    inputs: vec![operand()],
                    span: Span::Stripes { start: 1, end: 3 },
                },
                lock_timeout_ms: 10_000,
            })),
        ),
        (
            "task_roll_back",
            FromSupervisor::Task(Box::new(Task {
                task: 12,
                work: Work::RollBack {
                    operand: operand(),
                    stripes: vec![1],
                },
                lock_timeout_ms: 10_000,
            })),
        ),
        (
            "groom",
            FromSupervisor::Groom(GroomOrder::Release {
                first_block: 4,
                blocks: 1,
            }),
        ),
        ("notice", FromSupervisor::Notice(Notice::Draining)),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lines<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    direction: &str,
    messages: Vec<(&'static str, T)>,
) -> String {
    let mut text = String::new();
    for (name, message) in messages {
        let mut frame = Vec::new();
        encode(&message, &mut frame).unwrap();
        assert_eq!(
            decode::<T>(&frame[4..]).unwrap(),
            message,
            "{direction} {name} does not come back as it went"
        );
        text.push_str(&format!("{direction} {name} {}\n", hex(&frame)));
    }
    text
}

#[test]
fn frames_are_byte_for_byte_as_documented() {
    let now = lines("to", to_supervisor()) + &lines("from", from_supervisor());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/frames.txt");
    if std::env::var_os("ARENA_BLESS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (now, golden) in now.lines().zip(golden.lines()) {
        assert_eq!(now, golden);
    }
    assert_eq!(now.lines().count(), golden.lines().count());
}

/// The document names every message and every failure, so that nobody has to read the code to write a client.
#[test]
fn the_document_names_every_message() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PROTOCOL.md");
    let document = std::fs::read_to_string(path).unwrap();
    for (name, _) in to_supervisor() {
        let name = name.split("_resume").next().unwrap();
        assert!(
            document.contains(&format!("`{name}`")),
            "docs/PROTOCOL.md does not tell of {name}"
        );
    }
    for (name, _) in from_supervisor() {
        let name = name
            .split("_run")
            .next()
            .unwrap()
            .split("_roll")
            .next()
            .unwrap();
        assert!(
            document.contains(&format!("`{name}`")),
            "docs/PROTOCOL.md does not tell of {name}"
        );
    }
    for failure in [
        "arena_full",
        "name_taken",
        "no_such_object",
        "no_such_kernel",
        "bad_arguments",
        "wrong_state",
        "still_open",
        "not_locked",
        "poisoned",
        "lock_timeout",
        "closed",
        "busy",
        "worker_died",
        "quarantined",
        "deadline_exceeded",
        "cancelled",
        "draining",
        "refused",
        "protocol",
        "damaged",
        "system",
    ] {
        assert!(
            document.contains(&format!("`{failure}`")),
            "docs/PROTOCOL.md does not tell of the failure {failure}"
        );
    }
}
