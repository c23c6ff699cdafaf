//! Whether somebody has asked for the end of the run. Everything that waits waits here, so that it ends at once.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<(Mutex<bool>, Condvar)>);

/// Somebody has asked for the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Stop {
    /// Asks for it.
    pub(crate) fn ask(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Sleeps, unless the end is asked for.
    pub(crate) fn sleep(&self, length: Duration) -> Result<(), Interrupted> {
        let (asked, changed) = &*self.0;
        let guard = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) =
            changed.wait_timeout_while(guard, length, |asked| !*asked).unwrap_or_else(PoisonError::into_inner);
        if *guard { Err(Interrupted) } else { Ok(()) }
    }

    /// Looks until there is something, at most for this long; none = it never came.
    pub(crate) fn wait_for<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<Option<T>, Interrupted> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = look() {
                return Ok(Some(found));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            self.sleep(LOOK_EVERY)?;
        }
    }
}
