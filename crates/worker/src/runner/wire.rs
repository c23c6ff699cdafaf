//! What worker, keeper and launcher say to each other: one JSON line per message over pipes of their own.
//!
//! Nothing of it is ever in an argument list, where every user of the host could read it.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::logs::LogSink;

/// Hidden subcommand that runs the keeper ([`super::keeper::main_keep`]).
pub const KEEP_SUBCOMMAND: &str = "__keep";
/// Hidden subcommand that becomes the program ([`super::launcher::main_exec`]).
pub const EXEC_SUBCOMMAND: &str = "__exec";

/// The running binary itself, even when its file has been replaced by an upgrade meanwhile.
pub(super) const SELF_EXE: &str = "/proc/self/exe";

/// What the launcher says just before `exec`; a failure of `exec` follows, success is the end of the channel.
pub(super) const READY: &str = "ready\n";

/// The program, as `exec` needs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Launch {
    pub(super) program: String,
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) clear_env: bool,
    pub(super) cwd: PathBuf,
}

/// Worker to keeper, first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeeperSpec {
    pub(super) launch: Launch,
    /// Arguments that make this binary the launcher.
    pub(super) launcher: Vec<String>,
    pub(super) stdout: LogSink,
    pub(super) stderr: LogSink,
    pub(super) header: Option<String>,
    pub(super) limit: Option<Limit>,
}

/// Worker to keeper, after that.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Control {
    /// SIGTERM to the program's process group.
    Terminate,
    /// SIGKILL to the program's group and every descendant.
    Kill,
    /// From now on this limit holds.
    Limit(Limit),
}

/// Until when a program may run if nothing more is heard of its worker, in milliseconds since boot, suspended time included
/// ([`super::host::boottime_ms`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// SIGTERM.
    pub terminate_at: u64,
    /// SIGKILL.
    pub kill_at: u64,
}

impl Limit {
    /// Whether the program is to end by now.
    pub(super) fn has_passed(&self, now: u64) -> bool {
        now >= self.terminate_at.min(self.kill_at)
    }
}

/// Keeper to launcher.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LauncherSpec {
    pub(super) keeper: i32,
    pub(super) launch: Launch,
}

/// Keeper to worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Report {
    Started {
        pid: i32,
    },
    StartFailed {
        failure: StartFailure,
    },
    /// It was told to kill, and has sent the signal. The end may take long: the kernel takes back what the program has.
    Killing,
    Exited {
        code: i32,
        signal: Option<i32>,
        survivors: usize,
        at_limit: bool,
    },
}

/// Why a program could not be started; nothing of it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum StartFailure {
    /// A log file could not be opened or its header not written.
    #[error("cannot open log file {}: {error}", path.display())]
    Log {
        /// The log file.
        path: PathBuf,
        /// What the operating system said.
        error: String,
    },
    /// The working directory could not be entered.
    #[error("cannot start program {program:?}: cannot enter its working directory {}: {error}", cwd.display())]
    Directory {
        /// The program that was to run there.
        program: String,
        /// The directory.
        cwd: PathBuf,
        /// What the operating system said.
        error: String,
    },
    /// The operating system refused to run the program.
    #[error("cannot start program {program:?}: {error} ({tried})")]
    Program {
        /// The program as given.
        program: String,
        /// The path that was tried, or the PATH that was searched.
        tried: String,
        /// What the operating system said.
        error: String,
    },
    /// It was to be started after its limit.
    #[error("cannot start program {program:?}: the time until when it may run has passed")]
    TooLate {
        /// The program as given.
        program: String,
    },
    /// A step of our own before the program was reached.
    #[error("cannot start program: keeper failed to {step}: {error}")]
    Keeper {
        /// The step, as a verb phrase.
        step: String,
        /// What the operating system said.
        error: String,
    },
}

impl StartFailure {
    /// For `map_err` on a step of the keeper or launcher.
    pub(super) fn step<E: std::fmt::Display>(step: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Keeper { step: step.to_owned(), error: error.to_string() }
    }
}
