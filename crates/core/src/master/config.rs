//! Settings of the master's machine, with the original's defaults where it has them.

use std::time::Duration;

use super::schedule::SchedulerOptions;
use crate::ids::{IdPattern, InvalidId};
use crate::units::Cores;

/// Settings of the master's machine. All of them are the same on every master of a cluster.
#[derive(Debug, Clone)]
pub struct MasterConfig {
    /// How work is placed (SC-03 … SC-13).
    pub scheduler: SchedulerOptions,
    /// Cores of an application that names no limit (`spark.deploy.defaultCores`, AP-03).
    pub default_cores: Cores,
    /// Form of application ids (`spark.deploy.appIdPattern`); arguments: time stamp, number (ADR 12).
    pub app_id_pattern: IdPattern,
    /// Form of driver ids (`spark.deploy.driverIdPattern`); arguments: time stamp, number (ADR 12).
    pub driver_id_pattern: IdPattern,
    /// Applications are numbered from 0 and below this (`spark.deploy.appNumberModulo`), whatever the term; at least 1000.
    pub app_number_modulo: Option<u64>,
    /// Use an application's name as its id (`spark.master.useAppNameAsAppId.enabled`).
    pub app_name_as_id: bool,
    /// Failures in a row after which an application without a running executor is ended
    /// (`spark.deploy.maxExecutorRetries`, EX-03); none = never.
    pub max_executor_retries: Option<u32>,
    /// Ended applications kept (`spark.deploy.retainedApplications`, AP-07).
    pub retained_apps: usize,
    /// Ended drivers kept (`spark.deploy.retainedDrivers`, DR-08).
    pub retained_drivers: usize,
    /// Silence after which a worker is lost (`spark.worker.timeout`, HB-02).
    pub worker_timeout: Duration,
    /// Worker time-outs for which a dead worker stays listed (`spark.dead.worker.persistence`, HB-04).
    pub dead_worker_persistence: u32,
    /// RECOVERING ends after this at the latest (`spark.deploy.recoveryTimeout`).
    pub recovery_timeout: Duration,
    /// Silence after which an unreachable application is ended.
    pub app_timeout: Duration,
    /// How long an application may stay away whose client process is gone, in case it restarts.
    pub app_gone_grace: Duration,
    /// Most silent workers given up per minute, in percent of all, once more than [`MASS_LOSS_FLOOR`] are silent.
    pub mass_loss_percent: u32,
}

/// So many silent workers at once may be given up without a brake.
pub const MASS_LOSS_FLOOR: usize = 10;

/// Executor ids are reserved in the store in blocks of this size, so that most launches write nothing.
pub const EXECUTOR_ID_BLOCK: u32 = 64;

/// How long a request id is remembered.
pub const REQUEST_MEMORY: Duration = Duration::from_hours(24);

/// How often dead workers, old requests and refused applications are looked through.
pub const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(60);

/// Heartbeats per worker time-out (HB-01).
pub const HEARTBEATS_PER_TIMEOUT: u32 = 4;

impl MasterConfig {
    /// The defaults.
    pub fn new() -> Result<Self, InvalidId> {
        Ok(Self {
            scheduler: SchedulerOptions::default(),
            default_cores: Cores::UNLIMITED,
            app_id_pattern: IdPattern::new("application id pattern", "app-%s-%04d", IdPattern::STAMP_COUNTER)?,
            driver_id_pattern: IdPattern::new("driver id pattern", "driver-%s-%04d", IdPattern::STAMP_COUNTER)?,
            app_number_modulo: None,
            app_name_as_id: false,
            max_executor_retries: Some(10),
            retained_apps: 200,
            retained_drivers: 200,
            worker_timeout: Duration::from_secs(60),
            dead_worker_persistence: 15,
            recovery_timeout: Duration::from_secs(10),
            app_timeout: Duration::from_mins(10),
            app_gone_grace: Duration::from_secs(5),
            mass_loss_percent: 10,
        })
    }

    /// How often workers and application clients are asked to send a heartbeat (HB-01).
    pub fn heartbeat_every(&self) -> Duration {
        (self.worker_timeout / HEARTBEATS_PER_TIMEOUT).max(Duration::from_millis(100))
    }
}
