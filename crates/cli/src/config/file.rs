//! The configuration file: TOML, read into texts, with the line of every key.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::resolve::{Problem, Problems, known_keys, nearest, sections};

/// One key of the file.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its value: one text, or the items of a list.
    pub(crate) texts: Vec<String>,
    /// Where it stands, from 1.
    pub(crate) line: usize,
}

/// A configuration file. What is wrong with its keys and values is told by [`super::Layers::check_file`], all at once.
#[derive(Debug, Clone)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
    misfits: Vec<Problem>,
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or is no TOML.
    pub(crate) fn read(path: &Path) -> Result<Self, Problems> {
        let text = fs::read_to_string(path)
            .map_err(|error| Problems::one(Problem::File { path: path.to_owned(), error: error.to_string() }))?;
        Self::parse(path, &text)
    }

    /// Reads a text that came from a file.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, Problems> {
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            let error = format!("line {line}: {}", error.message());
            Problems::one(Problem::File { path: path.to_owned(), error })
        })?;
        let mut reader = Reader { path, text, entries: BTreeMap::new(), misfits: Vec::new() };
        reader.table("", table.get_ref());
        Ok(Self { path: path.to_owned(), entries: reader.entries, misfits: reader.misfits })
    }

    /// Where it was read from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A key with its section, e.g. `master.port`.
    pub(crate) fn get(&self, full_key: &str) -> Option<&Entry> {
        self.entries.get(full_key)
    }

    /// Keys that no setting has, each with the nearest one that is known, and values of a form that no setting has.
    pub(crate) fn misfits(&self) -> &[Problem] {
        &self.misfits
    }

    /// How many keys it sets.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    entries: BTreeMap<String, Entry>,
    misfits: Vec<Problem>,
}

impl Reader<'_> {
    fn table(&mut self, section: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let line = line_of(self.text, key.span().start);
            let name = key.get_ref();
            let full = if section.is_empty() { name.to_string() } else { format!("{section}.{name}") };
            match value.get_ref() {
                DeValue::Table(inner) if section.is_empty() && sections().contains(&name.as_ref()) => {
                    self.table(name, inner);
                }
                value => self.entry(full, value, line),
            }
        }
    }

    fn entry(&mut self, full: String, value: &DeValue<'_>, line: usize) {
        if !known_keys().contains(&full) {
            let nearest = nearest(&full, known_keys());
            self.misfits.push(Problem::UnknownKey { key: full, path: self.path.to_owned(), line, nearest });
            return;
        }
        match texts(value) {
            Some(texts) => {
                self.entries.insert(full, Entry { texts, line });
            }
            None => self.misfits.push(Problem::Form {
                key: full,
                path: self.path.to_owned(),
                line,
                found: value.type_str(),
            }),
        }
    }
}

/// The text forms of a value: a scalar is one, an array one per item, a table one `name=value` per entry.
fn texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::Array(items) => items.iter().map(|item| scalar(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(name, value)| Some(format!("{}={}", name.get_ref(), scalar(value.get_ref())?))).collect()
        }
        value => Some(vec![scalar(value)?]),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Integer(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).matches('\n').count() + 1
}
