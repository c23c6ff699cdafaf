//! What there is in a cluster, in the form in which it is shown.
//!
//! These structs **are** the JSON of `--output json`: their field names are stable. Fields may be added, never renamed
//! or given another meaning. Units are part of the names: `_mib` = 1 048 576 bytes, `_ms` = milliseconds, `_at_ms` =
//! milliseconds since 1970-01-01 UTC. States are the words that the tables show. What is absent is `null`.

use std::collections::BTreeMap;

use serde::Serialize;

use tanist_core::model::LeaderInfo;
use tanist_core::msg::DriverStatus;
use tanist_core::time::Wall;
use tanist_proto::convert::endpoint::LeaderAnswer;
use tanist_proto::v1;

/// The cluster at a glance (`status`).
#[derive(Debug, Serialize)]
pub(crate) struct Cluster {
    /// Role of the master that answered; ALIVE or RECOVERING where somebody leads.
    pub(crate) role: String,
    /// Who leads, as that master knows.
    pub(crate) leader: Option<Leader>,
    /// How old this picture is.
    pub(crate) age_ms: u64,
    /// Why the leader can store no change now; until it can, the picture stays as it is. null = it can.
    pub(crate) degraded: Option<String>,
    /// Workers by state.
    pub(crate) workers: BTreeMap<String, usize>,
    /// Cores of all workers that are ALIVE.
    pub(crate) cores: u64,
    /// Cores booked on them.
    pub(crate) cores_used: u64,
    /// Memory of all workers that are ALIVE.
    pub(crate) memory_mib: u64,
    /// Memory booked on them.
    pub(crate) memory_used_mib: u64,
    /// Live applications by state.
    pub(crate) apps: BTreeMap<String, usize>,
    /// Waiting and running drivers by state.
    pub(crate) drivers: BTreeMap<String, usize>,
    /// Workers of the former leader that have not answered yet.
    pub(crate) workers_missing: u32,
    /// Applications of the former leader that have not answered yet.
    pub(crate) apps_missing: u32,
    /// Keys of the store that could not be read and were put aside.
    pub(crate) quarantined: Vec<String>,
    /// What each configured master says of itself.
    pub(crate) masters: Vec<Master>,
}

/// A leader.
#[derive(Debug, Serialize)]
pub(crate) struct Leader {
    /// Its id.
    pub(crate) master: String,
    /// `host:port` of its services.
    pub(crate) address: String,
    /// The cluster.
    pub(crate) cluster: String,
    /// Number of its term.
    pub(crate) epoch: u64,
}

/// One configured master.
#[derive(Debug, Serialize)]
pub(crate) struct Master {
    /// As configured.
    pub(crate) address: String,
    /// Its id, if it answers.
    pub(crate) id: Option<String>,
    /// Its role, if it answers.
    pub(crate) role: Option<String>,
    /// Why it does not answer.
    pub(crate) error: Option<String>,
}

/// One worker (`workers`).
#[derive(Debug, Serialize)]
pub(crate) struct Worker {
    pub(crate) id: String,
    pub(crate) address: String,
    pub(crate) state: String,
    /// Whether a session with it is open.
    pub(crate) connected: bool,
    /// Whether it takes new work.
    pub(crate) accepts_work: bool,
    pub(crate) cores: u32,
    pub(crate) cores_used: u32,
    pub(crate) memory_mib: u64,
    pub(crate) memory_used_mib: u64,
    /// Addresses of custom resources by name.
    pub(crate) resources: BTreeMap<String, Vec<String>>,
    /// Those of them that are booked.
    pub(crate) resources_used: BTreeMap<String, Vec<String>>,
    /// How many run there.
    pub(crate) executors: u32,
    /// Ids of those that run there.
    pub(crate) drivers: Vec<String>,
    pub(crate) last_heartbeat_at_ms: u64,
    /// Acts of masters that it has refused because of their term, since its process started.
    pub(crate) refused_commands: u64,
    pub(crate) ui_url: String,
}

/// One application (`apps`).
#[derive(Debug, Serialize)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) state: String,
    /// Whether a session with its client is open.
    pub(crate) connected: bool,
    /// Cores of all its executors.
    pub(crate) cores: u32,
    /// Most cores it may have; null = no limit.
    pub(crate) max_cores: Option<u32>,
    pub(crate) cores_per_executor: Option<u32>,
    pub(crate) memory_per_executor_mib: Option<u64>,
    /// Executors wanted; null = no limit.
    pub(crate) executor_limit: Option<u32>,
    pub(crate) executors: Vec<Executor>,
    pub(crate) ended_executors: Vec<Executor>,
    pub(crate) registered_at_ms: u64,
    pub(crate) ended_at_ms: Option<u64>,
    /// Why it ended, if it did not simply finish.
    pub(crate) message: Option<String>,
    pub(crate) ui_url: String,
}

/// One executor of an application.
#[derive(Debug, Serialize)]
pub(crate) struct Executor {
    pub(crate) id: u32,
    pub(crate) worker: String,
    pub(crate) worker_address: String,
    pub(crate) state: String,
    pub(crate) cores: u32,
    pub(crate) memory_mib: u64,
    pub(crate) profile: u32,
}

/// One driver (`drivers`).
#[derive(Debug, Serialize)]
pub(crate) struct Driver {
    pub(crate) id: String,
    pub(crate) state: String,
    /// Which copy runs or ran last; 0 = never launched.
    pub(crate) attempt: u32,
    /// Main class, or the executable as given.
    pub(crate) program: String,
    pub(crate) worker: Option<String>,
    pub(crate) worker_address: Option<String>,
    pub(crate) cores: u32,
    pub(crate) memory_mib: u64,
    pub(crate) supervise: bool,
    pub(crate) submitted_at_ms: u64,
    pub(crate) ended_at_ms: Option<u64>,
    pub(crate) exit_code: Option<i32>,
    /// Why it ended so, or why it waits.
    pub(crate) message: Option<String>,
}

/// Where one driver stands (`submit`).
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) id: String,
    pub(crate) state: String,
    /// Which copy runs or ran last; 0 = never launched.
    pub(crate) attempt: u32,
    pub(crate) worker: Option<String>,
    pub(crate) worker_address: Option<String>,
    pub(crate) exit_code: Option<i32>,
    /// Why it ended so, or why it waits.
    pub(crate) message: Option<String>,
}

/// The same as a leader shows it (`status ID`).
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    pub(crate) status: Status,
    /// How old the view is that was read.
    pub(crate) age_ms: u64,
    /// Why the leader can store no change now; until it can, the view stays as it is. null = it can.
    pub(crate) degraded: Option<String>,
}

/// The word for a state of the wire: `WORKER_STATE_ALIVE` → `ALIVE`.
pub(crate) fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}

fn counted(states: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for state in states {
        *counts.entry(state).or_insert(0) += 1;
    }
    counts
}

fn addresses(wire: BTreeMap<String, v1::AddressList>) -> BTreeMap<String, Vec<String>> {
    wire.into_iter().map(|(name, list)| (name, list.addresses)).collect()
}

impl Cluster {
    /// From the published view and what each master said of itself.
    pub(crate) fn new(state: v1::ClusterState, survey: Vec<(String, Result<LeaderAnswer, String>)>) -> Self {
        let role = word(state.role().as_str_name(), "MASTER_ROLE_");
        let workers: Vec<Worker> = state.workers.into_iter().map(Worker::from).collect();
        let alive = || workers.iter().filter(|worker| worker.state == "ALIVE");
        Self {
            role,
            leader: state.leader.map(Leader::from),
            age_ms: state.age_ms,
            degraded: state.degraded,
            cores: alive().map(|worker| u64::from(worker.cores)).sum(),
            cores_used: alive().map(|worker| u64::from(worker.cores_used)).sum(),
            memory_mib: alive().map(|worker| worker.memory_mib).sum(),
            memory_used_mib: alive().map(|worker| worker.memory_used_mib).sum(),
            apps: counted(state.apps.into_iter().map(|app| App::from(app).state)),
            drivers: counted(state.drivers.into_iter().map(|driver| Driver::from(driver).state)),
            workers_missing: state.workers_missing,
            apps_missing: state.apps_missing,
            quarantined: state.quarantined,
            masters: survey.into_iter().map(Master::from).collect(),
            workers: counted(workers.into_iter().map(|worker| worker.state)),
        }
    }
}

impl From<v1::LeaderInfo> for Leader {
    fn from(wire: v1::LeaderInfo) -> Self {
        let epoch = wire.term.map_or(0, |term| term.epoch);
        Self { master: wire.master_id, address: wire.address, cluster: wire.cluster_id, epoch }
    }
}

impl From<LeaderInfo> for Leader {
    fn from(leader: LeaderInfo) -> Self {
        Self {
            master: leader.master.to_string(),
            address: leader.address,
            cluster: leader.cluster.to_string(),
            epoch: leader.term.epoch.0,
        }
    }
}

impl From<(String, Result<LeaderAnswer, String>)> for Master {
    fn from((address, answer): (String, Result<LeaderAnswer, String>)) -> Self {
        match answer {
            Ok(answer) => {
                let (id, role) = (answer.master.to_string(), answer.role.to_string());
                Self { address, id: Some(id), role: Some(role), error: None }
            }
            Err(error) => Self { address, id: None, role: None, error: Some(error) },
        }
    }
}

impl From<v1::WorkerView> for Worker {
    fn from(wire: v1::WorkerView) -> Self {
        let state = word(wire.state().as_str_name(), "WORKER_STATE_");
        Self {
            id: wire.worker_id,
            address: format!("{}:{}", wire.host, wire.port),
            state,
            connected: wire.connected,
            accepts_work: wire.accepts_work,
            cores: wire.cores,
            cores_used: wire.cores_used,
            memory_mib: wire.memory_mib,
            memory_used_mib: wire.memory_used_mib,
            resources: addresses(wire.resources),
            resources_used: addresses(wire.resources_used),
            executors: wire.executors,
            drivers: wire.driver_ids,
            last_heartbeat_at_ms: wire.last_heartbeat_at_ms,
            refused_commands: wire.refused_commands,
            ui_url: wire.ui_url,
        }
    }
}

impl From<v1::AppView> for App {
    fn from(wire: v1::AppView) -> Self {
        let state = word(wire.state().as_str_name(), "APPLICATION_STATE_");
        Self {
            id: wire.app_id,
            name: wire.name,
            user: wire.user,
            state,
            connected: wire.connected,
            cores: wire.cores_granted,
            max_cores: wire.max_cores,
            cores_per_executor: wire.cores_per_executor,
            memory_per_executor_mib: wire.memory_per_executor_mib,
            executor_limit: wire.executor_limit,
            executors: wire.executors.into_iter().map(Executor::from).collect(),
            ended_executors: wire.ended_executors.into_iter().map(Executor::from).collect(),
            registered_at_ms: wire.registered_at_ms,
            ended_at_ms: wire.ended_at_ms,
            message: wire.message,
            ui_url: wire.ui_url,
        }
    }
}

impl From<v1::ExecutorView> for Executor {
    fn from(wire: v1::ExecutorView) -> Self {
        let state = word(wire.state().as_str_name(), "EXECUTOR_STATE_");
        Self {
            id: wire.executor_id,
            worker: wire.worker_id,
            worker_address: wire.worker_address,
            state,
            cores: wire.cores,
            memory_mib: wire.memory_mib,
            profile: wire.profile_id,
        }
    }
}

impl From<v1::DriverView> for Driver {
    fn from(wire: v1::DriverView) -> Self {
        let state = word(wire.state().as_str_name(), "DRIVER_STATE_");
        Self {
            id: wire.driver_id,
            state,
            attempt: wire.attempt,
            program: wire.program,
            worker: wire.worker_id,
            worker_address: wire.worker_address,
            cores: wire.cores,
            memory_mib: wire.memory_mib,
            supervise: wire.supervise,
            submitted_at_ms: wire.submitted_at_ms,
            ended_at_ms: wire.ended_at_ms,
            exit_code: wire.exit_code,
            message: wire.message,
        }
    }
}

impl From<DriverStatus> for Status {
    fn from(status: DriverStatus) -> Self {
        Self {
            id: status.driver.to_string(),
            state: status.state.to_string(),
            attempt: status.attempt.0,
            worker: status.worker.map(|worker| worker.to_string()),
            worker_address: status.worker_address,
            exit_code: status.exit_code,
            message: status.message,
        }
    }
}

/// A point in time, UTC.
pub(crate) fn time(at_ms: u64) -> String {
    Wall(at_ms).civil().to_string()
}

/// What may be absent, `-` if it is.
pub(crate) fn or_dash(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// Booked of offered, e.g. `3/4`.
pub(crate) fn share(used: impl std::fmt::Display, all: impl std::fmt::Display) -> String {
    format!("{used}/{all}")
}
