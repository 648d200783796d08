//! Arrays from files into the arena and back, bit for bit.

use crate::support::{Daemon, npy};

/// Bytes without a pattern in which an error could hide.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(step).collect()
}

const DTYPES: [(&str, usize, &str); 15] = [
    ("b1", 1, "bool"),
    ("i1", 1, "int8"),
    ("i2", 2, "int16"),
    ("i4", 4, "int32"),
    ("i8", 8, "int64"),
    ("u1", 1, "uint8"),
    ("u2", 2, "uint16"),
    ("u4", 4, "uint32"),
    ("u8", 8, "uint64"),
    ("f2", 2, "float16"),
    ("f4", 4, "float32"),
    ("f8", 8, "float64"),
    ("c8", 8, "complex64"),
    ("c16", 16, "complex128"),
    ("V1", 1, "bytes"),
];

fn data_of(code: &str, len: usize) -> Vec<u8> {
    let mut data = noise(len);
    if code == "b1" {
        data.iter_mut().for_each(|byte| *byte &= 1);
    }
    data
}

#[test]
fn every_dtype_comes_back_bit_for_bit_in_both_orders() {
    let daemon = Daemon::start();
    for (code, size, dtype) in DTYPES {
        for fortran in [false, true] {
            let prefix = if size == 1 { '|' } else { '<' };
            let bytes = npy(
                &format!("{prefix}{code}"),
                fortran,
                &[7, 5, 3],
                &data_of(code, 105 * size),
            );
            let name = format!("{dtype}-{fortran}");
            daemon.place.write(&format!("{name}.npy"), &bytes);
            let put = daemon
                .run(&["put", &format!("{name}.npy"), "--json"])
                .json();
            assert_eq!(put["name"], name.as_str());
            assert_eq!(put["dtype"], dtype);
            assert_eq!(put["order"], if fortran { "F" } else { "C" });
            daemon.run(&["get", &name, "out.npy"]).text();
            assert!(
                std::fs::read(daemon.place.path("out.npy")).unwrap() == bytes,
                "{name}"
            );
        }
    }
}

#[test]
fn big_endian_files_come_back_little_endian() {
    let daemon = Daemon::start();
    for (code, size, dtype) in DTYPES.into_iter().filter(|(_, size, _)| *size > 1) {
        let number = if code.starts_with('c') {
            size / 2
        } else {
            size
        };
        let big = data_of(code, 1000 * size);
        let little: Vec<u8> = big
            .chunks(number)
            .flat_map(|n| n.iter().rev())
            .copied()
            .collect();
        daemon
            .place
            .write("big.npy", &npy(&format!(">{code}"), false, &[1000], &big));
        daemon.run(&["put", "big.npy", "--name", dtype]).text();
        daemon.run(&["get", dtype, "out.npy"]).text();
        let expected = npy(&format!("<{code}"), false, &[1000], &little);
        assert!(
            std::fs::read(daemon.place.path("out.npy")).unwrap() == expected,
            "{dtype}"
        );
    }
}

#[test]
fn an_array_larger_than_many_chunks_comes_back() {
    let daemon = Daemon::start();
    let bytes = npy("<f8", false, &[1_300_001], &noise(1_300_001 * 8));
    daemon.place.write("large.npy", &bytes);
    daemon.run(&["put", "large.npy"]).text();
    daemon.run(&["get", "large", "out.npy"]).text();
    assert!(std::fs::read(daemon.place.path("out.npy")).unwrap() == bytes);
}

#[test]
fn scalars_and_empty_arrays_come_back() {
    let daemon = Daemon::start();
    for (name, shape, len) in [
        ("scalar", &[][..], 8),
        ("empty", &[0][..], 0),
        ("none", &[3, 0][..], 0),
    ] {
        let bytes = npy("<f8", false, shape, &noise(len));
        daemon.place.write(&format!("{name}.npy"), &bytes);
        daemon.run(&["put", &format!("{name}.npy")]).text();
        daemon.run(&["get", name, "out.npy"]).text();
        assert!(
            std::fs::read(daemon.place.path("out.npy")).unwrap() == bytes,
            "{name}"
        );
    }
}

#[test]
fn raw_bytes_go_in_and_out() {
    let daemon = Daemon::start();
    let bytes = noise(24 * 4);
    daemon.place.write("raw.bin", &bytes);
    let put = daemon
        .run(&[
            "put", "raw.bin", "--dtype", "int32", "--shape", "2,3,4", "--json",
        ])
        .json();
    assert_eq!(put["shape"], serde_json::json!([2, 3, 4]));
    daemon.run(&["get", "raw", "out.bin", "--raw"]).text();
    assert!(std::fs::read(daemon.place.path("out.bin")).unwrap() == bytes);
    let flat = daemon
        .run(&[
            "put", "raw.bin", "--dtype", "bytes", "--name", "flat", "--json",
        ])
        .json();
    assert_eq!(flat["shape"], serde_json::json!([96]));
}

#[test]
fn raw_fortran_order_comes_out_in_c_order() {
    let daemon = Daemon::start();
    daemon
        .place
        .write("f.npy", &npy("|u1", true, &[2, 3], &[0, 1, 2, 3, 4, 5]));
    daemon.run(&["put", "f.npy"]).text();
    daemon.run(&["get", "f", "out.bin", "--raw"]).text();
    assert_eq!(
        std::fs::read(daemon.place.path("out.bin")).unwrap(),
        [0, 2, 4, 1, 3, 5]
    );
}

#[test]
fn shared_objects_go_in_and_out() {
    let daemon = Daemon::start();
    let bytes = npy("<f4", false, &[1000, 3], &noise(12_000));
    daemon.place.write("s.npy", &bytes);
    let put = daemon
        .run(&[
            "put",
            "s.npy",
            "--shared",
            "--stripes",
            "8",
            "--before-images",
            "--json",
        ])
        .json();
    assert_eq!(put["state"], "shared");
    assert_eq!(put["stripes"]["count"], 8);
    assert_eq!(put["before_images"], true);
    daemon.run(&["get", "s", "out.npy"]).text();
    assert!(std::fs::read(daemon.place.path("out.npy")).unwrap() == bytes);
}

#[test]
fn unusable_files_are_refused_and_leave_nothing() {
    let daemon = Daemon::start();
    let good = npy("<f8", false, &[4], &noise(32));
    let longer = [&good[..], &[0]].concat();
    for (name, bytes, sign) in [
        ("no", b"hello".to_vec(), "--dtype"),
        ("empty-file", Vec::new(), "--dtype"),
        ("cut-header", good[..50].to_vec(), "header"),
        ("cut-data", good[..good.len() - 1].to_vec(), "31"),
        ("longer", longer, "33"),
        ("object", npy("|O", false, &[4], &noise(32)), "astype"),
        ("date", npy("<M8[ns]", false, &[4], &noise(32)), "int64"),
        (
            "overflow",
            npy("<f8", false, &[1 << 40, 1 << 40], &[]),
            "2^63",
        ),
        (
            "dimensions",
            npy("<f8", false, &[1; 9], &noise(8)),
            "dimensions",
        ),
        ("huge", npy("<f8", false, &[1 << 50], &[]), "announced"),
    ] {
        daemon.place.write(&format!("{name}.npy"), &bytes);
        let outcome = daemon.run(&["put", &format!("{name}.npy")]);
        assert!(outcome.complaint(7).contains(sign), "{name}: {outcome:?}");
    }
    daemon.place.write("raw.bin", &[0; 10]);
    let outcome = daemon.run(&["put", "raw.bin", "--dtype", "int32"]);
    assert!(outcome.complaint(7).contains("10"));
    let outcome = daemon.run(&[
        "put",
        "raw.bin",
        "--dtype",
        "int32",
        "--shape",
        "4294967296,4294967296",
    ]);
    assert!(outcome.complaint(7).contains("2^63"));
    assert_eq!(daemon.run(&["put", "missing.npy"]).code, 7);
    assert_eq!(daemon.run(&["put", "."]).code, 7);
    assert_eq!(daemon.run(&["ls", "--json"]).json(), serde_json::json!([]));
    let memory = &daemon.run(&["stats", "--json"]).json()["memory"];
    assert_eq!(memory["filling_bytes"], 0);
    assert_eq!(memory["sealed_bytes"], 0);
}

#[test]
fn a_taken_name_a_full_arena_and_a_missing_object_are_told_apart() {
    let daemon = Daemon::start();
    daemon
        .place
        .write("a.npy", &npy("<f8", false, &[4], &noise(32)));
    daemon.run(&["put", "a.npy"]).text();
    let taken = daemon.run(&["put", "a.npy"]);
    assert!(taken.complaint(5).contains("--name"), "{taken:?}");
    let file = std::fs::File::create(daemon.place.path("big.bin")).unwrap();
    file.set_len(80 << 20).unwrap();
    let full = daemon.run(&["put", "big.bin", "--dtype", "uint8"]);
    assert!(full.complaint(6).contains("arena is full"), "{full:?}");
    let missing = daemon.run(&["get", "b", "out.npy"]);
    assert!(missing.complaint(4).contains('b'));
    assert!(!daemon.place.path("out.npy").exists());
    assert_eq!(daemon.run(&["rm", "b"]).code, 4);
    daemon.run(&["rm", "a"]).text();
    assert_eq!(daemon.run(&["show", "a"]).code, 4);
}
