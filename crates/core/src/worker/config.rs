//! Settings of the worker's machine, with the original's defaults where it has them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::ids::{ClusterId, Incarnation, Term, WorkerId};
use crate::model::Addresses;
use crate::tracking::TrackingConfig;
use crate::units::{Cores, Memory};

/// A node's own `spark.ssl.*` settings: Spark's names, in full, with their values (WL-04). Some are passwords, so that
/// debug output has the names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SslSettings(pub BTreeMap<String, String>);

impl fmt::Debug for SslSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Who this worker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerIdentity {
    /// Its id; new at every process start by default (WR-01).
    pub id: WorkerId,
    /// Which process under this id.
    pub incarnation: Incarnation,
    /// Host name or address by which others reach it.
    pub host: String,
    /// Port of its own gRPC endpoint.
    pub port: u16,
    /// Address of its web pages without a final slash, e.g. `http://host:8081`; empty = none (WR-18).
    pub ui_url: String,
}

/// Settings of the worker's machine.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Who it is.
    pub identity: WorkerIdentity,
    /// Cores offered.
    pub cores: Cores,
    /// Memory offered.
    pub memory: Memory,
    /// Custom resources offered.
    pub resources: Addresses,
    /// The masters, and how to look for them.
    pub tracking: TrackingConfig,
    /// The highest term that an earlier process of this worker has saved, with its cluster
    /// ([`super::Effect::SaveTerm`]).
    pub heard: Option<(Term, ClusterId)>,
    /// How it behaves.
    pub behaviour: Behaviour,
}

impl WorkerConfig {
    /// The defaults for a worker that offers this much and knows no master yet.
    pub fn new(identity: WorkerIdentity, cores: Cores, memory: Memory) -> Self {
        Self {
            identity,
            cores,
            memory,
            resources: Addresses::default(),
            tracking: TrackingConfig::default(),
            heard: None,
            behaviour: Behaviour::default(),
        }
    }
}

/// Limits, waits and habits of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// Ended executors listed (`spark.worker.ui.retainedExecutors`, WL-09).
    pub retained_executors: usize,
    /// Ended drivers listed (`spark.worker.ui.retainedDrivers`, WL-09).
    pub retained_drivers: usize,
    /// From SIGTERM to SIGKILL for drivers (`spark.worker.driverTerminateTimeout`, DRN-08).
    pub driver_terminate_timeout: Duration,
    /// From SIGTERM to SIGKILL for executors (ERN-06; fixed in the original).
    pub executor_terminate_timeout: Duration,
    /// Longest wait before a supervised driver is started again (DRN-06; no limit in the original).
    pub supervise_backoff_cap: Duration,
    /// A run of a supervised driver longer than this starts the waits anew (DRN-06).
    pub supervise_reset_after: Duration,
    /// Delete old directories (`spark.worker.cleanup.enabled`, DIR-02).
    pub cleanup_enabled: bool,
    /// How often (`spark.worker.cleanup.interval`).
    pub cleanup_interval: Duration,
    /// Age from which they are old (`spark.worker.cleanup.appDataTtl`).
    pub cleanup_ttl: Duration,
    /// New work is asked for only while at least this much disk space is free. Zero = no floor.
    pub disk_floor: Memory,
    /// Decommissioning is possible (`spark.decommission.enabled`, DC-01).
    pub decommission_enabled: bool,
    /// This node's own `spark.ssl.*` settings, for commands that ask for them (WL-04).
    pub ssl_settings: SslSettings,
    /// Address of a reverse proxy in front of all web pages, for log addresses (ERN-04); none = direct.
    pub reverse_proxy_url: Option<String>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            retained_executors: 1000,
            retained_drivers: 1000,
            driver_terminate_timeout: Duration::from_secs(10),
            executor_terminate_timeout: Duration::from_secs(10),
            supervise_backoff_cap: Duration::from_secs(60),
            supervise_reset_after: Duration::from_secs(5),
            cleanup_enabled: true,
            cleanup_interval: Duration::from_mins(30),
            cleanup_ttl: Duration::from_hours(7 * 24),
            disk_floor: Memory::ZERO,
            decommission_enabled: false,
            ssl_settings: SslSettings::default(),
            reverse_proxy_url: None,
        }
    }
}
