//! What no two rows of a table may share.

use std::collections::{BTreeMap, HashMap};

use super::LoadedObject;
use crate::layout::RowError;
use crate::placement::footprint;

/// Checks that no two rows share bytes, published names or lock cells; else tells one of them.
pub(super) fn check_objects(objects: &[LoadedObject]) -> Result<(), (u32, RowError)> {
    check_overlaps(objects)?;
    check_names(objects)?;
    check_cells(objects)
}

fn check_overlaps(objects: &[LoadedObject]) -> Result<(), (u32, RowError)> {
    let mut extents: Vec<(u64, u64, u32)> = objects
        .iter()
        .flat_map(|object| {
            [
                (object.row.extent, object.index),
                (object.row.image, object.index),
            ]
        })
        .filter(|(extent, _)| extent.len > 0)
        .map(|(extent, row)| (extent.offset.get(), footprint(extent.len), row))
        .collect();
    extents.sort_unstable();
    for pair in extents.windows(2) {
        let [(offset, bytes, row), (next, _, other)] = [pair[0], pair[1]];
        if offset.saturating_add(bytes) > next {
            return Err((row, RowError::Overlap { other }));
        }
    }
    Ok(())
}

fn check_names(objects: &[LoadedObject]) -> Result<(), (u32, RowError)> {
    let mut names = HashMap::new();
    for object in objects
        .iter()
        .filter(|object| object.row.state.is_published())
    {
        let Some(name) = &object.row.name else {
            continue;
        };
        if let Some(other) = names.insert(name, object.index) {
            let name = name.clone();
            return Err((object.index, RowError::NameTwice { other, name }));
        }
    }
    Ok(())
}

fn check_cells(objects: &[LoadedObject]) -> Result<(), (u32, RowError)> {
    let with_cells = objects.iter().filter(|object| object.row.cells.count > 0);
    let mut by_first = BTreeMap::new();
    for object in with_cells {
        let cells = object.row.cells;
        if let Some((_, other)) = by_first.insert(cells.first, (cells.count, object.index)) {
            return Err((object.index, RowError::CellsTwice { other }));
        }
    }
    let mut previous: Option<(u32, u32)> = None;
    for (&first, &(count, row)) in &by_first {
        if let Some((end, other)) = previous
            && end > first
        {
            return Err((row, RowError::CellsTwice { other }));
        }
        previous = Some((first + count, row));
    }
    Ok(())
}
