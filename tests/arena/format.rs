//! docs/FORMAT.md against the code.

use arena_core::Dtype;
use arena_core::layout::{BlockState, Field, LOCKS_BYTES, MAGIC, ObjectState, READY, STRUCTS};

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/FORMAT.md");
    std::fs::read_to_string(path).unwrap()
}

/// The rows of the table below the heading of a struct, as (offset, bytes, field).
fn documented(document: &str, heading: &str) -> Vec<(usize, usize, String)> {
    let (_, below) = document
        .split_once(heading)
        .unwrap_or_else(|| panic!("docs/FORMAT.md has the heading {heading}"));
    let section = below.split("\n#").next().unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1);
    rows.map(|row| {
        let cells: Vec<_> = row
            .split('|')
            .map(|cell| cell.trim().trim_matches('`'))
            .collect();
        (
            cells[1].parse().unwrap(),
            cells[2].parse().unwrap(),
            cells[3].to_owned(),
        )
    })
    .collect()
}

#[test]
fn the_document_shows_every_field_where_it_is() {
    let document = document();
    for &(name, bytes, fields) in STRUCTS {
        let heading = format!("### `{name}`, {bytes} bytes\n");
        let row = |field: &Field| (field.offset, field.size, field.name.to_owned());
        let expected: Vec<_> = fields.iter().map(row).collect();
        assert_eq!(documented(&document, &heading), expected, "{name}");
    }
    assert_eq!(LOCKS_BYTES, 4_210_688);
    assert!(document.contains("4,210,688"));
}

#[test]
fn the_document_shows_every_code() {
    let document = document();
    for dtype in Dtype::ALL {
        let row = format!("| {} | {dtype} |\n", dtype.code());
        assert!(document.contains(&row), "{row}");
    }
    for state in ObjectState::ALL {
        let row = format!(
            "| {} | {} |",
            state as u8,
            format!("{state:?}").to_lowercase()
        );
        assert!(document.contains(&row), "{row}");
    }
    for state in [BlockState::Cold, BlockState::Small, BlockState::Huge] {
        let row = format!(
            "| {:#04x} | {} |",
            state as u8,
            format!("{state:?}").to_lowercase()
        );
        assert!(document.contains(&row), "{row}");
    }
    let text = |bytes: [u8; 8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert!(document.contains(&format!("`{}`", text(MAGIC))));
    assert!(document.contains(&format!("`{}`", text(READY.to_le_bytes()))));
}
