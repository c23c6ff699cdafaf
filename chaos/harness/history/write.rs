//! Writes a history, line by line, each at once.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};

use super::{Line, Note};
use crate::clock::Boot;

/// A file of lines. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Recorder(Arc<Mutex<File>>);

impl Recorder {
    /// A file that need not exist.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self(Arc::new(Mutex::new(file.with_context(|| format!("writing {}", path.display()))?))))
    }

    /// Records what has just happened.
    ///
    /// # Errors
    /// If it cannot be written: a history with holes proves nothing.
    pub(crate) fn note(&self, note: Note) -> Result<()> {
        self.note_at(Boot::now(), note)
    }

    /// Records what has happened at a moment.
    ///
    /// # Errors
    /// As [`Recorder::note`].
    pub(crate) fn note_at(&self, at: Boot, note: Note) -> Result<()> {
        let text = serde_json::to_string(&Line { at, note })? + "\n";
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes()).context("writing a history")
    }
}
