//! Arrays through a real supervisor: in, looked at, out.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod common;

use std::fmt::Debug;
use std::thread;

use arena_client::{ArrayLayout, Client, Dtype, Element, Error, Failure, LayoutError, ObjectState};
use common::daemon::{ARENA_BYTES, embedded, second_session};
use half::f16;
use ndarray::{Array, Array2, ArrayD, Axis, IxDyn, Slice, arr0, array, s};
use num_complex::Complex;

/// Puts arrays of every shape that matters and looks at them from another session.
fn round_trips<T: Element + PartialEq + Debug + Default>(
    client: &Client,
    other: &Client,
    value: impl Fn(usize) -> T,
) {
    let shapes: [&[usize]; 7] = [
        &[],
        &[0],
        &[1],
        &[5],
        &[3, 0, 2],
        &[3, 4, 5],
        &[2, 1, 2, 1, 2, 1, 2, 1],
    ];
    for shape in shapes {
        let mut at = 0;
        let c: ArrayD<T> = Array::from_shape_simple_fn(IxDyn(shape), || {
            at += 1;
            value(at)
        });
        for array in [c.view(), c.view().reversed_axes()] {
            let put = client.put(None, &array).unwrap();
            assert_eq!(put.layout().dtype(), T::DTYPE);
            let got = other.get(put.id()).unwrap();
            for object in [&put, &got] {
                assert_eq!(object.view::<T>().unwrap(), array, "{shape:?}");
            }
            let kept = (array.is_standard_layout() && got.layout().is_c_contiguous())
                || got.layout().is_fortran_contiguous();
            assert!(kept, "{shape:?}");
        }
        if shape.len() > 1 {
            let mut cut = c.clone();
            cut.invert_axis(Axis(0));
            let cut = cut.slice_axis(Axis(1), Slice::from(..).step_by(2));
            let put = client.put(None, &cut).unwrap();
            assert!(put.layout().is_c_contiguous());
            assert_eq!(put.view::<T>().unwrap(), cut);
        }
    }
}

#[test]
fn every_element_type_shape_and_order_comes_back() {
    let client = embedded();
    let other = second_session(&client);
    round_trips(&client, &other, |i| i % 3 == 0);
    round_trips(&client, &other, |i| i as i8);
    round_trips(&client, &other, |i| i as i16 - 30);
    round_trips(&client, &other, |i| i as i32 - 30);
    round_trips(&client, &other, |i| i as i64 - 30);
    round_trips(&client, &other, |i| i as u8);
    round_trips(&client, &other, |i| i as u16);
    round_trips(&client, &other, |i| i as u32);
    round_trips(&client, &other, |i| i as u64);
    round_trips(&client, &other, |i| f16::from_f32(i as f32 / 2.0));
    round_trips(&client, &other, |i| i as f32 / 3.0);
    round_trips(&client, &other, |i| i as f64 / 3.0);
    round_trips(&client, &other, |i| Complex::new(i as f32, -1.0));
    round_trips(&client, &other, |i| Complex::new(i as f64, -1.0));
}

#[test]
fn not_a_number_and_infinities_keep_their_bits() {
    let client = embedded();
    let odd = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        f64::from_bits(0x7ff0_dead_beef_0001),
    ];
    let put = client.put(None, &ndarray::aview1(&odd)).unwrap();
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(put.slice().unwrap()), bits(&odd));
}

#[test]
fn large_arrays_come_back_whole() {
    let client = embedded();
    let array = Array::from_iter((0..4_000_000_u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let put = client.put("large", &array).unwrap();
    assert_eq!(put.slice::<u64>().unwrap(), array.as_slice().unwrap());
    let other = second_session(&client);
    assert_eq!(
        other.get("large").unwrap().view::<u64>().unwrap(),
        array.into_dyn()
    );
}

#[test]
fn opaque_bytes_are_viewed_as_bytes() {
    let client = embedded();
    let layout = ArrayLayout::c_order(Dtype::Bytes, &[5]).unwrap();
    let put = client
        .put_bytes(layout.clone(), "opaque", b"hello")
        .unwrap();
    assert_eq!(put.slice::<u8>().unwrap(), b"hello");
    assert!(matches!(
        put.view::<i8>(),
        Err(Error::WrongDtype {
            actual: Dtype::Bytes,
            requested: Dtype::Int8
        })
    ));
    assert!(matches!(
        client.put_bytes(layout, None, b"hell"),
        Err(Error::WrongLength {
            expected: 5,
            found: 4
        })
    ));
}

#[test]
fn a_strided_layout_is_viewed_with_its_gaps() {
    let client = embedded();
    let layout = ArrayLayout::strided(Dtype::Uint16, &[2, 2], &[16, 4]).unwrap();
    let mut filling = client.create(layout, None).unwrap();
    filling
        .view_mut::<u16>()
        .unwrap()
        .assign(&array![[1, 2], [3, 4]].into_dyn());
    assert!(matches!(
        filling.slice_mut::<u16>(),
        Err(Error::NotContiguous)
    ));
    let object = filling.seal().unwrap();
    assert_eq!(object.bytes().len(), 22);
    assert_eq!(
        object.view::<u16>().unwrap(),
        array![[1, 2], [3, 4]].into_dyn()
    );
}

#[test]
fn bytes_that_are_no_bools_are_not_viewed_as_bools() {
    let client = embedded();
    let layout = ArrayLayout::c_order(Dtype::Bool, &[3]).unwrap();
    let bad = client.put_bytes(layout.clone(), None, &[0, 1, 2]).unwrap();
    assert!(matches!(bad.view::<bool>(), Err(Error::NotBool { at: 2 })));
    let mut filling = client.create(layout, None).unwrap();
    filling.bytes_mut().unwrap().copy_from_slice(&[7, 0, 1]);
    assert_eq!(filling.slice_mut::<bool>().unwrap(), [true, false, true]);
}

#[test]
fn names_are_taken_found_and_given_back() {
    let client = embedded();
    let other = second_session(&client);
    let first = client.put("a", &arr0(1)).unwrap();
    assert!(matches!(
        other.put("a", &arr0(2)),
        Err(Error::Failed(Failure::NameTaken { .. }))
    ));
    assert_eq!(other.get("a").unwrap().id(), first.id());
    other.remove("a").unwrap();
    assert!(matches!(
        client.get("a"),
        Err(Error::Failed(Failure::NoSuchObject { .. }))
    ));
    other.put("a", &arr0(2)).unwrap();
    assert_eq!(first.view::<i32>().unwrap(), arr0(1).into_dyn());
    assert_eq!(
        client.get("a").unwrap().view::<i32>().unwrap(),
        arr0(2).into_dyn()
    );
}

#[test]
fn what_is_filled_is_seen_when_sealed_and_leaves_nothing_when_dropped() {
    let client = embedded();
    let free = |client: &Client| client.stats().unwrap().memory.filling_bytes;
    let layout = ArrayLayout::c_order(Dtype::Float64, &[1000]).unwrap();
    let mut filling = client.create(layout.clone(), "x").unwrap();
    assert!(free(&client) > 0);
    assert!(client.get("x").is_err());
    filling.copy_from(&[0; 8000]).unwrap();
    let address = filling.bytes_mut().unwrap().as_ptr();
    let object = filling.seal().unwrap();
    assert_eq!(
        object.bytes().as_ptr(),
        address,
        "addresses stay valid over the seal"
    );
    assert_eq!(client.get("x").unwrap().bytes(), [0; 8000]);

    let dropped = client.create(layout, "y").unwrap();
    drop(dropped);
    assert_eq!(free(&client), 0);
    client.put("y", &arr0(1)).unwrap();
}

#[test]
fn a_source_that_ends_early_leaves_nothing() {
    let client = embedded();
    let layout = ArrayLayout::c_order(Dtype::Uint8, &[10]).unwrap();
    let full = client
        .put_reader(layout.clone(), "full", b"0123456789abc".as_slice())
        .unwrap();
    assert_eq!(full.bytes(), b"0123456789");
    let error = client.put_reader(layout, "short", b"012".as_slice());
    assert!(matches!(error, Err(Error::Source { .. })));
    assert_eq!(client.objects().count(), 1);
    assert_eq!(client.stats().unwrap().memory.filling_bytes, 0);
}

#[test]
fn removed_objects_live_as_long_as_their_handles() {
    let client = embedded();
    let object = client.put("x", &Array2::<u8>::ones((1000, 1000))).unwrap();
    object.remove().unwrap();
    assert!(client.get("x").is_err());
    assert!(client.stats().unwrap().memory.removed_bytes > 0);
    let next = client
        .put(None, &Array2::<u8>::zeros((1000, 1000)))
        .unwrap();
    assert!(object.slice::<u8>().unwrap().iter().all(|byte| *byte == 1));
    let clone = object.clone();
    drop(object);
    assert_eq!(clone.slice::<u8>().unwrap()[999_999], 1);
    drop(clone);
    assert_eq!(client.stats().unwrap().memory.removed_bytes, 0);
    drop(next);
}

#[test]
fn listings_go_over_pages() {
    const COUNT: usize = 3000;
    let client = embedded();
    let objects: Vec<_> = (0..COUNT)
        .map(|i| {
            client
                .put(format!("object {i:04}").as_str(), &arr0(i as u64))
                .unwrap()
        })
        .collect();
    let mut names: Vec<String> = client
        .objects()
        .map(|object| object.unwrap().name.unwrap().into())
        .collect();
    names.sort();
    assert_eq!(names.len(), COUNT);
    assert_eq!(names[COUNT - 1], format!("object {:04}", COUNT - 1));
    assert_eq!(
        client.info("object 0007").unwrap().state,
        ObjectState::Sealed
    );
    drop(objects);
}

#[test]
fn errors_leave_the_arena_as_it_was() {
    let client = embedded();
    let before = client.stats().unwrap().memory;
    let layout = ArrayLayout::c_order(Dtype::Uint8, &[2 * ARENA_BYTES]).unwrap();
    assert!(matches!(
        client.create(layout, "huge"),
        Err(Error::Failed(Failure::ArenaFull { .. }))
    ));
    assert!(matches!(
        client.put(None, &Array::<u8, _>::zeros(IxDyn(&[1; 9]))),
        Err(Error::Layout(LayoutError::TooManyDimensions { ndim: 9 }))
    ));
    assert!(matches!(
        client.run("summ").input("x").call(),
        Err(Error::Failed(_))
    ));
    assert!(matches!(client.shared("none"), Err(Error::Failed(_))));
    let sealed = client.put("sealed", &arr0(0)).unwrap();
    assert!(matches!(
        client.shared("sealed"),
        Err(Error::NotShared { .. })
    ));
    sealed.remove().unwrap();
    drop(sealed);
    let after = client.stats().unwrap().memory;
    assert_eq!(after.total_bytes(), before.total_bytes());
    assert_eq!(
        after.sealed_bytes + after.filling_bytes + after.removed_bytes,
        0
    );
}

#[test]
fn many_threads_share_a_client() {
    let client = embedded();
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let client = client.clone();
            scope.spawn(move || {
                for round in 0..50 {
                    let array = Array::from_iter((0..100).map(|i| i * thread + round));
                    let name = format!("{thread}");
                    client.put(name.as_str(), &array).unwrap();
                    let got = client.get(&name).unwrap();
                    let sum = client.run("sum").input(&got).call().unwrap();
                    assert_eq!(sum.float().unwrap(), array.sum() as f64);
                    assert_eq!(got.view::<u64>().unwrap(), array.into_dyn());
                    got.remove().unwrap();
                }
            });
        }
    });
    assert_eq!(client.objects().count(), 0);
}

#[test]
fn kernels_take_parameters_and_fail_with_reasons() {
    let client = embedded();
    let object = client.put("x", &array![1.0, 2.0, 3.0, 4.0]).unwrap();
    let std = |ddof: i64| client.run("std").input(&object).param("ddof", ddof).call();
    assert!((std(1).unwrap().float().unwrap() - (5.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    assert!((std(0).unwrap().float().unwrap() - 1.25_f64.sqrt()).abs() < 1e-12);
    assert!(matches!(
        client.run("std").input(&object).param("nonsense", 1).call(),
        Err(Error::Failed(Failure::BadArguments { .. }))
    ));
    assert!(matches!(
        client.run("sums").input(&object).call(),
        Err(Error::Failed(Failure::NoSuchKernel { nearest: Some(near), .. })) if near == "sum"
    ));
    let pending = client.run("sum").input("x").submit().unwrap();
    pending.cancel();
    match pending.wait() {
        Ok(ran) => assert_eq!(ran.float().unwrap(), 10.0),
        Err(error) => assert!(
            matches!(error, Error::Failed(Failure::Cancelled)),
            "{error:?}"
        ),
    }
    assert!(
        client
            .kernels()
            .unwrap()
            .iter()
            .any(|kernel| kernel.name == "std")
    );
    assert_eq!(object.view::<f64>().unwrap().slice(s![..2]).sum(), 3.0);
}
