//! What operators are shown of the office, as the scenarios need it.

use std::time::Duration;

use serde_json::Value;
use tanist_testkit::{Cluster, wait_for};

/// Who leads, with all that was there taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Office {
    /// Its place among the masters of the cluster.
    pub master: usize,
    /// Its term.
    pub epoch: u64,
}

impl Office {
    /// The one in office now, if it is ALIVE and has heard of everybody.
    pub fn look(cluster: &Cluster) -> Option<Self> {
        let status = cluster.json(&["status"])?;
        let quiet = status["role"] == "ALIVE" && status["workers_missing"] == 0 && status["apps_missing"] == 0;
        let master = cluster.masters.iter().position(|master| status["leader"]["master"] == master.id.as_str())?;
        let epoch = status["leader"]["epoch"].as_u64()?;
        // A deposed one may believe in itself a little longer; it is asked as long as it answers first.
        quiet.then_some(Self { master, epoch })
    }

    /// Waits for a term after this one.
    #[track_caller]
    pub fn wait_for_next(&self, cluster: &Cluster, limit: Duration) -> Self {
        wait_for(&format!("a term after {self:?}"), limit, || {
            Self::look(cluster).filter(|office| office.epoch > self.epoch)
        })
    }

    /// Waits for the first one.
    #[track_caller]
    pub fn wait(cluster: &Cluster, limit: Duration) -> Self {
        wait_for("a leader that is ALIVE", limit, || Self::look(cluster))
    }
}

/// All terms as `tanist ctl history` tells them, oldest first.
pub fn history(cluster: &Cluster) -> Vec<Value> {
    cluster.ctl(&["history"]).as_array().cloned().unwrap_or_default()
}

/// A term as `tanist ctl history` tells it.
#[track_caller]
pub fn term(cluster: &Cluster, epoch: u64) -> Value {
    let history = history(cluster);
    let found = history.iter().find(|term| term["epoch"] == epoch).cloned();
    found.unwrap_or_else(|| panic!("no epoch {epoch} in {history:?}"))
}

/// What `tanist ctl members` says of a master.
pub fn member(cluster: &Cluster, master: usize) -> Value {
    let id = cluster.masters[master].id.as_str();
    let members = cluster.ctl(&["members"]);
    let found = members.as_array().into_iter().flatten().find(|member| member["id"] == id).cloned();
    found.unwrap_or_default()
}

/// A count of a master.
pub fn count(cluster: &Cluster, master: usize, name: &str) -> u64 {
    let member = member(cluster, master);
    let counts = member["counts"].as_array().cloned().unwrap_or_default();
    counts.iter().find(|count| count["name"] == name).and_then(|count| count["value"].as_u64()).unwrap_or_default()
}
