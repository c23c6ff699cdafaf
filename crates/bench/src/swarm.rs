//! Many workers and applications in one process: the real libraries, with nothing to run.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use tanist_client::app::Standing;
use tanist_client::{AppClient, AppOptions, MasterList};

use tanist_core::model::{ApplicationDescription, Command, Program, ResourceProfile};
use tanist_core::units::{Cores, Memory};
use tanist_worker::WorkerOptions;
use tokio::net::TcpListener;
use tokio::process::{self, Child};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};

/// Where the state of workers lies: in memory if possible, because a thousand real ones have a thousand disks.
const MEMORY_BACKED: &str = "/dev/shm";

/// What one of the workers offers, and less than an application or driver of the benchmark wants.
const CORES: u32 = 16;
const MEMORY_MIB: u64 = 65_536;

/// Cores that nobody has.
pub(crate) const TOO_MANY_CORES: Cores = Cores(10_000);

/// Be many workers and applications, until standard input ends
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    masters: String,
    #[arg(long)]
    workers: usize,
    #[arg(long)]
    apps: usize,
}

/// The process of a swarm, seen from outside. It ends with the value.
#[derive(Debug)]
pub(crate) struct Swarm(Child);

impl Swarm {
    /// Starts it. It registers with these masters at once.
    ///
    /// # Errors
    /// If the process does not start.
    pub(crate) fn start(masters: &str, workers: usize, apps: usize) -> Result<Self> {
        let this = std::env::current_exe().context("the path of this program")?;
        let (workers, apps) = (workers.to_string(), apps.to_string());
        let arguments = ["swarm", "--masters", masters, "--workers", &workers, "--apps", &apps];
        // The end of its standard input, which only this process holds, is its end too.
        let started = process::Command::new(this).args(arguments).stdin(Stdio::piped()).spawn();
        started.map(Self).context("starting the swarm")
    }

    /// Its process, for its figures.
    pub(crate) fn pid(&self) -> i32 {
        self.0.id().and_then(|id| i32::try_from(id).ok()).unwrap_or(-1)
    }
}

/// The work of that process.
///
/// # Errors
/// If a worker or application cannot be started, or ends.
pub(crate) async fn run(args: Args) -> Result<()> {
    let parent = Path::new(MEMORY_BACKED);
    let mut directory = tempfile::Builder::new();
    let directory = directory.prefix("tanist-swarm-");
    let directory = if parent.is_dir() { directory.tempdir_in(parent) } else { directory.tempdir() };
    let directory = directory.context("a temporary directory")?;
    let masters = MasterList::parse("--masters", &args.masters)?;
    let mut all = JoinSet::new();
    for number in 0..args.workers {
        all.spawn(worker(masters.clone(), directory.path().join(number.to_string())));
    }
    for number in 0..args.apps {
        all.spawn(application(masters.clone(), number));
    }
    let input = spawn_blocking(|| std::io::stdin().read(&mut [0]));
    tokio::select! {
        biased;
        // Whoever started this is gone.
        _ = input => Ok(()),
        Some(ended) = all.join_next() => ended.context("one of the swarm")?,
    }
}

async fn worker(masters: MasterList, directory: PathBuf) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for a worker")?;
    let mut options = WorkerOptions::new("127.0.0.1", masters.addresses().to_vec(), directory.clone());
    options.local_dirs = vec![directory];
    options.offer.cores = Some(Cores(CORES));
    options.offer.memory = Some(Memory::mib(MEMORY_MIB));
    options.behaviour.cleanup_enabled = false;
    let exit = tanist_worker::run(options, listener, |_| {}, std::future::pending()).await?;
    anyhow::bail!("a worker of the swarm ended: {}", exit.why)
}

async fn application(masters: MasterList, number: usize) -> Result<()> {
    let description = ApplicationDescription {
        name: format!("app {number}"),
        user: "bench".to_owned(),
        command: Command { program: Program::Executable("true".to_owned()), ..Command::default() },
        default_profile: ResourceProfile {
            memory: Some(Memory::mib(1024)),
            cores: Some(TOO_MANY_CORES),
            ..ResourceProfile::default()
        },
        ..ApplicationDescription::default()
    };
    let options = AppOptions {
        masters,
        description,
        bind: "127.0.0.1:0".to_owned(),
        advertised_host: None,
        prefer_configured_master_address: false,
        max_registration_retries: None,
    };
    // Nobody wants to hear what happens to it.
    let (deaf, _) = mpsc::channel(1);
    let client = AppClient::start(options, deaf).await.context("an application of the swarm")?;
    let mut standing = client.standing();
    let ended = standing.wait_for(|standing| matches!(standing, Standing::Ended { .. })).await;
    anyhow::bail!("an application of the swarm ended: {:?}", ended.map(|standing| standing.clone()))
}
