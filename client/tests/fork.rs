//! What a forked child has of its parent's client, and what the parent has left.

#![expect(unsafe_code, reason = "a fork is unsafe to call")]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use arena_client::{ArrayLayout, Client, Dtype, Error, ObjectState, Sharing};
use common::daemon::{embedded, second_session, until};
use ndarray::Array1;
use nix::libc;
use rustix::pipe::pipe;
use rustix::process::{Pid, WaitOptions, waitpid};

/// Forks are process-wide: what another test's fork seals or keeps would be seen here.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> impl Drop {
    ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Runs `child` in a forked child and returns the process.
fn fork(child: impl FnOnce() -> bool) -> Pid {
    // SAFETY: the child uses what the library says it may use, and ends without running anything of the parent's.
    match unsafe { libc::fork() } {
        0 => {
            let held = catch_unwind(AssertUnwindSafe(child)).unwrap_or(false);
            // SAFETY: ends this process at once.
            unsafe { libc::_exit(if held { 0 } else { 1 }) }
        }
        pid => Pid::from_raw(pid).expect("fork works"),
    }
}

fn ended_well(pid: Pid) -> bool {
    let (_, status) = waitpid(Some(pid), WaitOptions::empty())
        .expect("an own child")
        .expect("it ended");
    status.exit_status() == Some(0)
}

fn ones(len: usize) -> Array1<f64> {
    Array1::ones(len)
}

#[test]
fn a_child_keeps_views_and_gets_a_session_of_its_own() {
    let _alone = alone();
    let client = embedded();
    let object = client.put("x", &ones(1000)).unwrap();
    let parents = client.session_id().unwrap();
    let child = fork(|| {
        let viewed = object.view::<f64>().unwrap().sum() == 1000.0;
        let summed = client.run("sum").input(&object).call().unwrap();
        let own = client.session_id().unwrap() != parents;
        let put = client.put("of the child", &ones(5)).unwrap();
        let looked = client.get("x").unwrap();
        viewed
            && own
            && summed.float().unwrap() == 1000.0
            && put.slice::<f64>().unwrap().len() == 5
            && looked.id() == object.id()
    });
    assert!(ended_well(child));
    assert_eq!(client.session_id().unwrap(), parents);
    assert_eq!(
        client.get("of the child").unwrap().slice::<f64>().unwrap(),
        [1.0; 5]
    );
}

#[test]
fn a_childs_end_releases_nothing_of_its_parents() {
    let _alone = alone();
    let client = embedded();
    let object = client.put("x", &ones(1000)).unwrap();
    object.remove().unwrap();
    let child = fork(|| {
        drop(object.clone());
        let moved = (client.clone(), object.clone());
        drop(moved);
        true
    });
    assert!(ended_well(child));
    let others = client.put(None, &Array1::<f64>::zeros(1000)).unwrap();
    assert_eq!(object.view::<f64>().unwrap().sum(), 1000.0);
    drop(others);
}

#[test]
fn views_of_a_child_outlive_the_parents_handle() {
    let _alone = alone();
    let client = embedded();
    let object = client.put(None, &ones(100_000)).unwrap();
    let (go, tell) = pipe().unwrap();
    let child = fork(|| {
        let mut word = [0];
        rustix::io::read(&go, &mut word).unwrap();
        object.view::<f64>().unwrap().sum() == 100_000.0
    });
    let removed = |client: &Client| {
        let memory = client.stats().unwrap().memory;
        memory.removed_bytes + memory.sealed_bytes
    };
    object.remove().unwrap();
    drop(object);
    let overwriting: Vec<_> = (0..20)
        .map(|_| client.put(None, &Array1::<f64>::zeros(100_000)).unwrap())
        .collect();
    rustix::io::write(&tell, &[1]).unwrap();
    assert!(ended_well(child));
    // With the child gone its bytes come back, at the next occasion.
    let with_it = removed(&client);
    for object in overwriting {
        object.remove().unwrap();
    }
    let next = client.put(None, &ones(1)).unwrap();
    assert!(removed(&client) < with_it / 20);
    drop(next);
}

#[test]
fn what_is_being_filled_is_sealed_by_a_fork() {
    let _alone = alone();
    let client = embedded();
    let layout = ArrayLayout::c_order(Dtype::Float64, &[1000]).unwrap();
    let mut filling = client.create(layout, "x").unwrap();
    filling.slice_mut::<f64>().unwrap().fill(1.0);
    let before = filling.bytes_mut().unwrap().as_ptr().cast::<f64>();
    let child = fork(|| {
        // SAFETY: what the library promises of addresses from before the fork.
        let seen = unsafe { std::slice::from_raw_parts(before, 1000) };
        let readable = seen.iter().sum::<f64>() == 1000.0;
        readable && matches!(filling.bytes_mut(), Err(Error::SealedByFork { .. }))
    });
    assert!(ended_well(child));
    let other = second_session(&client);
    until(|| other.get("x").is_ok());
    assert!(matches!(
        filling.bytes_mut(),
        Err(Error::SealedByFork { .. })
    ));
    let object = filling.seal().unwrap();
    assert_eq!(object.info().state, ObjectState::Sealed);
    assert_eq!(object.view::<f64>().unwrap().sum(), 1000.0);
}

#[test]
fn locks_and_windows_stay_with_the_parent() {
    let _alone = alone();
    let client = embedded();
    let layout = ArrayLayout::c_order(Dtype::Float64, &[10]).unwrap();
    let shared = client
        .create_shared(layout, "shared", Sharing::default())
        .unwrap();
    let mut guard = shared.overwrite(..).unwrap();
    guard.slice_mut::<f64>().unwrap().fill(1.0);
    let child = fork(|| {
        let unusable = matches!(guard.view::<f64>(), Err(Error::BeforeFork))
            && matches!(shared.read(..), Err(Error::BeforeFork));
        // The child's copies of the guard and the handle hold nothing to give back.
        drop(shared.clone());
        let own = client.shared("shared").unwrap();
        let locked = own.read_within(.., std::time::Duration::ZERO).is_err();
        unusable && locked
    });
    assert!(ended_well(child));
    guard.commit().unwrap();
    let child = fork(|| {
        let own = client.shared("shared").unwrap();
        own.read(..).unwrap().view::<f64>().unwrap().sum() == 10.0
    });
    assert!(ended_well(child));
    assert_eq!(shared.read(..).unwrap().view::<f64>().unwrap().sum(), 10.0);
}

#[test]
fn children_of_children_and_forks_among_busy_threads_work() {
    let _alone = alone();
    let client = embedded();
    let object = client.put("x", &ones(100)).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    // Each of them may come too late or too early.
                    client.remove("x").err();
                    client.put("x", &ones(100)).err();
                }
            });
        }
        let children: Vec<_> = (0..10)
            .map(|_| {
                fork(|| {
                    client.stats().unwrap();
                    let grandchild = fork(|| {
                        client.stats().unwrap();
                        object.view::<f64>().unwrap().sum() == 100.0
                    });
                    ended_well(grandchild)
                })
            })
            .collect();
        let well = children
            .into_iter()
            .filter(|child| ended_well(*child))
            .count();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(well, 10);
    });
}
