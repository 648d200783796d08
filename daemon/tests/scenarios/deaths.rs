//! Deaths of workers: retries, roll-backs, quarantine, replacements.

use std::collections::BTreeMap;

use arena_core::protocol::{
    Create, Failure, Object, Reply, Request, Run, Selector, Sharing, Span, Task, Work,
};
use arenad::supervisor::{CellSeen, ConnId, Effect, Note, Progress, Swept};

use crate::rig::{Rig, floats, policy};

fn shared(rig: &mut Rig, client: ConnId, before_images: bool) -> Object {
    let create = Create {
        layout: floats(100),
        name: None,
        sharing: Some(Sharing {
            lock_axis: 0,
            stripes: Some(10),
            before_images,
        }),
    };
    match rig.call(client, Request::Create(create)) {
        Ok(Reply::Object(object)) => *object,
        other => panic!("{other:?}"),
    }
}

fn last_task(rig: &Rig) -> (ConnId, Task) {
    rig.tasks().last().cloned().unwrap()
}

/// The only worker dies in its task, at stripe 3 of it.
fn dies_at_stripe_3(rig: &mut Rig, object: &Object, poisoned: &[u32]) {
    let (worker, task) = last_task(rig);
    let slot = rig.workers.last().unwrap().0;
    let first = object.stripes.unwrap().first_cell;
    rig.next_sweep = Some(Swept {
        slot,
        poisoned: poisoned.iter().map(|stripe| first + stripe).collect(),
        corrupt: Vec::new(),
        progress: Some(Progress {
            task: task.task,
            stripe: 3,
        }),
    });
    rig.take();
    rig.dies(worker);
}

fn span(task: &Task) -> Span {
    match &task.work {
        Work::Run { span, .. } => *span,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_slice_is_tried_again_and_the_job_ends_well() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = rig.sealed(client, 100, None);
    let id = rig.run(client, "sum", &object);
    let (first, task) = last_task(&rig);
    rig.take();
    rig.dies(first);
    let (second, again) = last_task(&rig);
    assert!(first != second && span(&task) == span(&again) && task.task != again.task);
    rig.report(second, &again);
    assert!(
        matches!(rig.reply_to(id), Some(Ok(Reply::Ran(ran))) if ran.retries == 1 && ran.tasks == 1)
    );
}

#[test]
fn the_second_death_in_a_slice_fails_the_job() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = rig.sealed(client, 100, None);
    let id = rig.run(client, "sum", &object);
    for _ in 0..2 {
        let (worker, _) = last_task(&rig);
        rig.dies(worker);
    }
    let failure = rig.reply_to(id).unwrap().unwrap_err();
    assert!(
        matches!(&failure, Failure::WorkerDied { attempts: 2, cause, .. } if cause == "signal 9"),
        "{failure:?}"
    );
}

#[test]
fn a_task_that_was_not_begun_is_no_attempt() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = rig.sealed(client, 10, None);
    let ids: Vec<u64> = (0..4).map(|_| rig.run(client, "sum", &object)).collect();
    assert_eq!(rig.tasks().len(), 2, "one runs, one is given ahead");
    let (worker, _) = last_task(&rig);
    rig.dies(worker);
    let mut reported = 2;
    while rig.reply_to(ids[3]).is_none() {
        let (worker, task) = rig.tasks()[reported].clone();
        rig.report(worker, &task);
        reported += 1;
    }
    let retries: Vec<u32> = ids
        .iter()
        .map(|&id| match rig.reply_to(id) {
            Some(Ok(Reply::Ran(ran))) => ran.retries,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(retries, [1, 0, 0, 0]);
}

#[test]
fn what_killed_a_worker_runs_alone() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = rig.sealed(client, 10, None);
    for _ in 0..6 {
        rig.run(client, "sum", &object);
    }
    let (worker, _) = last_task(&rig);
    rig.take();
    rig.dies(worker);
    let tasks = rig.tasks();
    let alone: Vec<_> = tasks.iter().filter(|(conn, _)| *conn != worker).collect();
    assert_eq!(
        alone.len(),
        1,
        "nothing is given ahead beside a retry: {alone:?}"
    );
}

#[test]
fn in_place_work_is_rolled_back_and_goes_on() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = shared(&mut rig, client, true);
    let id = rig.run(client, "scale_add", &object);
    dies_at_stripe_3(&mut rig, &object, &[3]);
    let (worker, task) = last_task(&rig);
    assert!(
        matches!(&task.work, Work::RollBack { stripes, .. } if stripes == &[3]),
        "{task:?}"
    );
    rig.report(worker, &task);
    let (worker, task) = last_task(&rig);
    assert_eq!(span(&task), Span::Stripes { start: 3, end: 10 });
    rig.report(worker, &task);
    assert!(matches!(rig.reply_to(id), Some(Ok(Reply::Ran(ran))) if ran.value.is_none()));
}

#[test]
fn in_place_work_without_images_goes_on_only_where_nothing_is_poisoned() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = shared(&mut rig, client, false);
    let id = rig.run(client, "scale_add", &object);
    dies_at_stripe_3(&mut rig, &object, &[]);
    let (worker, task) = last_task(&rig);
    assert_eq!(span(&task), Span::Stripes { start: 4, end: 10 });
    rig.report(worker, &task);
    assert!(matches!(rig.reply_to(id), Some(Ok(_))));

    let id = rig.run(client, "scale_add", &object);
    dies_at_stripe_3(&mut rig, &object, &[3]);
    let poisoned = Failure::Poisoned {
        object: object.id,
        stripe: 3,
    };
    assert_eq!(rig.reply_to(id), Some(Err(poisoned)));
}

#[test]
fn a_client_can_have_poisoned_stripes_rolled_back() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = shared(&mut rig, client, true);
    let first = object.stripes.unwrap().first_cell;
    rig.cells_seen = vec![CellSeen {
        cell: first + 7,
        writer: None,
        readers: 0,
        waiters: false,
        poisoned: true,
        image_valid: true,
        corrupt: false,
    }];
    let id = rig.ask(client, Request::RollBack(object.id));
    let (worker, task) = last_task(&rig);
    assert!(matches!(&task.work, Work::RollBack { stripes, .. } if stripes == &[7]));
    rig.report(worker, &task);
    assert!(matches!(rig.reply_to(id), Some(Ok(Reply::Ran(ran))) if ran.tasks == 1));
}

#[test]
fn a_kernel_that_keeps_killing_is_quarantined_for_its_session_only() {
    let mut limits = policy(1);
    limits.attempts_max = 10;
    let mut rig = Rig::new(limits, false);
    let (bad, good) = (rig.client(5), rig.client(6));
    let object = rig.sealed(bad, 10, Some("x"));
    rig.run(bad, "sum", &object);
    for _ in 0..3 {
        let (worker, _) = last_task(&rig);
        rig.dies(worker);
    }
    let refused = rig.run(bad, "sum", &object);
    assert!(matches!(
        rig.reply_to(refused),
        Some(Err(Failure::Quarantined { deaths: 3, .. }))
    ));
    rig.take();
    rig.run(bad, "mean", &object);
    rig.run(good, "sum", &object);
    let (worker, task) = last_task(&rig);
    rig.report(worker, &task);
    assert_eq!(rig.tasks().len(), 2);
}

#[test]
fn a_spare_takes_over_at_once() {
    let mut limits = policy(1);
    limits.spare_workers = 1;
    let mut rig = Rig::new(limits, false);
    let client = rig.client(5);
    let object = rig.sealed(client, 10, None);
    rig.run(client, "sum", &object);
    rig.run(client, "sum", &object);
    let workers: Vec<ConnId> = rig.tasks().iter().map(|(worker, _)| *worker).collect();
    assert!(
        workers.iter().all(|worker| *worker == workers[0]),
        "the spare stays out of work"
    );
    rig.take();
    rig.spawns_fail = true;
    rig.dies(workers[0]);
    assert!(rig.tasks().iter().any(|(worker, _)| *worker != workers[0]));
}

#[test]
fn children_that_can_not_start_are_tried_ever_more_rarely() {
    let mut rig = Rig::new(policy(1), false);
    let worker = rig.workers[0].1;
    rig.spawns_fail = true;
    rig.dies(worker);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let due = rig.supervisor.next_deadline().unwrap();
        pauses.push((due.0 - rig.now) / 1_000_000);
        rig.take();
        rig.tick_at(due.0);
        let spawns = rig
            .effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Spawn(_)));
        assert_eq!(spawns.count(), 1);
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200]);
    let noted = |effect: &Effect| matches!(effect, Effect::Note(Note::WorkerFailedToStart { .. }));
    assert!(rig.effects.iter().any(noted));
}

#[test]
fn a_worker_that_reports_nonsense_is_ended() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let object = rig.sealed(client, 10, None);
    rig.ask(
        client,
        Request::Run(Run {
            kernel: "sum".to_owned(),
            inputs: vec![Selector::Id(object.id)],
            params: BTreeMap::new(),
            deadline_ms: None,
        }),
    );
    let (worker, mut task) = last_task(&rig);
    task.task += 1;
    rig.take();
    rig.report(worker, &task);
    assert!(rig.effects.contains(&Effect::Kill { conn: worker }));
}

#[test]
fn pages_that_a_dead_groomer_owed_come_from_the_next() {
    let mut limits = policy(1);
    limits.warm_floor_bytes = 0;
    let mut rig = Rig::new(limits, false);
    let client = rig.client(5);
    let groomer = rig.groomer.unwrap();
    rig.grooms = false;
    let create = Create {
        layout: floats(1 << 20),
        name: None,
        sharing: None,
    };
    let id = rig.ask(client, Request::Create(create));
    assert!(rig.reply_to(id).is_none());
    rig.grooms = true;
    rig.dies(groomer);
    let due = rig.supervisor.next_deadline().unwrap();
    rig.tick_at(due.0);
    assert!(matches!(rig.reply_to(id), Some(Ok(Reply::Object(_)))));
}

#[test]
fn a_task_whose_report_was_lost_is_done_again_where_that_does_no_harm() {
    let mut rig = Rig::new(policy(1), false);
    let client = rig.client(5);
    let read = rig.sealed(client, 10, None);
    let object = shared(&mut rig, client, true);
    let sum = rig.run(client, "sum", &read);
    let first = rig.run(client, "scale_add", &object);
    rig.run(client, "sum", &read);
    assert_eq!(
        rig.tasks().len(),
        2,
        "the sum runs, the change is given ahead"
    );
    // The worker was at stripe 3 of the second task, so it had ended the first.
    dies_at_stripe_3(&mut rig, &object, &[]);
    let mut reported = 0;
    while rig.reply_to(first).is_none() || rig.reply_to(sum).is_none() {
        let (worker, task) = rig.tasks()[reported].clone();
        if let Work::Run { kernel, .. } = &task.work
            && kernel == "scale_add"
        {
            assert_eq!(span(&task), Span::Stripes { start: 4, end: 10 });
        }
        rig.report(worker, &task);
        reported += 1;
    }
    assert!(matches!(rig.reply_to(sum), Some(Ok(Reply::Ran(ran))) if ran.retries == 0));
    assert!(matches!(rig.reply_to(first), Some(Ok(Reply::Ran(ran))) if ran.retries == 1));
}
