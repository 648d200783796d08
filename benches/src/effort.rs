//! What work costs the machine: CPU time and wake-ups over several processes, as the scheduler counts them.

use std::fs;
use std::io;

/// The cost of one repetition.
pub(crate) struct Effort {
    /// CPU time in microseconds.
    pub cpu_us: f64,
    /// How often a thread that had gone to sleep was woken.
    pub wakeups: f64,
}

impl Effort {
    /// Repeats `work` and divides what `processes` spent meanwhile.
    pub(crate) fn of(
        processes: &[u32],
        repetitions: u32,
        mut work: impl FnMut(),
    ) -> io::Result<Self> {
        let before = spent(processes)?;
        (0..repetitions).for_each(|_| work());
        let after = spent(processes)?;
        let each = |total: u64| total as f64 / f64::from(repetitions);
        Ok(Self {
            cpu_us: each(after.0 - before.0) / 1e3,
            wakeups: each(after.1 - before.1),
        })
    }
}

/// Nanoseconds of CPU time and voluntary context switches so far, over all threads.
fn spent(processes: &[u32]) -> io::Result<(u64, u64)> {
    let mut total = (0, 0);
    for pid in processes {
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?.path();
            let scheduled = fs::read_to_string(task.join("schedstat"))?;
            let status = fs::read_to_string(task.join("status"))?;
            total.0 += number(scheduled.split(' ').next());
            total.1 += number(
                status
                    .lines()
                    .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")),
            );
        }
    }
    Ok(total)
}

fn number(text: Option<&str>) -> u64 {
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}
