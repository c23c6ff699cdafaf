//! `tanist local`: a whole cluster on this host, to look at or to run one command on.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use tanist_client::{Masters, SubmissionClient};
use tanist_core::model::{DriverDescription, Program};
use tanist_core::units::{Cores, Memory};
use tanist_proto::v1::{MasterRole, WorkerState};

use super::Context;
use super::submit::Driver;
use super::wait::{self, Waited, wait_for_end};
use crate::config::OutputFormat;
use crate::exit::Failure;
use crate::local::{Cluster, Place, Shape};
use crate::output::{self, Column, Output, note};
use crate::signals::{EndRequest, EndRequests};

/// How long workers may take to register with the leader.
const REGISTERED_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The name by which a command means this program.
const OWN_NAME: &str = "tanist";

/// Run a whole cluster on this host
///
/// Starts masters and workers as child processes on an embedded store, and prints their addresses and what to type
/// next. Ctrl-C stops everything.
///
/// With a command after `--`, runs it as a driver on that cluster, shows its output, stops everything and ends with its
/// exit code, as in: tanist local -- tanist pi --executors 4. The command runs in a directory of its own: a program
/// given by a relative path is looked for here, its arguments are left alone. A command named tanist that is not in
/// PATH means this program.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Masters: one leads, the others stand by
    #[arg(long, value_name = "N", default_value = "2", value_parser = count)]
    masters: u32,
    /// Workers
    #[arg(long, value_name = "N", default_value = "2", value_parser = count)]
    workers: u32,
    /// Cores that each worker offers, whatever this host has
    #[arg(long, value_name = "N", default_value = "4", value_parser = Cores::parse)]
    cores_per_worker: Cores,
    /// Memory that each worker offers, whatever this host has
    #[arg(long, value_name = "SIZE", default_value = "4g", value_parser = Memory::parse)]
    memory_per_worker: Memory,
    /// Directory for store, work directories and logs; it stays. Without it: a temporary one
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Keep the temporary directory
    #[arg(long, conflicts_with = "dir")]
    keep: bool,
    #[command(flatten, next_help_heading = "Options of the command that is run")]
    driver: Driver,
    /// A command to run as a driver, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Most masters, and most workers, of a local cluster.
const MOST: u32 = 100;

fn count(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count @ 1..=MOST) => Ok(count),
        _ => Err(format!("allowed: a whole number from 1 to {MOST}")),
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let mut place = args.dir.as_deref().map_or_else(|| Place::fresh(args.keep), Place::given)?;
    let outcome = live(args, &place, context).await;
    if outcome.is_err() && place.is_temporary() {
        note(&format!("tanist: kept for you to look at: {}", place.root().display()));
        place.keep();
    }
    outcome
}

/// From the start of the cluster to its end.
async fn live(args: Args, place: &Place, context: &Context) -> Result<ExitCode, Failure> {
    let mut end_requests = EndRequests::listen()?;
    let shape = Shape {
        masters: args.masters,
        workers: args.workers,
        cores: args.cores_per_worker,
        memory: args.memory_per_worker,
    };
    let job = (!args.command.is_empty()).then(|| here(args.driver.description(args.command)));
    let job = job.transpose()?;
    let (mut cluster, client) = tokio::select! {
        biased;
        // Children that have been started end when the unfinished cluster is dropped.
        request = end_requests.next() => return Ok(ExitCode::from(request.code())),
        started = start(shape, place, context) => started?,
    };
    let outcome = match job {
        Some(job) => {
            note(&format!("tanist: local cluster {} in {}", cluster.addresses(), place.root().display()));
            run_job(&mut cluster, &client, &job, &mut end_requests).await
        }
        None => stand(&mut cluster, &client, place, &mut end_requests).await,
    };
    let impatient = tokio::select! {
        biased;
        // Asked twice, nothing is waited for any more.
        _ = end_requests.next() => true,
        () = cluster.stop() => false,
    };
    if impatient {
        cluster.kill().await;
    }
    outcome
}

/// Starts everything and waits until the workers are known to the leader.
async fn start(shape: Shape, place: &Place, context: &Context) -> Result<(Cluster, SubmissionClient), Failure> {
    let mut cluster = Cluster::start(shape, place, &context.arguments_for_children()).await?;
    let client = SubmissionClient::new(Masters::new(cluster.master_list()?));
    tokio::select! {
        biased;
        // A child that ends now would be waited for in vain.
        end = cluster.next_end() => {
            return Err(anyhow!("{} {} while the cluster was starting; see {}", end.name, end.how, end.log.display()).into());
        }
        registered = tokio::time::timeout(REGISTERED_WITHIN, registered(&client, shape.workers)) => {
            registered.map_err(|_| {
                let logs = place.root().join("logs");
                anyhow!("not all workers are registered after {} s; see {}", REGISTERED_WITHIN.as_secs(), logs.display())
            })??;
        }
    }
    Ok((cluster, client))
}

async fn registered(client: &SubmissionClient, workers: u32) -> Result<(), Failure> {
    loop {
        let state = client.state().await?;
        let alive = state.workers.iter().filter(|worker| worker.state() == WorkerState::Alive).count();
        if state.role() == MasterRole::Alive && alive == workers as usize {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Lets the cluster stand until somebody asks for its end.
async fn stand(
    cluster: &mut Cluster,
    client: &SubmissionClient,
    place: &Place,
    end_requests: &mut EndRequests,
) -> Result<ExitCode, Failure> {
    output::print(&welcome(cluster, client, place).await)?;
    tokio::select! {
        biased;
        request = end_requests.next() => {
            note("stopping everything");
            Ok(ExitCode::from(if request == EndRequest::Interrupt { 0 } else { request.code() }))
        }
        failure = watch(cluster) => Err(failure),
    }
}

/// Tells of children that end, until no driver can run any more.
async fn watch(cluster: &mut Cluster) -> Failure {
    loop {
        let end = cluster.next_end().await;
        note(&format!("tanist: {} {}; its log is {}", end.name, end.how, end.log.display()));
        if !cluster.is_whole_enough() {
            return anyhow!("no master or no worker is left").into();
        }
    }
}

/// Runs the command and shows its output.
async fn run_job(
    cluster: &mut Cluster,
    client: &SubmissionClient,
    job: &DriverDescription,
    end_requests: &mut EndRequests,
) -> Result<ExitCode, Failure> {
    let id = client.submit(job).await?;
    let waited = tokio::select! {
        biased;
        waited = wait_for_end(client, &id, true, end_requests) => waited?,
        failure = watch(cluster) => return Err(failure),
    };
    Ok(match waited {
        Waited::Ended(status) => wait::exit_code(&status),
        Waited::Asked(request) => ExitCode::from(request.code()),
    })
}

/// The same program where a driver finds it: a relative path is one from here, and our own name is ourselves if nobody
/// else has it.
fn here(mut job: DriverDescription) -> Result<DriverDescription, Failure> {
    let Program::Executable(program) = &job.command.program else { return Ok(job) };
    let path = if program.contains('/') {
        std::path::absolute(program)
    } else if program == OWN_NAME && !is_in_path(OWN_NAME) {
        std::env::current_exe()
    } else {
        return Ok(job);
    };
    let path = path.map_err(|error| anyhow!("finding program {program:?}: {error}"))?;
    let path = path.to_str().ok_or_else(|| {
        Failure::Usage(format!("program {} is not allowed; allowed: a path in UTF-8", path.display()))
    })?;
    job.command.program = Program::Executable(path.to_owned());
    Ok(job)
}

fn is_in_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// What runs where, and what to type next.
async fn welcome(cluster: &Cluster, client: &SubmissionClient, place: &Place) -> String {
    let survey = client.masters().survey().await;
    let role = |address: &str| {
        let answer = survey.iter().find(|(master, _)| master == address).and_then(|(_, answer)| answer.as_ref().ok());
        answer.map_or_else(|| "-".to_owned(), |answer| answer.role.to_string())
    };
    let rows: Vec<Row> = cluster
        .children()
        .map(|(name, ready, pid, log)| Row {
            name: name.to_owned(),
            address: ready.address.clone(),
            role: if name.starts_with("master") { role(&ready.address) } else { "worker".to_owned() },
            web: ready.web.clone().unwrap_or_default(),
            pid,
            log: log.display().to_string(),
        })
        .collect();
    let table = Output::new(OutputFormat::Table).table(&rows, &COLUMNS);
    let command = own_command();
    let stays = if place.is_temporary() { "goes when this ends" } else { "stays" };
    format!(
        "{table}\n\nEverything is in {root}, which {stays}. Type next, in another terminal:\n\n  \
         export TANIST_MASTERS={addresses}\n  \
         {command} submit --follow -- echo hello\n  \
         {command} submit --follow -- {command} pi --executors 4\n  \
         {command} status\n\nCtrl-C stops everything.",
        root = place.root().display(),
        addresses = cluster.addresses(),
    )
}

/// How to call this program from a shell.
fn own_command() -> String {
    match std::env::current_exe() {
        Ok(path) if !is_in_path(OWN_NAME) => path.display().to_string(),
        _ => OWN_NAME.to_owned(),
    }
}

struct Row {
    name: String,
    address: String,
    role: String,
    web: String,
    pid: u32,
    log: String,
}

const COLUMNS: [Column<Row>; 6] = [
    Column::new("PROCESS", |row| row.name.clone()),
    Column::new("ADDRESS", |row| row.address.clone()),
    Column::state("ROLE", |row| row.role.clone()),
    Column::new("WEB", |row| row.web.clone()),
    Column::new("PID", |row| row.pid.to_string()),
    Column::new("LOG", |row| row.log.clone()),
];
