//! What is durable: the records of the store as plain data, and the changes that machines ask for.
//!
//! A record holds what a successor must know. What workers and applications report themselves (executors, states of
//! processes) is not stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ids::{AppId, AppToken, Attempt, DriverId, Epoch, ExecutorId, Incarnation, ProfileId, RequestId, WorkerId};
use crate::model::{
    Addresses, AppEndpoint, ApplicationDescription, ApplicationState, Booking, DriverDescription, DriverOutcome,
    ResourceProfile, WorkerKind,
};
use crate::time::Wall;
use crate::units::{Cores, Memory};

/// `state/workers/<id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRecord {
    /// Which worker.
    pub id: WorkerId,
    /// Which process under this id.
    pub incarnation: Incarnation,
    /// Host by which others reach it.
    pub host: String,
    /// Port of its own endpoint.
    pub port: u16,
    /// How it is spoken to there.
    pub kind: WorkerKind,
    /// Address of its web pages.
    pub ui_url: String,
    /// Cores offered.
    pub cores: Cores,
    /// Memory offered.
    pub memory: Memory,
    /// Custom resources offered.
    pub resources: Addresses,
    /// Gets nothing new, across changes of leader too.
    pub decommissioned: bool,
    /// First registration.
    pub registered_at: Wall,
}

/// `state/apps/<id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRecord {
    /// Which application.
    pub id: AppId,
    /// Its registration token.
    pub token: AppToken,
    /// What it asked for.
    pub description: Arc<ApplicationDescription>,
    /// Profiles beside the default one.
    pub profiles: Vec<ResourceProfile>,
    /// Executors wanted per profile; a profile that is missing here has no limit.
    pub targets: BTreeMap<ProfileId, u32>,
    /// Where its client is found.
    pub endpoint: AppEndpoint,
    /// First registration.
    pub registered_at: Wall,
    /// No executor id at or above this one was ever given out. Raised in blocks.
    pub executor_ids_below: ExecutorId,
    /// Of a client that does not say which executors it has: those that were launched and may live, by worker; some may have
    /// ended since. None: nobody has written them down.
    pub executors: Option<BTreeMap<WorkerId, BTreeSet<ExecutorId>>>,
}

impl AppRecord {
    /// What an executor of this profile needs, with what it inherits from the default one (RS-05).
    pub fn profile(&self, id: ProfileId) -> ResourceProfile {
        let default = &self.description.default_profile;
        self.profiles.iter().find(|profile| profile.id == id).unwrap_or(default).inheriting(default)
    }
}

/// `state/drivers/<id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverRecord {
    /// Which driver.
    pub id: DriverId,
    /// What it asked for.
    pub description: Arc<DriverDescription>,
    /// When it was accepted.
    pub submitted_at: Wall,
    /// The submitter's name for the request.
    pub request: Option<RequestId>,
    /// The copy that was launched last.
    pub attempt: Attempt,
    /// Where that copy is, if it may still run.
    pub placement: Option<PlacementRecord>,
    /// Somebody asked to end it.
    pub kill_requested: bool,
}

/// Where a driver attempt was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementRecord {
    /// On which worker.
    pub worker: WorkerId,
    /// What it occupies there.
    pub booking: Booking,
    /// Under which epoch it was launched.
    pub epoch: Epoch,
    /// Its worker reported that the process runs.
    pub started: bool,
}

/// `state/requests/<id>`: what a request led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// The client's name for it.
    pub id: RequestId,
    /// The driver that was made for it.
    pub driver: DriverId,
    /// When; forgotten 24 h later.
    pub at: Wall,
}

/// `done/apps/<id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneApp {
    /// Which application.
    pub id: AppId,
    /// What it asked for.
    pub description: Arc<ApplicationDescription>,
    /// First registration.
    pub registered_at: Wall,
    /// End.
    pub ended_at: Wall,
    /// One of the final states.
    pub state: ApplicationState,
    /// Why, for people.
    pub message: Option<String>,
}

/// `done/drivers/<id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneDriver {
    /// Which driver.
    pub id: DriverId,
    /// What it asked for.
    pub description: Arc<DriverDescription>,
    /// When it was accepted.
    pub submitted_at: Wall,
    /// End.
    pub ended_at: Wall,
    /// The copy that was launched last.
    pub attempt: Attempt,
    /// Where that was.
    pub worker: Option<WorkerId>,
    /// `host:port` of that worker's endpoint.
    pub worker_address: Option<String>,
    /// How it ended.
    pub outcome: DriverOutcome,
}

/// One change of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Write a worker's record.
    PutWorker(WorkerRecord),
    /// Remove a worker's record.
    RemoveWorker(WorkerId),
    /// Write an application's record.
    PutApp(AppRecord),
    /// Move an application to the ended ones, in one transaction.
    FinishApp(DoneApp),
    /// Forget an ended application.
    ForgetApp(AppId),
    /// Write a driver's record.
    PutDriver(DriverRecord),
    /// Move a driver to the ended ones, in one transaction.
    FinishDriver(DoneDriver),
    /// Forget an ended driver.
    ForgetDriver(DriverId),
    /// Remember what a request led to.
    PutRequest(RequestRecord),
    /// Forget a request.
    ForgetRequest(RequestId),
}

/// All records as a new leader reads them, each list ordered by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Live workers.
    pub workers: Vec<WorkerRecord>,
    /// Live applications.
    pub apps: Vec<AppRecord>,
    /// Live drivers.
    pub drivers: Vec<DriverRecord>,
    /// Requests of the last day.
    pub requests: Vec<RequestRecord>,
    /// Ended applications.
    pub done_apps: Vec<DoneApp>,
    /// Ended drivers.
    pub done_drivers: Vec<DoneDriver>,
    /// Keys of what could not be decoded and was put aside.
    pub quarantined: Vec<String>,
}
