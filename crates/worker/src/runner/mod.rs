//! What a worker does on its host: processes, logs, directories, artifacts, resources.
//!
//! Mechanisms without rules. Whether to restart a driver, how long to wait before SIGKILL, which directory is old
//! enough to go: that is decided in the core; the worker's shell calls what is here to carry the decision out.
//!
//! ```text
//! worker ──spec, control───▶ keeper (__keep) ──spec──▶ launcher (__exec) ──exec──▶ the program
//!        ◀─started, exited──         │ child subreaper: whatever the program leaves behind becomes its child
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`process`] | the worker's handle of one running program |
//! | [`keeper`] | the small process between worker and program; it lets nothing survive |
//! | [`launcher`] | the stage that arms the death signal and becomes the program |
//! | [`logs`], [`rolling`], [`redact`] | where output goes, its header, its rolling, reading it back |
//! | [`workdir`] | directories of drivers, executors and applications; only our own are deleted |
//! | [`artifact`] | fetching a driver's file |
//! | [`resources`] | GPUs and the like: discovery and the files that hand them on |
//! | [`host`] | cores, memory, free disk, the clock since boot |

use std::path::Path;

use tokio::task::{JoinError, spawn_blocking};

pub mod artifact;
mod control;
mod descendants;
mod download;
mod error;
pub mod host;
pub mod keeper;
pub mod launcher;
pub mod logs;
mod output;
pub mod process;
pub mod redact;
pub mod resources;
pub mod rolling;
mod wire;
pub mod workdir;

pub use error::{RunnerError, ScriptProblem};
pub use wire::StartFailure;

/// Runs something that may have to wait for a disk on a thread that may. `operation` on `path` is for the message
/// should that thread die.
pub(crate) async fn blocking<T: Send + 'static>(
    operation: &'static str,
    path: &Path,
    work: impl FnOnce() -> Result<T, RunnerError> + Send + 'static,
) -> Result<T, RunnerError> {
    let died = |error: JoinError| RunnerError::Io { operation, path: path.to_owned(), source: error.into() };
    spawn_blocking(work).await.map_err(died)?
}
