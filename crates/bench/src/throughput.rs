//! How many drivers can be submitted per second, each answered once it is durable, and what a cluster at rest costs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use tanist_client::{MasterList, Masters, SubmissionClient};
use tanist_core::model::DriverDescription;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use crate::fleet::{Fleet, Plan, StoreKind};
use crate::load;
use crate::machine;
use crate::meter::{Costs, Meter};
use tanist_testkit::measure::{Sample, millis, say, table};

/// Submissions per second with the most clients, at least.
const AIM_PER_SECOND: f64 = 5_000.0;

/// Memory of a master and of a worker that have nothing to do, at most.
const AIM_AT_REST_MIB: f64 = 20.0;

/// Not counted: connections are opened, caches filled.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long processes have nothing to do before they are at rest.
const UNTIL_AT_REST: Duration = Duration::from_secs(5);

/// How often a queue that is cleared is cleared: it stays short, and the clearing is a small part of the work.
const CLEARED_EVERY: Duration = Duration::from_millis(100);

/// What becomes of submitted drivers. There is no worker that could take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Queue {
    /// They are killed all the time. That is work for master and store too, and is not counted as any.
    Cleared,
    /// They wait: the queue is as long as the run.
    Grows,
}

/// Measure durable submissions of drivers per second, and memory at rest
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Clients at a time, each with a connection of its own and one submission under way
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,32,256")]
    clients: Vec<usize>,
    /// How long each of them is measured, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,
    /// Where records are kept
    #[arg(long, value_enum, value_delimiter = ',', default_value = "etcd,embedded")]
    stores: Vec<StoreKind>,
    /// What becomes of submitted drivers
    #[arg(long, value_enum, value_delimiter = ',', default_value = "cleared,grows")]
    queues: Vec<Queue>,
    /// Members of etcd, 1 or 3
    #[arg(long, value_name = "N", default_value_t = 1)]
    etcd_members: usize,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    say(&machine::describe());
    say("there is no worker; clients, master and store share this machine\n");
    let mut rows = Vec::new();
    let mut costs = Vec::new();
    for store in args.stores {
        let plan = Plan { store, etcd_members: args.etcd_members, masters: 1, workers: 0, cores: 0, rest: false };
        let cases = args.queues.iter().flat_map(|queue| args.clients.iter().map(move |clients| (*queue, *clients)));
        for (queue, clients) in cases {
            let run = measure(&plan, queue, clients, Duration::from_secs(args.seconds)).await?;
            let of_queue = if queue == Queue::Cleared { "queue cleared" } else { "queue grows" };
            let name = format!("{plan}, {of_queue}, {clients} clients");
            rows.push(
                [vec![name.clone(), format!("{:.0}", run.per_second())], run.latency.cells(&[50, 99, 100])].concat(),
            );
            costs.push([vec![name], run.costs.cells(run.latency.count())].concat());
        }
    }
    table(&["", "submissions/s", "p50 ms", "p99 ms", "max ms"], &rows);
    say(&format!("aim: at least {AIM_PER_SECOND}/s with the most clients on etcd\n"));
    table(&["per submission", "master µs", "etcd µs", "clients µs", "submissions per transaction", "fsync ms"], &costs);
    at_rest(args.etcd_members).await?;
    say(&machine::load());
    Ok(())
}

/// What came of one number of clients.
struct Run {
    latency: Sample,
    took: Duration,
    costs: Costs,
}

impl Run {
    fn per_second(&self) -> f64 {
        self.latency.count() as f64 / self.took.as_secs_f64()
    }
}

/// On a cluster of its own, so that nobody finds the queue of the one before.
async fn measure(plan: &Plan, queue: Queue, clients: usize, length: Duration) -> Result<Run> {
    let fleet = Fleet::start(plan).await?;
    let masters = MasterList::parse("masters", &fleet.cluster.addresses())?;
    let driver = load::driver("true", &[]);
    let begin = Instant::now() + WARM_UP;
    let end = begin + length;
    let mut running = JoinSet::new();
    for _ in 0..clients {
        running.spawn(submit(SubmissionClient::new(Masters::new(masters.clone())), driver.clone(), begin, end));
    }
    let _clearing =
        (queue == Queue::Cleared).then(|| AbortOnDropHandle::new(tokio::spawn(clear(fleet.client.clone()))));
    sleep(WARM_UP).await;
    let meter = Meter::start(&fleet)?;
    sleep(length).await;
    let costs = meter.stop(&fleet)?;
    let mut latencies = Vec::new();
    while let Some(ended) = running.join_next().await {
        latencies.extend(ended.context("a client")??);
    }
    Ok(Run { latency: latencies.into_iter().collect(), took: length, costs })
}

/// Kills what waits, again and again. A failure shows as a longer queue, and ends nothing.
async fn clear(client: SubmissionClient) {
    loop {
        sleep(CLEARED_EVERY).await;
        let _ = client.kill_all().await;
    }
}

/// One client: the next submission begins when the one before is answered. Counts those answered between the two
/// moments.
async fn submit(
    client: SubmissionClient,
    driver: DriverDescription,
    begin: Instant,
    end: Instant,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    loop {
        let asked = Instant::now();
        if asked >= end {
            return Ok(latencies);
        }
        client.submit(&driver).await?;
        let answered = Instant::now();
        if (begin..end).contains(&answered) {
            latencies.push(answered - asked);
        }
    }
}

/// Memory of processes that have nothing to do.
async fn at_rest(etcd_members: usize) -> Result<()> {
    let plan = Plan { store: StoreKind::Etcd, etcd_members, masters: 2, workers: 1, cores: 4, rest: false };
    let fleet = Fleet::start(&plan).await?;
    sleep(UNTIL_AT_REST).await;
    let leader = fleet.settled(plan.workers, 0).await?;
    let master = |place: usize| machine::resident_mib(fleet.pid(place));
    let worker = fleet.cluster.workers.first().context("a worker")?.pid();
    let rows = [
        ("leader", master(leader)?),
        ("standby", master((leader + 1) % plan.masters)?),
        ("worker", machine::resident_mib(worker)?),
    ];
    let rows = rows.map(|(name, mib)| vec![name.to_owned(), millis(Some(mib)), format!("≤ {AIM_AT_REST_MIB}")]);
    table(&["memory at rest", "MiB", "aim"], &rows);
    Ok(())
}
