//! System calls of a no-op task over client, supervisor and worker, counted by strace where it is installed.

use std::error::Error;
use std::fs;
use std::process::{Command, Stdio};

use arena_client::Client;

use crate::report::Report;

const FEW: u32 = 200;
const MANY: u32 = 2200;

/// Counts two runs of different length; what they differ by is the tasks'.
pub(crate) fn run(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let (Some(few), Some(many)) = (count(FEW)?, count(MANY)?) else {
        eprintln!("arena-benches: strace is not installed, so system calls are not counted");
        return Ok(());
    };
    let each = (many - few) / f64::from(MANY - FEW);
    report.figure(
        "task",
        "no-op task, system calls over all processes",
        each,
        "",
    );
    Ok(())
}

/// System calls of this program and all its children while `tasks` run one by one; none without strace.
fn count(tasks: u32) -> Result<Option<f64>, Box<dyn Error>> {
    let summary = std::env::temp_dir().join(format!("arena-benches-{}.strace", std::process::id()));
    let traced = Command::new("strace")
        .args(["-f", "-c", "-qq", "-o"])
        .arg(&summary)
        .arg(std::env::current_exe()?)
        .args(["no-op-tasks", &tasks.to_string()])
        .stderr(Stdio::null())
        .status();
    if !traced.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let text = fs::read_to_string(&summary)?;
    fs::remove_file(&summary)?;
    // "100.00    0.123456          12     10000        10 total"
    let total = text.lines().rfind(|line| line.ends_with("total"));
    Ok(total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()))
}

/// The traced program's main.
pub(crate) fn run_tasks(tasks: u32) -> Result<(), arena_client::Error> {
    let client = Client::builder().size(64 << 20).workers(1).embedded()?;
    let object = client.put(None, &ndarray::aview1(&[1.0f64]))?;
    for _ in 0..tasks {
        client.run("sum").input(&object).call()?;
    }
    Ok(())
}
