//! The log of a process, read while it is written.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde_json::Value;

/// One event of a log in JSON lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// When the process wrote it.
    pub at: Timestamp,
    /// The constant text.
    pub message: String,
}

impl Line {
    /// None for what is no event, e.g. the words of a panic.
    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let at = value["timestamp"].as_str()?.parse().ok()?;
        Some(Self { at, message: value["fields"]["message"].as_str()?.to_owned() })
    }
}

/// A log file and how far it is read.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    offset: u64,
}

impl Log {
    /// From its beginning.
    pub fn new(path: PathBuf) -> Self {
        Self { path, offset: 0 }
    }

    /// The events that have been written since the last time. A line under way is left for the next time.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn news(&mut self) -> Result<Vec<Line>> {
        let mut text = String::new();
        let mut read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.offset))?;
            file.read_to_string(&mut text)
        };
        read().with_context(|| format!("reading {}", self.path.display()))?;
        let whole = text.rfind('\n').map_or(0, |last| last + 1);
        self.offset += whole as u64;
        Ok(text[..whole].lines().filter_map(Line::parse).collect())
    }
}

/// From one moment to another, in milliseconds; negative if the other was first.
pub fn millis_between(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_nanosecond() - from.as_nanosecond()) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_growing_log_is_read_line_by_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut log = Log::new(file.path().to_owned());
        let line =
            r#"{"timestamp":"2026-11-20T14:00:00.000250Z","level":"INFO","fields":{"message":"elected","term":"0.1"}}"#;
        write!(file, "thread 'main' panicked\n{line}\n{}", &line[..40]).unwrap();
        let first = log.news().unwrap();
        assert_eq!(first.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["elected"]);
        assert_eq!(log.news().unwrap(), [], "a half line is none yet");
        writeln!(file, "{}", line[40..].replace("elected", "recovery over")).unwrap();
        assert_eq!(log.news().unwrap()[0].message, "recovery over");
        let start: Timestamp = "2026-11-20T13:59:59.999Z".parse().unwrap();
        assert!((millis_between(start, first[0].at) - 1.25).abs() < 1e-9);
    }
}
