//! What a request costs beside the bare mechanisms: a socket round trip, a futex round trip, a look at a known object.

use std::error::Error;
use std::time::Duration;

use crate::arena::Arena;
use crate::effort::Effort;
use crate::peer::{FutexEcho, SocketEcho};
use crate::report::Report;
use crate::timing::{interleave, timed};

const TRIPS: u32 = 2000;
const VIEWS: u32 = 1_000_000;

/// Microseconds of a request and of an idle no-op task, and what all processes spend on the task.
pub(crate) fn run(rounds: usize, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let arena = Arena::start(4096, 2)?;
    let object = arena.put()?;
    let mut socket = SocketEcho::start()?;
    let mut futex = FutexEcho::start()?;
    let task = || {
        arena
            .client
            .run("sum")
            .input(&object)
            .call()
            .expect("the array suits the kernel");
    };

    let seconds = interleave(
        rounds,
        &mut [
            &mut || trips(|| socket.round_trip().expect("the echo lives")),
            &mut || trips(|| futex.round_trip()),
            &mut || trips(|| drop(arena.client.info(&object).expect("the object lives"))),
            &mut || trips(task),
        ],
    );
    let us: Vec<f64> = seconds.iter().map(|s| s * 1e6 / f64::from(TRIPS)).collect();
    const SOCKET: &str = "bare socket round trip, 64 bytes";
    const FUTEX: &str = "bare futex round trip";
    report.figure("request", SOCKET, us[0], "us");
    report.figure("request", FUTEX, us[1], "us");
    report.compare(
        "request",
        "look an object up",
        us[2],
        "us",
        SOCKET,
        Some("<= 1.3"),
    );
    report.compare("request", "no-op task, latency", us[3], "us", FUTEX, None);

    let known = timed(|| (0..VIEWS).for_each(|_| drop(std::hint::black_box(object.view::<f64>()))));
    report.figure(
        "request",
        "view of a known object",
        known.as_secs_f64() * 1e9 / f64::from(VIEWS),
        "ns",
    );

    let own = std::process::id();
    let hops = Effort::of(&[own, socket.pid()], 2 * TRIPS, || {
        socket.round_trip().expect("the echo lives");
    })?;
    let mut processes = arena.helpers()?;
    processes.push(own);
    let task = Effort::of(&processes, TRIPS, task)?;
    const HOPS: &str = "four bare socket hops, CPU over both processes";
    report.figure("task", HOPS, 2.0 * hops.cpu_us, "us");
    report.compare(
        "task",
        "no-op task, CPU over all processes",
        task.cpu_us,
        "us",
        HOPS,
        Some("<= 1.3"),
    );
    report.figure(
        "task",
        "no-op task, wake-ups over all processes",
        task.wakeups,
        "",
    );
    Ok(())
}

fn trips(mut trip: impl FnMut()) -> Duration {
    timed(|| (0..TRIPS).for_each(|_| trip()))
}
