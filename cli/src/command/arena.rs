//! `arenactl arena`: named arenas that no daemon serves right now.

use std::path::PathBuf;

use arena_core::ArenaName;
use arena_core::files::{self, ArenaListing, Backing};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::error::CliError;
use crate::screen::{Column, Screen, table};
use crate::units::Bytes;

/// List and remove named arenas; no daemon is asked
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  arenactl arena ls\n  arenactl arena rm lab")]
pub(crate) struct Arena {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// List your named arenas, served or not
    Ls {
        #[command(flatten)]
        place: Place,
    },
    /// Remove stopped arenas with everything in them
    Rm {
        /// The arenas
        #[arg(required = true, value_name = "NAME")]
        names: Vec<ArenaName>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args, Debug)]
struct Place {
    /// Where the daemon was told to keep its files (its --dir) [default: POSIX shared memory]
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
}

impl Place {
    fn backing(self) -> Backing {
        self.dir.map_or(Backing::Named, Backing::Directory)
    }
}

impl Arena {
    pub(crate) fn run(self, screen: Screen) -> Result<(), CliError> {
        match self.action {
            Action::Ls { place } => {
                let arenas = files::list(&place.backing())?;
                let document: Vec<_> = arenas.iter().map(to_json).collect();
                screen.show(&document, || to_text(&arenas))
            }
            Action::Rm { names, place } => {
                let backing = place.backing();
                for name in &names {
                    files::remove(&backing, name)?;
                }
                screen.show(&json!({ "removed": names }), || {
                    let lines: Vec<String> = names
                        .iter()
                        .map(|name| format!("removed arena {name}"))
                        .collect();
                    lines.join("\n")
                })
            }
        }
    }
}

fn to_json(arena: &ArenaListing) -> serde_json::Value {
    json!({
        "name": arena.name,
        "arena_bytes": arena.arena_bytes,
        "populated_bytes": arena.populated_bytes,
        "served_by_pid": arena.served_by,
    })
}

fn to_text(arenas: &[ArenaListing]) -> String {
    table(
        [
            Column::Left("NAME"),
            Column::Right("SIZE"),
            Column::Right("POPULATED"),
            Column::Left("SERVED BY"),
        ],
        arenas.iter().map(|arena| {
            [
                arena.name.to_string(),
                arena
                    .arena_bytes
                    .map_or_else(|| "-".to_owned(), |bytes| Bytes(bytes).to_string()),
                Bytes(arena.populated_bytes).to_string(),
                arena
                    .served_by
                    .map_or_else(|| "-".to_owned(), |pid| format!("pid {pid}")),
            ]
        }),
        "no named arenas",
    )
}
