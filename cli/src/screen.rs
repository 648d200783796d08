//! What commands print: tables for people, or one JSON document.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

use crate::error::CliError;

/// Where results go, and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    json: bool,
}

impl Screen {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read what is printed.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Prints one document: `value` as JSON, or what `text` makes for people.
    pub(crate) fn show<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), CliError> {
        if self.json {
            let document = serde_json::to_string_pretty(value)
                .map_err(|error| CliError::Output(error.into()))?;
            print(&document)
        } else {
            print(&text())
        }
    }
}

/// Prints text and a line's end. A reader that has gone (`| head`) is [`io::ErrorKind::BrokenPipe`], which ends the program
/// quietly.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| {
            if text.ends_with('\n') {
                Ok(())
            } else {
                out.write_all(b"\n")
            }
        })
        .and_then(|()| out.flush())
        .map_err(CliError::Output)
}

/// Tells people something beside the result, on stderr; if that is gone, nobody wants to know.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// A column: its heading, and whether it holds numbers.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    /// Words, to the left.
    Left(&'static str),
    /// Numbers, to the right.
    Right(&'static str),
}

impl Column {
    const fn heading(self) -> &'static str {
        match self {
            Self::Left(heading) | Self::Right(heading) => heading,
        }
    }

    fn cell(self, text: impl Into<String>) -> Cell {
        let cell = Cell::new(text.into());
        match self {
            Self::Left(_) => cell,
            Self::Right(_) => cell.set_alignment(CellAlignment::Right),
        }
    }
}

/// Rows under headings, without lines between them; `empty` where there is no row.
pub(crate) fn table<const N: usize>(
    columns: [Column; N],
    rows: impl IntoIterator<Item = [String; N]>,
    empty: &str,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.map(|column| column.cell(column.heading())));
    for row in rows {
        let cells = columns.into_iter().zip(row);
        table.add_row(
            cells
                .map(|(column, text)| column.cell(text))
                .collect::<Vec<_>>(),
        );
    }
    if table.is_empty() {
        return empty.to_owned();
    }
    trimmed(&table)
}

/// Names and values beside each other.
pub(crate) fn pairs(rows: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    trimmed(&table)
}

/// Without the blanks that a table puts around its cells.
fn trimmed(table: &Table) -> String {
    let lines: Vec<String> = table
        .lines()
        .map(|line| {
            line.strip_prefix(' ')
                .unwrap_or(&line)
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_nothing_trails() {
        let text = table(
            [Column::Left("NAME"), Column::Right("SIZE")],
            [
                ["a".to_owned(), "1".to_owned()],
                ["long".to_owned(), "1000".to_owned()],
            ],
            "none",
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "NAME  SIZE");
        assert_eq!(lines[1], "a        1");
        assert_eq!(lines[2], "long  1000");
        assert!(lines.iter().all(|line| line.trim_end() == *line));
    }

    #[test]
    fn an_empty_table_says_so() {
        assert_eq!(table([Column::Left("NAME")], [], "nothing"), "nothing");
    }
}
