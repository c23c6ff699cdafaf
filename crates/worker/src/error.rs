//! What can end a worker process, or keep it from starting. The loss of every master is not among these: work goes on.

use std::io;
use std::path::PathBuf;

use tanist_core::ids::InvalidId;

use crate::runner::RunnerError;

/// Why a worker cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A setting that cannot work.
    #[error("{field} {value:?} is not allowed, but only {allowed}")]
    Invalid {
        /// Which setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The worker's name cannot be one.
    #[error(transparent)]
    Name(#[from] InvalidId),
    /// The work directory cannot be used.
    #[error("work directory {} cannot be used", path.display())]
    WorkDir {
        /// As configured.
        path: PathBuf,
        /// Why.
        source: RunnerError,
    },
    /// Two workers in one work directory would clean up after each other and share the term they obey.
    #[error("work directory {} is used by another worker; give each its own", path.display())]
    WorkDirTaken {
        /// The directory.
        path: PathBuf,
    },
    /// The worker's own files in its work directory cannot be used.
    #[error("cannot {operation} {}", path.display())]
    State {
        /// The operation, as a verb phrase.
        operation: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file that holds the highest term obeyed does not hold one. Without it a deposed master could be obeyed.
    #[error(
        "{} is damaged: {problem}; restore it, or remove it if no master of an earlier term can be running any more",
        path.display()
    )]
    DamagedTerm {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The number of the last process of this work directory cannot be read.
    #[error("{} is damaged: {problem}; remove it, the clock of this host will do unless it was set back", path.display())]
    DamagedIncarnation {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The term obeyed could not be made durable before the worker was told to stop; nothing was done under it.
    #[error("stopped before term {term} could be written to {}", path.display())]
    TermNotSaved {
        /// The term.
        term: String,
        /// The file.
        path: PathBuf,
        /// Why it could not be written the last time.
        source: io::Error,
    },
    /// The custom resources cannot be had.
    #[error("custom resources of this worker")]
    Resources(#[source] RunnerError),
    /// The listener does not tell its own address, or a signal cannot be caught.
    #[error("cannot {operation}")]
    System {
        /// The operation, as a verb phrase.
        operation: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The worker's gRPC server failed.
    #[error("the gRPC server of the worker failed")]
    Serve(#[source] tonic::transport::Error),
    /// The worker's gRPC server ended although nobody told it to.
    #[error("the gRPC server of the worker ended by itself")]
    ServerEnded,
    /// A task of the worker panicked.
    #[error("task {task:?} of the worker panicked")]
    Panicked {
        /// Which one.
        task: &'static str,
        /// What is known of it.
        source: tokio::task::JoinError,
    },
}
