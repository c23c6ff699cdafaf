//! What the witnesses show: processes, each with its own word about when it lived.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::Placement;
use super::{BEATS_LATE, Case, Verdict, books};
use crate::clock::Boot;
use crate::history::{End, Life, Role, Who};

/// Drivers by id, each with all its lives in the order of their starts.
fn drivers<'a>(case: &'a Case<'_>) -> BTreeMap<&'a str, Vec<&'a Life>> {
    let mut drivers: BTreeMap<&str, Vec<&Life>> = BTreeMap::new();
    for life in &case.told.lives {
        if let Who::Driver { driver, .. } = &life.who {
            drivers.entry(driver).or_default().push(life);
        }
    }
    drivers
}

/// S4.
pub(super) fn one_live_attempt(case: &Case<'_>) -> Verdict {
    let mut cases = Vec::new();
    let (mut count, mut again, mut excused) = (0, 0, 0);
    for lives in drivers(case).values() {
        count += 1;
        again += lives.len() - 1;
        for (at, second) in lives.iter().enumerate().skip(1) {
            for first in lives.iter().take(at).filter(|first| second.start < first.alive) {
                if second.role != Role::Once && first.host != second.host && case.unreachable(&first.host, second.start)
                {
                    excused += 1;
                    continue;
                }
                let overlap = first.alive.min(second.alive).since(second.start).as_millis();
                cases.push(format!(
                    "{} on {} and {} on {} lived at the same time, for {overlap} ms at least",
                    first.who, first.host, second.who, second.host
                ));
            }
        }
    }
    Verdict::of(cases, || {
        format!("{count} drivers, started again {again} times; {excused} times beside a copy on an unreachable worker")
    })
}

/// S5.
pub(super) fn epochs_at_workers_never_fall(case: &Case<'_>) -> Verdict {
    let placements = case.ledger.placements();
    let mut firsts = BTreeSet::new();
    let mut launches: BTreeMap<&str, Vec<(Boot, u64, &Life)>> = BTreeMap::new();
    for life in &case.told.lives {
        let Who::Driver { driver, attempt } = &life.who else { continue };
        // A worker starts a supervised driver again by itself, and needs no command for that.
        if !firsts.insert((&life.host, &life.who)) {
            continue;
        }
        let placed = placements.get(&(driver.clone(), *attempt));
        let here = placed.and_then(|placed| placed.iter().rev().find(|placement| placement.worker == life.host));
        if let Some(Placement { epoch, .. }) = here {
            launches.entry(&life.host).or_default().push((life.start, *epoch, life));
        }
    }
    let mut cases = Vec::new();
    let mut count = 0;
    for (host, launches) in &launches {
        count += launches.len();
        for (start, epoch, life) in launches {
            let seen = launches.iter().filter(|(before, _, _)| *before + case.transit() < *start);
            if let Some(highest) = seen.map(|(_, epoch, _)| *epoch).max().filter(|highest| highest > epoch) {
                cases.push(format!(
                    "{host} started {} for epoch {epoch} after it had followed epoch {highest}",
                    life.who
                ));
            }
        }
    }
    Verdict::of(cases, || format!("{count} launches on {} workers", launches.len()))
}

/// S7.
pub(super) fn nothing_is_overbooked(case: &Case<'_>) -> Verdict {
    let mut cases = Vec::new();
    let capacity = case.told.setting.cores;
    let mut most = 0;
    for host in &case.told.setting.workers {
        // Ends before starts at the same moment: what has ended makes room.
        let mut turns: Vec<(Boot, i64)> = Vec::new();
        for life in case.told.lives.iter().filter(|life| life.host == *host) {
            turns.extend([(life.start, i64::from(life.cores)), (life.alive, -i64::from(life.cores))]);
        }
        turns.sort();
        let mut used = 0;
        let peak = turns.iter().map(|(_, change)| {
            used += change;
            used
        });
        let peak = peak.max().unwrap_or_default();
        most = most.max(peak);
        if peak > i64::from(capacity) {
            cases.push(format!("{peak} cores were in use on {host}, which has {capacity}"));
        }
    }
    cases.extend(books::differences(case));
    Verdict::of(cases, || {
        format!("at most {most} of {capacity} cores of a worker in use at a time; the books equal what ran at the end")
    })
}

/// S8.
pub(super) fn drained_receive_nothing(case: &Case<'_>) -> Verdict {
    let drains = case.told.faults.iter().filter(|fault| fault.verb() == "drain");
    let drained: Vec<(&String, Boot)> = drains.filter_map(|fault| Some((fault.hosts.first()?, fault.to?))).collect();
    if drained.is_empty() {
        return Verdict::NotJudged("no worker was drained".to_owned());
    }
    let mut cases = Vec::new();
    for (host, at) in &drained {
        let after = case.told.lives.iter().filter(|life| life.host == **host && life.start > *at + case.transit());
        cases.extend(after.map(|life| format!("{} was started on {host} after that had been drained", life.who)));
    }
    Verdict::of(cases, || {
        format!("{} drained workers, {} changes of leader", drained.len(), case.ledger.tenures.len().max(1) - 1)
    })
}

/// S9.
pub(super) fn work_goes_on(case: &Case<'_>) -> Verdict {
    let Some(finished) = case.told.finished else { return Verdict::NotJudged("the run has no end".to_owned()) };
    let ended = |life: &&Life| match life.end {
        Some(End::Done) => false,
        Some(End::Asked) => life.alive < finished,
        None => life.alive + BEATS_LATE < finished,
    };
    let (mut cases, mut excused) = (Vec::new(), 0);
    for life in case.told.lives.iter().filter(ended) {
        if case.excused(life) {
            excused += 1;
            continue;
        }
        let how = if life.end == Some(End::Asked) { "was told to end" } else { "was killed" };
        let began = case.told.began.unwrap_or_default();
        let at = life.alive.since(began).as_secs_f64();
        cases.push(format!("{} on {} {how} at {at:.2} s, and no fault had touched its worker", life.who, life.host));
    }
    let (all, changes) = (case.told.lives.len(), case.ledger.tenures.len().max(1) - 1);
    Verdict::of(cases, || {
        format!("{all} processes over {changes} changes of leader; {excused} ended with their workers")
    })
}
