//! What etcd's own history shows.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{Entry, Written};
use super::{Case, Verdict};
use crate::history::{Life, Who};

/// Keys of which every write is a term's own.
const OF_TERMS: [&str; 2] = ["state/", "done/"];

/// Writes of terms: what a nemesis puts there is no envelope.
fn writes<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (&'a Entry, &'a Written)> {
    let of_terms = |entry: &&Entry| OF_TERMS.iter().any(|prefix| entry.key.starts_with(prefix));
    case.ledger.entries.iter().filter(of_terms).filter_map(|entry| Some((entry, entry.written.as_ref()?)))
}

/// Cases are violations whatever was missed; without cases a gap leaves it open.
fn unless_gap(case: &Case<'_>, cases: Vec<String>, ground: impl FnOnce() -> String) -> Verdict {
    match case.gap() {
        Some(gap) if cases.is_empty() => Verdict::NotJudged(gap),
        _ => Verdict::of(cases, ground),
    }
}

/// S1.
pub(super) fn epochs_never_fall(case: &Case<'_>) -> Verdict {
    let mut cases = Vec::new();
    let mut highest = 0;
    let mut count = 0;
    for (entry, written) in writes(case) {
        count += 1;
        if written.epoch < highest {
            let Entry { key, revision, .. } = entry;
            cases.push(format!(
                "{key} was written in epoch {} at revision {revision}, after epoch {highest}",
                written.epoch
            ));
        }
        highest = highest.max(written.epoch);
    }
    for pair in case.ledger.tenures.windows(2) {
        if let [before, after] = pair
            && after.epoch <= before.epoch
        {
            cases
                .push(format!("{} took the lead in epoch {}, after epoch {}", after.master, after.epoch, before.epoch));
        }
    }
    let terms = case.ledger.tenures.len();
    unless_gap(case, cases, || format!("{count} writes of {terms} terms, in the order of etcd's revisions"))
}

/// S2.
pub(super) fn only_the_office_acts(case: &Case<'_>) -> Verdict {
    let mut cases = Vec::new();
    let mut count = 0;
    for (entry, Written { epoch, nonce, .. }) in writes(case) {
        count += 1;
        let office = case.ledger.office_at(entry.revision);
        if office.is_none_or(|office| (office.epoch, &office.nonce) != (*epoch, nonce)) {
            let who = office
                .map_or_else(|| "nobody".to_owned(), |office| format!("{} in epoch {}", office.master, office.epoch));
            let Entry { key, revision, .. } = entry;
            cases.push(format!("{key} was written by a term of epoch {epoch} at revision {revision}, where {who} led"));
        }
    }
    let placements = case.ledger.placements();
    let mut launches = 0;
    for life in &case.told.lives {
        let Who::Driver { driver, attempt } = &life.who else { continue };
        launches += 1;
        let placed = placements.get(&(driver.clone(), *attempt));
        if !placed.is_some_and(|placed| placed.iter().any(|placement| placement.worker == life.host)) {
            cases.push(format!("{} was started on {}, and no leader has ever committed that", life.who, life.host));
        }
    }
    unless_gap(case, cases, || {
        format!(
            "{count} writes carry the term whose key was there at their revision; {launches} starts of drivers were committed"
        )
    })
}

/// S3.
pub(super) fn acknowledged_is_durable(case: &Case<'_>) -> Verdict {
    let mut cases = Vec::new();
    // Which drivers were made for a request, as the records themselves say.
    let mut made: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (driver, entry) in case.ledger.below("state/drivers/") {
        let request = entry.written.as_ref().and_then(|written| written.record["request"].as_str());
        if let Some(request) = request {
            made.entry(request.to_owned()).or_default().insert(driver);
        }
    }
    for (request, drivers) in made.iter().filter(|(_, drivers)| drivers.len() > 1) {
        cases.push(format!("request {request} has led to {} drivers: {drivers:?}", drivers.len()));
    }
    let (live, mut ended) = (case.ledger.left_below("state/drivers/"), BTreeSet::new());
    ended.extend(case.ledger.below("done/drivers/").filter(|(_, entry)| !entry.deleted).map(|(driver, _)| driver));
    let mut acknowledged = 0;
    for (request, asked) in &case.told.requests {
        let Some((_, driver)) = &asked.answered else { continue };
        acknowledged += 1;
        if !made.get(request).is_some_and(|drivers| drivers.contains(driver.as_str())) {
            cases.push(format!("request {request} was acknowledged as {driver}, and no such record was ever written"));
        } else if !live.contains_key(driver.as_str()) && !ended.contains(driver.as_str()) {
            cases.push(format!("{driver} of request {request} was acknowledged and is gone without having ended"));
        }
    }
    let tries: u32 = case.told.requests.values().map(|asked| asked.failures).sum();
    unless_gap(case, cases, || format!("{acknowledged} acknowledged submissions, {tries} tries repeated"))
}

/// S6.
pub(super) fn ended_stays_ended(case: &Case<'_>) -> Verdict {
    let mut cases = Vec::new();
    let mut ended = BTreeMap::new();
    for entry in &case.ledger.entries {
        for kind in ["drivers/", "apps/"] {
            let id = |prefix: &str| entry.key.strip_prefix(prefix)?.strip_prefix(kind).map(|id| (kind, id.to_owned()));
            if let Some(done) = id("done/").filter(|_| !entry.deleted) {
                ended.entry(done).or_insert((entry.revision, entry.at));
            }
            if let Some((at, _)) = id("state/").filter(|_| !entry.deleted).and_then(|live| ended.get(&live)) {
                let Entry { key, revision, .. } = entry;
                cases.push(format!("{key} was written at revision {revision}; it had ended at revision {at}"));
            }
        }
    }
    let came_back = |life: &&Life| match &life.who {
        Who::Driver { driver, .. } => {
            ended.get(&("drivers/", driver.clone())).is_some_and(|(_, at)| life.start > *at + case.transit())
        }
        Who::Executor { .. } => false,
    };
    for life in case.told.lives.iter().filter(came_back) {
        cases.push(format!("{} was started on {} after its driver had ended", life.who, life.host));
    }
    unless_gap(case, cases, || format!("{} ended drivers and applications", ended.len()))
}

/// S10.
pub(super) fn quarantine_is_kept(case: &Case<'_>) -> Verdict {
    let all: Vec<(&str, &Entry)> = case.ledger.below("quarantine/").collect();
    let deleted = all.iter().filter(|(_, entry)| entry.deleted);
    let cases: Vec<String> =
        deleted.map(|(key, entry)| format!("quarantine/{key} was deleted at revision {}", entry.revision)).collect();
    if all.is_empty() {
        return Verdict::NotJudged("nothing was put into quarantine".to_owned());
    }
    unless_gap(case, cases, || format!("{} records in quarantine", all.len()))
}
