//! Who is who in a run, and with which settings. All but few are the defaults.

use std::sync::Arc;
use std::time::Duration;

use tanist_core::app::AppConfig;
use tanist_core::ids::{AppToken, ClusterId, Incarnation, MasterId, Term, WorkerId};
use tanist_core::master::MasterConfig;
use tanist_core::model::{ApplicationDescription, Command, Program, ResourceProfile};
use tanist_core::tracking::TrackingConfig;
use tanist_core::units::{Cores, Memory};
use tanist_core::worker::{Behaviour, WorkerConfig, WorkerIdentity};
use tanist_store::etcd::EtcdOptions;

use crate::etcd::MEMBERS;
use crate::net::Party;

/// Masters of a run.
pub const MASTERS: usize = 3;

/// How many follow the masters.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Worker hosts.
    pub hosts: usize,
    /// Application clients.
    pub clients: usize,
}

/// An ordinary run.
pub const SMALL_CLUSTER: Size = Size { hosts: 5, clients: 3 };

/// Name of the cluster.
pub const CLUSTER: &str = "sim";

/// Cores of each worker.
pub const CORES: u32 = 4;

/// Memory of each worker.
const MEMORY: Memory = Memory::mib(4096);

/// Memory of each driver and executor: the cores run out first.
pub const SMALL: Memory = Memory::mib(512);

/// How the masters behave.
pub fn master() -> MasterConfig {
    // Ten minutes would be long to wait for after every fault.
    MasterConfig { app_timeout: Duration::from_secs(120), ..MasterConfig::new().unwrap() }
}

/// What a master is called.
pub fn master_id(master: usize) -> MasterId {
    MasterId::new(&format!("m{master}")).unwrap()
}

/// By which address a master is reached.
pub fn master_address(master: usize) -> String {
    format!("m{master}:7077")
}

/// Where a master finds its store.
pub fn etcd() -> EtcdOptions {
    EtcdOptions::new((0..MEMBERS).map(|member| format!("http://e{member}:2379")).collect(), CLUSTER)
}

fn tracking() -> TrackingConfig {
    TrackingConfig { masters: (0..MASTERS).map(master_address).collect(), ..TrackingConfig::default() }
}

/// What a worker's host is called.
pub fn host_name(host: usize) -> String {
    format!("h{host}")
}

/// What a worker is called; a new one at each start without a disk.
pub fn worker_id(host: usize, life: u32) -> WorkerId {
    WorkerId::new(&format!("worker-{host}-{life}")).unwrap()
}

/// A worker with what it has found on its disk.
pub fn worker(host: usize, id: WorkerId, incarnation: Incarnation, heard: Option<(Term, ClusterId)>) -> WorkerConfig {
    let identity = WorkerIdentity { id, incarnation, host: host_name(host), port: 7078, ui_url: String::new() };
    let plain = WorkerConfig::new(identity, Cores(CORES), MEMORY);
    let behaviour = Behaviour { decommission_enabled: true, ..Behaviour::default() };
    WorkerConfig { tracking: tracking(), heard, behaviour, ..plain }
}

/// The first application takes executors of one core, the others take whole workers.
pub fn app(client: usize, life: u32) -> AppConfig {
    let description = ApplicationDescription {
        name: format!("app {client}"),
        user: "sim".to_owned(),
        max_cores: Some(Cores(4)),
        command: command(),
        default_profile: ResourceProfile {
            memory: Some(SMALL),
            cores: (client == 0).then_some(Cores(1)),
            ..ResourceProfile::default()
        },
        ..ApplicationDescription::default()
    };
    AppConfig {
        token: AppToken::new(&format!("token-{client}-{life}")).unwrap(),
        description: Arc::new(description),
        endpoint: format!("c{client}:1"),
        tracking: tracking(),
    }
}

/// What drivers and executors run.
pub fn command() -> Command {
    Command { program: Program::Executable("program".to_owned()), ..Command::default() }
}

/// Who listens at an address.
pub fn listens_at(address: &str) -> Option<Party> {
    let address = address.strip_prefix("http://").unwrap_or(address);
    let (name, _) = address.split_once(':')?;
    let number = name.get(1..)?.parse().ok()?;
    Some(match name.get(..1)? {
        "m" => Party::Master(number),
        "e" => Party::Etcd(number),
        "h" => Party::Worker(number),
        "c" => Party::App(number),
        _ => return None,
    })
}
