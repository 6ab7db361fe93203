//! Tables for people: aligned by what a terminal shows, coloured only if the sink allows it.
//!
//! Cells are escaped when they are made, padded by display width, and styled after that, so that
//! neither a name nor a colour can shift a column. Lines are never wrapped: one row is one line
//! for `grep`.

use super::sanitize;
use anstyle::Style;
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr as _;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    #[default]
    Left,
    Right,
}

/// One cell: safe text, and how it looks.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Escapes `text` for a terminal.
    pub fn new(text: impl AsRef<str>) -> Cell {
        Cell { text: sanitize::terminal(text.as_ref()).into_owned(), style: Style::new() }
    }

    #[must_use]
    pub fn style(mut self, style: Style) -> Cell {
        self.style = style;
        self
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::new(text)
    }
}

/// Rows under a header, two spaces between the columns.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(Cell, Align)>,
    rows: Vec<Vec<Cell>>,
    indent: usize,
    header: bool,
}

impl Table {
    pub fn new(columns: impl IntoIterator<Item = (&'static str, Align)>) -> Table {
        let bold = Style::new().bold();
        Table {
            columns: columns.into_iter().map(|(h, a)| (Cell::new(h).style(bold), a)).collect(),
            rows: Vec::new(),
            indent: 0,
            header: true,
        }
    }

    /// Without the line of column names.
    #[must_use]
    pub fn headless(mut self) -> Table {
        self.header = false;
        self
    }

    #[must_use]
    pub fn indent(mut self, spaces: usize) -> Table {
        self.indent = spaces;
        self
    }

    /// Adds a row; missing cells at its end are empty, surplus ones are dropped.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut row: Vec<Cell> = cells.into_iter().collect();
        row.resize_with(self.columns.len(), Cell::default);
        self.rows.push(row);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All lines, with ANSI styles; the sink strips them where they do not belong.
    pub fn render(&self) -> String {
        let header: Vec<Cell> = self.columns.iter().map(|c| c.0.clone()).collect();
        let lines = || self.header.then_some(&header).into_iter().chain(&self.rows);
        let mut widths = vec![0; self.columns.len()];
        for line in lines() {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.text.width());
            }
        }
        let mut out = String::new();
        for line in lines() {
            self.line(&mut out, line, &widths);
        }
        out
    }

    fn line(&self, out: &mut String, cells: &[Cell], widths: &[usize]) {
        let last = cells.iter().rposition(|c| !c.text.is_empty()).unwrap_or(0);
        let _ = write!(out, "{:1$}", "", self.indent);
        for (i, cell) in cells.iter().enumerate().take(last + 1) {
            let gap = widths[i] - cell.text.width();
            let right = self.columns[i].1 == Align::Right;
            let before = if right { gap } else { 0 };
            // No spaces at the end of a line.
            let after = if right || i == last { 0 } else { gap };
            let lead = if i == 0 { 0 } else { 2 };
            let _ = write!(out, "{:1$}", "", lead + before);
            if cell.style == Style::new() {
                out.push_str(&cell.text);
            } else {
                let _ = write!(out, "{0}{1}{0:#}", cell.style, cell.text);
            }
            let _ = write!(out, "{:1$}", "", after);
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(table: &Table) -> String {
        anstream::adapter::strip_str(&table.render()).to_string()
    }

    #[test]
    fn columns_line_up_by_display_width() {
        let mut table =
            Table::new([("Name", Align::Left), ("Size", Align::Right), ("Note", Align::Left)]);
        table.row(["a".into(), "1 B".into(), "x".into()]);
        table.row(["大大大".into(), "100 B".into()]);
        table.row([Cell::new("c").style(Style::new().bold()), "".into(), "y".into()]);
        assert_eq!(
            plain(&table),
            "Name     Size  Note\na         1 B  x\n大大大  100 B\nc              y\n"
        );
    }

    #[test]
    fn a_name_cannot_make_a_row() {
        let mut table = Table::new([("Name", Align::Left)]).headless().indent(2);
        table.row(["a\nfake\u{1b}[2K".into()]);
        assert_eq!(plain(&table), "  a\\nfake\\u{1b}[2K\n");
    }
}
