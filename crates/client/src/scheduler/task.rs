//! What is run, and how a run of many ends.

use tanist_core::ids::ExecutorId;

/// One piece of work for an executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Which of the executor's functions does it.
    pub function: String,
    /// What it is given; at most [`MAX_PAYLOAD_BYTES`].
    pub payload: Vec<u8>,
}

/// Largest payload and largest result of a task, in bytes: 3 MiB, which leaves room in a message for its frame.
pub const MAX_PAYLOAD_BYTES: usize = 3 << 20;

/// Why a run of tasks has no results.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// A task that cannot be sent.
    #[error("task {index} ({function}): its payload has {bytes} bytes, but at most {MAX_PAYLOAD_BYTES} are allowed")]
    PayloadTooLarge {
        /// Its place in the list.
        index: usize,
        /// Its function.
        function: String,
        /// Bytes given.
        bytes: usize,
    },
    /// One task failed as often as is allowed.
    #[error("task {index} ({function}) failed {failures} times, the last time on executor {executor}: {reason}")]
    TaskFailed {
        /// Its place in the list.
        index: usize,
        /// Its function.
        function: String,
        /// How often.
        failures: u32,
        /// Where it failed last.
        executor: ExecutorId,
        /// How it failed last.
        reason: String,
    },
    /// The application is over; the cluster gives it nothing any more.
    #[error("the application has ended: {why}")]
    ApplicationEnded {
        /// Why.
        why: String,
    },
}
