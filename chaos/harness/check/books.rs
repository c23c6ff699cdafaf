//! Whether the store's last word equals what runs at the end (S7). Drivers are booked one by one. Of an executor the store
//! knows its application only: which ids have been given out, and how many cores may be in use.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::Written;
use super::{BEATS_LATE, Case};
use crate::history::{Life, Who};

/// Each difference. None are found where the store's history has a gap: what it says last is not known then.
pub(super) fn differences(case: &Case<'_>) -> Vec<String> {
    let Some(finished) = case.told.finished.filter(|_| case.gap().is_none()) else { return Vec::new() };
    let live = |life: &&Life| life.end.is_none() && life.alive + BEATS_LATE >= finished;
    let running: Vec<&Life> = case.told.lives.iter().filter(live).collect();
    drivers(case, &running).into_iter().chain(executors(case, &running)).collect()
}

fn drivers(case: &Case<'_>, running: &[&Life]) -> Vec<String> {
    let running: BTreeSet<(String, u64, &str)> = running
        .iter()
        .filter_map(|life| match &life.who {
            Who::Driver { driver, attempt } => Some((driver.clone(), *attempt, life.host.as_str())),
            Who::Executor { .. } => None,
        })
        .collect();
    let left = case.ledger.left_below("state/drivers/");
    let booked: BTreeSet<(String, u64, &str)> = left
        .iter()
        .filter_map(|(driver, entry)| {
            let record = &entry.written.as_ref()?.record;
            let worker = record["placement"]["worker"].as_str()?;
            Some(((*driver).to_owned(), record["attempt"].as_u64()?, worker))
        })
        .collect();
    let shown = |(driver, attempt, host): &(String, u64, &str)| format!("{driver} attempt {attempt} on {host}");
    let only_runs = running.difference(&booked).map(|run| format!("{} runs at the end and is in no book", shown(run)));
    let only_booked =
        booked.difference(&running).map(|book| format!("{} is in the books at the end and does not run", shown(book)));
    only_runs.chain(only_booked).collect()
}

fn executors(case: &Case<'_>, running: &[&Life]) -> Vec<String> {
    let mut of_apps: BTreeMap<&str, Vec<(u64, &Life)>> = BTreeMap::new();
    for life in running {
        if let Who::Executor { app, executor } = &life.who {
            of_apps.entry(app).or_default().push((*executor, life));
        }
    }
    let books = case.ledger.left_below("state/apps/");
    let mut cases = Vec::new();
    for (app, mut executors) in of_apps {
        executors.sort_by_key(|(id, _)| *id);
        for pair in executors.windows(2) {
            if let [(id, first), (again, second)] = pair
                && id == again
            {
                cases.push(format!("{} runs twice at the end, on {} and on {}", first.who, first.host, second.host));
            }
        }
        let book = books.get(app).and_then(|entry| entry.written.as_ref());
        cases.extend(beyond_the_book(case, app, &executors, book));
    }
    cases
}

/// What runs of an application although its record does not allow it.
fn beyond_the_book(case: &Case<'_>, app: &str, executors: &[(u64, &Life)], book: Option<&Written>) -> Vec<String> {
    let runs = |life: &Life, why: &str| format!("{} on {} runs at the end, and {why}", life.who, life.host);
    let Some(Written { record, .. }) = book else {
        return executors.iter().map(|(_, life)| runs(life, "its application is in no book")).collect();
    };
    let below = record["executor_ids_below"].as_u64().unwrap_or_default();
    let unknown = executors.iter().filter(|(id, _)| *id >= below);
    let mut cases: Vec<String> = unknown.map(|(_, life)| runs(life, "that id was never given out")).collect();
    // Those of a drained worker have left the books (DC-04) and end when their application lets them.
    let drained = case.drained();
    let counted = executors.iter().filter(|(_, life)| !drained.contains(life.host.as_str()));
    let used: u32 = counted.map(|(_, life)| life.cores).sum();
    if let Some(most) = record["description"]["max_cores"].as_u64().filter(|most| u64::from(used) > *most) {
        cases.push(format!("executors of {app} use {used} cores at the end, and may use {most}"));
    }
    cases
}
