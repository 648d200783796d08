//! Peers that break the protocol or ask for what can't be, and resources that run out. After each attack another client works as
//! before, with the same supervisor.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

use arena_client::{ArrayLayout, Client, Dtype, Failure, Shortage};
use arena_core::protocol::{
    FRAME_BYTES_MAX, FromSupervisor, GroomDone, GroomOrder, Groomed, Partial, Reply, Request, Run,
    TaskReport, ToSupervisor,
};
use arena_tests::wire::{Wire, frame, frame_of, hello};
use arena_tests::{Daemon, Puppet, Site, program, settled, sum_of_classes_is_the_arena, until};
use ndarray::{Array, Array0, Array1, array};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// A daemon under attack, and a client that must not notice.
struct Attacked {
    witness: Puppet,
    daemon: Daemon,
    site: Site,
}

impl Attacked {
    fn new() -> Self {
        let site = Site::new();
        let daemon = site.start();
        Self::of(site, daemon)
    }

    fn of(site: Site, daemon: Daemon) -> Self {
        let witness = site.puppet();
        let mut attacked = Self {
            witness,
            daemon,
            site,
        };
        attacked.works();
        attacked
    }

    /// The witness does its work, in the same session with the same supervisor.
    fn works(&mut self) {
        self.witness.tell(&["put", "witness", "100000", "3"]);
        assert_eq!(self.witness.tell(&["run-int", "sum", "witness"]), "300000");
        self.witness.tell(&["get", "witness"]);
        assert_eq!(self.witness.tell(&["look", "witness"]), "300000");
        self.witness.tell(&["remove", "witness"]);
        assert!(self.daemon.is_alive());
    }

    fn wire(&self) -> Wire {
        Wire::greeted(&self.site.socket()).0
    }

    fn stranger(&self) -> Wire {
        Wire::connect(&self.site.socket())
    }

    fn client(&self) -> Client {
        self.site.client()
    }
}

/// Sends what the supervisor may stop reading at any moment.
fn shout(wire: &mut Wire, bytes: &[u8]) {
    // It has closed already: fine.
    let _ = wire.stream.write_all(bytes);
}

/// The connection ends, with a reason unless it broke before that could be read.
fn assert_ended(mut wire: Wire) -> Option<Failure> {
    let mut reason = None;
    while let Some(message) = wire.receive() {
        if let FromSupervisor::Refused(failure) = message {
            reason = Some(failure);
        }
    }
    reason
}

fn assert_protocol_violation(wire: Wire) {
    let reason = assert_ended(wire);
    assert!(
        matches!(reason, Some(Failure::Protocol { .. })),
        "{reason:?}"
    );
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..len).map(|_| next() as u8).collect()
}

/// Any tree of values in MessagePack, in a frame.
fn tree(value: &Value) -> Vec<u8> {
    frame_of(&rmp_serde::to_vec_named(value).unwrap())
}

fn request(request: &Value) -> Vec<u8> {
    tree(&json!({ "request": { "id": 1, "request": request } }))
}

#[test]
fn garbage_ends_its_own_session_only() {
    let mut attacked = Attacked::new();
    for greeted in [false, true] {
        for start in 0..8 {
            let mut wire = if greeted {
                attacked.wire()
            } else {
                attacked.stranger()
            };
            // Behind a length that makes a frame of it.
            shout(&mut wire, &frame_of(&noise(5000)[start..]));
            assert_protocol_violation(wire);
        }
        let mut wire = attacked.stranger();
        shout(&mut wire, &noise(3 << 20));
        assert_ended(wire);
        attacked.works();
    }
}

#[test]
fn deep_and_huge_values_are_refused() {
    let mut attacked = Attacked::new();
    // Arrays in arrays in arrays, as deep as a frame goes; an array that announces 2^32 - 1 elements; bytes likewise.
    let bodies = [
        vec![0x91; FRAME_BYTES_MAX],
        vec![0xdd, 0xff, 0xff, 0xff, 0xff],
        vec![0xc6, 0xff, 0xff, 0xff, 0xff],
        vec![0xdf, 0xff, 0xff, 0xff, 0xff],
    ];
    for body in bodies {
        let mut wire = attacked.wire();
        shout(&mut wire, &frame_of(&body));
        assert_protocol_violation(wire);
        attacked.works();
    }
}

#[test]
fn oversized_and_truncated_frames() {
    let mut attacked = Attacked::new();
    let mut wire = attacked.wire();
    let too_long = u32::try_from(FRAME_BYTES_MAX + 1).unwrap();
    shout(&mut wire, &too_long.to_le_bytes());
    assert_protocol_violation(wire);

    let whole = frame(&hello("half"));
    for len in [1, 3, 4, 5, whole.len() - 1] {
        let mut wire = attacked.stranger();
        shout(&mut wire, &whole[..len]);
        drop(wire);
    }
    let mut slow = attacked.stranger();
    shout(&mut slow, &whole[..7]);
    attacked.works();
    // A frame may come in pieces.
    shout(&mut slow, &whole[7..]);
    assert!(matches!(slow.receive(), Some(FromSupervisor::Welcome(_))));
}

#[test]
fn wrong_first_messages() {
    let mut attacked = Attacked::new();
    let firsts = [
        frame(&ToSupervisor::Request {
            id: 1,
            request: Request::Stats,
        }),
        tree(&json!({ "hello": { "protocol": 1, "program": "x".repeat(65) } })),
        tree(&json!({ "hello": { "protocol": "one", "program": "x" } })),
        tree(&json!({ "bonjour": {} })),
        frame(&report()),
        frame(&groomed()),
    ];
    for first in firsts {
        let mut wire = attacked.stranger();
        shout(&mut wire, &first);
        assert_protocol_violation(wire);
    }
    let mut wire = attacked.stranger();
    shout(
        &mut wire,
        &tree(&json!({ "hello": { "protocol": 99, "program": "x" } })),
    );
    let reason = assert_ended(wire);
    assert!(
        matches!(&reason, Some(Failure::Refused { reason }) if reason.contains("99")),
        "{reason:?}"
    );
    attacked.works();
}

fn report() -> ToSupervisor {
    ToSupervisor::Report(TaskReport {
        task: 1,
        outcome: Ok(Partial::new()),
        busy_ns: 0,
    })
}

fn groomed() -> ToSupervisor {
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
}

#[test]
fn a_client_that_speaks_as_a_worker_or_the_groomer_is_ended() {
    let mut attacked = Attacked::new();
    for message in [hello("again"), report(), groomed()] {
        let mut wire = attacked.wire();
        wire.send(&message);
        assert_protocol_violation(wire);
        attacked.works();
    }
}

#[test]
fn ids_in_flight_are_not_reused() {
    let mut attacked = Attacked::new();
    let client = attacked.client();
    let _x = client.put("x", &Array1::from_elem(4 << 20, 1.0)).unwrap();
    let run = ToSupervisor::Request {
        id: 7,
        request: Request::Run(Run {
            kernel: "std".to_owned(),
            inputs: vec![arena_client::Selector::Name("x".parse().unwrap())],
            params: Default::default(),
            deadline_ms: None,
        }),
    };
    let mut wire = attacked.wire();
    shout(&mut wire, &[frame(&run), frame(&run)].concat());
    assert_protocol_violation(wire);
    attacked.works();
    // One after the other the same id is fine.
    let mut wire = attacked.wire();
    for _ in 0..2 {
        assert!(matches!(
            wire.request(7, Request::Stats),
            Ok(Reply::Stats(_))
        ));
    }
}

#[test]
fn thousands_of_connections() {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, all).unwrap();
    let mut attacked = Attacked::new();
    for _ in 0..2000 {
        drop(attacked.stranger());
    }
    attacked.works();
    let silent: Vec<Wire> = (0..1500).map(|_| attacked.stranger()).collect();
    attacked.works();
    let mut refused = 0;
    let mut greeted = Vec::new();
    for _ in 0..1100 {
        let mut wire = attacked.stranger();
        wire.send(&hello("crowd"));
        match wire.receive() {
            Some(FromSupervisor::Welcome(_)) => greeted.push(wire),
            Some(FromSupervisor::Refused(Failure::Busy { bound, .. })) => {
                assert_eq!(bound, "sessions");
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(refused >= 100 && greeted.len() >= 900, "{refused}");
    attacked.works();
    drop((silent, greeted));
    // All of it ends, and others come in again.
    let (client, _) = until(|| Client::connect(&attacked.site.endpoint()).ok());
    settled(&client, |_| client.sessions().unwrap().len() == 2);
    attacked.works();
}

#[test]
fn surplus_descriptors() {
    let mut attacked = Attacked::new();
    let file = File::open("/dev/null").unwrap();
    let before = open_descriptors(&attacked.daemon);
    let descriptors = [file.as_fd(); 8];
    let mut wire = attacked.stranger();
    wire.send_with_descriptors(&frame(&hello("x")), &descriptors);
    assert_protocol_violation(wire);
    for _ in 0..50 {
        let mut wire = attacked.wire();
        wire.send_with_descriptors(&request(&json!("stats")), &descriptors);
        assert_protocol_violation(wire);
    }
    attacked.works();
    until(|| (open_descriptors(&attacked.daemon) <= before).then_some(()));
}

fn open_descriptors(daemon: &Daemon) -> usize {
    let pid = daemon.process().pid;
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

fn resident_kib(daemon: &Daemon) -> u64 {
    let pid = daemon.process().pid;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    words[1].parse().unwrap()
}

#[test]
fn a_client_that_never_reads() {
    let mut attacked = Attacked::new();
    let before = resident_kib(&attacked.daemon);
    let mut wire = attacked.wire();
    let flood = request(&json!("kernels")).repeat(1000);
    let patience = Some(Duration::from_secs(1));
    wire.stream.set_write_timeout(patience).unwrap();
    let started = Instant::now();
    let mut sent: u64 = 0;
    let ended = loop {
        match wire.stream.write_all(&flood) {
            Ok(()) => sent += 1000,
            Err(error) => break error,
        }
    };
    println!(
        "ended after {:?} and some {sent} requests: {ended}",
        started.elapsed()
    );
    let sent_bytes = sent * flood.len() as u64 / 1000;
    assert!(sent_bytes < 64 * MIB, "it reads on without end");
    assert!(
        matches!(
            ended.kind(),
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::WouldBlock
        ),
        "{ended}"
    );
    attacked.works();
    let grown = resident_kib(&attacked.daemon).saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB");
    drop(wire);
    attacked.works();
}

#[test]
fn names_that_are_none() {
    let mut attacked = Attacked::new();
    let names = ["", "a\u{0}b", "a\nb", "\u{1b}[31m", "\u{7f}", "\u{85}"];
    let long = "x".repeat(129);
    for name in names.into_iter().chain([&*long]) {
        let mut wire = attacked.wire();
        shout(&mut wire, &request(&json!({ "get": { "name": name } })));
        assert_protocol_violation(wire);
        let client = attacked.client();
        assert!(client.put(name, &array![1.0]).is_err(), "{name:?}");
    }
    // Bytes that are no UTF-8, in the place of as many that are.
    let mut bytes = request(&json!({ "get": { "name": "PLACEHOLDER" } }));
    let at = bytes
        .windows(11)
        .position(|window| window == b"PLACEHOLDER")
        .unwrap();
    bytes[at + 3] = 0xff;
    let mut wire = attacked.wire();
    shout(&mut wire, &bytes);
    assert_protocol_violation(wire);
    attacked.works();
    // The longest name, and one of other letters, are names.
    let client = attacked.client();
    for name in ["y".repeat(128), "λ/é 中".to_owned()] {
        client.put(&*name, &array![2.0]).unwrap();
        assert_eq!(client.get(&*name).unwrap().view::<f64>().unwrap()[[0]], 2.0);
    }
}

#[test]
fn shapes_that_overflow() {
    let mut attacked = Attacked::new();
    let shapes = [
        json!([1_u64 << 62, 8]),
        json!([u64::MAX]),
        json!([1_u64 << 32, 1_u64 << 32]),
        json!([1, 1, 1, 1, 1, 1, 1, 1, 1]),
    ];
    for shape in shapes {
        let layout = json!({ "dtype": "float64", "shape": shape });
        let mut wire = attacked.wire();
        let create = json!({ "create": { "layout": layout, "name": null } });
        shout(&mut wire, &request(&create));
        match wire.receive() {
            Some(FromSupervisor::Refused(Failure::Protocol { .. })) => {}
            Some(FromSupervisor::Reply { result: Err(_), .. }) => {}
            other => panic!("{other:?}"),
        }
        attacked.works();
    }
    let out = attacked.site.path("x.bin");
    std::fs::write(&out, [0; 64]).unwrap();
    let out = out.to_str().unwrap();
    let words = [
        "put",
        out,
        "--dtype",
        "float64",
        "--shape",
        "4611686018427387904,8",
    ];
    let refused = attacked.site.arenactl(words);
    assert!(matches!(refused.code, Some(2 | 7)), "{refused:?}");
    let _ = sum_of_classes_is_the_arena(&attacked.client());
}

#[test]
fn objects_of_others_are_not_moved() {
    let mut attacked = Attacked::new();
    let mut producer = attacked.site.puppet();
    producer.tell(&["fill", "half", "100000", "1"]);
    let client = attacked.client();
    let half = client
        .objects()
        .map(Result::unwrap)
        .find(|object| object.state == arena_client::ObjectState::Filling)
        .unwrap();
    let mut wire = attacked.wire();
    let by_id = arena_client::Selector::Id(half.id);
    let requests = [
        Request::Seal(half.id),
        Request::Abandon(half.id),
        Request::Get(by_id.clone()),
        Request::Remove(by_id),
        Request::OpenWindow(half.id),
        Request::CloseWindow(half.id),
        Request::RollBack(half.id),
        Request::Unpin(vec![half.id; 1000]),
        Request::Cancel(1),
    ];
    for (id, request) in requests.into_iter().enumerate() {
        // Some of it means nothing and is done; none of it may change the object.
        let _ = wire.request(id as u64 + 1, request);
    }
    let still = client
        .objects()
        .map(Result::unwrap)
        .find(|object| object.id == half.id);
    assert_eq!(still.unwrap(), half);
    attacked.works();
}

#[test]
fn wrong_kernels_and_arguments() {
    let mut attacked = Attacked::new();
    let client = attacked.client();
    let _x = client.put("x", &array![1.0, 2.0]).unwrap();
    let complex = ArrayLayout::c_order(Dtype::Complex64, &[2]).unwrap();
    let waves = client.create(complex, "waves").unwrap();
    let _waves = waves.seal().unwrap();
    let refuses = |kernel: &str, inputs: &[&str]| {
        let job = inputs
            .iter()
            .fold(client.run(kernel), |job, input| job.input(*input));
        job.call().unwrap_err()
    };
    let unknown = refuses("summ", &["x"]);
    assert!(
        matches!(unknown.failure(), Some(Failure::NoSuchKernel { nearest: Some(near), .. }) if near == "sum"),
        "{unknown}"
    );
    let is_bad = |error: arena_client::Error| {
        assert!(
            matches!(error.failure(), Some(Failure::BadArguments { .. })),
            "{error}"
        );
    };
    is_bad(refuses("histogram", &["waves"]));
    is_bad(refuses("sum", &["x", "x"]));
    is_bad(refuses("dot", &["x"]));
    is_bad(
        client
            .run("sum")
            .input("x")
            .param("bins", 3)
            .call()
            .unwrap_err(),
    );
    is_bad(
        client
            .run("histogram")
            .input("x")
            .param("bins", 0)
            .call()
            .unwrap_err(),
    );
    is_bad(
        client
            .run("histogram")
            .input("x")
            .param("bins", 1.5)
            .call()
            .unwrap_err(),
    );
    let missing = refuses("sum", &["nothing"]);
    assert!(
        matches!(missing.failure(), Some(Failure::NoSuchObject { .. })),
        "{missing}"
    );
    for (words, code) in [
        (["run", "summ", "x"], 4),
        (["run", "sum", "nothing"], 4),
        (["run", "histogram", "waves"], 7),
    ] {
        let refused = attacked.site.arenactl(words);
        assert_eq!(refused.code, Some(code), "{refused:?}");
    }
    attacked.works();
}

#[test]
fn arrays_without_elements_and_without_dimensions() {
    let mut attacked = Attacked::new();
    let client = attacked.client();
    let empty = client
        .put("empty", &Array::<f64, _>::zeros((0, 5)))
        .unwrap();
    assert_eq!(empty.layout().shape(), [0, 5]);
    assert!(empty.bytes().is_empty());
    assert_eq!(
        client
            .run("sum")
            .input("empty")
            .call()
            .unwrap()
            .float()
            .unwrap(),
        0.0
    );
    // NumPy: an error for these, NaN for the mean.
    for kernel in ["min", "max"] {
        let refused = client.run(kernel).input("empty").call().unwrap_err();
        assert!(
            matches!(refused.failure(), Some(Failure::BadArguments { .. })),
            "{refused}"
        );
    }
    assert!(
        client
            .run("mean")
            .input("empty")
            .call()
            .unwrap()
            .float()
            .unwrap()
            .is_nan()
    );
    let scalar = client.put("scalar", &Array0::from_elem((), 2.5)).unwrap();
    assert!(scalar.layout().shape().is_empty());
    for kernel in ["sum", "mean", "min", "max"] {
        let value = client
            .run(kernel)
            .input("scalar")
            .call()
            .unwrap()
            .float()
            .unwrap();
        assert_eq!(value, 2.5, "{kernel}");
    }
    attacked.works();
}

#[test]
fn nan_and_infinities() {
    let mut attacked = Attacked::new();
    let client = attacked.client();
    let _nan = client.put("nan", &array![1.0, f64::NAN, 3.0]).unwrap();
    let _inf = client.put("inf", &array![1.0, f64::INFINITY, 3.0]).unwrap();
    let run = |kernel: &str, name: &str| {
        client
            .run(kernel)
            .input(name)
            .call()
            .unwrap()
            .float()
            .unwrap()
    };
    for kernel in ["sum", "mean", "var", "std", "min", "max"] {
        assert!(run(kernel, "nan").is_nan(), "{kernel}");
    }
    assert_eq!(run("sum", "inf"), f64::INFINITY);
    assert_eq!(run("max", "inf"), f64::INFINITY);
    assert_eq!(run("min", "inf"), 1.0);
    assert!(run("std", "inf").is_nan());
    let refused = client.run("histogram").input("nan").call().unwrap_err();
    assert!(
        matches!(refused.failure(), Some(Failure::BadArguments { .. })),
        "{refused}"
    );
    let shown = attacked
        .site
        .arenactl(["run", "sum", "nan", "--json"])
        .json();
    assert_eq!(shown["value"], "nan");
    attacked.works();
}

#[test]
fn a_full_arena_names_its_holders_and_works_again() {
    let mut attacked = Attacked::new();
    let mut holder = attacked.site.puppet();
    holder.tell(&["put", "large", &(40 * MIB).to_string(), "1"]);
    let client = attacked.client();
    let large = Array1::from_elem(30 << 20, 2u8);
    let full = client.put("more", &large).unwrap_err();
    match full.failure() {
        Some(Failure::ArenaFull {
            shortage: Shortage::Arena,
            holders,
            requested_bytes,
            ..
        }) => {
            assert_eq!(*requested_bytes, 30 * MIB);
            let first = holders.first().unwrap();
            assert_eq!((first.pid, first.bytes), (holder.process().pid, 40 * MIB));
        }
        other => panic!("{other:?}"),
    }
    attacked.works();
    client.remove("large").unwrap();
    // The holder still looks at it.
    assert!(client.put("more", &large).is_err());
    holder.tell(&["release", "large"]);
    client.put("more", &large).unwrap();
    attacked.works();
}

/// A daemon behind a /dev/shm of its own of `bytes`.
fn with_small_shm(site: &Site, bytes: &str) -> Command {
    const MOUNT: &str = r#"mount -t tmpfs -o size="$0" none /dev/shm && exec "$@""#;
    let mut command = site.command("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-c", MOUNT, bytes]);
    command.arg(program("arenad"));
    command.args(["--arena", site.arena(), "--size", "64MiB", "--workers", "2"]);
    command
}

#[test]
fn a_small_dev_shm_is_a_typed_shortage() {
    let site = Site::new();
    let daemon = site.start_as(with_small_shm(&site, "8m"));
    let mut attacked = Attacked::of(site, daemon);
    let client = attacked.client();
    let large = Array1::from_elem(20 << 20, 2u8);
    for _ in 0..3 {
        let full = client.put("large", &large).unwrap_err();
        assert!(
            matches!(
                full.failure(),
                Some(Failure::ArenaFull {
                    shortage: Shortage::Filesystem,
                    ..
                })
            ),
            "{full}"
        );
        attacked.works();
    }
    let small = client
        .put("small", &Array1::from_elem(1 << 20, 5u8))
        .unwrap();
    assert!(small.bytes().iter().all(|byte| *byte == 5));
    let _ = sum_of_classes_is_the_arena(&client);
}

#[test]
fn a_dev_shm_without_room_for_the_table_is_refused() {
    let site = Site::new();
    let refused = Daemon::start(with_small_shm(&site, "64k")).err().unwrap();
    assert_eq!(refused.code, Some(7), "{refused:?}");
    assert!(refused.message.contains("room"), "{refused:?}");
}

#[test]
fn a_daemon_without_descriptors_serves_those_it_has() {
    let mut attacked = Attacked::new();
    let pid = Pid::from_raw(i32::try_from(attacked.daemon.process().pid).unwrap());
    let tight = Rlimit {
        current: Some(open_descriptors(&attacked.daemon) as u64),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    let before = prlimit(pid, Resource::Nofile, tight).unwrap();
    let waiting: Vec<Wire> = (0..50)
        .map(|_| {
            let mut wire = attacked.stranger();
            wire.send(&hello("waiting"));
            wire
        })
        .collect();
    for _ in 0..20 {
        attacked.works();
    }
    prlimit(pid, Resource::Nofile, before).unwrap();
    for mut wire in waiting {
        let answer = wire.receive();
        assert!(
            matches!(
                answer,
                Some(FromSupervisor::Welcome(_) | FromSupervisor::Refused(_)) | None
            ),
            "{answer:?}"
        );
    }
    attacked.works();
    drop(attacked.wire());
}

#[test]
fn a_daemon_started_with_few_descriptors_lets_others_wait() {
    let site = Site::new();
    let mut command = site.command("sh");
    command.args(["-c", r#"ulimit -n 130; exec "$0" "$@""#]);
    command.arg(program("arenad"));
    command.args(["--arena", site.arena(), "--size", "64MiB", "--workers", "2"]);
    let daemon = site.start_as(command);
    let mut attacked = Attacked::of(site, daemon);
    let crowd: Vec<Wire> = (0..40)
        .map(|_| {
            let mut wire = attacked.stranger();
            wire.send(&hello("crowd"));
            wire
        })
        .collect();
    attacked.works();
    drop(crowd);
    attacked.works();
    drop(attacked.wire());
}

#[test]
fn a_table_that_is_shrunk_ends_the_daemon_with_its_code() {
    let site = Site::new();
    let daemon = site.start();
    // It does not come back.
    let client = Client::builder()
        .reconnect_timeout(Duration::ZERO)
        .connect(&site.endpoint())
        .unwrap();
    client.put("x", &array![1.0]).unwrap();
    let table = File::options()
        .write(true)
        .open(site.file("table"))
        .unwrap();
    table.set_len(0).unwrap();
    // Whatever makes it look there.
    let _ = client.put("y", &array![1.0]);
    let status = daemon.wait();
    assert_eq!(status.code(), Some(8), "{status}");
}
