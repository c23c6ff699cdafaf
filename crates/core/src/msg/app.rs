//! Between application client and master (MSG-05, MSG-06).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Fenced;
use crate::ids::{AppId, AppToken, ClusterId, ExecutorId, ProfileId, Term, WorkerId};
use crate::model::{AppEndpoint, ApplicationDescription, ExecutorState, LeaderInfo, ResourceProfile};
use crate::units::{Cores, Memory};

/// From an application client to a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppToMaster {
    /// First message of every session: a new application, or the same one again (by token).
    Register(Box<RegisterApplication>),
    /// I live.
    Heartbeat,
    /// I have ended.
    Unregister,
    /// I want so many executors in all, per profile (AP-08).
    RequestExecutors {
        /// Echoed in the answer.
        request: u64,
        /// Profiles that were not named before.
        profiles: Vec<ResourceProfile>,
        /// Absolute targets.
        targets: BTreeMap<ProfileId, u32>,
    },
    /// End these executors (AP-09).
    KillExecutors {
        /// Echoed in the answer.
        request: u64,
        /// Which ones.
        executors: Vec<ExecutorId>,
    },
}

/// Who an application is (`RegisterApplication` of MSG-05, and its acknowledgement of a new master).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterApplication {
    /// The client's own name for this application: the same token is the same application, across leaders too.
    pub token: AppToken,
    /// The id it was given before, if any.
    pub known_as: Option<AppId>,
    /// Which registration of this process this is, counting up. One that arrives after a later one is void: sessions
    /// are ordered in themselves, not among each other.
    pub number: u64,
    /// What it asks for.
    pub description: Arc<ApplicationDescription>,
    /// Profiles beside the default one that it has named so far.
    pub profiles: Vec<ResourceProfile>,
    /// Targets it has asked for so far; empty = as the description says.
    pub targets: BTreeMap<ProfileId, u32>,
    /// Executors it believes to have.
    pub executors: Vec<ExecutorId>,
    /// Where it is found, for `MasterChanged` and probes.
    pub endpoint: AppEndpoint,
    /// The cluster it belongs to, once it knows.
    pub cluster: Option<ClusterId>,
    /// The highest term it has heard of.
    pub heard: Option<Term>,
    /// [`super::PROTOCOL_VERSION`] of the client.
    pub protocol: u32,
}

/// From a master to an application client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterToApp {
    /// I do not take you now. This one leads, as far as I know: it may be me, who is not sure of the lead.
    Standby {
        /// The leader as far as known.
        leader: Option<LeaderInfo>,
    },
    /// You cannot register: names field, value and what is allowed. Trying again without change is useless.
    RegistrationRefused {
        /// Why.
        reason: String,
    },
    /// You are registered.
    Registered(Box<RegisteredApplication>),
    /// I heard you.
    HeartbeatSeen,
    /// I do not know this session; register again.
    Reconnect,
    /// Something happened to you.
    Notice(Fenced<AppNotice>),
}

/// Answer to a registration (`RegisteredApplication` of MSG-06).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredApplication {
    /// The application's id.
    pub app: AppId,
    /// Who leads, and in which term.
    pub leader: LeaderInfo,
    /// How often to send a heartbeat.
    pub heartbeat_every: std::time::Duration,
}

/// What an application is told about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppNotice {
    /// An executor was placed for you, or is still there. May come more than once for one executor.
    ExecutorAdded {
        /// Its number.
        executor: ExecutorId,
        /// On which worker.
        worker: WorkerId,
        /// `host:port` of that worker.
        worker_address: String,
        /// Cores it has.
        cores: Cores,
        /// Memory it has.
        memory: Memory,
        /// From which profile.
        profile: ProfileId,
    },
    /// An executor changed its state (AC-06).
    ExecutorUpdated {
        /// Its number.
        executor: ExecutorId,
        /// Its new state.
        state: ExecutorState,
        /// Why, for people.
        message: Option<String>,
        /// Exit code, where a process ended.
        exit_status: Option<i32>,
        /// Host of the worker where the worker itself was lost or is leaving (AC-07).
        worker_host: Option<String>,
    },
    /// A worker is gone, yours or not (HB-05).
    WorkerRemoved {
        /// Which one.
        worker: WorkerId,
        /// Its host.
        host: String,
        /// Why, for people.
        message: String,
    },
    /// You were ended (AP-06).
    ApplicationRemoved {
        /// Why, for people.
        message: String,
    },
    /// Answer to `RequestExecutors` or `KillExecutors`.
    Answer {
        /// Of which request.
        request: u64,
        /// Whether it was taken.
        accepted: bool,
    },
}
