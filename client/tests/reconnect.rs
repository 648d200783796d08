//! A named arena whose supervisor is killed and started again.

mod common;

use std::thread;

use arena_client::{ArrayLayout, Dtype, Error, Sharing};
use common::daemon::{Daemon, embedded, kill_and_wait, until};
use ndarray::{Array1, arr0};

#[test]
fn views_stay_and_calls_go_on_after_a_restart() {
    let mut daemon = Daemon::start();
    let client = daemon.client();
    let object = client.put("x", &Array1::<f64>::ones(100_000)).unwrap();
    let session = client.session_id().unwrap();
    daemon.kill();
    assert_eq!(object.view::<f64>().unwrap().sum(), 100_000.0);
    daemon.start_again();
    assert_eq!(client.get("x").unwrap().id(), object.id());
    assert_eq!(client.session_id().unwrap(), session, "the session goes on");
    let sum = client.run("sum").input(&object).call().unwrap();
    assert_eq!(sum.float().unwrap(), 100_000.0);
}

#[test]
fn pins_of_before_the_restart_hold_after_it() {
    let mut daemon = Daemon::start();
    let client = daemon.client();
    let object = client.put("x", &Array1::<f64>::ones(100_000)).unwrap();
    let twice = client.get("x").unwrap();
    daemon.kill();
    daemon.start_again();
    client.remove("x").unwrap();
    drop(object);
    let overwriting: Vec<_> = (0..5)
        .map(|_| client.put(None, &Array1::<f64>::zeros(100_000)).unwrap())
        .collect();
    assert_eq!(twice.view::<f64>().unwrap().sum(), 100_000.0);
    drop(twice);
    drop(overwriting);
    until(|| client.stats().unwrap().memory.removed_bytes == 0);
}

#[test]
fn shared_handles_lock_on_after_a_restart() {
    let mut daemon = Daemon::start();
    let client = daemon.client();
    let layout = ArrayLayout::c_order(Dtype::Float64, &[100]).unwrap();
    let shared = client
        .create_shared(layout, "shared", Sharing::default())
        .unwrap();
    let mut all = shared.overwrite(..).unwrap();
    all.slice_mut::<f64>().unwrap().fill(1.0);
    daemon.kill();
    all.commit().unwrap();
    let held = shared.write(0..10).unwrap();
    daemon.start_again();
    client.stats().unwrap();
    held.commit().unwrap();
    assert_eq!(shared.read(..).unwrap().view::<f64>().unwrap().sum(), 100.0);
    let sealed = shared.seal().unwrap();
    assert_eq!(sealed.slice::<f64>().unwrap(), [1.0; 100]);
}

#[test]
fn threads_that_call_over_a_restart_get_answers_or_typed_errors() {
    let mut daemon = Daemon::start();
    let client = daemon.client();
    client.put("x", &arr0(1.0)).unwrap();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let client = client.clone();
                scope.spawn(move || {
                    for _ in 0..300 {
                        client.get("x").unwrap();
                        match client.run("sum").input("x").call() {
                            Ok(ran) => assert_eq!(ran.float().unwrap(), 1.0),
                            Err(Error::ConnectionLost { .. }) => {}
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                })
            })
            .collect();
        for _ in 0..3 {
            daemon.kill();
            daemon.start_again();
            drop(daemon.client());
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_private_arena_is_not_served_again_and_its_views_stay() {
    let client = embedded();
    let object = client.put("x", &Array1::<f64>::ones(1000)).unwrap();
    kill_and_wait(client.supervisor_pid().unwrap());
    assert!(matches!(client.get("x"), Err(Error::ArenaGone)));
    assert!(matches!(client.stats(), Err(Error::ArenaGone)));
    assert_eq!(object.view::<f64>().unwrap().sum(), 1000.0);
}
