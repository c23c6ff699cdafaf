//! What has happened, as each host has recorded it itself: lines of JSON, stamped on that host.
//!
//! `read` puts all files of a run together. Nothing in here is what a master says about itself.

mod read;
mod write;

use serde::{Deserialize, Serialize};

use crate::clock::{Boot, Wall};

#[cfg(test)]
pub(crate) use read::Request;
pub(crate) use read::{Changed, Fault, HISTORY, Histories, Life, RUN, Setting, lines, lives, read};
pub(crate) use write::Recorder;

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) at: Boot,
    #[serde(flatten)]
    pub(crate) note: Note,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum Note {
    /// On a worker's host: a driver or an executor has started.
    Start { who: Who, pid: u32, cores: u32, role: Role },
    /// It lives.
    Beat,
    /// It ends.
    End { why: End },
    /// On the clients' host: a driver is submitted for the first time. `intended` = when the schedule wanted it.
    Asked { request: String, intended: Boot, role: Role },
    /// A master has acknowledged it.
    Answered { request: String, driver: String },
    /// A try came to nothing; it is repeated under the same request id.
    Failed { request: String, error: String },
    /// A master has refused it for good.
    Refused { request: String, error: String },
    /// Of the nemesis: a fault begins. `hosts` = whoever is touched.
    Inflicted { fault: usize, text: String, hosts: Vec<String>, leader: Option<String>, wall: Wall },
    /// It is over, and everything is as before.
    Healed { fault: usize },
    /// It could not be inflicted or undone.
    Botched { fault: usize, error: String },
    /// Of the observer: etcd has changed a key.
    Changed { revision: i64, key: String, change: Change },
    /// Changes of these revisions were not seen.
    Missed { from: i64, to: i64 },
    /// All changes up to this revision were seen.
    Complete { revision: i64 },
    /// Of the run: work is up, and the clock of the scenario starts.
    Began,
    /// All faults are over and all processes run again.
    Calm,
    /// Nothing after this counts.
    Finished,
}

/// Who runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Who {
    Driver { driver: String, attempt: u64 },
    Executor { app: String, executor: u64 },
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Driver { driver, attempt } => write!(f, "{driver} attempt {attempt}"),
            Self::Executor { app, executor } => write!(f, "executor {executor} of {app}"),
        }
    }
}

/// What something is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Runs to the end of the scenario, and is not started again.
    Plain,
    /// The same, and is started again.
    Supervised,
    /// The same, and is ended by a worker that is cut off: never twice at a time.
    Once,
    /// An executor.
    Executor,
    /// Ends by itself soon.
    Job,
    /// Shows that one worker gets work.
    Probe,
}

/// Why something has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    /// It was done.
    Done,
    /// It was asked to.
    Asked,
}

/// What etcd has done to a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    /// The value as text; what is none is shown as well as it can be.
    Put(String),
    Delete,
}
