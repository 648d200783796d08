//! How long a death is felt: the next task after a worker was killed, and a daemon that is killed and started again.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use arena_client::{Client, Endpoint};
use rustix::process::{Pid, Signal, kill_process};

use crate::report::Report;
use crate::timing::{median, timed};

const OBJECTS: usize = 10_000;

/// Milliseconds from a kill to the next answer.
pub(crate) fn run(rounds: usize, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let tasks = (0..rounds)
        .map(|_| after_worker())
        .collect::<Result<Vec<_>, _>>()?;
    report.figure(
        "death",
        "worker killed, to the end of the next task (goal <= 10 ms)",
        median(tasks) * 1e3,
        "ms",
    );
    let starts = (0..rounds.min(5))
        .map(|_| after_supervisor())
        .collect::<Result<Vec<_>, _>>()?;
    let work = "supervisor killed, 10,000 objects, start to first answer (goal <= 100 ms)";
    report.figure("death", work, median(starts) * 1e3, "ms");
    Ok(())
}

/// Seconds from the kill of one of two idle workers, the one that is next in turn, to the result of a task.
fn after_worker() -> Result<f64, Box<dyn Error>> {
    let client = Client::builder().size(64 << 20).workers(2).embedded()?;
    let object = client.put(None, &ndarray::aview1(&[1.0f64]))?;
    client.run("sum").input(&object).call()?;
    let workers = client.workers()?;
    kill(workers.first().ok_or("there are two workers")?.pid)?;
    let mut outcome = Ok(());
    let seconds = timed(|| outcome = client.run("sum").input(&object).call().map(drop));
    outcome?;
    Ok(seconds.as_secs_f64())
}

/// Seconds from the start of a daemon whose predecessor was killed to the look-up of one of its objects.
fn after_supervisor() -> Result<f64, Box<dyn Error>> {
    let home = Home::new()?;
    let mut daemon = home.start()?;
    let client = home.client()?;
    for index in 0..OBJECTS {
        client.put(
            format!("object-{index}").as_str(),
            &ndarray::aview1(&[index as u64]),
        )?;
    }
    drop(client);
    daemon.kill()?;
    daemon.wait()?;
    let started = Instant::now();
    let mut daemon = home.start()?;
    home.client()?.info("object-9999")?;
    let seconds = started.elapsed();
    kill_process(Pid::from_child(&daemon), Signal::TERM)?;
    daemon.wait()?;
    Ok(seconds.as_secs_f64())
}

fn kill(pid: u32) -> Result<(), Box<dyn Error>> {
    let pid = Pid::from_raw(pid.try_into()?).ok_or("a process has a pid")?;
    Ok(kill_process(pid, Signal::KILL)?)
}

/// A directory of its own for a daemon's files and socket, gone with this value.
struct Home(PathBuf);

impl Home {
    fn new() -> std::io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("arena-benches-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("files"))?;
        Ok(Self(directory))
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    fn start(&self) -> Result<Child, Box<dyn Error>> {
        let program = std::env::var_os("ARENAD_BIN")
            .ok_or("ARENAD_BIN names the arenad program to measure")?;
        Ok(Command::new(Path::new(&program))
            .args(["--arena", "bench-deaths", "--size", "256MiB", "--dir"])
            .arg(self.0.join("files"))
            .arg("--socket")
            .arg(self.socket())
            .stderr(Stdio::null())
            .spawn()?)
    }

    fn client(&self) -> Result<Client, Box<dyn Error>> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match Client::connect(&Endpoint::Path(self.socket())) {
                Ok(client) => return Ok(client),
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => std::thread::yield_now(),
            }
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What can't be removed is in the temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
