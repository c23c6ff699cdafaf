//! What a person is told while a run goes on.

use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use crate::clock::Boot;

/// Lines with the time of the scenario before them; before it has begun, without.
#[derive(Debug, Default)]
pub(crate) struct Story(Mutex<Option<Boot>>);

impl Story {
    /// The clock of the scenario starts.
    pub(crate) fn begin(&self, at: Boot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// Tells it. Whoever does not read it any more is not worth an error.
    pub(crate) fn say(&self, line: &str) {
        let began = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let time = began.map_or_else(String::new, |began| format!("{:7.2}", Boot::now().since(began).as_secs_f64()));
        let _ = writeln!(io::stderr(), "{time:>8}  {line}");
    }
}
