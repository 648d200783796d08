//! What a bench found: a figure beside the physical limit or the peer measured in the same run.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// The section it belongs to.
    pub section: &'static str,
    /// What was measured.
    pub work: String,
    /// The median.
    pub figure: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The comparison, if this row has one.
    pub against: Option<Against>,
}

/// A comparison within the run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Against {
    /// The `work` of the row compared with.
    pub work: String,
    /// This row's figure divided by that one's.
    pub ratio: f64,
    /// The ratio aimed at, as people write it (">= 0.9").
    pub goal: Option<&'static str>,
}

/// Collects rows and prints them.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a figure that stands alone: a limit or a peer.
    pub(crate) fn figure(
        &mut self,
        section: &'static str,
        work: &str,
        figure: f64,
        unit: &'static str,
    ) {
        self.rows.push(Row {
            section,
            work: work.to_owned(),
            figure,
            unit,
            against: None,
        });
    }

    /// Adds a figure of ours, compared with `against`, a row of the same section that is there already.
    pub(crate) fn compare(
        &mut self,
        section: &'static str,
        work: &str,
        figure: f64,
        unit: &'static str,
        against: &str,
        goal: Option<&'static str>,
    ) {
        let base = self
            .rows
            .iter()
            .find(|row| row.section == section && row.work == against)
            .map_or(f64::NAN, |row| row.figure);
        self.beside(section, work, (figure, base), unit, against, goal);
    }

    /// Adds a figure of ours with the one it was measured in turns with.
    pub(crate) fn beside(
        &mut self,
        section: &'static str,
        work: &str,
        (figure, base): (f64, f64),
        unit: &'static str,
        against: &str,
        goal: Option<&'static str>,
    ) {
        self.rows.push(Row {
            section,
            work: work.to_owned(),
            figure,
            unit,
            against: Some(Against {
                work: against.to_owned(),
                ratio: figure / base,
                goal,
            }),
        });
    }

    /// The rows as JSON.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(&self.rows).expect("rows have no maps with odd keys")
    }

    /// The rows as a table.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["section", "work", "median", "", "ratio", "against", "goal"]);
        for row in &self.rows {
            let (ratio, against, goal) = match &row.against {
                Some(a) => (
                    format!("{:.2}", a.ratio),
                    a.work.clone(),
                    a.goal.unwrap_or(""),
                ),
                None => (String::new(), String::new(), ""),
            };
            table.add_row([
                row.section,
                &row.work,
                &significant(row.figure),
                row.unit,
                &ratio,
                &against,
                goal,
            ]);
        }
        for column in [2, 4] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    }
}

/// Three significant digits.
fn significant(figure: f64) -> String {
    match figure.abs() {
        x if x >= 100.0 => format!("{figure:.0}"),
        x if x >= 10.0 => format!("{figure:.1}"),
        x if x >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.4}"),
    }
}
