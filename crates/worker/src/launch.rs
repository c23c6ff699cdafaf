//! From what the machine wants started to what the runner starts: command line, environment, directory, logs.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;

use tanist_core::worker::{Launch, What};

use crate::program::{CommandLine, command_line};
use crate::runner::logs::{LogMode, LogSink, Rolling};
use crate::runner::process::{Limit, ProcessSpec};
use crate::runner::redact::{HeaderOf, header};

/// The variables beside the original's that a program is started with; the first two keep a value that its command
/// sets. `TANIST_RESOURCES_FILE` comes from the machine, `TANIST_PROCESS` from the runner.
pub const PROGRAM_VARIABLES: [&str; 8] =
    [MASTERS, WORKER_URL, DRIVER_ID, DRIVER_ATTEMPT, APP_ID, EXECUTOR_ID, "TANIST_RESOURCES_FILE", "TANIST_PROCESS"];

/// The masters that the worker was configured with, `host:port` separated by commas.
const MASTERS: &str = "TANIST_MASTERS";
/// The worker's own address, `spark://Worker@host:port`.
const WORKER_URL: &str = "TANIST_WORKER_URL";
/// Id of a driver.
const DRIVER_ID: &str = "TANIST_DRIVER_ID";
/// Which copy of a driver, from 1.
const DRIVER_ATTEMPT: &str = "TANIST_DRIVER_ATTEMPT";
/// Id of an executor's application.
const APP_ID: &str = "TANIST_APP_ID";
/// Number of an executor within its application.
const EXECUTOR_ID: &str = "TANIST_EXECUTOR_ID";

/// What is the same for all programs of this worker.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// The configured masters.
    pub(crate) masters: Vec<String>,
    /// The worker's own address as programs are told it.
    pub(crate) worker_url: String,
    /// Rolling of executors' logs (LOG-01); drivers do not roll.
    pub(crate) rolling: Option<Rolling>,
}

/// What the runner is to start in `dir`, the run's own directory and the program's working directory: a relative
/// program path that has a `/` in it is looked for there, after the driver's file was fetched into it.
pub(crate) fn process_spec(what: &What, launch: Launch, dir: &Path, around: &Surroundings) -> ProcessSpec {
    let (title, rolling) = match what {
        What::Driver { .. } => (HeaderOf::Driver, None),
        What::Executor { .. } => (HeaderOf::Executor, around.rolling.clone()),
    };
    let inherited = |name: &str| env::var(name).ok();
    let CommandLine { program, arguments, mut environment } = command_line(launch.command, launch.memory, inherited);
    add_variables(&mut environment, what, around);
    let words: Vec<String> = std::iter::once(&program).chain(&arguments).cloned().collect();
    let mode = if launch.append_logs { LogMode::Append } else { LogMode::Truncate };
    let sink = |name| LogSink { path: dir.join(name), mode, rolling: rolling.clone() };
    ProcessSpec {
        program,
        args: arguments,
        env: environment,
        clear_env: false,
        cwd: dir.to_owned(),
        stdout: sink("stdout"),
        stderr: sink("stderr"),
        header: Some(header(title, &words)),
        limit: launch.limit.map(keeper_limit),
    }
}

/// A limit as keepers are told it.
pub(crate) fn keeper_limit(limit: tanist_core::worker::Limit) -> Limit {
    Limit { terminate_at: limit.terminate_at.0, kill_at: limit.kill_at.0 }
}

fn add_variables(environment: &mut BTreeMap<String, String>, what: &What, around: &Surroundings) {
    let defaults = [(MASTERS, around.masters.join(",")), (WORKER_URL, around.worker_url.clone())];
    for (name, value) in defaults {
        environment.entry(name.to_owned()).or_insert(value);
    }
    let own = match what {
        What::Driver { driver, attempt, .. } => {
            [(DRIVER_ID, driver.to_string()), (DRIVER_ATTEMPT, attempt.to_string())]
        }
        What::Executor { executor, .. } => [(APP_ID, executor.app.to_string()), (EXECUTOR_ID, executor.id.to_string())],
    };
    environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
}
