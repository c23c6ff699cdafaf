//! What must come to pass once faults are over.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{BEATS_LATE, Case, Verdict};
use crate::clock::Boot;
use crate::history::{End, Histories, Life, Role};

/// From the end of all faults to a leader: this beside the lease.
const LEADER_BESIDE_LEASE: Duration = Duration::from_secs(3);
/// From there to all workers.
const ADOPTION: Duration = Duration::from_secs(2);

/// From the end of all faults until every worker works again, as promised.
pub(crate) fn recovery_bound(lease: Duration) -> Duration {
    lease + LEADER_BESIDE_LEASE + ADOPTION
}

fn seconds(length: Duration) -> String {
    format!("{:.1} s", length.as_secs_f64())
}

/// From a moment to the first answer that any submission got after it.
pub(crate) fn span_to_first_answer(told: &Histories, from: Boot) -> Option<Duration> {
    let answers = told.requests.values().filter_map(|asked| Some(asked.answered.as_ref()?.0));
    answers.filter(|at| *at >= from).min().map(|at| at.since(from))
}

/// L1.
pub(super) fn one_leader_answers(case: &Case<'_>) -> Verdict {
    let Some(calm) = case.told.calm else { return Verdict::NotJudged("faults have not ended".to_owned()) };
    let bound = (case.told.setting.lease + LEADER_BESIDE_LEASE) * case.told.setting.patience;
    let mut cases = Vec::new();
    let answered = span_to_first_answer(case.told, calm);
    match answered {
        None => cases.push("nobody has answered any submission since faults ended".to_owned()),
        Some(after) if after > bound => {
            cases.push(format!(
                "the first answer came {} after faults ended, not within {}",
                seconds(after),
                seconds(bound)
            ));
        }
        Some(_) => {}
    }
    let settled = calm + bound;
    let later = case.ledger.tenures.iter().filter(|tenure| tenure.from.1 > settled);
    cases.extend(later.map(|tenure| {
        let after = seconds(tenure.from.1.since(calm));
        format!("{} took the lead {after} after faults ended, in epoch {}", tenure.master, tenure.epoch)
    }));
    if case.ledger.tenures.last().is_none_or(|tenure| tenure.to.is_some()) {
        cases.push("nobody led at the end".to_owned());
    }
    let after = answered.map(seconds).unwrap_or_default();
    Verdict::of(cases, || format!("first answer after {after}, at most {} are promised", seconds(bound)))
}

/// L2.
pub(super) fn workers_are_adopted(case: &Case<'_>) -> Verdict {
    let Some(calm) = case.told.calm else { return Verdict::NotJudged("faults have not ended".to_owned()) };
    let bound = recovery_bound(case.told.setting.lease) * case.told.setting.patience;
    let drained = case.drained();
    let (mut cases, mut slowest) = (Vec::new(), Duration::ZERO);
    for host in case.told.setting.workers.iter().filter(|host| !drained.contains(host.as_str())) {
        let probes = case.told.lives.iter().filter(|life| life.host == *host && life.role == Role::Probe);
        match probes.map(|life| life.start.since(calm)).min() {
            None => cases.push(format!("{host} has not got the work that only it could do")),
            Some(after) if after > bound => {
                cases.push(format!(
                    "{host} got work {} after faults ended, not within {}",
                    seconds(after),
                    seconds(bound)
                ));
            }
            Some(after) => slowest = slowest.max(after),
        }
    }
    Verdict::of(cases, || {
        format!("every worker got work within {}, at most {} are promised", seconds(slowest), seconds(bound))
    })
}

/// L3.
pub(super) fn pending_runs(case: &Case<'_>) -> Verdict {
    let Some(finished) = case.told.finished else { return Verdict::NotJudged("the run has no end".to_owned()) };
    let ended: BTreeSet<&str> =
        case.ledger.below("done/drivers/").filter(|(_, entry)| !entry.deleted).map(|(driver, _)| driver).collect();
    let known: BTreeSet<&str> = case.ledger.below("state/drivers/").map(|(driver, _)| driver).collect();
    let mut cases = Vec::new();
    let mut count = 0;
    for (request, asked) in &case.told.requests {
        let Some((_, driver)) = &asked.answered else {
            if asked.refused.is_none() {
                cases.push(format!("request {request} was never answered"));
            }
            continue;
        };
        // What was never written down is lost, not pending: S3 tells of it.
        if case.gap().is_none() && !known.contains(driver.as_str()) {
            continue;
        }
        count += 1;
        let lives: Vec<&Life> = case.told.lives.iter().filter(|life| life.is_of(driver)).collect();
        let runs = lives.iter().any(|life| life.end.is_none() && life.alive + BEATS_LATE >= finished);
        let done = lives.iter().any(|life| life.end == Some(End::Done)) || ended.contains(driver.as_str());
        if !runs && !done {
            cases.push(format!("{driver} of request {request} neither runs nor has ended"));
        }
    }
    Verdict::of(cases, || format!("{count} drivers run or have ended"))
}

/// L4.
pub(super) fn pauses_end(case: &Case<'_>) -> Verdict {
    let pauses: Vec<Boot> =
        case.told.faults.iter().filter(|fault| fault.verb() == "pause").filter_map(|fault| fault.to).collect();
    if pauses.is_empty() {
        return Verdict::NotJudged("failover was not paused".to_owned());
    }
    let bound = (case.told.setting.lease + LEADER_BESIDE_LEASE) * case.told.setting.patience;
    let mut cases = Vec::new();
    for end in &pauses {
        // What other faults prevented is no fault of the pause.
        let others = case.told.faults.iter().filter(|fault| fault.verb() != "pause" && fault.from < *end + bound);
        let from = others.filter_map(|fault| fault.to).filter(|to| to > end).max().unwrap_or(*end);
        let led = case
            .ledger
            .tenures
            .iter()
            .any(|tenure| tenure.covers(from) || tenure.from.1 > from && tenure.from.1 <= from + bound);
        if !led {
            cases.push(format!("nobody took the lead within {} after a pause had ended", seconds(bound)));
        }
    }
    Verdict::of(cases, || format!("{} pauses", pauses.len()))
}
