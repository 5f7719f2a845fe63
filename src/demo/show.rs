//! What the demo tells: plain lines, each as soon as it is known.

use std::io::Write;

use super::trouble::Trouble;

/// Where values start.
const COLUMN: usize = 16;

/// The terminal, or whatever the output goes to.
pub(super) struct Show<'a> {
    out: &'a mut dyn Write,
    steps: usize,
    title: String,
}

impl<'a> Show<'a> {
    pub(super) fn new(out: &'a mut impl Write) -> Self {
        Self { out, steps: 0, title: "the start".to_owned() }
    }

    /// The step that is being shown.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// A line as it is.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Trouble> {
        writeln!(self.out, "{}", text.trim_end()).and_then(|()| self.out.flush()).map_err(Trouble::Output)
    }

    /// The headline of a new step.
    pub(super) fn step(&mut self, title: &str) -> Result<(), Trouble> {
        self.steps += 1;
        self.title = format!("{}. {title}", self.steps);
        let title = self.title.clone();
        self.line("")?;
        self.line(&title)
    }

    /// A name and its value, which may have several lines; further values of the same name have an empty one.
    pub(super) fn row(&mut self, name: &str, value: impl AsRef<str>) -> Result<(), Trouble> {
        for (index, line) in value.as_ref().lines().enumerate() {
            self.line(&format!("   {:<COLUMN$}{line}", if index == 0 { name } else { "" }))?;
        }
        Ok(())
    }

    /// A text of several lines, framed so that it is told from the demo's own words.
    pub(super) fn text(&mut self, name: &str, text: &str) -> Result<(), Trouble> {
        for (index, line) in text.trim_end().lines().enumerate() {
            self.row(if index == 0 { name } else { "" }, format!("| {line}"))?;
        }
        Ok(())
    }

    /// Rows of cells below each other.
    pub(super) fn table(&mut self, name: &str, rows: &[Vec<String>]) -> Result<(), Trouble> {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (index, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}  "));
            self.row(if index == 0 { name } else { "" }, cells.collect::<String>())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_below_each_other() {
        let mut out = Vec::new();
        let mut show = Show::new(&mut out);
        show.step("First").unwrap();
        show.row("name", "value").unwrap();
        show.text("text", "one\n\ntwo\n").unwrap();
        let cells = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        show.table("table", &[cells("long", "x"), cells("y", "z")]).unwrap();
        assert_eq!(show.title(), "1. First");
        let expected = "\n1. First\n   name            value\n   text            | one\n                   |\n\
                        \u{20}                  | two\n   table           long  x\n                   y     z\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
