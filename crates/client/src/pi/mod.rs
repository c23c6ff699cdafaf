//! The example of this library, and a probe for clusters: a driver that registers an application, gets executors, has
//! them estimate π, asks for more of them and for fewer on the way, and outlives the loss of executors and of leaders.
//!
//! ```text
//! first quarter   half of the executors
//! the middle      all of them
//! last quarter    half again; the idle ones are ended
//! ```
//!
//! Each slice draws the same points wherever it runs, so that the result depends on the options alone.

mod progress;
mod slice;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use tanist_core::ids::ProfileId;
use tanist_core::model::{Amounts, ApplicationDescription, Command, Program, ResourceProfile};
use tanist_core::time::millis;
use tanist_core::units::{Cores, Memory};

use crate::application::{Application, ApplicationOptions};
use crate::error::ClientError;
use crate::executor::{self, ExecutorArgs, Exit, Functions};
use crate::masters::MasterList;
use crate::scheduler::{SchedulerOptions, Task};
use progress::Progress;
use slice::Slice;

/// Subcommand under which the binary is an executor of this application; what follows goes to [`run_executor`].
pub const EXECUTOR_COMMAND: &str = "pi-executor";

/// How long a change of the number of executors is waited for before the slices go on with those that are there.
const SCALE_PATIENCE: Duration = Duration::from_secs(30);

/// What is to be estimated, and with what.
#[derive(Debug, Clone)]
pub struct PiOptions {
    /// The masters.
    pub masters: MasterList,
    /// Tasks.
    pub slices: u32,
    /// Points per task.
    pub samples: u64,
    /// How long each task takes at least.
    pub task_time: Duration,
    /// Executors at most.
    pub executors: u32,
    /// Cores of each: tasks that it runs at a time.
    pub executor_cores: Cores,
    /// Memory of each.
    pub executor_memory: Memory,
    /// Keep all executors from the first slice to the last.
    pub steady: bool,
    /// Host or address to listen on.
    pub host: String,
    /// Host under which masters and executors reach it; none = `host`.
    pub advertised_host: Option<String>,
    /// Program that is an executor when started with [`EXECUTOR_COMMAND`], as it is called on the workers; none = this
    /// very program.
    pub program: Option<PathBuf>,
}

impl PiOptions {
    /// 40 slices of a million points on 4 executors with 1 core and 128 MiB, all on this host.
    pub fn new(masters: MasterList) -> Self {
        Self {
            masters,
            slices: 40,
            samples: 1_000_000,
            task_time: Duration::ZERO,
            executors: 4,
            executor_cores: Cores(1),
            executor_memory: Memory::mib(128),
            steady: false,
            host: "127.0.0.1".to_owned(),
            advertised_host: None,
            program: None,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PiReport {
    /// The estimate.
    pub pi: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Points drawn.
    pub samples: u64,
    /// Tasks that gave a result.
    pub tasks_finished: u64,
    /// Tries of tasks that came to nothing and were followed by another one.
    pub tasks_retried: u64,
    /// Executors that the masters ever gave.
    pub executors_added: u64,
    /// Executors that went without having been asked to.
    pub executors_lost: u64,
    /// Leaders that the application was registered with, one after the other.
    pub leaders: u64,
    /// From registration to result.
    pub elapsed: Duration,
}

/// Runs the driver to its result. Progress goes to `out`, line by line, so does the result.
pub async fn run(options: PiOptions, out: &mut (dyn Write + Send)) -> Result<PiReport, ClientError> {
    let began = Instant::now();
    check(&options)?;
    let program = executor_program(&options)?;
    let (notices, told) = mpsc::channel(1024);
    let application = ApplicationOptions {
        masters: options.masters.clone(),
        bind_host: options.host.clone(),
        advertised_host: options.advertised_host.clone(),
        scheduler: SchedulerOptions::default(),
    };
    let app = Application::start(application, |url| description(&options, &program, url), notices).await?;
    let mut progress = Progress::new(&app, told, options.slices, out);
    let outcome = estimate(&options, &app, &mut progress).await;
    let samples = u64::from(options.slices).saturating_mul(options.samples);
    let outcome = outcome.and_then(|hits| progress.report(hits, samples, began));
    app.stop().await;
    outcome
}

/// Runs an executor: the arguments of ERN-08, without the program's name and [`EXECUTOR_COMMAND`]. The process is to
/// end with the code of the result without waiting for threads that still run.
pub async fn run_executor(arguments: impl IntoIterator<Item = String>) -> Exit {
    let args = match ExecutorArgs::parse(arguments) {
        Ok(args) => args,
        Err(error) => return Exit { code: executor::exit::USAGE, why: error.to_string() },
    };
    executor::run(&args, &functions()).await
}

/// What executors of this application can do.
fn functions() -> Functions {
    Functions::new().with(slice::FUNCTION, slice::run)
}

fn check(options: &PiOptions) -> Result<(), ClientError> {
    let refused = |flag: &str, value: u64| ClientError::InvalidArgument {
        flag: flag.to_owned(),
        value: value.to_string(),
        why: "must be at least 1".to_owned(),
    };
    let amounts = [
        ("--slices", u64::from(options.slices)),
        ("--samples", options.samples),
        ("--executors", u64::from(options.executors)),
        ("--executor-cores", u64::from(options.executor_cores.0)),
    ];
    match amounts.into_iter().find(|(_, value)| *value == 0) {
        Some((flag, value)) => Err(refused(flag, value)),
        None => Ok(()),
    }
}

fn executor_program(options: &PiOptions) -> Result<String, ClientError> {
    let path = match &options.program {
        Some(path) => path.clone(),
        None => std::env::current_exe().map_err(|source| ClientError::OwnProgram { source })?,
    };
    path.to_str().map(ToOwned::to_owned).ok_or_else(|| ClientError::InvalidArgument {
        flag: "executor program".to_owned(),
        value: path.display().to_string(),
        why: "is not UTF-8, which paths of programs must be to be sent to workers".to_owned(),
    })
}

fn description(options: &PiOptions, program: &str, url: &str) -> ApplicationDescription {
    let variables = [
        ("--executor-id", "{{EXECUTOR_ID}}"),
        ("--hostname", "{{HOSTNAME}}"),
        ("--cores", "{{CORES}}"),
        ("--app-id", "{{APP_ID}}"),
        ("--worker-url", "{{WORKER_URL}}"),
        ("--resourceProfileId", "{{RESOURCE_PROFILE_ID}}"),
    ];
    let arguments = [EXECUTOR_COMMAND, "--driver-url", url].into_iter();
    let arguments = arguments.chain(variables.into_iter().flat_map(|(flag, value)| [flag, value]));
    ApplicationDescription {
        name: "pi".to_owned(),
        user: std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()),
        // The number of executors is the limit; without this the cluster's default would be.
        max_cores: Some(Cores(options.executors.saturating_mul(options.executor_cores.0))),
        command: Command {
            program: Program::Executable(program.to_owned()),
            arguments: arguments.map(ToOwned::to_owned).collect(),
            environment: std::collections::BTreeMap::new(),
        },
        ui_url: String::new(),
        default_profile: ResourceProfile {
            id: ProfileId::default(),
            memory: Some(options.executor_memory),
            overhead: None,
            cores: Some(options.executor_cores),
            resources: Amounts::default(),
        },
        initial_executor_limit: Some(first_executors(options)),
        event_log_dir: None,
        event_log_codec: None,
    }
}

/// Executors outside of the middle.
fn first_executors(options: &PiOptions) -> u32 {
    if options.steady { options.executors } else { options.executors.div_ceil(2) }
}

/// The hits of all slices.
async fn estimate(options: &PiOptions, app: &Application, progress: &mut Progress<'_>) -> Result<u64, ClientError> {
    progress.registered(&app.registered().await?)?;
    let few = first_executors(options);
    let (first, last) = (options.slices / 4, options.slices - options.slices / 4);
    let mut hits = phase(options, app, progress, 0..first).await?;

    if few < options.executors {
        scale(app, progress, options.executors).await?;
    }
    progress.wait_for_executors(options.executors, SCALE_PATIENCE).await?;
    hits += phase(options, app, progress, first..last).await?;

    if few < options.executors {
        scale(app, progress, few).await?;
        end_surplus(app, progress, few).await?;
    }
    hits += phase(options, app, progress, last..options.slices).await?;
    Ok(hits)
}

async fn phase(
    options: &PiOptions,
    app: &Application,
    progress: &mut Progress<'_>,
    slices: std::ops::Range<u32>,
) -> Result<u64, ClientError> {
    let at_least_ms = millis(options.task_time);
    let tasks: Result<Vec<Task>, String> = slices
        .map(|number| {
            let payload = Slice { number, samples: options.samples, at_least_ms }.encode()?;
            Ok(Task { function: slice::FUNCTION.to_owned(), payload })
        })
        .collect();
    let tasks = tasks.map_err(|reason| ClientError::Refused { reason })?;
    let results = progress.during(app.run_tasks(tasks)).await??;
    let hits = results.iter().map(|result| slice::decode_hits(result));
    hits.sum::<Option<u64>>().ok_or_else(|| ClientError::Refused { reason: "a result is no number of hits".to_owned() })
}

/// A refusal is said and survived: the slices go on with the executors there are.
async fn scale(app: &Application, progress: &mut Progress<'_>, executors: u32) -> Result<(), ClientError> {
    let taken = progress.during(app.scale_to(executors)).await?;
    progress.say(&format!("asked for {executors} executors in all: {}", verdict(taken)))
}

/// Ends idle executors beyond so many, the youngest first.
async fn end_surplus(app: &Application, progress: &mut Progress<'_>, keep: u32) -> Result<(), ClientError> {
    let executors = app.executors().await;
    let surplus = executors.len().saturating_sub(keep as usize);
    let idle = executors.iter().rev().filter(|executor| executor.running == 0);
    let idle: Vec<_> = idle.take(surplus).map(|executor| executor.id).collect();
    if idle.is_empty() {
        return Ok(());
    }
    let names = idle.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let taken = progress.during(app.end_executors(idle)).await?;
    progress.say(&format!("asked for the end of idle executors {names}: {}", verdict(taken)))
}

fn verdict(taken: bool) -> &'static str {
    if taken { "taken" } else { "refused" }
}
