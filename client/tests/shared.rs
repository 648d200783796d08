//! Shared objects and their guards, between sessions of one process and between processes.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use arena_client::{
    ArrayLayout, Client, Dtype, Endpoint, Error, Failure, ObjectState, Shared, Sharing,
};
use common::daemon::{embedded, second_session, until};
use ndarray::Array2;

const AT_ONCE: Duration = Duration::ZERO;

fn floats(client: &Client, shape: &[u64], sharing: Sharing) -> Shared {
    let layout = ArrayLayout::c_order(Dtype::Float64, shape).unwrap();
    let shared = client.create_shared(layout, "shared", sharing).unwrap();
    let mut all = shared.overwrite(..).unwrap();
    all.view_mut::<f64>().unwrap().fill(0.0);
    all.commit().unwrap();
    shared
}

fn with_images() -> Sharing {
    Sharing {
        before_images: true,
        ..Sharing::default()
    }
}

#[test]
fn what_is_committed_is_read_by_other_sessions() {
    let client = embedded();
    let shared = floats(&client, &[1000], Sharing::default());
    let other = second_session(&client).shared("shared").unwrap();
    assert_eq!(other.id(), shared.id());
    let mut guard = other.write(10..20).unwrap();
    assert_eq!(guard.range(), 10..20);
    guard.slice_mut::<f64>().unwrap().fill(1.0);
    guard.commit().unwrap();
    let all = shared.read(..).unwrap();
    assert_eq!(all.view::<f64>().unwrap().sum(), 10.0);
    let some = shared.read(8..12).unwrap();
    assert_eq!(some.slice::<f64>().unwrap(), [0.0, 0.0, 1.0, 1.0]);
}

#[test]
fn a_held_stripe_keeps_others_out_and_the_error_names_the_holder() {
    let client = embedded();
    let shared = floats(&client, &[256], Sharing::default());
    let other = second_session(&client).shared("shared").unwrap();
    let held = shared.write(3..4).unwrap();
    let error = other.read_within(.., AT_ONCE).unwrap_err();
    let Error::Failed(Failure::LockTimeout {
        stripe,
        holder_slot,
        holder_pid,
        ..
    }) = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((stripe, holder_pid), (3, Some(std::process::id())));
    assert!(holder_slot.is_some());
    drop(other.read_within(4..5, AT_ONCE).unwrap());
    held.commit().unwrap();
    let reader = other.read_within(3..4, AT_ONCE).unwrap();
    drop(shared.read_within(3..4, AT_ONCE).unwrap());
    assert!(shared.write_within(3..4, AT_ONCE).is_err());
    drop(reader);
    shared
        .write_within(3..4, AT_ONCE)
        .unwrap()
        .commit()
        .unwrap();
}

#[test]
fn threads_of_one_handle_keep_each_other_out() {
    const ROUNDS: usize = 2000;
    let client = embedded();
    let shared = floats(&client, &[4], with_images());
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let shared = &shared;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    if round % 3 == 0 {
                        shared.read(..).unwrap().view::<f64>().unwrap().sum();
                    }
                    let mut guard = shared.write(thread / 2..thread / 2 + 1).unwrap();
                    guard.slice_mut::<f64>().unwrap()[0] += 1.0;
                    guard.commit().unwrap();
                }
            });
        }
    });
    let all = shared.read(..).unwrap();
    let each = 2.0 * ROUNDS as f64;
    assert_eq!(all.slice::<f64>().unwrap(), [each, each, 0.0, 0.0]);
}

#[test]
fn one_thread_does_not_wait_for_itself() {
    let client = embedded();
    let shared = floats(&client, &[4], Sharing::default());
    let reading = shared.read(0..1).unwrap();
    assert!(matches!(shared.write(0..1), Err(Error::Lock { .. })));
    drop(reading);
    let writing = shared.write(0..1).unwrap();
    assert!(matches!(shared.read(0..1), Err(Error::Lock { .. })));
    writing.commit().unwrap();
}

#[test]
fn a_write_that_is_not_committed_poisons_until_whole_stripes_are_overwritten() {
    let client = embedded();
    let sharing = Sharing {
        stripes: Some(10),
        ..Sharing::default()
    };
    let shared = floats(&client, &[100], sharing);
    let mut guard = shared.write(25..26).unwrap();
    guard.slice_mut::<f64>().unwrap()[0] = 7.0;
    drop(guard);
    for refused in [shared.read(..).map(drop), shared.write(20..21).map(drop)] {
        assert!(matches!(
            refused,
            Err(Error::Failed(Failure::Poisoned { stripe: 2, .. }))
        ));
    }
    drop(shared.read(30..40).unwrap());
    assert!(
        client
            .locks()
            .unwrap()
            .iter()
            .any(|lock| lock.stripe == 2 && lock.poisoned)
    );
    assert!(matches!(
        shared.overwrite(20..29),
        Err(Error::PartialStripe { stripe: 2, .. })
    ));
    assert!(matches!(
        shared.overwrite(15..30),
        Err(Error::PartialStripe { stripe: 1, .. })
    ));
    let mut whole = shared.overwrite(20..30).unwrap();
    whole.slice_mut::<f64>().unwrap().fill(1.0);
    whole.commit().unwrap();
    assert_eq!(shared.read(..).unwrap().view::<f64>().unwrap().sum(), 10.0);
}

#[test]
fn with_before_images_what_is_not_committed_never_was() {
    let client = embedded();
    let shared = floats(&client, &[100], with_images());
    let mut guard = shared.write(10..50).unwrap();
    guard.slice_mut::<f64>().unwrap().fill(2.0);
    guard.commit().unwrap();
    let mut guard = shared.write(40..60).unwrap();
    guard.slice_mut::<f64>().unwrap().fill(9.0);
    drop(guard);
    let mut guard = shared.overwrite(..).unwrap();
    guard.slice_mut::<f64>().unwrap().fill(9.0);
    drop(guard);
    let all = shared.read(..).unwrap();
    let expected: Vec<f64> = (0..100)
        .map(|i| if (10..50).contains(&i) { 2.0 } else { 0.0 })
        .collect();
    assert_eq!(all.slice::<f64>().unwrap(), expected);
}

#[test]
fn stripes_across_columns_are_locked_viewed_and_rolled_back_alone() {
    let client = embedded();
    let sharing = Sharing {
        lock_axis: 1,
        stripes: Some(4),
        before_images: true,
    };
    let layout = ArrayLayout::c_order(Dtype::Int16, &[6, 8]).unwrap();
    let shared = client.create_shared(layout, None, sharing).unwrap();
    let numbers = Array2::from_shape_fn((6, 8), |(row, column)| (10 * row + column) as i16);
    let mut all = shared.overwrite(..).unwrap();
    all.view_mut::<i16>().unwrap().assign(&numbers);
    all.commit().unwrap();

    let mut left = shared.write(1..3).unwrap();
    let mut right = shared.write_within(4..8, AT_ONCE).unwrap();
    left.view_mut::<i16>().unwrap().fill(-1);
    right.view_mut::<i16>().unwrap().fill(-2);
    assert!(matches!(left.slice::<i16>(), Err(Error::NotContiguous)));
    right.commit().unwrap();
    drop(left);
    let seen = shared.read(..).unwrap();
    let mut expected = numbers;
    expected.slice_mut(ndarray::s![.., 4..]).fill(-2);
    assert_eq!(seen.view::<i16>().unwrap(), expected.into_dyn());
}

#[test]
fn arrays_without_elements_and_dimensions_are_locked_too() {
    let client = embedded();
    let share = |shape: &[u64]| {
        let layout = ArrayLayout::c_order(Dtype::Int32, shape).unwrap();
        client.create_shared(layout, None, Sharing::default())
    };
    if let Ok(empty) = share(&[0, 3]) {
        let mut guard = empty.write(..).unwrap();
        assert_eq!(guard.view_mut::<i32>().unwrap().shape(), [0, 3]);
        guard.commit().unwrap();
    }
    let three = share(&[3]).unwrap();
    let none = three.write(1..1).unwrap();
    three.write_within(.., AT_ONCE).unwrap().commit().unwrap();
    none.commit().unwrap();
    assert!(matches!(
        three.read(2..4),
        Err(Error::OutOfRange { axis_len: 3, .. })
    ));
}

#[test]
fn a_seal_waits_for_windows_of_others_and_closes_the_locks() {
    let client = embedded();
    let shared = floats(&client, &[100], Sharing::default());
    let other = second_session(&client);
    let open = other.shared("shared").unwrap();
    let error = shared.seal().unwrap_err();
    let Error::Failed(Failure::StillOpen { sessions, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*sessions, [other.session_id().unwrap()]);
    // It can still be written, by both.
    for writer in [&shared, &open] {
        let mut guard = writer.write(7..8).unwrap();
        guard.slice_mut::<f64>().unwrap()[0] += 1.0;
        guard.commit().unwrap();
    }
    drop(open);
    // The other session's message may be read after ours.
    until(|| shared.seal().is_ok());
    let object = client.get("shared").unwrap();
    assert_eq!(object.info().state, ObjectState::Sealed);
    assert_eq!(object.slice::<f64>().unwrap()[7], 2.0);
    assert!(matches!(
        shared.read(..),
        Err(Error::Failed(Failure::Closed { .. }))
    ));
}

#[test]
fn a_kernel_works_in_place_under_the_locks() {
    let client = embedded();
    let shared = floats(&client, &[1000], with_images());
    let ran = client
        .run("scale_add")
        .input(&shared)
        .param("scale", 2.0)
        .param("offset", 3.0)
        .call()
        .unwrap();
    assert_eq!(ran.value, None);
    assert_eq!(
        shared.read(..).unwrap().view::<f64>().unwrap().sum(),
        3000.0
    );
}

/// A process that takes a lock and waits to be killed. Does nothing unless a test starts it.
#[test]
fn a_process_that_holds_a_lock() {
    let Ok(address) = std::env::var("HOLD_LOCK_AT") else {
        return;
    };
    let client = Client::connect(&Endpoint::from_address(&address)).unwrap();
    let shared = client.shared("shared").unwrap();
    let mut guard = shared.write(0..10).unwrap();
    guard.slice_mut::<f64>().unwrap().fill(-1.0);
    println!("\nlocked");
    std::io::stdout().flush().unwrap();
    std::io::stdin().lines().next();
    unreachable!("killed before its input ends: {:?}", guard.range());
}

fn holder_at(client: &Client) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_holds_a_lock", "--nocapture"])
        .env("HOLD_LOCK_AT", client.address().unwrap().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "locked"));
    child
}

#[test]
fn a_writer_that_is_killed_poisons_what_it_held() {
    let client = embedded();
    let shared = floats(&client, &[100], Sharing::default());
    let mut holder = holder_at(&client);
    let error = shared.read_within(5..6, AT_ONCE).unwrap_err();
    let held_by = match error {
        Error::Failed(Failure::LockTimeout { holder_pid, .. }) => holder_pid,
        other => panic!("{other:?}"),
    };
    assert_eq!(held_by, Some(holder.id()));
    holder.kill().unwrap();
    holder.wait().unwrap();
    // The sweep lets this one go on, to find the poison.
    let error = shared.read(5..6).unwrap_err();
    assert!(
        matches!(error, Error::Failed(Failure::Poisoned { stripe: 5, .. })),
        "{error:?}"
    );
    drop(shared.read(10..).unwrap());
}

#[test]
fn what_a_killed_writer_held_is_rolled_back_from_its_images() {
    let client = embedded();
    let shared = floats(&client, &[100], with_images());
    let mut holder = holder_at(&client);
    holder.kill().unwrap();
    holder.wait().unwrap();
    let error = shared.read(5..6).unwrap_err();
    assert!(
        matches!(error, Error::Failed(Failure::Poisoned { .. })),
        "{error:?}"
    );
    shared.roll_back().unwrap();
    assert_eq!(shared.read(..).unwrap().view::<f64>().unwrap().sum(), 0.0);
}
