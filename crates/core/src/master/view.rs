//! What a master shows: an immutable picture for pages, `/json/`, metrics and status.
//!
//! Built from the machine, published by the shell, read by everybody else; reads never enter the machine.

use std::sync::Arc;

use crate::ids::{AppId, Attempt, DriverId, ExecutorId, ProfileId, WorkerId};
use crate::model::{
    Addresses, ApplicationDescription, ApplicationState, DriverDescription, DriverState, ExecutorState, LeaderInfo,
    MasterRole, WorkerState,
};
use crate::msg::DriverStatus;
use crate::time::Wall;
use crate::units::{Cores, Memory};

/// The picture of one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MasterView {
    /// The master's role.
    pub role: MasterRole,
    /// Who leads, as far as known.
    pub leader: Option<LeaderInfo>,
    /// When the picture was taken.
    pub taken_at: Wall,
    /// What recovery still waits for.
    pub missing: Missing,
    /// Workers by id; dead ones behind the others.
    pub workers: Vec<WorkerView>,
    /// Applications by registration.
    pub apps: Vec<AppView>,
    /// Ended applications, oldest first.
    pub ended_apps: Vec<AppView>,
    /// Drivers by submission.
    pub drivers: Vec<DriverView>,
    /// Ended drivers, oldest first.
    pub ended_drivers: Vec<DriverView>,
    /// Keys of the store that could not be decoded and were put aside.
    pub quarantined: Vec<String>,
}

impl MasterView {
    /// Where this driver stands (DR-06); none = no such driver.
    pub fn driver_status(&self, id: &DriverId) -> Option<DriverStatus> {
        self.drivers.iter().chain(&self.ended_drivers).find(|driver| driver.id == *id).map(DriverView::status)
    }
}

/// Known from before a change of leader and not heard of since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missing {
    /// Workers.
    pub workers: usize,
    /// Applications.
    pub apps: usize,
}

/// One worker (UI-12).
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerView {
    /// Which worker.
    pub id: WorkerId,
    /// Its host.
    pub host: String,
    /// Port of its own endpoint.
    pub port: u16,
    /// Address of its web pages.
    pub ui_url: String,
    /// Its state.
    pub state: WorkerState,
    /// Whether a session with it is open.
    pub connected: bool,
    /// Whether it takes new work (disk space, decommissioning).
    pub accepts_work: bool,
    /// Cores offered.
    pub cores: Cores,
    /// Cores booked.
    pub cores_used: Cores,
    /// Memory offered.
    pub memory: Memory,
    /// Memory booked.
    pub memory_used: Memory,
    /// Resources offered.
    pub resources: Addresses,
    /// Resources booked.
    pub resources_used: Addresses,
    /// When it was heard last.
    pub last_heartbeat: Wall,
    /// Executors on it.
    pub executors: usize,
    /// Drivers on it.
    pub drivers: Vec<DriverId>,
    /// Acts of masters that it has refused because of their term, since its process started: those of a deposed leader
    /// that did not know yet. None is a sign of danger; many are one of a partition.
    pub refused_commands: u64,
}

/// One application (UI-13).
#[derive(Debug, Clone, PartialEq)]
pub struct AppView {
    /// Which application.
    pub id: AppId,
    /// What it asked for.
    pub description: Arc<ApplicationDescription>,
    /// Its state.
    pub state: ApplicationState,
    /// Whether a session with its client is open.
    pub connected: bool,
    /// First registration.
    pub registered_at: Wall,
    /// End, if ended.
    pub ended_at: Option<Wall>,
    /// Why it ended, if it did not simply finish.
    pub message: Option<String>,
    /// Cores granted.
    pub cores_granted: Cores,
    /// Most cores it may have.
    pub max_cores: Cores,
    /// Executors wanted over all profiles; none = no limit.
    pub executor_limit: Option<u32>,
    /// Its live executors.
    pub executors: Vec<ExecutorView>,
    /// Its ended executors, oldest first, as far as kept.
    pub ended_executors: Vec<ExecutorView>,
}

/// One executor.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutorView {
    /// Its number.
    pub id: ExecutorId,
    /// On which worker.
    pub worker: WorkerId,
    /// `host:port` of that worker's endpoint.
    pub worker_address: String,
    /// Cores booked.
    pub cores: Cores,
    /// Memory booked.
    pub memory: Memory,
    /// From which profile.
    pub profile: ProfileId,
    /// Its state.
    pub state: ExecutorState,
}

/// One driver (UI-14).
#[derive(Debug, Clone, PartialEq)]
pub struct DriverView {
    /// Which driver.
    pub id: DriverId,
    /// What it asked for.
    pub description: Arc<DriverDescription>,
    /// Its state.
    pub state: DriverState,
    /// Which copy.
    pub attempt: Attempt,
    /// Its worker.
    pub worker: Option<WorkerId>,
    /// `host:port` of that worker's endpoint.
    pub worker_address: Option<String>,
    /// Resource addresses booked for it; none once it has ended.
    pub resources: Addresses,
    /// When it was accepted.
    pub submitted_at: Wall,
    /// End, if ended.
    pub ended_at: Option<Wall>,
    /// Exit code, if ended by itself.
    pub exit_code: Option<i32>,
    /// Why it ended so, or why it waits.
    pub message: Option<String>,
}

impl DriverView {
    fn status(&self) -> DriverStatus {
        DriverStatus {
            driver: self.id.clone(),
            state: self.state,
            attempt: self.attempt,
            worker: self.worker.clone(),
            worker_address: self.worker_address.clone(),
            exit_code: self.exit_code,
            message: self.message.clone(),
        }
    }
}
