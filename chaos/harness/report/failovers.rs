//! What each fault has cost: five moments out of the logs of the masters, and what clients have felt.
//!
//! Nothing here decides a verdict; that a master says when it did something is good enough for figures.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde_json::{Value, json};
use tanist_testkit::measure::{Line, Log, Milestones, Sample};

use crate::clock::{Boot, Wall};
use crate::history::{Fault, Histories};
use crate::scenario::{Kind, Scenario, names};

/// What follows a fault later than this follows from something else.
const LONGEST: Duration = Duration::from_secs(60);

/// A fault that was followed by another leader, or at least felt.
#[derive(Debug, Clone)]
pub(crate) struct Failover {
    /// The fault, in the words of the scenario.
    pub(crate) text: String,
    /// When it began.
    pub(crate) at: Boot,
    /// The moments; none = nobody followed.
    pub(crate) milestones: Option<Milestones>,
    /// The longest time that a submission took which was due while the fault and its consequences lasted.
    pub(crate) felt: Option<Duration>,
}

/// Every fault with what followed it, until the next one.
pub(crate) fn failovers(told: &Histories, scenario: &Scenario, hosts: &Path) -> Result<Vec<Failover>> {
    let lines = logs(scenario, hosts)?;
    let mut found: Vec<Failover> = Vec::new();
    for (at, fault) in told.faults.iter().enumerate() {
        let next = told.faults.get(at + 1);
        let until = next.map_or(fault.from + LONGEST, |next| next.from.min(fault.from + LONGEST));
        let milestones = milestones(fault, &lines, until.since(fault.from));
        found.push(Failover {
            text: fault.text.clone(),
            at: fault.from,
            milestones,
            felt: felt(told, fault.from, until),
        });
    }
    Ok(found)
}

/// The lines of all masters, in the order of time.
fn logs(scenario: &Scenario, hosts: &Path) -> Result<Vec<(String, Line)>> {
    let masters = names(&scenario.cluster).into_iter().filter(|name| Kind::of(name) == Some(Kind::Master));
    let mut all = Vec::new();
    for master in masters {
        let lines = Log::new(hosts.join(&master).join("log")).news().with_context(|| format!("the log of {master}"))?;
        all.extend(lines.into_iter().map(|line| (master.clone(), line)));
    }
    all.sort_by_key(|(_, line)| line.at);
    Ok(all)
}

fn milestones(fault: &Fault, lines: &[(String, Line)], within: Duration) -> Option<Milestones> {
    let at = Timestamp::from_microsecond(fault.wall.0).ok()?;
    let mut seen = Milestones::new(at, fault.leader.as_deref().unwrap_or_default());
    let last = Wall(fault.wall.0.saturating_add(i64::try_from(within.as_micros()).unwrap_or(i64::MAX)));
    let relevant = lines.iter().filter(|(_, line)| line.at >= at && line.at.as_microsecond() < last.0);
    for (master, line) in relevant {
        // A second leader follows from something else.
        if seen.note(master, line).is_err() {
            break;
        }
    }
    seen.elected.is_some().then_some(seen)
}

fn felt(told: &Histories, from: Boot, until: Boot) -> Option<Duration> {
    let due = told.requests.values().filter(|asked| (from..until).contains(&asked.intended));
    due.filter_map(|asked| Some(asked.answered.as_ref()?.0.since(asked.intended))).max()
}

/// What is measured of each fault, in milliseconds.
pub(super) type Measure = fn(&Failover) -> Option<f64>;

pub(super) const STEPS: [(&str, Measure); 5] = [
    ("fault → suspicion", |failover| of(failover, |seen| seen.suspected)),
    ("fault → leader key", |failover| of(failover, |seen| seen.elected)),
    ("fault → first decision", |failover| of(failover, |seen| seen.decided)),
    ("fault → all workers adopted", |failover| of(failover, |seen| seen.adopted)),
    ("longest wait of a submission", |failover| failover.felt.map(|felt| felt.as_secs_f64() * 1000.0)),
];

fn of(failover: &Failover, moment: fn(&Milestones) -> Option<Timestamp>) -> Option<f64> {
    let seen = failover.milestones.as_ref()?;
    seen.since_fault(moment(seen))
}

/// One table for each kind of fault.
pub(crate) fn tables(failovers: &[Failover]) -> String {
    let mut kinds: BTreeMap<&str, Vec<&Failover>> = BTreeMap::new();
    for failover in failovers {
        kinds.entry(&failover.text).or_default().push(failover);
    }
    let mut page = "## Failover\n\nMilliseconds; – = there was none.\n\n".to_owned();
    for (text, failovers) in kinds {
        let _ = writeln!(page, "| {text} | n | min | p50 | p90 | max |\n|---|---:|---:|---:|---:|---:|");
        for (name, measure) in STEPS {
            let sample: Sample = failovers.iter().filter_map(|failover| measure(failover)).collect();
            let cells = sample.cells(&[0, 50, 90, 100]).join(" | ");
            let _ = writeln!(page, "| {name} | {} | {cells} |", sample.count());
        }
        page.push('\n');
    }
    page
}

/// Each fault by itself.
pub(crate) fn data(failovers: &[Failover], began: Boot) -> Value {
    let one = |failover: &Failover| {
        let steps = STEPS.iter().map(|(name, measure)| ((*name).to_owned(), json!(measure(failover))));
        let new = failover.milestones.as_ref().and_then(|seen| seen.new.clone());
        let at = failover.at.since(began).as_secs_f64();
        json!({ "fault": failover.text, "at": at, "new_leader": new, "ms": steps.collect::<serde_json::Map<_, _>>() })
    };
    failovers.iter().map(one).collect()
}

/// How long submissions took, from the moment when they were due.
pub(crate) fn latencies(told: &Histories) -> Sample {
    let answered = told.requests.values().filter_map(|asked| Some(asked.answered.as_ref()?.0.since(asked.intended)));
    answered.collect()
}
