//! Who is who in a world, and with which settings. All but one are the defaults.

use std::sync::Arc;
use std::time::Duration;

use tanist_core::app::AppConfig;
use tanist_core::ids::{AppToken, ClusterId, Incarnation, Term, WorkerId};
use tanist_core::master::MasterConfig;
use tanist_core::model::{ApplicationDescription, Command, Program, ResourceProfile};
use tanist_core::tracking::TrackingConfig;
use tanist_core::units::{Cores, Memory};
use tanist_core::worker::{Behaviour, WorkerConfig, WorkerIdentity};

use crate::masters::MASTERS;
use crate::net::Who;

/// Cores of each worker.
pub(crate) const CORES: u32 = 4;

/// Memory of each worker.
const MEMORY: Memory = Memory::mib(4096);

/// Memory of each driver and executor: the cores run out first.
pub(crate) const SMALL: Memory = Memory::mib(512);

pub(crate) fn master() -> MasterConfig {
    // Ten minutes would be long to wait for after every fault.
    MasterConfig { app_timeout: Duration::from_secs(120), ..MasterConfig::new().unwrap() }
}

pub(crate) fn master_address(master: usize) -> String {
    format!("m{master}:7077")
}

pub(crate) fn master_at(address: &str) -> usize {
    (0..MASTERS).find(|master| master_address(*master) == address).unwrap()
}

fn tracking() -> TrackingConfig {
    TrackingConfig { masters: (0..MASTERS).map(master_address).collect(), ..TrackingConfig::default() }
}

pub(crate) fn host_name(host: usize) -> String {
    format!("h{host}")
}

pub(crate) fn worker_id(host: usize, life: u32) -> WorkerId {
    WorkerId::new(&format!("worker-{host}-{life}")).unwrap()
}

pub(crate) fn worker(
    host: usize,
    id: WorkerId,
    incarnation: Incarnation,
    heard: Option<(Term, ClusterId)>,
) -> WorkerConfig {
    let identity = WorkerIdentity { id, incarnation, host: host_name(host), port: 7078, ui_url: String::new() };
    let plain = WorkerConfig::new(identity, Cores(CORES), MEMORY);
    let behaviour = Behaviour { decommission_enabled: true, ..Behaviour::default() };
    WorkerConfig { tracking: tracking(), heard, behaviour, ..plain }
}

/// The first application takes executors of one core, the second takes whole workers.
pub(crate) fn app(client: usize, life: u32) -> AppConfig {
    let description = ApplicationDescription {
        name: format!("app {client}"),
        user: "world".to_owned(),
        max_cores: Some(Cores(5)),
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

pub(crate) fn command() -> Command {
    Command { program: Program::Executable("program".to_owned()), ..Command::default() }
}

/// Whose own endpoint this is.
pub(crate) fn listens_at(endpoint: &str) -> Who {
    let (name, _) = endpoint.split_once(':').unwrap();
    let (kind, number) = name.split_at(1);
    let number = number.parse().unwrap();
    if kind == "h" { Who::Worker(number) } else { Who::App(number) }
}
