//! The cluster that is measured: a store, masters that can be killed and come back, workers. All of it ends with the
//! value.

use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use jiff::Timestamp;
use tanist_client::{MasterList, Masters, SubmissionClient};
use tanist_core::model::MasterRole;
use tanist_core::rng::Rng;
use tanist_testkit::{Etcd, Node};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::log::Log;

/// How long a cluster may take until all of its processes agree.
const AGREE_WITHIN: Duration = Duration::from_secs(60);

/// How often a condition is looked at. Rare enough not to disturb what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Ports that are looked at to find a free one.
const PORT_TRIES: usize = 100;

/// Deadline of one request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Where a cluster keeps its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// The file of the embedded store.
    Embedded,
    /// etcd.
    Etcd,
}

/// What a cluster consists of.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) store: StoreKind,
    /// Members of etcd.
    pub(crate) etcd_members: usize,
    pub(crate) masters: usize,
    /// Real ones, each with [`Plan::cores`].
    pub(crate) workers: usize,
    pub(crate) cores: u32,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.store, self.etcd_members) {
            (StoreKind::Embedded, _) => f.write_str("embedded store"),
            (StoreKind::Etcd, 1) => f.write_str("etcd of 1 member"),
            (StoreKind::Etcd, members) => write!(f, "etcd of {members} members"),
        }
    }
}

/// One master over all its processes.
#[derive(Debug)]
pub(crate) struct Master {
    pub(crate) id: String,
    pub(crate) node: Node,
    /// Of the present process.
    pub(crate) log: Log,
    processes: usize,
}

/// A running cluster.
#[derive(Debug)]
pub(crate) struct Fleet {
    // In the order in which they are to end.
    pub(crate) workers: Vec<Node>,
    pub(crate) masters: Vec<Master>,
    store: Store,
    /// A client of all masters.
    pub(crate) client: SubmissionClient,
    directory: TempDir,
}

#[derive(Debug)]
enum Store {
    Embedded(PathBuf),
    Etcd(Etcd),
}

impl Store {
    fn start(plan: &Plan, directory: &Path) -> Result<Self> {
        match plan.store {
            StoreKind::Embedded => Ok(Self::Embedded(directory.join("store"))),
            StoreKind::Etcd => Etcd::start(plan.etcd_members).map(Self::Etcd),
        }
    }

    /// How a master is told of it.
    fn arguments(&self) -> Vec<String> {
        match self {
            Self::Embedded(directory) => vec!["--store".to_owned(), directory.display().to_string()],
            Self::Etcd(etcd) => vec!["--etcd".to_owned(), etcd.endpoint_list()],
        }
    }
}

impl Fleet {
    /// Starts everything and waits until one master leads and all workers are registered.
    ///
    /// # Errors
    /// If something does not start.
    pub(crate) async fn start(plan: &Plan) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("tanist-bench-").tempdir().context("a temporary directory")?;
        let store = Store::start(plan, directory.path())?;
        let mut masters = Vec::new();
        for number in 1..=plan.masters {
            masters.push(Master::start(&format!("m{number}"), &store, directory.path())?);
        }
        let list = MasterList::parse("masters", &addresses(&masters))?;
        let client = SubmissionClient::new(Masters::new(list).with_deadline(ANSWER_WITHIN));
        let mut fleet = Self { workers: Vec::new(), masters, store, client, directory };
        for number in 1..=plan.workers {
            fleet.add_worker(number, plan.cores)?;
        }
        fleet.settled(plan.workers, 0).await?;
        Ok(fleet)
    }

    fn add_worker(&mut self, number: usize, cores: u32) -> Result<()> {
        let work = self.directory.path().join(format!("w{number}"));
        let log = self.directory.path().join(format!("w{number}.log"));
        let (masters, cores, work) = (addresses(&self.masters), cores.to_string(), work.display().to_string());
        let arguments = ["--log", "warn", "worker", "--host", "127.0.0.1", "--port", "0", "--masters", &masters];
        let offer = ["--cores", &cores, "--memory", "8g", "--work-dir", &work];
        self.workers.push(Node::start(&[&arguments[..], &offer].concat(), &log)?);
        Ok(())
    }

    /// A place for files that ends with the cluster.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// `host:port,host:port` of all masters.
    pub(crate) fn addresses(&self) -> String {
        addresses(&self.masters)
    }

    /// `host:port` of every member of etcd.
    pub(crate) fn etcd_addresses(&self) -> Vec<String> {
        match &self.store {
            Store::Embedded(_) => Vec::new(),
            Store::Etcd(etcd) => etcd.endpoints().iter().map(|url| url.replace("http://", "")).collect(),
        }
    }

    /// Starts a master again that was killed, where it was.
    pub(crate) fn restart(&mut self, index: usize) -> Result<()> {
        let directory = self.directory.path().to_owned();
        let store = self.store.arguments();
        self.masters.get_mut(index).context("a master of this cluster")?.restart(&store, &directory)
    }

    /// The place of the leader in the list, if all masters agree on it, it is ALIVE, and the others stand by.
    pub(crate) async fn agreed_leader(&self) -> Option<usize> {
        let answers = self.client.masters().survey().await;
        let answers: Vec<_> = answers.into_iter().map(|(_, answer)| answer).collect::<Result<_, _>>().ok()?;
        let leader = answers.iter().find(|answer| answer.role == MasterRole::Alive)?;
        let agree = answers.iter().all(|answer| {
            let role = if answer.master == leader.master { MasterRole::Alive } else { MasterRole::Standby };
            answer.role == role && answer.leader == leader.leader
        });
        agree.then(|| self.masters.iter().position(|master| master.id == leader.master.as_str()))?
    }

    /// Waits until all masters agree and so many workers and applications are connected. Returns the leader's place.
    ///
    /// # Errors
    /// If that takes too long.
    pub(crate) async fn settled(&self, workers: usize, apps: usize) -> Result<usize> {
        let look = async || {
            let Some(leader) = self.agreed_leader().await else { return Ok(None) };
            let state = self.client.state().await?;
            let connected = state.workers.iter().filter(|worker| worker.connected).count();
            let answered = state.apps.iter().filter(|app| app.connected).count();
            Ok((connected >= workers && answered >= apps).then_some(leader))
        };
        until("agreement of all masters, workers and applications", AGREE_WITHIN, look).await
    }
}

impl Master {
    fn start(id: &str, store: &Store, directory: &Path) -> Result<Self> {
        let port = free_port()?.to_string();
        let (node, log) = launch(id, &port, &store.arguments(), directory.join(format!("{id}.1.log")))?;
        Ok(Self { id: id.to_owned(), node, log, processes: 1 })
    }

    fn restart(&mut self, store: &[String], directory: &Path) -> Result<()> {
        self.node.kill_nine();
        self.processes += 1;
        let log = directory.join(format!("{}.{}.log", self.id, self.processes));
        let port = self.node.address.rsplit_once(':').context("host:port of a master")?.1.to_owned();
        (self.node, self.log) = launch(&self.id, &port, store, log)?;
        Ok(())
    }
}

fn launch(id: &str, port: &str, store: &[String], log: PathBuf) -> Result<(Node, Log)> {
    let arguments = ["--log-format", "json", "master", "--id", id, "--host", "127.0.0.1", "--port", port];
    let store: Vec<&str> = store.iter().map(String::as_str).collect();
    let node = Node::start(&[&arguments[..], &store].concat(), &log)?;
    Ok((node, Log::new(log)))
}

/// A port that no outgoing connection takes while a master is down: below those that the kernel gives to them.
fn free_port() -> Result<u16> {
    let mut rng = Rng::new(Timestamp::now().as_nanosecond() as u64);
    let ports = std::iter::repeat_with(|| rng.between(10_000, 32_000) as u16).take(PORT_TRIES);
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    ports.into_iter().find(free).context("no free port for a master")
}

fn addresses(masters: &[Master]) -> String {
    masters.iter().map(|master| master.node.address.as_str()).collect::<Vec<_>>().join(",")
}

/// Looks until there is something. An error of a look is no end; the last one is told if there is never anything.
///
/// # Errors
/// With `what`, after `limit`.
pub(crate) async fn until<T>(what: &str, limit: Duration, look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let looked = look().await;
        match looked {
            Ok(Some(found)) => return Ok(found),
            Ok(None) if Instant::now() < deadline => {}
            Err(_) if Instant::now() < deadline => {}
            Ok(None) => bail!("waited {limit:?} in vain: {what}"),
            Err(error) => return Err(error.context(format!("waited {limit:?} in vain: {what}"))),
        }
        sleep(LOOK_EVERY).await;
    }
}
