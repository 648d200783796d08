//! What the demo found, as JSON and as a table.

use serde::Serialize;

use crate::screen::{Column, table};
use crate::units::{Bytes, three_digits};

use super::serialised::COPIES;

/// Everything that was measured. `*_seconds` are wall-clock times, `*_gb_per_s` count 10^9 bytes of the array once.
#[derive(Serialize, Debug)]
pub(super) struct Report {
    pub(super) bytes: u64,
    pub(super) elements: u64,
    pub(super) dtype: &'static str,
    pub(super) workers: u32,
    /// What backs the array in the arena: 2 MiB or 4 KiB.
    pub(super) page_size: u64,
    pub(super) arena_offset: u64,
    pub(super) start_seconds: f64,
    /// The very first put, into pages that nobody has used.
    pub(super) put_first_seconds: f64,
    /// A put into pages that a removed object left, as in a daemon that has run for a while.
    pub(super) put_seconds: f64,
    pub(super) sum_seconds: f64,
    pub(super) std_seconds: f64,
    pub(super) update_bytes: u64,
    pub(super) update_seconds: f64,
    pub(super) serialised_seconds: f64,
    pub(super) sum_gb_per_s: f64,
    pub(super) put_first_gb_per_s: f64,
    pub(super) put_gb_per_s: f64,
    pub(super) read_limit_gb_per_s: f64,
    pub(super) copy_limit_gb_per_s: f64,
    /// The serialised way's time over that of the put and the sum.
    pub(super) speedup: f64,
    /// The same with the very first put.
    pub(super) speedup_first: f64,
    pub(super) bytes_copied: u64,
    pub(super) serialised_bytes_copied: u64,
    /// Of all processes, with the array once in the arena and nowhere else.
    pub(super) memory_total_bytes: u64,
    pub(super) workers_died: u64,
    pub(super) sum: serde_json::Value,
    pub(super) std: serde_json::Value,
    pub(super) results_ok: bool,
    pub(super) checks: Checks,
}

/// Which results are those of a plain process.
#[derive(Serialize, Clone, Copy, Debug)]
pub(super) struct Checks {
    pub(super) sum: bool,
    pub(super) std: bool,
    pub(super) update: bool,
    pub(super) serialised_sum: bool,
}

impl Checks {
    pub(super) const fn all(self) -> bool {
        self.sum && self.std && self.update && self.serialised_sum
    }
}

/// What a step is judged by.
#[derive(Clone, Copy, Debug)]
struct Limit {
    name: &'static str,
    gb_per_s: f64,
}

/// 10^9 bytes a second.
pub(super) fn gb_per_s(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / seconds / 1e9
}

impl Report {
    pub(super) fn to_text(&self) -> String {
        [self.heading(), self.steps(), self.limits(), self.verdict()].join("\n\n")
    }

    fn heading(&self) -> String {
        format!(
            "{} of {} in the arena at offset {:#x}, {} pages, {} workers",
            Bytes(self.bytes),
            self.dtype,
            self.arena_offset,
            Bytes(self.page_size),
            self.workers,
        )
    }

    fn steps(&self) -> String {
        let copy = Limit {
            name: "copy",
            gb_per_s: self.copy_limit_gb_per_s,
        };
        let read = Limit {
            name: "read",
            gb_per_s: self.read_limit_gb_per_s,
        };
        table(
            [
                Column::Left("STEP"),
                Column::Right("SECONDS"),
                Column::Right("GB/S"),
                Column::Right("OF THE LIMIT"),
                Column::Right("BYTES COPIED"),
            ],
            [
                start_row(self.start_seconds),
                self.row(
                    "put, the very first (new pages)",
                    self.put_first_seconds,
                    Some(copy),
                    1,
                ),
                self.row("put (warm pages)", self.put_seconds, Some(copy), 1),
                self.row("sum, all workers", self.sum_seconds, Some(read), 0),
                self.row("std, all workers", self.std_seconds, Some(read), 0),
                self.update_row(),
                self.row(
                    "sum, sent through pipes",
                    self.serialised_seconds,
                    None,
                    COPIES,
                ),
            ],
            "",
        )
    }

    fn row(&self, step: &str, seconds: f64, limit: Option<Limit>, copies: u64) -> [String; 5] {
        let speed = gb_per_s(self.bytes, seconds);
        [
            step.to_owned(),
            format!("{seconds:.4}"),
            three_digits(speed),
            limit.map_or_else(
                || "-".to_owned(),
                |limit| format!("{:.2} of {}", speed / limit.gb_per_s, limit.name),
            ),
            Bytes(self.bytes * copies).to_string(),
        ]
    }

    /// The update has an array of its own; its before-images are the copy.
    fn update_row(&self) -> [String; 5] {
        [
            format!(
                "2 x + 0.5 in place under locks, {}",
                Bytes(self.update_bytes)
            ),
            format!("{:.4}", self.update_seconds),
            three_digits(gb_per_s(self.update_bytes, self.update_seconds)),
            "-".to_owned(),
            Bytes(self.update_bytes).to_string(),
        ]
    }

    fn limits(&self) -> String {
        format!(
            "limits of this memory, two threads: read {} GB/s, copy {} GB/s\n\
             memory of all processes with the array in the arena: {}",
            three_digits(self.read_limit_gb_per_s),
            three_digits(self.copy_limit_gb_per_s),
            Bytes(self.memory_total_bytes),
        )
    }

    fn verdict(&self) -> String {
        let wrong: Vec<&str> = [
            ("sum", self.checks.sum),
            ("std", self.checks.std),
            ("update", self.checks.update),
            ("serialised sum", self.checks.serialised_sum),
        ]
        .into_iter()
        .filter_map(|(name, right)| (!right).then_some(name))
        .collect();
        let deaths = match self.workers_died {
            0 => String::new(),
            1 => "1 worker died and was replaced\n".to_owned(),
            count => format!("{count} workers died and were replaced\n"),
        };
        let results = if wrong.is_empty() {
            "all results are those of a plain single process".to_owned()
        } else {
            format!("WRONG RESULTS: {}", wrong.join(", "))
        };
        format!(
            "put and sum: {} times as fast as sending the array to a process pool (with the very first put: {})\n{deaths}{results}",
            three_digits(self.speedup),
            three_digits(self.speedup_first),
        )
    }
}

fn start_row(seconds: f64) -> [String; 5] {
    [
        "start a private daemon".to_owned(),
        format!("{seconds:.4}"),
        "-".to_owned(),
        "-".to_owned(),
        "-".to_owned(),
    ]
}
