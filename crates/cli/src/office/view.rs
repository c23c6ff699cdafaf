//! What operators are shown of the office. These structs **are** the JSON of `--output json`, under the rules of
//! [`crate::view`].

use serde::Serialize;

use tanist_core::model::LeaderInfo;
use tanist_proto::v1;

/// Somebody in office.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Office {
    /// Which master.
    pub(crate) master: String,
    /// `host:port` of its services.
    pub(crate) address: String,
    /// The cluster.
    pub(crate) cluster: String,
    /// Generation and epoch as one text, such as `0.7`.
    pub(crate) term: String,
    pub(crate) generation: u64,
    pub(crate) epoch: u64,
    /// Tells terms apart that claim the same number.
    #[serde(skip)]
    pub(crate) nonce: String,
}

impl Office {
    /// Terms are ordered by this.
    pub(super) fn rank(&self) -> (u64, u64) {
        (self.generation, self.epoch)
    }
}

impl From<v1::LeaderInfo> for Office {
    fn from(wire: v1::LeaderInfo) -> Self {
        let term = wire.term.unwrap_or_default();
        Self {
            master: wire.master_id,
            address: wire.address,
            cluster: wire.cluster_id,
            term: number(term.generation, term.epoch),
            generation: term.generation,
            epoch: term.epoch,
            nonce: term.nonce,
        }
    }
}

impl From<&LeaderInfo> for Office {
    fn from(leader: &LeaderInfo) -> Self {
        Self::from(v1::LeaderInfo::from(leader))
    }
}

/// A term's number as people read it.
fn number(generation: u64, epoch: u64) -> String {
    format!("{generation}.{epoch}")
}

/// One master (`ctl members`).
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Member {
    /// Its id; null = nothing is known but its address.
    pub(crate) id: Option<String>,
    /// `host:port` as it names itself, else as configured.
    pub(crate) address: String,
    /// Under which addresses it is configured; empty = it is not.
    pub(crate) configured: Vec<String>,
    /// Whether the store lists it as a member; null = the store could not be asked.
    pub(crate) member: Option<bool>,
    /// Whether it is the leader, as far as known.
    pub(crate) leads: bool,
    /// Its role: in its own words, else as the store lists it.
    pub(crate) role: Option<String>,
    pub(crate) version: Option<String>,
    /// When its process started.
    pub(crate) started_at_ms: Option<u64>,
    /// Whether it answers.
    pub(crate) answers: bool,
    /// Why it does not.
    pub(crate) error: Option<String>,
    /// What it does in its role.
    pub(crate) doing: Option<String>,
    pub(crate) doing_since_ms: Option<u64>,
    /// Whom it takes for the leader.
    pub(crate) leader: Option<Office>,
    /// What is wrong between it and the store.
    pub(crate) trouble: Option<Trouble>,
    /// Why it cannot tell members or history.
    pub(crate) incomplete: Option<String>,
    /// Its copy of the records; null = none.
    pub(crate) mirror: Option<Mirror>,
    /// Counts since its process started.
    pub(crate) counts: Vec<Count>,
}

/// What is wrong between a master and the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Trouble {
    pub(crate) since_ms: u64,
    pub(crate) what: String,
}

impl From<v1::StoreTrouble> for Trouble {
    fn from(wire: v1::StoreTrouble) -> Self {
        Self { since_ms: wire.since_ms, what: wire.what }
    }
}

/// A standby's copy of the records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Mirror {
    pub(crate) records: u64,
    /// Up to which revision of the store it is complete.
    pub(crate) revision: u64,
    /// Records compared with the store at take-overs.
    pub(crate) compared: u64,
    /// Of these, how many differed.
    pub(crate) differences: u64,
}

impl From<v1::Mirror> for Mirror {
    fn from(wire: v1::Mirror) -> Self {
        let v1::Mirror { records, revision, compared, differences } = wire;
        Self { records, revision, compared, differences }
    }
}

/// A count of one master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Count {
    pub(crate) name: String,
    /// What is counted.
    pub(crate) help: String,
    pub(crate) value: u64,
}

impl From<v1::NamedCount> for Count {
    fn from(wire: v1::NamedCount) -> Self {
        Self { name: wire.name, help: wire.help, value: wire.value }
    }
}

/// A pause of failover (`ctl pause`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Pause {
    pub(crate) by: String,
    pub(crate) why: String,
    pub(crate) until_at_ms: u64,
}

impl From<v1::FailoverPause> for Pause {
    fn from(wire: v1::FailoverPause) -> Self {
        Self { by: wire.by, why: wire.why, until_at_ms: wire.until_ms }
    }
}

/// A switchover under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Handover {
    /// Who is to lead.
    pub(crate) target: String,
    pub(crate) why: String,
    /// Until when the others wait for it.
    pub(crate) until_at_ms: u64,
}

impl From<v1::PlannedHandover> for Handover {
    fn from(wire: v1::PlannedHandover) -> Self {
        Self { target: wire.target, why: wire.why, until_at_ms: wire.until_ms }
    }
}

/// One term (`ctl history`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TermView {
    /// Generation and epoch as one text, such as `0.7`.
    pub(crate) term: String,
    pub(crate) generation: u64,
    pub(crate) epoch: u64,
    pub(crate) master: String,
    pub(crate) address: String,
    pub(crate) began_at_ms: u64,
    /// Why it began: what became of the term before.
    pub(crate) began: String,
    /// null = in office.
    pub(crate) ended_at_ms: Option<u64>,
    /// How it ended.
    pub(crate) ended: Option<String>,
    /// How its recovery went; null = not over.
    pub(crate) recovery: Option<Recovery>,
}

/// What a recovery had before it, and what was missing when it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Recovery {
    pub(crate) took_ms: u64,
    pub(crate) workers: u32,
    pub(crate) workers_missing: u32,
    pub(crate) apps: u32,
    pub(crate) apps_missing: u32,
    pub(crate) drivers: u32,
    pub(crate) quarantined: u32,
}

impl From<v1::TermRecord> for TermView {
    fn from(wire: v1::TermRecord) -> Self {
        Self {
            term: number(wire.generation, wire.epoch),
            generation: wire.generation,
            epoch: wire.epoch,
            master: wire.master_id,
            address: wire.address,
            began_at_ms: wire.since_ms,
            began: wire.began,
            ended_at_ms: wire.ended_at_ms,
            ended: wire.ended,
            recovery: wire.recovery.map(Recovery::from),
        }
    }
}

impl From<v1::RecoveryRecord> for Recovery {
    fn from(wire: v1::RecoveryRecord) -> Self {
        let v1::RecoveryRecord { took_ms, workers, workers_missing, apps, apps_missing, drivers, quarantined } = wire;
        Self { took_ms, workers, workers_missing, apps, apps_missing, drivers, quarantined }
    }
}
