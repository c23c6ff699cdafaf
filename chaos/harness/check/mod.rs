//! Judges a run by its histories: what was promised, and whether it held. A pure function; it asks no master.
//!
//! Each property is judged as far as it can be seen from outside, and says so where it cannot. A verdict of *violated* is
//! certain: wherever the histories leave something open, it is decided for the cluster.

mod books;
mod ledger;
mod liveness;
mod lives;
mod store;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::history::Histories;

pub(crate) use ledger::{Ledger, Tenure};
pub(crate) use liveness::recovery_bound;

/// What was found out about one property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Its name, such as `S1`.
    pub(crate) property: &'static str,
    /// What is promised.
    pub(crate) promise: &'static str,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// It held; on what that rests.
    Held(String),
    /// It did not; each case.
    Violated(Vec<String>),
    /// It cannot be told, and why.
    NotJudged(String),
}

impl Finding {
    pub(crate) fn is_violated(&self) -> bool {
        matches!(self.verdict, Verdict::Violated(_))
    }
}

impl Verdict {
    /// Held, on this ground, unless there are cases.
    fn of(cases: Vec<String>, ground: impl FnOnce() -> String) -> Self {
        if cases.is_empty() { Self::Held(ground()) } else { Self::Violated(cases) }
    }
}

/// What a decision may take on its way from the master that has taken it to the process that follows it. Until then nobody
/// can say from outside which of the two was first.
const TRANSIT: Duration = Duration::from_secs(2);

/// What a process that lives may be late with its beats.
const BEATS_LATE: Duration = Duration::from_secs(2);

type Judge = fn(&Case<'_>) -> Verdict;

const PROPERTIES: [(&str, &str, Judge); 14] = [
    ("S1", "committed writes carry non-decreasing epochs", store::epochs_never_fall),
    ("S2", "no write and no launch by a term that is not in office", store::only_the_office_acts),
    ("S3", "an acknowledged submission is durable, and unique per request id", store::acknowledged_is_durable),
    (
        "S4",
        "a driver has one live attempt; a second one only while the first one's worker is unreachable",
        lives::one_live_attempt,
    ),
    ("S5", "a worker executes no command of a lower epoch than one it has seen", lives::epochs_at_workers_never_fall),
    ("S6", "what has ended never comes back", store::ended_stays_ended),
    ("S7", "what runs on a worker fits into it, and equals the books once all is quiet", lives::nothing_is_overbooked),
    ("S8", "drained workers receive nothing", lives::drained_receive_nothing),
    ("S9", "running work is never ended because the control plane was away", lives::work_goes_on),
    ("S10", "quarantined data is never deleted", store::quarantine_is_kept),
    ("L1", "after faults one leader is there and answers within TTL + 3 s", liveness::one_leader_answers),
    ("L2", "every reachable worker works for it 2 s later", liveness::workers_are_adopted),
    ("L3", "every pending driver that fits runs", liveness::pending_runs),
    ("L4", "no pause of failover outlives its end", liveness::pauses_end),
];

/// The histories, and what follows from them for several properties.
struct Case<'a> {
    told: &'a Histories,
    ledger: Ledger,
}

impl Case<'_> {
    fn transit(&self) -> Duration {
        TRANSIT * self.told.setting.patience
    }

    /// Hosts of workers that were drained.
    fn drained(&self) -> BTreeSet<&str> {
        let drains = self.told.faults.iter().filter(|fault| fault.verb() == "drain");
        drains.flat_map(|fault| &fault.hosts).map(String::as_str).collect()
    }

    /// Why the store's history is no ground for a verdict; none = it is whole.
    fn gap(&self) -> Option<String> {
        if let Some((from, to)) = self.told.missed.first() {
            return Some(format!("etcd's revisions {from} to {to} were forgotten before they were seen"));
        }
        match self.told.complete {
            None => Some("the end of etcd's history was not seen".to_owned()),
            Some(_) => self.ledger.skipped.map(|revision| format!("etcd's revision {revision} was not seen")),
        }
    }
}

/// All properties, in the order of their names.
pub(crate) fn check(told: &Histories) -> Vec<Finding> {
    let case = Case { told, ledger: Ledger::of(&told.changes) };
    let finding = |(property, promise, judge): (&'static str, &'static str, Judge)| {
        let verdict = match (told.began, told.finished) {
            (Some(_), Some(_)) => judge(&case),
            _ => Verdict::NotJudged("the run did not come to its end".to_owned()),
        };
        Finding { property, promise, verdict }
    };
    PROPERTIES.into_iter().map(finding).collect()
}
