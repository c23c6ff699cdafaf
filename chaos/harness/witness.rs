//! The program that drivers and executors run: it does nothing but say when it started, that it lives, and why it ended, on
//! its own host and without asking anybody.

use std::env;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tanist_core::units::parse_duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::clock::Boot;
use crate::cluster::HOST_VARIABLE;
use crate::history::{End, Line, Note, Role, Who};

/// How exactly it is known until when a witness lived that was killed.
pub(crate) const BEAT_EVERY: Duration = Duration::from_millis(50);

/// Where the files of witnesses lie on their host.
pub(crate) const FOLDER: &str = "witnesses";

/// Width of the line of beats, which is written over again and again.
const BEAT_WIDTH: usize = 48;

/// 128 + SIGTERM.
const TERMINATED: u8 = 143;

/// Be a driver or an executor that only says that it lives
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long, value_enum)]
    role: Role,
    /// Cores that are booked for it
    #[arg(long)]
    cores: u32,
    /// End by itself after this; unset: when it is told to
    #[arg(long = "for", value_parser = parse_duration)]
    lasts: Option<Duration>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("building a runtime")?;
    runtime.block_on(witness(args))
}

async fn witness(args: &Args) -> Result<ExitCode> {
    // Before anything is said: who is told to end at once says so too.
    let mut terminated = signal(SignalKind::terminate()).context("catching SIGTERM")?;
    let file = Testimony::begin(args)?;
    let done = args.lasts.map(|lasts| Instant::now() + lasts);
    let mut beats = interval(BEAT_EVERY);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            // Whoever is told to end does.
            _ = terminated.recv() => {
                file.end(End::Asked)?;
                return Ok(ExitCode::from(TERMINATED));
            }
            () = sleep_until(done.unwrap_or_else(Instant::now)), if done.is_some() => {
                file.end(End::Done)?;
                return Ok(ExitCode::SUCCESS);
            }
            _ = beats.tick() => file.beat()?,
        }
    }
}

/// Its file: a line for the start, one that is written over for the last beat, one for the end.
struct Testimony {
    file: File,
    beats: u64,
}

impl Testimony {
    fn begin(args: &Args) -> Result<Self> {
        let host = env::var_os(HOST_VARIABLE).with_context(|| format!("{HOST_VARIABLE} is not set"))?;
        let (folder, pid) = (PathBuf::from(host).join(FOLDER), std::process::id());
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let line = line(Note::Start { who: who()?, pid, cores: args.cores, role: args.role })? + "\n";
        let file = create(&folder, pid)?;
        file.write_all_at(line.as_bytes(), 0).context("recording a start")?;
        let testimony = Self { file, beats: line.len() as u64 };
        testimony.beat()?;
        Ok(testimony)
    }

    fn beat(&self) -> Result<()> {
        let line = format!("{:<BEAT_WIDTH$}\n", line(Note::Beat)?);
        self.file.write_all_at(line.as_bytes(), self.beats).context("recording a beat")
    }

    fn end(&self, why: End) -> Result<()> {
        self.beat()?;
        let line = line(Note::End { why })? + "\n";
        self.file.write_all_at(line.as_bytes(), self.beats + BEAT_WIDTH as u64 + 1).context("recording an end")
    }
}

/// A file of its own: numbers of processes come again.
fn create(folder: &Path, pid: u32) -> Result<File> {
    for again in 0.. {
        let path = folder.join(format!("{pid}-{again}.jsonl"));
        match File::create_new(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            created => return created.with_context(|| format!("writing {}", path.display())),
        }
    }
    bail!("no name is free in {}", folder.display())
}

fn line(note: Note) -> Result<String> {
    Ok(serde_json::to_string(&Line { at: Boot::now(), note })?)
}

/// As the worker has told it.
fn who() -> Result<Who> {
    let number = |name: &str| {
        let value = env::var(name).with_context(|| format!("{name} is not set"))?;
        value.parse::<u64>().with_context(|| format!("{name} is {value:?}"))
    };
    if let Ok(driver) = env::var("TANIST_DRIVER_ID") {
        return Ok(Who::Driver { driver, attempt: number("TANIST_DRIVER_ATTEMPT")? });
    }
    let app = env::var("TANIST_APP_ID").context("neither TANIST_DRIVER_ID nor TANIST_APP_ID is set")?;
    Ok(Who::Executor { app, executor: number("TANIST_EXECUTOR_ID")? })
}
