//! `arenactl stats`.

use arena_core::BLOCK_BYTES;
use arena_core::protocol::{
    ArenaInfo, Backing, Charge, MemoryClasses, PageCounts, Stats as Account,
};
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::error::CliError;
use crate::screen::{Column, table};
use crate::units::{Bytes, duration_text, grouped};

/// Account for every byte of the arena
///
/// Each byte is in exactly one class; the classes' sum is the arena's size.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  arenactl stats\n  arenactl stats --json | jq .memory")]
pub(crate) struct Stats {}

impl Stats {
    pub(crate) fn run(self, context: &Context) -> Result<(), CliError> {
        let account = context.client()?.stats()?;
        context
            .screen
            .show(&to_json(&account), || to_text(&account))
    }
}

/// The account as the protocol tells it, with the sum beside the classes.
fn to_json(account: &Account) -> serde_json::Value {
    let mut document = json!(account);
    document["memory"]["total_bytes"] = json!(account.memory.total_bytes());
    document
}

fn to_text(account: &Account) -> String {
    [
        heading(account),
        memory_text(account),
        pages_text(&account.pages),
        charges_text("SESSION", &account.by_session),
        charges_text("UID", &account.by_uid),
        counters_text(account),
    ]
    .join("\n\n")
}

fn heading(account: &Account) -> String {
    let objects = match account.objects {
        1 => "1 object".to_owned(),
        count => format!("{} objects", grouped(count.into())),
    };
    format!(
        "{}, {objects}, {} jobs under way, up {}",
        arena_text(&account.arena),
        account.jobs,
        duration_text(std::time::Duration::from_millis(account.uptime_ms))
    )
}

fn arena_text(arena: &ArenaInfo) -> String {
    let backing = match arena.backing {
        Backing::Named => "POSIX shared memory",
        Backing::Directory => "files in a directory",
        Backing::Memfd => "memfd",
    };
    let name = arena.name.as_ref().map_or("private", |name| name.as_str());
    format!("arena {name}: {} ({backing})", Bytes(arena.bytes))
}

fn memory_text(account: &Account) -> String {
    let total = account.memory.total_bytes();
    let row = |name: &str, bytes: u64| {
        let share = bytes as f64 * 100.0 / total.max(1) as f64;
        [
            name.to_owned(),
            Bytes(bytes).to_string(),
            grouped(bytes),
            format!("{share:.1} %"),
        ]
    };
    let mut rows: Vec<_> = classes(&account.memory)
        .into_iter()
        .map(|(name, bytes)| row(name, bytes))
        .collect();
    rows.push(row("sum", total));
    rows.push(row("beside: pinned", account.pinned_bytes));
    rows.push(row("beside: poisoned", account.poisoned_bytes));
    table(
        [
            Column::Left("MEMORY"),
            Column::Right("SIZE"),
            Column::Right("BYTES"),
            Column::Right("SHARE"),
        ],
        rows,
        "",
    )
}

const fn classes(memory: &MemoryClasses) -> [(&'static str, u64); 8] {
    [
        ("free, warm", memory.free_warm_bytes),
        ("free, cold", memory.free_cold_bytes),
        ("filling", memory.filling_bytes),
        ("sealed", memory.sealed_bytes),
        ("shared", memory.shared_bytes),
        ("removed, pinned", memory.removed_bytes),
        ("lingering", memory.lingering_bytes),
        ("overhead", memory.overhead_bytes),
    ]
}

fn pages_text(pages: &PageCounts) -> String {
    let row = |name: &str, blocks: u64| {
        [
            name.to_owned(),
            Bytes(blocks.saturating_mul(BLOCK_BYTES)).to_string(),
            grouped(blocks),
        ]
    };
    table(
        [
            Column::Left("PAGES"),
            Column::Right("SIZE"),
            Column::Right("BLOCKS"),
        ],
        [
            row("2 MiB", pages.huge_blocks),
            row("4 KiB", pages.small_blocks),
            row("none yet", pages.cold_blocks),
        ],
        "",
    )
}

fn charges_text(holder: &'static str, charges: &[Charge]) -> String {
    table(
        [
            Column::Right(holder),
            Column::Right("SIZE"),
            Column::Right("OBJECTS"),
        ],
        charges.iter().map(|charge| {
            [
                charge.holder.to_string(),
                Bytes(charge.bytes).to_string(),
                grouped(charge.objects.into()),
            ]
        }),
        &format!("{holder}: none holds memory"),
    )
}

/// The counters' names are their documentation, so they are shown as they are declared.
fn counters_text(account: &Account) -> String {
    let counters = json!(account.counters);
    let rows = counters
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, count)| {
            [
                name.replace('_', " "),
                grouped(count.as_u64().unwrap_or_default()),
            ]
        });
    table(
        [Column::Left("SINCE THE START"), Column::Right("COUNT")],
        rows,
        "",
    )
}
