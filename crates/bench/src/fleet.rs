//! The cluster that is measured: a store, masters that can be killed and come back, workers. All of it ends with the
//! value.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use tanist_client::{MasterList, Masters, SubmissionClient};
use tanist_core::model::MasterRole;
use tanist_proto::convert::endpoint::LeaderAnswer;
use tanist_testkit::{Cluster, Etcd, Node, Shape, Store};
use tokio::time::sleep;

use tanist_testkit::measure::Log;

/// How long a cluster may take until all of its processes agree.
const AGREE_WITHIN: Duration = Duration::from_secs(60);

/// How often a condition is looked at. Rare enough not to disturb what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Deadline of one request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Flags of masters.
const JSON_LOG: &[&str] = &["--log-format", "json"];
const REST: &[&str] = &["--rest-enabled", "true", "--rest-port", "0"];

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
    /// Whether masters serve REST, each on a port of its own.
    pub(crate) rest: bool,
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

/// A running cluster.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) cluster: Cluster,
    // Dropped after its users.
    etcd: Option<Etcd>,
    /// Of the masters, by their places.
    pub(crate) logs: Vec<Log>,
    /// A client of all masters.
    pub(crate) client: SubmissionClient,
}

impl Fleet {
    /// Starts everything and waits until one master leads and all workers are registered.
    ///
    /// # Errors
    /// If something does not start.
    pub(crate) async fn start(plan: &Plan) -> Result<Self> {
        let etcd = match plan.store {
            StoreKind::Embedded => None,
            StoreKind::Etcd => Some(Etcd::start(plan.etcd_members)?),
        };
        let cluster = Cluster::start_unready(Shape {
            masters: plan.masters,
            workers: plan.workers,
            cores: plan.cores,
            memory: "8g",
            master_flags: [JSON_LOG, if plan.rest { REST } else { &[] }].concat(),
            worker_flags: vec!["--log", "warn"],
            store: etcd.as_ref().map_or(Store::Embedded, Store::etcd),
            ..Shape::default()
        })?;
        let logs = cluster.masters.iter().map(|master| Log::new(master.log.clone())).collect();
        let list = MasterList::parse("masters", &cluster.addresses())?;
        let client = SubmissionClient::new(Masters::new(list).with_deadline(ANSWER_WITHIN));
        let fleet = Self { cluster, etcd, logs, client };
        fleet.settled(plan.workers, 0).await?;
        Ok(fleet)
    }

    /// The id of the master at this place.
    pub(crate) fn id(&self, place: usize) -> &str {
        self.cluster.masters.get(place).map_or("", |master| &master.id)
    }

    /// The process of the master at this place.
    pub(crate) fn pid(&self, place: usize) -> i32 {
        self.cluster.masters.get(place).map_or(-1, Node::pid)
    }

    /// `host:port` of every member of etcd.
    pub(crate) fn etcd_addresses(&self) -> Vec<String> {
        let urls = self.etcd.iter().flat_map(Etcd::endpoints);
        urls.map(|url| url.replace("http://", "")).collect()
    }

    /// The place of the leader in the list, if it is ALIVE, the others stand by, and all name it.
    ///
    /// # Errors
    /// What each of them says instead.
    async fn agreed_leader(&self) -> Result<usize> {
        let answers = self.client.masters().survey().await;
        let said = |(address, answer): &(String, Result<LeaderAnswer, String>)| match answer {
            Ok(LeaderAnswer { role, leader, master, .. }) => {
                let leads = leader.as_ref().map(|leader| format!("{} in term {}", leader.master, leader.term));
                format!("{master} is {role}, knows {}", leads.unwrap_or_else(|| "no leader".to_owned()))
            }
            Err(error) => format!("{address}: {error}"),
        };
        let all: Vec<&LeaderAnswer> = answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()).collect();
        let leader = all.iter().find(|answer| answer.role == MasterRole::Alive).filter(|leader| {
            let others = all.iter().filter(|answer| answer.master != leader.master);
            let stand_by = others.filter(|answer| answer.role == MasterRole::Standby);
            stand_by.filter(|answer| answer.leader == leader.leader).count() + 1 == answers.len()
        });
        let place = leader
            .and_then(|leader| self.cluster.masters.iter().position(|master| master.id == leader.master.as_str()));
        place.with_context(|| format!("no agreement: {}", answers.iter().map(said).collect::<Vec<_>>().join("; ")))
    }

    /// Copies what the masters have logged so far to a folder, which is made.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn keep_logs(&self, folder: &Path) -> Result<()> {
        let keep = |master: &Node| {
            let name = master.log.file_name().unwrap_or_default();
            std::fs::create_dir_all(folder)?;
            std::fs::copy(&master.log, folder.join(name))
        };
        let kept: std::io::Result<Vec<_>> = self.cluster.masters.iter().map(keep).collect();
        kept.map(drop).with_context(|| format!("copying logs to {}", folder.display()))
    }

    /// Waits until all masters agree and so many workers and applications are connected. Returns the leader's place.
    ///
    /// # Errors
    /// If that takes too long.
    pub(crate) async fn settled(&self, workers: usize, apps: usize) -> Result<usize> {
        let look = async || {
            let leader = self.agreed_leader().await?;
            let state = self.client.state().await?;
            let connected = state.workers.iter().filter(|worker| worker.connected).count();
            let answered = state.apps.iter().filter(|app| app.connected).count();
            ensure!(connected >= workers, "{connected} workers are connected, not {workers}");
            ensure!(answered >= apps, "{answered} applications are connected, not {apps}");
            Ok(Some(leader))
        };
        until("agreement of all masters, workers and applications", AGREE_WITHIN, look).await
    }
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
            Ok(None) | Err(_) if Instant::now() < deadline => {}
            Ok(None) => bail!("waited {limit:?} in vain: {what}"),
            Err(error) => return Err(error.context(format!("waited {limit:?} in vain: {what}"))),
        }
        sleep(LOOK_EVERY).await;
    }
}
