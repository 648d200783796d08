//! Jobs: what they cost, how they are cut, shared and queued.

use std::collections::BTreeMap;

use arena_core::protocol::{
    FRAME_BYTES_MAX, Failure, FromSupervisor, Reply, Request, Run, Selector, Span, Work, encode,
};
use arenad::supervisor::Effect;

use crate::rig::{Rig, policy};

#[test]
fn an_idle_job_costs_one_message_to_the_worker_and_one_to_the_client() {
    for workers in [1, 8, 128] {
        let mut rig = Rig::new(policy(workers), false);
        let client = rig.client(5);
        let object = rig.sealed(client, 10, None);
        rig.take();
        rig.run(client, "sum", &object);
        let (worker, task) = rig.tasks()[0].clone();
        assert_eq!(rig.take().len(), 1, "with {workers} workers");
        rig.report(worker, &task);
        let effects = rig.take();
        assert!(
            matches!(
                effects.as_slice(),
                [Effect::Send { conn, message: FromSupervisor::Reply { result: Ok(Reply::Ran(_)), .. } }] if *conn == client
            ),
            "{effects:?}"
        );
    }
}

#[test]
fn slices_cover_every_leaf_once_and_nobody_has_more_than_two() {
    let mut rig = Rig::new(policy(3), false);
    let client = rig.client(5);
    let elements = 300 * 16_384 + 7;
    let object = rig.sealed(client, elements, None);
    rig.take();
    let id = rig.run(client, "sum", &object);
    let mut covered = BTreeMap::new();
    let mut held: BTreeMap<_, u32> = BTreeMap::new();
    let mut reported = 0;
    while rig.reply_to(id).is_none() {
        let tasks = rig.tasks();
        for (worker, task) in &tasks[covered.len()..] {
            let Work::Run {
                span: Span::Leaves { start, end },
                ..
            } = task.work
            else {
                panic!("{task:?}");
            };
            covered.insert(start, end);
            let held = held.entry(*worker).or_insert(0);
            *held += 1;
            assert!(*held <= 2);
        }
        let (worker, task) = tasks[reported].clone();
        *held.get_mut(&worker).unwrap() -= 1;
        rig.report(worker, &task);
        reported += 1;
    }
    let mut next = 0;
    for (start, end) in covered {
        assert_eq!(start, next);
        next = end;
    }
    assert_eq!(next, 301);
    assert!(reported >= 6, "{reported} slices for 3 workers");
}

#[test]
fn a_job_of_a_busy_session_does_not_starve_another_session() {
    let mut rig = Rig::new(policy(1), false);
    let (busy, other) = (rig.client(5), rig.client(6));
    let object = rig.sealed(busy, 10, Some("x"));
    for _ in 0..20 {
        rig.run(busy, "sum", &object);
    }
    let wanted = rig.run(other, "sum", &object);
    let mut served = 0;
    while rig.reply_to(wanted).is_none() {
        let (worker, task) = rig.tasks()[served].clone();
        rig.report(worker, &task);
        served += 1;
    }
    assert!(served <= 4, "the other session waited for {served} tasks");
}

#[test]
fn a_job_without_elements_needs_no_worker() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = rig.sealed(client, 0, None);
    rig.take();
    let id = rig.run(client, "sum", &object);
    assert!(matches!(rig.reply_to(id), Some(Ok(Reply::Ran(ran))) if ran.tasks == 0));
    assert!(rig.tasks().is_empty());
}

#[test]
fn several_passes_are_made_where_a_kernel_asks_for_them() {
    let mut rig = Rig::new(policy(2), false);
    let client = rig.client(5);
    let object = rig.sealed(client, 100, None);
    rig.take();
    let id = rig.run(client, "histogram", &object);
    let mut states = Vec::new();
    while rig.reply_to(id).is_none() {
        let (worker, task) = rig.tasks()[states.len()].clone();
        if let Work::Run { state, .. } = &task.work {
            states.push(state.clone());
        }
        rig.report(worker, &task);
    }
    assert!(states.len() == 2 && states[0].is_empty() && !states[1].is_empty());
}

#[test]
fn bad_jobs_are_refused_before_a_worker_hears_of_them() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = rig.sealed(client, 10, None);
    let filling = rig.created(client, 10, Some("f"));
    rig.take();
    let mut run = |kernel: &str, inputs: Vec<Selector>| {
        rig.call(
            client,
            Request::Run(Run {
                kernel: kernel.to_owned(),
                inputs,
                params: BTreeMap::new(),
                deadline_ms: None,
            }),
        )
        .unwrap_err()
    };
    let there = Selector::Id(object.id);
    let nearest = run("sums", vec![there.clone()]);
    assert!(matches!(nearest, Failure::NoSuchKernel { nearest: Some(name), .. } if name == "sum"));
    assert!(matches!(run("sum", vec![]), Failure::BadArguments { .. }));
    assert!(matches!(
        run("scale_add", vec![there]),
        Failure::WrongState { .. }
    ));
    assert!(matches!(
        run("sum", vec![Selector::Id(filling.id)]),
        Failure::WrongState { .. }
    ));
    let unsealed = Selector::Name("f".parse().unwrap());
    assert!(matches!(
        run("sum", vec![unsealed]),
        Failure::NoSuchObject { .. }
    ));
    assert!(rig.tasks().is_empty());
}

#[test]
fn listings_fit_into_frames() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    for number in 0..3000 {
        let name = format!("{number:0>128}");
        rig.sealed(client, 0, Some(&name));
        rig.take();
    }
    let (mut from, mut seen) = (0, 0);
    loop {
        rig.take();
        let id = rig.ask(client, Request::List { from });
        let reply = rig.reply_to(id).unwrap();
        let mut frame = Vec::new();
        let message = FromSupervisor::Reply {
            id,
            result: reply.clone(),
        };
        encode(&message, &mut frame).unwrap();
        assert!(frame.len() < FRAME_BYTES_MAX);
        let Ok(Reply::Objects { objects, next }) = reply else {
            panic!("{reply:?}");
        };
        seen += objects.len();
        match next {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(seen, 3000);
}

#[test]
fn cancelled_and_late_jobs_are_answered_once() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = rig.sealed(client, 10, None);
    rig.take();
    let cancelled = rig.run(client, "sum", &object);
    rig.ask(client, Request::Cancel(cancelled));
    assert_eq!(rig.reply_to(cancelled), Some(Err(Failure::Cancelled)));
    let (worker, task) = rig.tasks()[0].clone();
    let late = rig.ask(
        client,
        Request::Run(Run {
            kernel: "sum".to_owned(),
            inputs: vec![Selector::Id(object.id)],
            params: BTreeMap::new(),
            deadline_ms: Some(7),
        }),
    );
    rig.tick_at(8_000_000);
    assert_eq!(
        rig.reply_to(late),
        Some(Err(Failure::DeadlineExceeded { after_ms: 8 }))
    );
    rig.take();
    rig.report(worker, &task);
    assert!(rig.take().is_empty(), "nobody waits for it");
}

#[test]
fn a_worker_that_overruns_its_grace_is_killed() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = rig.sealed(client, 10, None);
    let id = rig.run(client, "sum", &object);
    rig.ask(client, Request::Cancel(id));
    rig.take();
    rig.tick_at(4_999_999_999);
    assert!(
        !rig.effects
            .iter()
            .any(|effect| matches!(effect, Effect::Kill { .. }))
    );
    rig.tick_at(5_000_000_000);
    let worker = rig.workers[0].1;
    assert!(rig.effects.contains(&Effect::Kill { conn: worker }));
}

#[test]
fn idle_pages_are_given_back_down_to_the_floor() {
    let mut policy = policy(1);
    policy.warm_floor_bytes = 8 << 20;
    let mut rig = Rig::new(policy, false);
    let client = rig.client(5);
    let object = rig.created(client, 4 << 20, None);
    rig.call(client, Request::Abandon(object.id)).unwrap();
    let due = rig.supervisor.next_deadline().unwrap();
    rig.tick_at(due.0);
    let reply = rig.call(client, Request::Stats).unwrap();
    let Reply::Stats(stats) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(stats.pages.huge_blocks, 4);
    assert_eq!(stats.memory.free_warm_bytes, 8 << 20);
    assert_eq!(
        rig.supervisor.next_deadline(),
        None,
        "nothing is left to do"
    );
}
