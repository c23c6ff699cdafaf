//! Results on standard output: a table for people, or JSON for programs.
//!
//! Colours only on a terminal and without `NO_COLOR`. Nothing is cut, and nothing wrapped: ids are there to be copied. Only
//! sentences are wrapped, and only on a terminal.

use std::io::{self, ErrorKind, IsTerminal, Write as _};

use anyhow::Context as _;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::config::OutputFormat;
use crate::exit::Failure;

/// Whether this stream wants colours.
pub(crate) fn colour(stream: &impl IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !refused
}

/// How results are to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: OutputFormat,
    terminal: bool,
    /// Characters in a line of the terminal, if it tells.
    width: Option<u16>,
    colour: bool,
}

impl Output {
    /// For standard output.
    pub(crate) fn new(format: OutputFormat) -> Self {
        let terminal = io::stdout().is_terminal();
        Self { format, terminal, width: Table::new().width().filter(|_| terminal), colour: colour(&io::stdout()) }
    }

    /// As for a pipe.
    #[cfg(test)]
    pub(crate) fn plain(format: OutputFormat) -> Self {
        Self { format, terminal: false, width: None, colour: false }
    }

    /// Whether people are to read it.
    pub(crate) fn is_table(self) -> bool {
        self.format == OutputFormat::Table
    }

    /// Shows items: as a table of these columns, or as a JSON array.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(crate) fn items<T: Serialize>(self, items: &[T], columns: &[Column<T>]) -> Result<(), Failure> {
        match self.format {
            OutputFormat::Json => self.json(items),
            OutputFormat::Table => print(&self.table(items, columns)),
        }
    }

    /// Shows one thing: as these lines, or as a JSON object.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(crate) fn item<T: Serialize>(self, item: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        match self.format {
            OutputFormat::Json => self.json(item),
            OutputFormat::Table => print(&text(item)),
        }
    }

    fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        let text = if self.terminal { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        print(&text.context("writing the result as JSON")?)
    }

    /// The table as text, without the final line break.
    pub(crate) fn table<T>(self, items: &[T], columns: &[Column<T>]) -> String {
        let headings: Vec<(&str, Kind)> = columns.iter().map(|column| (column.name, column.kind)).collect();
        let rows = items.iter().map(|item| columns.iter().map(|column| (column.value)(item)).collect());
        self.grid(&headings, rows)
    }

    /// A table whose columns are known only now.
    pub(crate) fn grid(self, headings: &[(&str, Kind)], rows: impl Iterator<Item = Vec<String>>) -> String {
        let mut table = self.bare();
        let header = |(name, _): &(&str, Kind)| {
            let cell = Cell::new(name);
            if self.colour { cell.add_attribute(Attribute::Bold) } else { cell }
        };
        table.set_header(headings.iter().map(header));
        let cell = |(text, (_, kind)): (String, &(&str, Kind))| {
            let colour = state_colour(&text).filter(|_| self.colour && *kind == Kind::State);
            let cell = Cell::new(text);
            if let Some(colour) = colour { cell.fg(colour) } else { cell }
        };
        for row in rows {
            table.add_row(row.into_iter().zip(headings).map(cell));
        }
        let kinds: Vec<Kind> = headings.iter().map(|(_, kind)| *kind).collect();
        self.finish(table, &kinds)
    }

    /// A sentence, and others that belong to it.
    pub(crate) fn sentences(self, first: &str, others: &[String]) -> String {
        let mut table = self.bare();
        table.add_row([first]);
        let first = self.finish(table, &[Kind::Words]);
        if others.is_empty() {
            return first;
        }
        let mut table = self.bare();
        for other in others {
            table.add_row(["-", other]);
        }
        format!("{first}\n{}", self.finish(table, &[Kind::Bullet, Kind::Words]))
    }

    fn bare(self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.force_no_tty().set_content_arrangement(ContentArrangement::Disabled);
        if self.colour {
            table.enforce_styling();
        }
        table
    }

    /// The text of a table: columns two blanks apart, of which only those of words give way at the edge of a terminal.
    fn finish(self, mut table: Table, kinds: &[Kind]) -> String {
        for (column, kind) in table.column_iter_mut().zip(kinds) {
            column.set_padding((0, kind.blanks()));
            if *kind != Kind::Words {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let columns = || table.column_max_content_widths().into_iter().zip(kinds);
        let rigid: u16 =
            columns().filter(|(_, kind)| **kind != Kind::Words).map(|(width, kind)| width + kind.blanks()).sum();
        let words: u16 = columns().filter(|(_, kind)| **kind == Kind::Words).map(|(width, _)| width).sum();
        if let Some(room) = self.width.and_then(|width| width.checked_sub(rigid))
            && words > room
            && room >= NARROWEST_WORDS
        {
            let width = rigid + room;
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        table.trim_fmt().lines().map(without_trailing_blanks).collect::<Vec<_>>().join("\n")
    }
}

/// What a style ends with.
const PLAIN_AGAIN: &str = "\u{1b}[0m";

/// Blanks that are part of a styled cell would make a line too long for a terminal that it fits.
fn without_trailing_blanks(line: &str) -> String {
    match line.strip_suffix(PLAIN_AGAIN) {
        Some(styled) => format!("{}{PLAIN_AGAIN}", styled.trim_end()),
        None => line.to_owned(),
    }
}

/// Sentences are not wrapped into a column narrower than this, in characters: the terminal's own way is better then.
const NARROWEST_WORDS: u16 = 12;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Names and numbers.
    Plain,
    /// States, coloured by what they mean.
    State,
    /// Sentences, wrapped at the edge of a terminal.
    Words,
    /// What stands before a sentence.
    Bullet,
}

impl Kind {
    /// Behind a column. Words come last.
    fn blanks(self) -> u16 {
        match self {
            Self::Plain | Self::State => 2,
            Self::Bullet => 1,
            Self::Words => 0,
        }
    }
}

/// One column of a table of `T`.
pub(crate) struct Column<T> {
    name: &'static str,
    value: fn(&T) -> String,
    kind: Kind,
}

impl<T> Column<T> {
    /// A column with this heading.
    pub(crate) const fn new(name: &'static str, value: fn(&T) -> String) -> Self {
        Self { name, value, kind: Kind::Plain }
    }

    /// A column of states.
    pub(crate) const fn state(name: &'static str, value: fn(&T) -> String) -> Self {
        Self { name, value, kind: Kind::State }
    }

    /// A column of sentences.
    pub(crate) const fn words(name: &'static str, value: fn(&T) -> String) -> Self {
        Self { name, value, kind: Kind::Words }
    }
}

fn state_colour(state: &str) -> Option<Color> {
    match state {
        "ALIVE" | "RUNNING" | "FINISHED" => Some(Color::Green),
        "FAILED" | "ERROR" | "DEAD" | "LOST" => Some(Color::Red),
        "SUBMITTED" | "WAITING" | "RELAUNCHING" | "RECOVERING" | "UNKNOWN" | "UNREACHABLE" | "SUSPENDED"
        | "DECOMMISSIONED" | "ALIVE, no new work" => Some(Color::Yellow),
        _ => None,
    }
}

/// Writes a text and a line break to standard output. A reader that has had enough (`| head`) is no failure.
///
/// # Errors
/// If standard output cannot be written.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("writing to standard output").into())
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Tells the person at the terminal something that is no result, on standard error. If that is closed, nobody listens.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Item {
        id: &'static str,
        state: &'static str,
    }

    const COLUMNS: [Column<Item>; 2] =
        [Column::new("ID", |item| item.id.to_owned()), Column::state("STATE", |item| item.state.to_owned())];

    fn output(terminal: bool, colour: bool) -> Output {
        Output { format: OutputFormat::Table, terminal, width: None, colour }
    }

    #[test]
    fn piped_tables_are_plain_columns() {
        let items = [Item { id: "driver-20260102030405-0000", state: "RUNNING" }, Item { id: "d", state: "FAILED" }];
        assert_eq!(
            output(false, false).table(&items, &COLUMNS),
            "ID                          STATE\n\
             driver-20260102030405-0000  RUNNING\n\
             d                           FAILED"
        );
        assert_eq!(output(false, false).table(&[], &COLUMNS), "ID  STATE");
    }

    #[test]
    fn sentences_follow_each_other_in_lines() {
        let others = ["it waits".to_owned(), "it works".to_owned()];
        assert_eq!(output(false, false).sentences("m1 leads", &others), "m1 leads\n- it waits\n- it works");
        assert_eq!(output(false, false).sentences("m1 leads", &[]), "m1 leads");
    }

    #[test]
    fn only_sentences_are_wrapped_and_only_where_there_is_room() {
        const COLUMNS: [Column<Item>; 2] =
            [Column::new("ID", |item| item.id.to_owned()), Column::words("WHY", |item| item.state.to_owned())];
        let items = [Item { id: "driver-20260102", state: "its worker is gone, and nobody else has room for it" }];
        let at = |width| Output { width: Some(width), ..output(true, false) }.table(&items, &COLUMNS);
        assert_eq!(
            at(42),
            "ID               WHY\n\
             driver-20260102  its worker is gone, and\n\
             \u{20}                nobody else has room for\n\
             \u{20}                it"
        );
        let whole = "ID               WHY\ndriver-20260102  its worker is gone, and nobody else has room for it";
        assert_eq!((at(68).as_str(), at(28).as_str()), (whole, whole), "enough room, and far too little");
    }

    #[test]
    fn colours_only_where_wanted() {
        let items = [Item { id: "RUNNING", state: "RUNNING" }];
        let plain = output(true, false).table(&items, &COLUMNS);
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
        let coloured = output(true, true).table(&items, &COLUMNS);
        assert_eq!(coloured.matches("\u{1b}[38;5;10mRUNNING").count(), 1, "states only: {coloured:?}");
        assert!(coloured.lines().next().unwrap().ends_with("STATE\u{1b}[0m"), "no blanks at the end: {coloured:?}");
    }
}
