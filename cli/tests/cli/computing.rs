//! Kernels and the tables about what goes on.

use crate::support::{Daemon, npy};
use serde_json::{Value, json};

fn floats(numbers: &[f64]) -> Vec<u8> {
    let data: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    npy("<f8", false, &[numbers.len() as u64], &data)
}

fn daemon_with(name: &str, numbers: &[f64]) -> Daemon {
    let daemon = Daemon::start();
    daemon.place.write(&format!("{name}.npy"), &floats(numbers));
    daemon.run(&["put", &format!("{name}.npy")]).text();
    daemon
}

fn value(daemon: &Daemon, words: &[&str]) -> Value {
    let words = [&["run"], words, &["--json"]].concat();
    daemon.run(&words).json()["value"].clone()
}

#[test]
fn kernels_run_on_named_objects() {
    let daemon = daemon_with("x", &[1.0, 2.0, 3.0, 4.0]);
    assert_eq!(value(&daemon, &["sum", "x"]), json!(10.0));
    assert_eq!(
        value(&daemon, &["max", "x", "--deadline", "1m"]),
        json!(4.0)
    );
    let std = value(&daemon, &["std", "x"]).as_f64().unwrap();
    assert!((std - 1.25f64.sqrt()).abs() < 1e-15);
    let text = daemon.run(&["run", "sum", "x"]);
    assert_eq!(text.text().trim(), "10.0");
    assert!(text.stderr.contains("task"), "{text:?}");
    assert!(value(&daemon, &["dot", "x", "x"]) == json!(30.0));
}

#[test]
fn what_is_no_number_is_told_in_json_too() {
    let daemon = daemon_with("x", &[1.0, f64::NAN, 2.0]);
    assert_eq!(value(&daemon, &["sum", "x"]), json!("nan"));
    assert_eq!(value(&daemon, &["min", "x"]), json!("nan"));
    daemon
        .place
        .write("inf.npy", &floats(&[1.0, f64::NEG_INFINITY]));
    daemon.run(&["put", "inf.npy"]).text();
    assert_eq!(value(&daemon, &["sum", "inf"]), json!("-inf"));
    assert_eq!(value(&daemon, &["max", "inf"]), json!(1.0));
}

#[test]
fn mistakes_are_explained_and_change_nothing() {
    let daemon = daemon_with("x", &[1.0]);
    let unknown = daemon.run(&["run", "summ", "x"]);
    assert!(
        unknown.complaint(4).contains("did you mean sum"),
        "{unknown:?}"
    );
    let unknown = daemon.run(&["kernels", "historgam"]);
    assert!(unknown.complaint(4).contains("histogram"), "{unknown:?}");
    assert_eq!(daemon.run(&["run", "sum", "y"]).code, 4);
    daemon.place.write("s.bin", b"abc");
    daemon.run(&["put", "s.bin", "--dtype", "bytes"]).text();
    let wrong = daemon.run(&["run", "sum", "s"]);
    assert!(wrong.complaint(7).contains("bytes"), "{wrong:?}");
    let wrong = daemon.run(&["run", "histogram", "x", "--param", "bins=-1"]);
    assert!(wrong.complaint(7).contains("bins"), "{wrong:?}");
    assert_eq!(
        daemon
            .run(&["run", "sum", "x", "--param", "nonsense=1"])
            .code,
        7
    );
    assert_eq!(daemon.run(&["run", "dot", "x"]).code, 7);
    assert_eq!(value(&daemon, &["sum", "x"]), json!(1.0));
}

#[test]
fn shared_objects_are_updated_in_place() {
    let daemon = Daemon::start();
    daemon.place.write("x.npy", &floats(&[1.0, 2.0, 3.0]));
    daemon.run(&["put", "x.npy", "--shared"]).text();
    let ran = daemon
        .run(&[
            "run",
            "scale_add",
            "x",
            "-p",
            "scale=2",
            "-p",
            "offset=0.5",
            "--json",
        ])
        .json();
    assert_eq!(ran["value"], Value::Null);
    daemon.run(&["get", "x", "out.npy"]).text();
    assert_eq!(
        std::fs::read(daemon.place.path("out.npy")).unwrap(),
        floats(&[2.5, 4.5, 6.5])
    );
    daemon.run(&["put", "x.npy", "--name", "sealed"]).text();
    let sealed = daemon.run(&["run", "scale_add", "sealed", "-p", "scale=2"]);
    assert!(sealed.complaint(5).contains("put --shared"), "{sealed:?}");
}

#[test]
fn every_byte_is_accounted_for() {
    let daemon = daemon_with("x", &[0.0; 1000]);
    let stats = daemon.run(&["stats", "--json"]).json();
    let classes = stats["memory"].as_object().unwrap();
    let sum: u64 = classes
        .iter()
        .filter(|(name, _)| *name != "total_bytes")
        .map(|(_, bytes)| bytes.as_u64().unwrap())
        .sum();
    assert_eq!(sum, 64 << 20);
    assert_eq!(stats["memory"]["total_bytes"], json!(sum));
    assert_eq!(stats["memory"]["sealed_bytes"], json!(8000));
    let text = daemon.run(&["stats"]);
    for word in [
        "64.0 MiB",
        "free, cold",
        "sealed",
        "sum",
        "100.0 %",
        "UID",
        "requests",
    ] {
        assert!(text.text().contains(word), "{word}: {}", text.stdout);
    }
}

#[test]
fn tables_and_documents_tell_the_same() {
    let daemon = daemon_with("x", &[0.0; 10]);
    let ls = daemon.run(&["ls", "--json"]).json();
    assert_eq!(ls[0]["name"], "x");
    assert_eq!(ls[0]["bytes"], 80);
    assert!(daemon.run(&["ls"]).text().contains("float64"));
    assert_eq!(
        daemon.run(&["show", "x", "--json"]).json()["id"],
        ls[0]["id"]
    );
    assert!(daemon.run(&["show", "x"]).text().contains("sealed"));

    let workers = daemon.run(&["workers", "--json"]).json();
    assert!(workers.as_array().unwrap().len() >= 2, "{workers}");
    assert!(
        daemon
            .run(&["workers"])
            .text()
            .contains(&workers[0]["pid"].to_string())
    );

    let sessions = daemon.run(&["sessions", "--json"]).json();
    assert!(
        sessions
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["program"] == "arenactl"),
        "{sessions}"
    );
    assert!(daemon.run(&["sessions"]).text().contains("arenactl"));

    assert_eq!(daemon.run(&["locks", "--json"]).json(), json!([]));
    assert!(daemon.run(&["locks"]).text().contains("no stripe"));

    let kernels = daemon.run(&["kernels", "--json"]).json();
    let names: Vec<&str> = kernels
        .as_array()
        .unwrap()
        .iter()
        .map(|k| k["name"].as_str().unwrap())
        .collect();
    for name in [
        "sum",
        "mean",
        "var",
        "std",
        "min",
        "max",
        "dot",
        "histogram",
        "scale_add",
    ] {
        assert!(names.contains(&name), "{name}");
        assert!(
            daemon
                .run(&["kernels", name])
                .text()
                .contains(&format!("arenactl run {name}"))
        );
    }
    let arenas = daemon.run(&["arena", "ls", "--json"]).json();
    assert!(
        arenas
            .as_array()
            .unwrap()
            .iter()
            .any(|arena| arena["arena_bytes"] == 64 << 20),
        "{arenas}"
    );
}

#[test]
fn a_served_arena_is_not_removed() {
    let daemon = daemon_with("x", &[1.0]);
    let arenas = daemon.run(&["arena", "ls", "--json"]).json();
    let own = format!("cli-test-{}-", std::process::id());
    let name = arenas
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|arena| arena["name"].as_str())
        .find(|name| name.starts_with(&own))
        .unwrap()
        .to_owned();
    assert!(
        daemon
            .run(&["arena", "rm", &name])
            .complaint(5)
            .contains("served")
    );
    assert_eq!(value(&daemon, &["sum", "x"]), json!(1.0));
}
