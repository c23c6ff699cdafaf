//! How long a change of leader takes, step by step, for each way in which a leader is lost.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tanist_core::rng::Rng;

use crate::fault::Fault;
use crate::fleet::{Fleet, Plan, StoreKind};
use crate::load::{self, Fillers};
use crate::machine;
use crate::raw::RawList;
use crate::rounds::{COLUMNS, Series, Step};
use tanist_testkit::measure::Milestones;
use tanist_testkit::measure::say;

const MASTERS: usize = 3;
const WORKERS: usize = 4;
const CORES_PER_WORKER: u32 = 4;

/// Renewed leases live this long.
const LEASE: Duration = Duration::from_secs(5);

/// Time from killing a leader to the first decision of the next one, at most, in the middle.
const KILL_AIM_MS: f64 = 150.0;
/// Time in which nobody decides, at most, in the middle.
const SWITCHOVER_AIM_MS: f64 = 50.0;
/// Time from stopping a leader to the first decision of the next one, at most.
const STOP_AIM_MS: f64 = (LEASE.as_millis() + 1000) as f64;

/// Measure failover step by step: kill -9 of the leader, switchover, SIGSTOP of the leader
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds of each kind
    #[arg(long, value_name = "N", default_value_t = 30)]
    rounds: usize,
    /// Kinds of fault
    #[arg(long, value_name = "KIND", value_delimiter = ',', default_value = "kill,switchover,stop")]
    faults: Vec<Fault>,
    /// Where records are kept
    #[arg(long, value_enum, default_value = "etcd")]
    store: StoreKind,
    /// Members of etcd, 1 or 3
    #[arg(long, value_name = "N", default_value_t = 1)]
    etcd_members: usize,
    /// File for every single measurement; unset: target/bench/failover-DATE.csv
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let raw = RawList::create(args.raw.as_deref(), "failover", COLUMNS)?;
    say(&machine::describe());
    let plan = Plan {
        store: args.store,
        etcd_members: args.etcd_members,
        masters: MASTERS,
        workers: WORKERS,
        cores: CORES_PER_WORKER,
        rest: false,
    };
    say(&format!(
        "{plan}; {MASTERS} masters, {WORKERS} workers of {CORES_PER_WORKER} cores, full: an application of {} executors, \
         drivers behind it in a queue; all on this machine\n",
        load::EXECUTORS
    ));
    let fleet = Fleet::start(&plan).await?;
    load::start_pi(&fleet).await?;
    let fillers = Some(Fillers::new(&fleet.cluster.directory())?);
    let rng = Rng::new(jiff::Timestamp::now().subsec_nanosecond().unsigned_abs().into());
    let (workers, rest) = (WORKERS, Duration::ZERO);
    let mut series = Series { fleet, fillers, workers, apps: 1, swarm: None, rest, raw, rng };
    for fault in args.faults {
        let outcome = series.run(fault, args.rounds).await?;
        outcome.report(fault, &steps(fault));
    }
    say(&format!("executors lost over all rounds: {}", load::executors_lost(&series.fleet.client).await?));
    say(&format!("each measurement: {}", series.raw.path().display()));
    say(&machine::load());
    Ok(())
}

/// Each step by itself, then what a user sees.
fn steps(fault: Fault) -> Vec<Step> {
    let between = |name, from_to: fn(&Milestones) -> Option<f64>| Step::new(name, "", from_to);
    let decided = between("leader key → first decision", |round| Milestones::between(round.elected, round.decided));
    let adopted =
        between("leader key → all workers adopted", |round| Milestones::between(round.elected, round.adopted));
    let all_adopted = between("fault → all workers adopted", |round| round.since_fault(round.adopted));
    let first_decision =
        |aim: &str| Step::new("fault → first decision", aim, |round| round.since_fault(round.decided));
    match fault {
        Fault::Kill => vec![
            between("fault → suspicion", |round| round.since_fault(round.suspected)),
            between("suspicion → leader key", |round| Milestones::between(round.suspected, round.elected)),
            decided,
            adopted,
            first_decision(&format!("p50 ≤ {KILL_AIM_MS}")),
            all_adopted,
        ],
        Fault::Switchover => vec![
            between("command → old leader stops", |round| round.since_fault(round.suspected)),
            between("old leader stops → leader key", |round| Milestones::between(round.suspected, round.elected)),
            decided,
            adopted,
            Step::new("old leader stops → first decision", &format!("p50 ≤ {SWITCHOVER_AIM_MS}"), |round| {
                Milestones::between(round.suspected, round.decided)
            }),
            all_adopted,
        ],
        // Nobody suspects a leader whose connections stay open: its lease runs out.
        Fault::Stop => vec![
            between("fault → leader key", |round| round.since_fault(round.elected)),
            decided,
            adopted,
            first_decision(&format!("≤ {STOP_AIM_MS}")),
            all_adopted,
        ],
    }
}
