//! The clients' host: submissions on a fixed schedule, and an application. A process of its own, driven over standard input.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tanist_client::app::{AppClient, AppOptions, Notice};
use tanist_client::{ClientError, MasterList, Masters, SubmissionClient};
use tanist_core::ids::RequestId;
use tanist_core::model::{
    Amounts, ApplicationDescription, Command, DriverDescription, OnIsolation, Program, ResourceProfile,
};
use tanist_core::units::{Cores, Memory, parse_duration};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::clock::Boot;
use crate::history::{Note, Recorder, Role};

/// How long a job of the schedule takes.
pub(crate) const JOB_LASTS: Duration = Duration::from_millis(300);
/// What is booked for each driver and executor, and what its witness says of itself.
const CORES: Cores = Cores(1);
const MEMORY: Memory = Memory::mib(32);
/// Deadline of one try; it is repeated under the same request id until it is answered.
const TRY_WITHIN: Duration = Duration::from_secs(15);
/// Pause before it is repeated.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
const NOTICES: usize = 1024;
const ORDERS: usize = 16;

/// Be the clients of a cluster
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The masters
    #[arg(long)]
    masters: String,
    /// Where what happens is recorded
    #[arg(long)]
    history: PathBuf,
    /// Address of this host
    #[arg(long)]
    host: String,
    /// A job is submitted so often
    #[arg(long, value_parser = parse_duration)]
    every: Duration,
    /// Executors of the application, 0 = none
    #[arg(long)]
    executors: u32,
}

/// What the harness asks for, one per line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// Drivers that run to the end.
    Base { plain: u32, supervised: u32, once: u32 },
    /// The schedule begins.
    Schedule,
    /// It ends; what was submitted is still waited for.
    Quiet,
    /// A driver that only this worker can run.
    Probe { worker: String },
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(clients(args))?;
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

async fn clients(args: &Args) -> Result<()> {
    let list = MasterList::parse("masters", &args.masters)?;
    let submitter = Arc::new(Submitter {
        client: SubmissionClient::new(Masters::new(list.clone()).with_deadline(TRY_WITHIN)),
        recorder: Recorder::open(&args.history)?,
        program: std::env::current_exe().context("the path of this program")?.display().to_string(),
    });
    let _app = application(args, list, &submitter.program).await?;
    let (schedule, scheduled) = watch::channel(false);
    let every = args.every;
    tokio::spawn({
        let submitter = submitter.clone();
        async move { submitter.keep_submitting(every, scheduled).await }
    });
    let mut orders = orders();
    // Their end is the end of whoever orders.
    while let Some(line) = orders.recv().await {
        match serde_json::from_str(&line).with_context(|| format!("order {line:?}"))? {
            Order::Base { plain, supervised, once } => submitter.base([plain, supervised, once]),
            Order::Schedule => drop(schedule.send_replace(true)),
            Order::Quiet => drop(schedule.send_replace(false)),
            Order::Probe { worker } => submitter.probe(&worker),
        }
    }
    Ok(())
}

/// What comes in on standard input, line by line.
fn orders() -> mpsc::Receiver<String> {
    let (send, orders) = mpsc::channel(ORDERS);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lines().map_while(Result::ok);
        // Whoever does not read any more has ended.
        let _ = lines.map(|line| send.blocking_send(line)).take_while(Result::is_ok).count();
    });
    orders
}

/// Registers the application. Its executors are witnesses, which talk to nobody.
async fn application(args: &Args, masters: MasterList, program: &str) -> Result<Option<AppClient>> {
    if args.executors == 0 {
        return Ok(None);
    }
    let description = ApplicationDescription {
        name: "chaos".to_owned(),
        user: "chaos".to_owned(),
        max_cores: Some(Cores(args.executors * CORES.0)),
        command: Command {
            program: Program::Executable(program.to_owned()),
            arguments: witness(Role::Executor),
            environment: BTreeMap::new(),
        },
        default_profile: ResourceProfile { memory: Some(MEMORY), cores: Some(CORES), ..ResourceProfile::default() },
        initial_executor_limit: Some(args.executors),
        ..ApplicationDescription::default()
    };
    let options = AppOptions {
        masters,
        description,
        bind: format!("{}:0", args.host),
        advertised_host: None,
        prefer_configured_master_address: false,
        max_registration_retries: None,
    };
    let (notices, mut told) = mpsc::channel::<Notice>(NOTICES);
    tokio::spawn(async move { while told.recv().await.is_some() {} });
    Ok(Some(AppClient::start(options, notices).await?))
}

/// The arguments by which this program is a witness.
fn witness(role: Role) -> Vec<String> {
    let (role, cores) = (format!("{role:?}").to_lowercase(), CORES.0.to_string());
    ["witness", "--role", &role, "--cores", &cores].map(str::to_owned).into()
}

struct Submitter {
    client: SubmissionClient,
    recorder: Recorder,
    program: String,
}

impl Submitter {
    async fn keep_submitting(self: Arc<Self>, every: Duration, mut on: watch::Receiver<bool>) {
        let mut number = 0;
        while on.wait_for(|on| *on).await.is_ok() {
            let mut ticks = interval_at(Instant::now() + every, every);
            // A tick that comes late is not left out: the schedule counts, not the moment.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            while *on.borrow() {
                let late = Instant::now().saturating_duration_since(ticks.tick().await);
                number += 1;
                let driver = self.witness(Role::Job, Some(JOB_LASTS));
                self.clone().submit(format!("job-{number}"), Boot::now() - late, Role::Job, driver);
            }
        }
    }

    fn base(self: &Arc<Self>, counts: [u32; 3]) {
        for (role, count) in [Role::Plain, Role::Supervised, Role::Once].into_iter().zip(counts) {
            for number in 1..=count {
                let driver = self.witness(role, None);
                self.clone().submit(format!("{role:?}-{number}").to_lowercase(), Boot::now(), role, driver);
            }
        }
    }

    fn probe(self: &Arc<Self>, worker: &str) {
        let resources = Amounts::new([(worker.to_owned(), 1)]);
        let driver = DriverDescription { resources, ..self.witness(Role::Probe, Some(JOB_LASTS)) };
        self.clone().submit(format!("probe-{worker}"), Boot::now(), Role::Probe, driver);
    }

    fn witness(&self, role: Role, lasts: Option<Duration>) -> DriverDescription {
        let mut arguments = witness(role);
        arguments.extend(lasts.into_iter().flat_map(|lasts| ["--for".to_owned(), format!("{}ms", lasts.as_millis())]));
        DriverDescription {
            memory: MEMORY,
            cores: CORES,
            supervise: matches!(role, Role::Supervised | Role::Once),
            command: Command {
                program: Program::Executable(self.program.clone()),
                arguments,
                environment: BTreeMap::new(),
            },
            on_isolation: if role == Role::Once { OnIsolation::Kill } else { OnIsolation::Continue },
            ..DriverDescription::default()
        }
    }

    fn submit(self: Arc<Self>, request: String, intended: Boot, role: Role, driver: DriverDescription) {
        tokio::spawn(async move {
            if let Err(error) = self.until_answered(request, intended, role, &driver).await {
                // Without its history the run proves nothing: its end tells the harness.
                eprintln!("client: {error:#}");
                std::process::exit(1);
            }
        });
    }

    /// Every try carries the same request id, as a careful client's do.
    async fn until_answered(
        &self,
        request: String,
        intended: Boot,
        role: Role,
        driver: &DriverDescription,
    ) -> Result<()> {
        let id = RequestId::new(&request).context("a request id")?;
        self.recorder.note(Note::Asked { request: request.clone(), intended, role })?;
        loop {
            match self.client.submit_as(&id, driver).await {
                Ok(driver) => return self.recorder.note(Note::Answered { request, driver: driver.to_string() }),
                Err(error @ (ClientError::Refused { .. } | ClientError::InvalidRequest { .. })) => {
                    return self.recorder.note(Note::Refused { request, error: error.to_string() });
                }
                Err(error) => {
                    self.recorder.note(Note::Failed { request: request.clone(), error: error.to_string() })?;
                }
            }
            sleep(AGAIN_AFTER).await;
        }
    }
}
