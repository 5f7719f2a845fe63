//! Tables for people, JSON for programs.

use comfy_table::{Table, presets};
use serde::Serialize;

use super::super::text::{json as harmless, one_line};

/// How rows of one sort become a table.
pub(crate) struct Columns<T: 'static> {
    /// Said in place of an empty table.
    pub(crate) none: &'static str,
    pub(crate) heads: &'static [&'static str],
    pub(crate) cells: fn(&T) -> Vec<String>,
}

/// All rows, as an array or a table.
pub(crate) fn rows<T: Serialize>(rows: &[T], columns: &Columns<T>, as_json: bool) -> String {
    if as_json {
        return json(&rows);
    }
    if rows.is_empty() {
        return format!("{}\n", columns.none);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.heads);
    for row in rows {
        table.add_row((columns.cells)(row).iter().map(|cell| one_line(cell)));
    }
    plain(&table)
}

/// One row, as an object or line by line.
pub(crate) fn one<T: Serialize>(
    row: &T,
    pairs: fn(&T) -> Vec<(&'static str, String)>,
    as_json: bool,
) -> String {
    if as_json {
        return json(row);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in pairs(row) {
        table.add_row([name, one_line(&value).as_str()]);
    }
    plain(&table)
}

pub(crate) fn json<T: Serialize>(value: &T) -> String {
    // Rows hold texts, numbers and truths only: writing them to memory cannot fail.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    harmless(&text) + "\n"
}

fn plain(table: &Table) -> String {
    table.lines().map(|line| line.trim().to_owned() + "\n").collect()
}

pub(crate) fn or_dash(text: Option<&str>) -> String {
    text.filter(|t| !t.is_empty()).unwrap_or("-").to_owned()
}

pub(crate) fn yes_no(truth: bool) -> String {
    if truth { "yes" } else { "no" }.to_owned()
}
