//! What the program does where no daemon runs.

use std::io::Read;
use std::process::Stdio;

use crate::support::{Outcome, Place};

#[test]
fn help_lists_commands_and_exit_codes() {
    let help = Place::new().run(&["--help"]);
    for word in [
        "put",
        "get",
        "demo",
        "doctor",
        "completions",
        "Exit codes:",
        "  3  no daemon",
    ] {
        assert!(help.text().contains(word), "{word}");
    }
    assert!(
        Place::new()
            .run(&["--version"])
            .text()
            .starts_with("arenactl ")
    );
}

#[test]
fn every_command_has_an_example() {
    let place = Place::new();
    for command in [
        "put",
        "get",
        "rm",
        "ls",
        "show",
        "stats",
        "workers",
        "locks",
        "sessions",
        "kernels",
        "run",
        "arena",
        "doctor",
        "completions",
        "demo",
    ] {
        let help = place.run(&[command, "--help"]);
        assert!(
            help.text().contains(&format!("\n  arenactl {command}")),
            "{command}"
        );
    }
}

#[test]
fn nonsense_is_wrong_usage() {
    let place = Place::new();
    for words in [
        &["frobnicate"][..],
        &[],
        &["rm"],
        &["run", "sum", "x", "--deadline", "soon"],
        &["run", "sum", "x", "--param", "bins"],
        &["put", "x", "--shape", "3"],
        &["put", "x", "--dtype", "float65"],
        &["put", "x", "--name", ""],
        &["demo", "--size", "much"],
        &["ls", "--socket", "a", "--system=b"],
    ] {
        let outcome = place.run(words);
        assert_eq!(outcome.code, 2, "{words:?}: {outcome:?}");
        assert!(outcome.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn a_name_must_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    let place = Place::new();
    assert_eq!(Outcome::of(place.arenactl().arg("show").arg(name)).code, 2);
    assert_eq!(place.run(&["show", &"x".repeat(129)]).code, 2);
}

#[test]
fn without_a_daemon_the_error_says_how_to_start_one() {
    let place = Place::new();
    for words in [
        &["ls"][..],
        &["stats"],
        &["run", "sum", "x"],
        &["--system", "ls"],
    ] {
        let outcome = place.run(words);
        assert!(outcome.complaint(3).contains("arenad"), "{outcome:?}");
    }
}

#[test]
fn completions_are_made_for_each_shell() {
    let place = Place::new();
    for (shell, sign) in [
        ("bash", "complete -F _arenactl"),
        ("zsh", "#compdef arenactl"),
        ("fish", "complete -c arenactl"),
    ] {
        let script = place.run(&["completions", shell]);
        assert!(script.text().contains(sign), "{shell}");
        assert!(
            script.text().contains("histogram") || script.text().contains("kernels"),
            "{shell}"
        );
        assert!(!script.text().contains("demo-worker"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_is_no_failure() {
    let place = Place::new();
    let mut child = place
        .arenactl()
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut complaint = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut complaint)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{complaint}");
    assert!(complaint.is_empty(), "{complaint}");
}

#[test]
fn arenas_are_listed_and_removed_without_a_daemon() {
    let place = Place::new();
    std::fs::create_dir(place.path("arenas")).unwrap();
    let dir = place.path("arenas");
    let dir = dir.to_str().unwrap();
    let list = place.run(&["arena", "ls", "--dir", dir, "--json"]);
    assert_eq!(list.json(), serde_json::json!([]));
    let missing = place.run(&["arena", "rm", "nobody", "--dir", dir]);
    assert!(missing.complaint(4).contains("nobody"));
}

#[test]
fn the_doctor_works_everywhere() {
    let place = Place::new();
    let report = place.run(&["doctor", "--json"]).json();
    assert!(report["checks"].as_array().unwrap().len() > 5, "{report}");
    assert!(place.run(&["doctor"]).text().contains("pages"));
}
