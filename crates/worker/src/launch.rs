//! From what the machine wants started to what the runner starts: command line, environment, directory, logs.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::sync::Arc;

use tanist_core::model::{Command, Program};
use tanist_core::worker::{Launch, SslSettings, What};
use tanist_spark::auth::Auth;

use crate::homes::Homes;
use crate::program::{AUTHENTICATE, CommandLine, Host, TLS, command_line, is_on};
use crate::runner::RunnerError;
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
    /// Installations of Spark.
    pub(crate) homes: Homes,
    /// Whether applications of Spark choose what their executors run.
    pub(crate) any_executor_class: bool,
    /// What programs of Spark must know.
    pub(crate) auth: Option<Arc<Auth>>,
    /// Whether programs of Spark speak TLS to this worker.
    pub(crate) tls: bool,
    /// This host's own settings of TLS.
    pub(crate) ssl: SslSettings,
}

/// What executors of Spark run.
const EXECUTOR_CLASS: &str = "org.apache.spark.executor.CoarseGrainedExecutorBackend";

/// What the runner is to start in `dir`, the run's own directory and the program's working directory: a relative
/// program path that has a `/` in it is looked for there, after the driver's file was fetched into it. Blocks.
///
/// # Errors
/// See [`command_line`].
pub(crate) fn process_spec(
    what: &What,
    launch: Launch,
    dir: &Path,
    around: &Surroundings,
) -> Result<ProcessSpec, RunnerError> {
    let (title, rolling) = match what {
        What::Driver { .. } => (HeaderOf::Driver, None),
        What::Executor { .. } => (HeaderOf::Executor, around.rolling.clone()),
    };
    check_class(what, &launch.command.program, around)?;
    check_bond(&launch.command, around)?;
    let secret = around.auth.as_ref().map(|auth| &auth.secret);
    let inherited = |name: &str| env::var(name).ok();
    let host = Host { homes: &around.homes, secret, ssl: &around.ssl, inherited: &inherited };
    let CommandLine { program, arguments, mut environment } = command_line(launch.command, launch.heap, &host)?;
    add_variables(&mut environment, what, around);
    let words: Vec<String> = std::iter::once(&program).chain(&arguments).cloned().collect();
    let mode = if launch.append_logs { LogMode::Append } else { LogMode::Truncate };
    let sink = |name| LogSink { path: dir.join(name), mode, rolling: rolling.clone() };
    Ok(ProcessSpec {
        program,
        args: arguments,
        env: environment,
        clear_env: false,
        cwd: dir.to_owned(),
        stdout: sink("stdout"),
        stderr: sink("stderr"),
        header: Some(header(title, &words)),
        limit: launch.limit.map(keeper_limit),
    })
}

/// The executors of an application of Spark are Spark's.
fn check_class(what: &What, program: &Program, around: &Surroundings) -> Result<(), RunnerError> {
    match (what, program) {
        (What::Executor { .. }, Program::Java(java))
            if java.spark_family.is_some() && java.main_class != EXECUTOR_CLASS && !around.any_executor_class =>
        {
            Err(RunnerError::OtherExecutor { main_class: java.main_class.clone(), allowed: EXECUTOR_CLASS })
        }
        _ => Ok(()),
    }
}

/// A program that watches this worker and is not let in ends at once, however often it is started.
fn check_bond(command: &Command, around: &Surroundings) -> Result<(), RunnerError> {
    let Program::Java(java) = &command.program else { return Ok(()) };
    if !command.arguments.contains(&around.worker_url) {
        return Ok(());
    }
    let doors = [
        (AUTHENTICATE, around.auth.is_some(), "asks for the secret (auth.enabled)", "knows no secret (auth.enabled)"),
        (TLS, around.tls, "speaks TLS (auth.tls_cert)", "speaks no TLS (auth.tls_cert)"),
    ];
    for (property, wanted, does, does_not) in doors {
        if is_on(java, property) != wanted {
            let (main_class, worker) = (java.main_class.clone(), if wanted { does } else { does_not });
            return Err(RunnerError::NotLetIn { main_class, worker, property, wanted });
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use tanist_core::model::JavaProgram;
    use tanist_spark::auth::{Random, Secret, Side};

    use super::*;

    const URL: &str = "spark://Worker@host:7078";

    fn around(auth: bool, tls: bool) -> Surroundings {
        let known = Auth {
            secret: Secret::new("secret".to_owned()).unwrap(),
            encryption: None,
            side: Side::Cluster,
            random: Random::new(|_| false),
        };
        Surroundings {
            masters: Vec::new(),
            worker_url: URL.to_owned(),
            rolling: None,
            homes: Homes::default(),
            any_executor_class: false,
            auth: auth.then(|| Arc::new(known)),
            tls,
            ssl: SslSettings::default(),
        }
    }

    fn watcher(options: &[&str], argument: &str) -> Command {
        let java_options = options.iter().map(|option| (*option).to_owned()).collect();
        let java = JavaProgram { main_class: "Main".to_owned(), java_options, ..JavaProgram::default() };
        let arguments = vec!["--worker-url".to_owned(), argument.to_owned()];
        Command { program: Program::Java(java), arguments, environment: BTreeMap::new() }
    }

    /// Such a program ends with 255 as soon as its connection is closed, and would be started again and again.
    #[test]
    fn a_program_that_would_not_be_let_in_is_not_started_dw_05() {
        let known = ["-Dspark.authenticate=false", "-Dspark.authenticate=TRUE"];
        let sealed = ["-Dspark.ssl.rpc.enabled=true"];
        for (auth, tls, options, property) in [
            (false, false, &[][..], None),
            (true, false, &known, None),
            (true, false, &[], Some("spark.authenticate = true")),
            (false, false, &known, Some("spark.authenticate = false")),
            (false, true, &[], Some("spark.ssl.rpc.enabled = true")),
            (false, false, &sealed, Some("spark.ssl.rpc.enabled = false")),
            (false, true, &sealed, None),
        ] {
            let found = check_bond(&watcher(options, URL), &around(auth, tls)).map_err(|error| error.to_string());
            match property {
                None => assert_eq!(found, Ok(()), "{auth} {tls} {options:?}"),
                Some(property) => assert!(found.unwrap_err().contains(property), "{auth} {tls} {options:?}"),
            }
            assert!(check_bond(&watcher(options, "spark://Worker@other:1"), &around(auth, tls)).is_ok());
        }
    }
}
