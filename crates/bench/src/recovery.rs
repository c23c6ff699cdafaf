//! How long a new leader needs to take over a large cluster.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tanist_core::rng::Rng;

use crate::fault::Fault;
use crate::fleet::{Fleet, Plan, StoreKind};
use crate::load;
use crate::machine;
use crate::raw::RawList;
use crate::rounds::{COLUMNS, Series, Step};
use crate::swarm::{Swarm, TOO_MANY_CORES};
use tanist_testkit::measure::Milestones;
use tanist_testkit::measure::say;

const MASTERS: usize = 2;

/// Submissions under way at a time while the queue is filled.
const SUBMITTED_AT_A_TIME: usize = 64;

/// Everybody's next heartbeat after a change of leader, with which the standing questions are put again: an ordinary
/// change of leader does not come within a heartbeat of the last.
const REST: Duration = Duration::from_secs(16);

/// Time from the election until every worker has registered again, at most.
const AIM: Duration = Duration::from_millis(500);

/// Measure the take-over of a large cluster: workers and applications in one process, drivers in the queue
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds of each kind
    #[arg(long, value_name = "N", default_value_t = 10)]
    rounds: usize,
    /// Kinds of fault
    #[arg(long, value_name = "KIND", value_delimiter = ',', default_value = "kill,switchover")]
    faults: Vec<Fault>,
    /// Workers
    #[arg(long, value_name = "N", default_value_t = 1000)]
    workers: usize,
    /// Applications, each waiting for executors
    #[arg(long, value_name = "N", default_value_t = 1000)]
    apps: usize,
    /// Drivers that fit on no worker
    #[arg(long, value_name = "N", default_value_t = 1000)]
    drivers: usize,
    /// Where records are kept
    #[arg(long, value_enum, default_value = "etcd")]
    store: StoreKind,
    /// Members of etcd, 1 or 3
    #[arg(long, value_name = "N", default_value_t = 1)]
    etcd_members: usize,
    /// File for every single measurement; unset: target/bench/recovery-DATE.csv
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let raw = RawList::create(args.raw.as_deref(), "recovery", COLUMNS)?;
    say(&machine::describe());
    let plan = Plan {
        store: args.store,
        etcd_members: args.etcd_members,
        masters: MASTERS,
        workers: 0,
        cores: 0,
        rest: false,
    };
    say(&format!(
        "{plan}; {MASTERS} masters; {} workers and {} applications in one process, {} drivers in the queue; all on this \
         machine\n",
        args.workers, args.apps, args.drivers
    ));
    let fleet = Fleet::start(&plan).await?;
    let begun = Instant::now();
    let swarm = Swarm::start(&fleet.cluster.addresses(), args.workers, args.apps)?;
    fleet.settled(args.workers, args.apps).await?;
    say(&format!("all registered after {:.1} s", begun.elapsed().as_secs_f64()));
    fill_queue(&fleet, args.drivers).await?;
    let leader = fleet.settled(args.workers, args.apps).await?;
    report_memory(&fleet, leader, &swarm)?;
    let rng = Rng::new(jiff::Timestamp::now().subsec_nanosecond().unsigned_abs().into());
    let (workers, apps, swarm_pid) = (args.workers, args.apps, Some(swarm.pid()));
    let mut series = Series { fleet, fillers: None, workers, apps, swarm: swarm_pid, rest: REST, raw, rng };
    for fault in args.faults {
        let outcome = series.run(fault, args.rounds).await?;
        outcome.report(fault, &steps());
    }
    say(&format!("each measurement: {}", series.raw.path().display()));
    say(&machine::load());
    drop(swarm);
    Ok(())
}

async fn fill_queue(fleet: &Fleet, drivers: usize) -> Result<()> {
    let mut driver = load::driver("true", &[]);
    driver.cores = TOO_MANY_CORES;
    let submit = |_| async { fleet.client.submit(&driver).await };
    let submitted = stream::iter(0..drivers).map(submit).buffer_unordered(SUBMITTED_AT_A_TIME);
    submitted.try_for_each(|_| async { Ok(()) }).await.context("filling the queue")
}

fn report_memory(fleet: &Fleet, leader: usize, swarm: &Swarm) -> Result<()> {
    let standby = (leader + 1) % MASTERS;
    let of = |place: usize| machine::resident_mib(fleet.pid(place));
    say(&format!(
        "memory in use: leader {:.0} MiB, standby {:.0} MiB, all workers and applications {:.0} MiB\n",
        of(leader)?,
        of(standby)?,
        machine::resident_mib(swarm.pid())?
    ));
    Ok(())
}

fn steps() -> [Step; 5] {
    let aim = format!("≤ {}", AIM.as_millis());
    [
        Step::new("fault → leader key", "", |round| round.since_fault(round.elected)),
        Step::new("leader key → all workers adopted", &aim, |round| {
            Milestones::between(round.elected, round.adopted)
        }),
        Step::new("leader key → ALIVE", "", |round| Milestones::between(round.elected, round.over)),
        Step::new("processor time of the new leader", "", |round| millis(round.leader_busy)),
        Step::new("processor time of workers and applications", "", |round| millis(round.peers_busy)),
    ]
}

fn millis(busy: Option<Duration>) -> Option<f64> {
    busy.map(|busy| busy.as_secs_f64() * 1000.0)
}
