//! What an executor can do: functions by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a task can ask of its surroundings while it runs.
#[derive(Debug, Clone, Default)]
pub struct TaskContext {
    cancelled: Arc<AtomicBool>,
}

impl TaskContext {
    /// Nobody wants the result any more. A function that runs for long asks from time to time and returns early.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// From payload to result; the error is for people.
type Function = dyn Fn(&[u8], &TaskContext) -> Result<Vec<u8>, String> + Send + Sync;

/// The functions of an executor. They run on threads of their own and may block.
#[derive(Clone, Default)]
pub struct Functions(BTreeMap<String, Arc<Function>>);

impl Functions {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more. A second one of the same name replaces the first.
    #[must_use]
    pub fn with<F>(mut self, name: &str, function: F) -> Self
    where
        F: Fn(&[u8], &TaskContext) -> Result<Vec<u8>, String> + Send + Sync + 'static,
    {
        self.0.insert(name.to_owned(), Arc::new(function));
        self
    }

    pub(super) fn get(&self, name: &str) -> Result<Arc<Function>, String> {
        let known = || self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        self.0.get(name).cloned().ok_or_else(|| format!("function {name:?} is unknown here; known are: {}", known()))
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
