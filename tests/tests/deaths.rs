//! Deaths of workers and clients of a daemon: what is lost, what goes on, and what comes back to the arena.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::time::{Duration, Instant};

use arena_client::{ArrayLayout, Dtype};
use arena_client::{Client, Failure, Sharing};
use arena_tests::{Site, settled, sum_of_classes_is_the_arena, unchanged, until};
use ndarray::Array1;
use rustix::process::Signal;

const MIB: u64 = 1 << 20;

fn bytes(mib: u64) -> String {
    (mib * MIB).to_string()
}

/// Numbers whose sum is exact, whatever the order of the additions.
fn numbers(len: usize) -> (Array1<f64>, f64) {
    let numbers = Array1::from_iter((0..len).map(|index| (index % 1000) as f64));
    let sum = numbers.sum();
    (numbers, sum)
}

#[test]
fn a_worker_killed_in_the_midst_of_twenty_jobs_costs_no_result() {
    let site = Site::new();
    let daemon = site.start();
    let client = site.client();
    let (numbers, sum) = numbers(4 << 20);
    let x = client.put("x", &numbers).unwrap();
    let jobs: Vec<_> = (0..20)
        .map(|_| client.run("sum").input(&x).submit().unwrap())
        .collect();
    let (worker, _) = until(|| {
        let workers = client.workers().unwrap();
        let mut busy = workers
            .into_iter()
            .filter(|row| row.state == arena_client::WorkerState::Busy);
        busy.next().map(|row| row.pid)
    });
    let victim = arena_tests::Process::of(worker);
    if let Some(victim) = victim {
        victim.kill();
    }
    let killed = Instant::now();
    let mut results = 0;
    for job in jobs {
        assert_eq!(job.wait().unwrap().float().unwrap(), sum);
        results += 1;
    }
    println!("20 jobs were over {:?} after the kill", killed.elapsed());
    assert_eq!(results, 20);
    let (stats, took) = settled(&client, |stats| stats.counters.workers_died == 1);
    println!(
        "the death was in the books {took:?} later; {:?}",
        stats.counters
    );
    assert!(daemon.is_alive());
}

#[test]
fn every_worker_may_die_again_and_again_between_jobs() {
    let site = Site::new();
    let daemon = site.start();
    let client = site.client();
    let (numbers, sum) = numbers(1 << 20);
    let x = client.put("x", &numbers).unwrap();
    let mut died = 0;
    for _ in 0..5 {
        let victims = daemon.workers();
        died += victims.len() as u64;
        for worker in victims {
            worker.kill();
        }
        // What a worker was sent and never read counts as started, so the deaths come first.
        settled(&client, |stats| stats.counters.workers_died == died);
        let started = Instant::now();
        let ran = client.run("sum").input(&x).call().unwrap();
        assert_eq!(ran.float().unwrap(), sum);
        println!(
            "a job right after the death of all workers took {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn in_place_work_changes_each_stripe_once_though_its_workers_die() {
    let site = Site::new();
    let daemon = site.start();
    let client = site.client();
    const LEN: u64 = 2 << 20;
    let layout = ArrayLayout::c_order(Dtype::Float64, &[LEN]).unwrap();
    let sharing = Sharing {
        before_images: true,
        ..Sharing::default()
    };
    let shared = client.create_shared(layout, "x", sharing).unwrap();
    let mut guard = shared.overwrite(..).unwrap();
    guard.slice_mut::<f64>().unwrap().fill(1.0);
    guard.commit().unwrap();
    let mut expected = 1.0;
    for round in 0..6 {
        let job = client
            .run("scale_add")
            .input("x")
            .param("scale", 1.0)
            .param("offset", 1.0)
            .submit()
            .unwrap();
        if round % 2 == 0
            && let Some(worker) = daemon.workers().first()
        {
            worker.kill();
        }
        job.wait().unwrap();
        expected += 1.0;
        let guard = shared.read(..).unwrap();
        let wrong = guard
            .slice::<f64>()
            .unwrap()
            .iter()
            .filter(|x| **x != expected)
            .count();
        assert_eq!(wrong, 0, "round {round}");
    }
    assert_eq!(client.locks().unwrap(), []);
}

#[test]
fn the_groomer_may_die() {
    let site = Site::new();
    let daemon = site.start();
    let client = site.client();
    for size in 1..8u64 {
        if let Some(groomer) = daemon.groomer() {
            groomer.kill();
        }
        let name = format!("x{size}");
        let array = Array1::from_elem((size * MIB) as usize, size as u8);
        let object = client.put(&*name, &array).unwrap();
        assert!(object.bytes() == array.as_slice().unwrap());
        let _ = sum_of_classes_is_the_arena(&client);
    }
    assert!(daemon.is_alive());
}

#[test]
fn unsealed_bytes_of_a_killed_client_come_back() {
    let site = Site::new();
    let _daemon = site.start();
    let client = site.client();
    let before = sum_of_classes_is_the_arena(&client).memory;
    let mut puppet = site.puppet();
    puppet.tell(&["fill", "half", &bytes(20), "1"]);
    assert_eq!(
        sum_of_classes_is_the_arena(&client).memory.filling_bytes,
        20 * MIB
    );
    let killed = Instant::now();
    puppet.kill();
    settled(&client, |stats| unchanged(&before, &stats.memory));
    println!(
        "20 MiB unsealed came back {:?} after the kill",
        killed.elapsed()
    );
    // The name is free, too.
    client.put("half", &Array1::from_elem(10, 1u8)).unwrap();
}

#[test]
fn pins_of_a_killed_client_end() {
    let site = Site::new();
    let _daemon = site.start();
    let client = site.client();
    let before = sum_of_classes_is_the_arena(&client).memory;
    drop(client.put("x", &Array1::from_elem(8 << 20, 3u8)).unwrap());
    let mut puppet = site.puppet();
    puppet.tell(&["get", "x"]);
    client.remove("x").unwrap();
    let (stats, _) = settled(&client, |stats| stats.memory.removed_bytes == 8 * MIB);
    assert_eq!(stats.pinned_bytes, 8 * MIB);
    assert_eq!(puppet.tell(&["look", "x"]), (3 * 8 * MIB).to_string());
    puppet.kill();
    settled(&client, |stats| unchanged(&before, &stats.memory));
}

#[test]
fn unnamed_objects_of_a_killed_client_go_and_named_ones_stay() {
    let site = Site::new();
    let _daemon = site.start();
    let client = site.client();
    let mut puppet = site.puppet();
    puppet.tell(&["put-anonymous", "key", &bytes(4), "1"]);
    puppet.tell(&["put", "named", &bytes(2), "9"]);
    assert_eq!(
        sum_of_classes_is_the_arena(&client).memory.sealed_bytes,
        6 * MIB
    );
    puppet.kill();
    settled(&client, |stats| stats.memory.sealed_bytes == 2 * MIB);
    assert!(
        client
            .get("named")
            .unwrap()
            .bytes()
            .iter()
            .all(|byte| *byte == 9)
    );
}

#[test]
fn a_view_outlives_its_killed_parent_in_a_forked_child() {
    let site = Site::new();
    let _daemon = site.start();
    let client = site.client();
    let before = sum_of_classes_is_the_arena(&client).memory;
    let mut parent = site.puppet();
    parent.tell(&["put-anonymous", "x", &bytes(16), "5"]);
    let seen = (5 * 16 * MIB).to_string();
    let mut child = parent.fork(&site);
    assert_eq!(child.tell(&["look", "x"]), seen);
    parent.kill();
    settled(&client, |stats| {
        stats.memory.removed_bytes == 16 * MIB && stats.counters.sessions_gone >= 1
    });
    // Whatever is put now, the child's bytes are not taken for it.
    let mut fillers = Vec::new();
    while let Ok(object) = client.put(None, &Array1::from_elem(4 << 20, 1u8)) {
        fillers.push(object);
    }
    assert!(fillers.len() >= 10);
    assert_eq!(child.tell(&["look", "x"]), seen);
    for object in fillers {
        object.remove().unwrap();
    }
    settled(&client, |stats| stats.memory.sealed_bytes == 0);
    // The child is a session of its own at its first call.
    child.tell(&["put", "mine", "10", "1"]);
    assert_eq!(child.tell(&["look", "x"]), seen);
    client.remove("mine").unwrap();
    child.kill();
    settled(&client, |stats| unchanged(&before, &stats.memory));
}

#[test]
fn what_was_filled_at_a_fork_is_sealed_and_seen_by_both() {
    let site = Site::new();
    let _daemon = site.start();
    let client = site.client();
    let mut parent = site.puppet();
    parent.tell(&["fill", "x", &bytes(2), "6"]);
    let child = parent.fork(&site);
    let (object, _) = until(|| client.get("x").ok());
    assert!(object.bytes().iter().all(|byte| *byte == 6));
    child.kill();
    parent.tell(&["get", "x"]);
    assert_eq!(parent.tell(&["look", "x"]), (6 * 2 * MIB).to_string());
}

#[test]
fn the_end_of_a_forked_child_releases_nothing_of_its_parents() {
    let site = Site::new();
    let _daemon = site.start();
    let client = site.client();
    let mut parent = site.puppet();
    parent.tell(&["put-anonymous", "x", &bytes(4), "2"]);
    let child = parent.fork(&site);
    child.kill();
    // A request that is served after the supervisor has had every reason to notice.
    parent.tell(&["put", "later", "10", "1"]);
    assert_eq!(
        sum_of_classes_is_the_arena(&client).memory.sealed_bytes,
        4 * MIB + 4096 - overhead(&client)
    );
    assert_eq!(parent.tell(&["look", "x"]), (2 * 4 * MIB).to_string());
}

/// What rounding up to pages takes.
fn overhead(client: &Client) -> u64 {
    client.stats().unwrap().memory.overhead_bytes
}

#[test]
fn locks_of_a_killed_reader_are_free() {
    let site = Site::new();
    let _daemon = site.start();
    let mut owner = site.puppet();
    owner.tell(&["share", "x", "1000", "plain"]);
    owner.tell(&["overwrite", "x", "1"]);
    owner.tell(&["commit"]);
    let mut reader = site.puppet();
    reader.tell(&["open", "x"]);
    assert_eq!(reader.tell(&["read", "x", "0", "500"]), "500");
    // The writer waits already when the reader dies.
    owner.begin(&["write", "x", "0", "1000", "2"]);
    let client = site.client();
    until(|| {
        client
            .locks()
            .unwrap()
            .iter()
            .any(|row| row.waiters || row.writer_slot.is_some())
            .then_some(())
    });
    let killed = Instant::now();
    reader.kill();
    owner.finish().unwrap();
    println!(
        "a waiting writer went on {:?} after the reader's kill",
        killed.elapsed()
    );
    owner.tell(&["commit"]);
    assert_eq!(owner.tell(&["read", "x", "0", "1000"]), "2000");
}

#[test]
fn a_dead_writer_poisons_and_an_overwrite_repairs() {
    let site = Site::new();
    let _daemon = site.start();
    let client = site.client();
    let mut owner = site.puppet();
    owner.tell(&["share", "x", "1000", "plain"]);
    owner.tell(&["overwrite", "x", "1"]);
    owner.tell(&["commit"]);
    let mut writer = site.puppet();
    writer.tell(&["open", "x"]);
    writer.tell(&["write", "x", "0", "10", "7"]);
    writer.kill();
    let (stats, _) = settled(&client, |stats| stats.counters.stripes_poisoned > 0);
    assert!(stats.poisoned_bytes > 0);
    let error = owner.ask(&["read", "x", "0", "1000"]).unwrap_err();
    assert!(error.contains("half written"), "{error}");
    let failure = client.run("sum").input("x").call().unwrap_err();
    assert!(
        matches!(
            failure.failure(),
            Some(Failure::Poisoned { .. } | Failure::WrongState { .. })
        ),
        "{failure}"
    );
    assert!(client.locks().unwrap().iter().all(|row| row.poisoned));
    // The rest is as good as before.
    assert_eq!(owner.tell(&["read", "x", "500", "1000"]), "500");
    owner.tell(&["unread"]);
    owner.tell(&["overwrite", "x", "3"]);
    owner.tell(&["commit"]);
    assert_eq!(owner.tell(&["read", "x", "0", "1000"]), "3000");
    assert_eq!(sum_of_classes_is_the_arena(&client).poisoned_bytes, 0);
}

#[test]
fn a_dead_writers_stripes_are_rolled_back_from_their_images() {
    let site = Site::new();
    let _daemon = site.start();
    let client = site.client();
    let mut owner = site.puppet();
    owner.tell(&["share", "x", "1000", "images"]);
    owner.tell(&["overwrite", "x", "1"]);
    owner.tell(&["commit"]);
    let mut writer = site.puppet();
    writer.tell(&["open", "x"]);
    writer.tell(&["write", "x", "100", "300", "7"]);
    writer.kill();
    settled(&client, |stats| stats.counters.stripes_poisoned > 0);
    assert!(client.locks().unwrap().iter().all(|row| row.image_valid));
    client.roll_back("x").unwrap();
    assert_eq!(client.locks().unwrap(), []);
    assert_eq!(owner.tell(&["read", "x", "0", "1000"]), "1000");
}

#[test]
fn a_stopped_holder_is_named_to_those_who_wait_too_long() {
    let site = Site::new();
    let _daemon = site.start();
    let mut holder = site.puppet();
    holder.tell(&["share", "x", "1000", "plain"]);
    holder.tell(&["overwrite", "x", "1"]);
    holder.process().signal(Signal::STOP);
    until(|| holder.process().is_stopped().then_some(()));
    let client = site.client();
    let shared = client.shared("x").unwrap();
    let refused = shared
        .write_within(0..10, Duration::from_millis(300))
        .unwrap_err();
    match refused.failure() {
        Some(Failure::LockTimeout {
            holder_pid,
            waited_ms,
            ..
        }) => {
            assert_eq!(*holder_pid, Some(holder.process().pid));
            assert!(*waited_ms >= 300);
        }
        other => panic!("{other:?}: {refused}"),
    }
    // It was never in danger: it goes on and commits.
    holder.process().signal(Signal::CONT);
    holder.tell(&["commit"]);
    let guard = shared.read(..).unwrap();
    assert_eq!(guard.slice::<f64>().unwrap().iter().sum::<f64>(), 1000.0);
}

#[test]
fn a_job_meets_a_stopped_holder_with_a_typed_error() {
    let site = Site::new();
    let config = site.path("arenad.toml");
    std::fs::write(&config, "[jobs]\nlock_timeout = \"300ms\"\n").unwrap();
    let mut command = site.daemon_command();
    command.arg("--config").arg(&config);
    let _daemon = site.start_as(command);
    let mut holder = site.puppet();
    holder.tell(&["share", "x", "1000", "plain"]);
    holder.tell(&["overwrite", "x", "1"]);
    holder.process().signal(Signal::STOP);
    let client = site.client();
    let refused = client
        .run("scale_add")
        .input("x")
        .param("offset", 1.0)
        .call()
        .unwrap_err();
    assert!(
        matches!(
            refused.failure(),
            Some(Failure::LockTimeout { holder_pid: Some(pid), .. }) if *pid == holder.process().pid
        ),
        "{refused}"
    );
    holder.process().signal(Signal::CONT);
    holder.tell(&["commit"]);
    client
        .run("scale_add")
        .input("x")
        .param("offset", 1.0)
        .call()
        .unwrap();
    assert_eq!(holder.tell(&["read", "x", "0", "1000"]), "2000");
}
