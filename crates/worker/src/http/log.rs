//! Output of programs by byte ranges (LG-01 … LG-04): from a query to a piece of text, and nothing outside of the work
//! directory, whatever the query or the program has prepared.

use std::path::Path;

use tanist_core::ids::{AppId, DriverId, ExecutorId, ExecutorRef};
use tanist_proto::convert::endpoint::LogOwner;

use crate::place::Place;
use crate::runner::RunnerError;
use crate::runner::logs::LogFiles;

/// Bytes from the end where nothing else is asked for, the original's.
const DEFAULT_BYTES: u64 = 100 * 1024;

/// Most bytes in one answer. Who asks for more gets so many from where it wanted them; the first line says which.
const MOST_BYTES: u64 = 1024 * 1024;

/// A part may be rolled away between finding and reading it.
const TRIES: u32 = 3;

/// What one answer shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where the log is, as it was asked for.
    pub(super) file: String,
    /// Whose it is, for a title: `app-1/0`, a driver's id, or `worker`.
    pub(super) owner: String,
    /// The first byte shown, the one behind the last, and how many there are.
    pub(super) range: (u64, u64, u64),
    /// What was written, or why it cannot be shown.
    pub(super) text: String,
}

/// A query that says nothing sensible.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadQuery {
    /// LG-01.
    #[error("Request must specify either application or driver identifiers")]
    NoOwner,
    /// Not a number that is allowed.
    #[error("{field}: {value:?} is not allowed; allowed: {allowed}")]
    Number {
        /// Which parameter.
        field: &'static str,
        /// As it was given.
        value: String,
        /// What may be given.
        allowed: &'static str,
    },
}

/// Whose output is asked for, as it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    Executor(String, String),
    Driver(String),
    Itself,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) named: Named,
    pub(super) kind: String,
    /// Where it begins; none = so that it ends with the log. One before the log is its beginning.
    pub(super) offset: Option<i64>,
    pub(super) bytes: u64,
}

impl Query {
    /// From parameters; of one that is given twice, the first counts.
    pub(super) fn read(parameters: &[(String, String)]) -> Result<Self, BadQuery> {
        let get = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let named = match (get("appId"), get("executorId"), get("driverId"), get("self")) {
            (Some(app), Some(executor), None, None) => Named::Executor(app, executor),
            (None, None, Some(driver), None) => Named::Driver(driver),
            (None, None, None, Some(_)) => Named::Itself,
            _ => return Err(BadQuery::NoOwner),
        };
        let number = |field, allowed| move |value: String| BadQuery::Number { field, value, allowed };
        let offset = get("offset").map(|text| {
            text.parse().map_err(|_| number("offset", "a whole number of bytes from the beginning of the log")(text))
        });
        let bytes = get("byteLength")
            .map(|text| text.parse().map_err(|_| number("byteLength", "a whole number of bytes, at least 0")(text)));
        Ok(Self {
            named,
            kind: get("logType").unwrap_or_default(),
            offset: offset.transpose()?,
            bytes: bytes.transpose()?.unwrap_or(DEFAULT_BYTES).min(MOST_BYTES),
        })
    }

    /// Reads it. What keeps it from being read is in its text, as the original's clients expect it. Blocks.
    pub(super) fn piece(&self, place: &Place) -> Piece {
        let dir = self.dir(place.work.root());
        let piece =
            |range, text| Piece { file: format!("{dir}{}", printable(&self.kind)), owner: self.owner(), range, text };
        let refused = |why: String| piece((0, 0, 0), why);
        let Some(name) = ["stdout", "stderr", "out"].into_iter().find(|name| *name == self.kind) else {
            return refused("Error: Log type must be one of stderr, stdout, out".to_owned());
        };
        if self.named == Named::Itself {
            return refused("Error: this worker writes its own log to its standard error, not to a file".to_owned());
        }
        let mut tries = 1;
        loop {
            let Some(found) = self.log_owner().and_then(|owner| place.log_dir(&owner)) else {
                return refused(format!("Error: invalid log directory {dir}"));
            };
            match read(&found, name, self.offset, self.bytes) {
                Ok((range, text)) => return piece(range, text),
                Err(_) if tries < TRIES => tries += 1,
                Err(error) => return refused(format!("Error getting logs due to exception: {error}")),
            }
        }
    }

    fn owner(&self) -> String {
        match &self.named {
            Named::Executor(app, executor) => printable(&format!("{app}/{executor}")),
            Named::Driver(driver) => printable(driver),
            Named::Itself => "worker".to_owned(),
        }
    }

    /// Where the original would look, with a slash at its end; for the answer only.
    fn dir(&self, root: &Path) -> String {
        let root = root.display();
        match &self.named {
            Named::Executor(app, executor) => printable(&format!("{root}/{app}/{executor}/")),
            Named::Driver(driver) => printable(&format!("{root}/{driver}/")),
            Named::Itself => format!("{root}/"),
        }
    }

    /// None: nobody can be called that.
    fn log_owner(&self) -> Option<LogOwner> {
        match &self.named {
            Named::Executor(app, executor) => {
                let id: u32 = executor.parse().ok().filter(|id: &u32| id.to_string() == *executor)?;
                Some(LogOwner::Executor(ExecutorRef { app: AppId::new(app).ok()?, id: ExecutorId(id) }))
            }
            Named::Driver(driver) => DriverId::new(driver).ok().map(LogOwner::Driver),
            Named::Itself => None,
        }
    }
}

impl Piece {
    /// The text face: one line that says what this is, and the rest.
    pub(super) fn to_text(&self) -> String {
        let Self { file, range: (from, to, total), text, .. } = self;
        format!("==== Bytes {from}-{to} of {total} of {file} ====\n{text}")
    }
}

/// Blocks.
fn read(dir: &Path, name: &str, offset: Option<i64>, bytes: u64) -> Result<((u64, u64, u64), String), RunnerError> {
    let attempt = || {
        let files = LogFiles::find(dir, name)?;
        let total = files.total_len();
        let from = match offset {
            Some(offset) => u64::try_from(offset).unwrap_or(0).min(total),
            None => total.saturating_sub(bytes),
        };
        let data = files.read(from, bytes)?;
        let to = from + u64::try_from(data.len()).unwrap_or(0);
        Ok(((from, to, total), String::from_utf8_lossy(&data).into_owned()))
    };
    // A part may have been rolled away since it was found.
    attempt().or_else(|_: RunnerError| attempt())
}

/// What was asked for may be repeated, but not act on whoever reads it.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
