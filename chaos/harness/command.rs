//! The command line.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::net::{self, Kind};
use crate::run::{self, Outcome, Wishes};
use crate::scenario::{self, Seed};
use crate::stop::Stop;
use crate::{client, report, witness};

/// Exit code of a run that could not be carried out, or was interrupted.
pub(crate) const NOT_CARRIED_OUT: u8 = 3;
/// Exit code of a run in which something promised was broken.
const VIOLATED: u8 = 1;

const AFTER_HELP: &str = "\
Exit codes: 0 everything held, 1 something promised was broken, 2 wrong usage, 3 a run could not be carried out or was \
interrupted.";

/// Scenarios of faults on clusters of real processes
#[derive(Debug, Parser)]
#[command(name = "tanist-chaos", version, after_help = AFTER_HELP, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios, one after the other: names of the project's own, or files
    Run {
        #[arg(required = true, value_name = "NAME|FILE")]
        scenarios: Vec<String>,
        /// Properties that must be broken, and no others: for builds that are broken on purpose
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        expect: Vec<String>,
        #[command(flatten)]
        flags: RunFlags,
    },
    /// Run every scenario of the project
    All {
        #[command(flatten)]
        flags: RunFlags,
    },
    /// Run a short selection, patiently: for machines that have other things to do as well
    Ci {
        #[command(flatten)]
        flags: RunFlags,
    },
    /// Run random faults drawn from a seed
    Random {
        /// The seed; unset: another one in every run
        #[arg(long)]
        seed: Option<Seed>,
        /// For how long faults happen
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1440))]
        minutes: u64,
        /// Only print the scenario
        #[arg(long)]
        print: bool,
        #[command(flatten)]
        flags: RunFlags,
    },
    /// Measure failover: one fault again and again
    Rounds {
        /// Which
        #[arg(long, value_enum, value_delimiter = ',', default_value = "kill")]
        fault: Vec<report::RoundFault>,
        /// How often
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        rounds: u32,
        #[command(flatten)]
        flags: RunFlags,
    },
    /// Make a page and a picture of what rounds have measured
    Failover {
        /// Reports of rounds
        #[arg(required = true, value_name = "DIR")]
        reports: Vec<PathBuf>,
        /// Where failover.md and failover.svg go
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
    },
    /// List the project's scenarios
    List,
    /// Read scenario files and tell all mistakes in them
    Check {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Judge the histories of a report again, and write its page and picture anew
    Judge {
        #[arg(value_name = "DIR")]
        report: PathBuf,
    },
    /// Remove what killed runs have left behind
    Clean,
    #[command(hide = true)]
    Witness(witness::Args),
    #[command(hide = true)]
    Client(client::Args),
    #[command(hide = true)]
    Janitor { run: String },
}

#[derive(Debug, clap::Args)]
struct RunFlags {
    /// How hosts are kept apart; unset: by namespaces where they are allowed
    #[arg(long, value_enum)]
    network: Option<NetworkWish>,
    /// Directory for the report, which must not exist; with several scenarios one below it for each; unset: below target/chaos
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// How many times as long as promised everything may take: for slow machines
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    patience: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NetworkWish {
    /// A network namespace for each host
    Namespaces,
    /// Processes on loopback with proxies between them
    Proxy,
}

impl RunFlags {
    fn wishes(&self, name: &str, one_of_many: bool) -> Wishes {
        let network = self.network.map(|wish| match wish {
            NetworkWish::Namespaces => Kind::Namespaces,
            NetworkWish::Proxy => Kind::Loopback,
        });
        let report = self.report.as_ref().map(|report| if one_of_many { report.join(name) } else { report.clone() });
        Wishes { network, report, patience: self.patience }
    }
}

/// The selection of `ci`: each stands for a family.
const SELECTION: [&str; 5] =
    ["leader-killed", "leader-cut-from-etcd", "two-operators", "all-etcd-away-briefly", "worker-cut-off"];
/// Patience of `ci` at least: its machines are loaded.
const CI_PATIENCE: u32 = 4;

impl Cli {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Run { scenarios, expect, flags } => {
                let scenarios = scenarios.iter().map(|name| named(name)).collect::<Result<Vec<_>>>()?;
                let outcomes = outcomes(&scenarios, &flags)?;
                Ok(if expect.is_empty() { verdict(&outcomes) } else { expected(&expect, &outcomes) })
            }
            Command::All { flags } => {
                let files = run::scenarios()?;
                run_all(&files.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?, &flags)
            }
            Command::Ci { flags } => {
                let flags = RunFlags { patience: flags.patience.max(CI_PATIENCE), ..flags };
                run_all(&SELECTION.iter().map(|name| named(name)).collect::<Result<Vec<_>>>()?, &flags)
            }
            Command::Random { seed, minutes, print, flags } => random(seed, minutes, print, &flags),
            Command::Rounds { fault, rounds, flags } => {
                let texts: Vec<Named> = fault.iter().map(|fault| (fault.name(), fault.scenario(rounds))).collect();
                run_all(&texts, &flags)
            }
            Command::Failover { reports, into } => report::compare(&reports, &into).map(|()| ExitCode::SUCCESS),
            Command::List => list(),
            Command::Check { files } => check(&files),
            Command::Judge { report } => judge(&report),
            Command::Clean => net::clean_all(print).map(|()| ExitCode::SUCCESS),
            Command::Witness(args) => witness::run(&args),
            Command::Client(args) => client::run(&args),
            Command::Janitor { run } => net::janitor(&run).map(|()| ExitCode::SUCCESS),
        }
    }
}

/// A scenario's name and text.
type Named = (String, String);

fn print(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// A file, or a scenario of the project.
fn named(name: &str) -> Result<Named> {
    let path = Path::new(name);
    if path.is_file() {
        return read(path);
    }
    let all = run::scenarios()?;
    let Some(file) = all.iter().find(|file| file.file_stem().is_some_and(|stem| stem == name)) else {
        let known: Vec<String> = all.iter().filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect();
        bail!("{name:?} is no scenario; allowed: a file, or one of {}", known.join(", "))
    };
    read(file)
}

fn read(file: &Path) -> Result<Named> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((name, text))
}

fn run_all(scenarios: &[Named], flags: &RunFlags) -> Result<ExitCode> {
    outcomes(scenarios, flags).map(|outcomes| verdict(&outcomes))
}

fn verdict(outcomes: &[Outcome]) -> ExitCode {
    if outcomes.iter().all(Outcome::is_green) { ExitCode::SUCCESS } else { ExitCode::from(VIOLATED) }
}

/// Whether these properties are broken in every run, and no others.
fn expected(properties: &[String], outcomes: &[Outcome]) -> ExitCode {
    let as_expected = outcomes.iter().all(|outcome| outcome.broken() == *properties);
    print(&format!(
        "{} to be broken: {}",
        properties.join(", "),
        if as_expected { "they are" } else { "they are not" }
    ));
    if as_expected { ExitCode::SUCCESS } else { ExitCode::from(VIOLATED) }
}

fn outcomes(scenarios: &[Named], flags: &RunFlags) -> Result<Vec<Outcome>> {
    let stop = interruptible()?;
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (name, text) in scenarios {
        let outcome = run::run(name, text, &flags.wishes(name, scenarios.len() > 1), &stop)?;
        report::tell(&outcome);
        outcomes.push(outcome);
    }
    report::summarize(&outcomes);
    Ok(outcomes)
}

fn random(seed: Option<Seed>, minutes: u64, only_print: bool, flags: &RunFlags) -> Result<ExitCode> {
    let fresh = || Seed(std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) >> 16);
    let seed = seed.unwrap_or_else(fresh);
    let text = scenario::draw(seed, Duration::from_secs(60 * minutes)).to_string();
    print(&format!("# seed {seed}; again: cargo xtask chaos random --seed {seed} --minutes {minutes}\n{text}"));
    if only_print { Ok(ExitCode::SUCCESS) } else { run_all(&[(format!("random-{seed}"), text)], flags) }
}

fn list() -> Result<ExitCode> {
    for file in run::scenarios()? {
        let (name, text) = read(&file)?;
        match scenario::parse(&text) {
            Ok(scenario) => print(&format!("{name:<32} {:>4} s  {}", scenario.length().as_secs(), scenario.about)),
            Err(problems) => {
                print(&format!("{name:<32}  {}", problems.first().map(ToString::to_string).unwrap_or_default()));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check(files: &[PathBuf]) -> Result<ExitCode> {
    let mut fine = true;
    for file in files {
        match scenario::parse(&read(file)?.1) {
            Ok(scenario) => print(&format!("{}: fine, {} steps", file.display(), scenario.steps.len())),
            Err(problems) => {
                fine = false;
                for problem in problems {
                    print(&format!("{}: {problem}", file.display()));
                }
            }
        }
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(NOT_CARRIED_OUT) })
}

fn judge(report: &Path) -> Result<ExitCode> {
    ensure!(report.is_dir(), "{} is no directory; allowed: the report of a run", report.display());
    let outcome = report::read_again(report)?;
    report::write(&report::Place { path: report.to_owned() }, &outcome)?;
    report::tell(&outcome);
    Ok(if outcome.is_green() { ExitCode::SUCCESS } else { ExitCode::from(VIOLATED) })
}

/// Whatever asks this process to end asks the run to end: it cleans up behind itself.
fn interruptible() -> Result<Stop> {
    let stop = Stop::default();
    let asked = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("building a runtime")?;
    let mut signals = {
        let _inside = runtime.enter();
        let caught = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        caught.into_iter().collect::<io::Result<Vec<_>>>().context("catching signals")?
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            let [interrupt, terminate, hangup] = signals.as_mut_slice() else { return };
            tokio::select! {
                biased;
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            let _ = writeln!(io::stderr(), "interrupted: ending everything");
            asked.ask();
            // Further ones change nothing: who was asked once is asked.
            std::future::pending::<()>().await;
        });
    });
    Ok(stop)
}
