//! Why a driver has no place yet, in words for people: what is really missing, the most lasting cause first.

use std::collections::BTreeMap;
use std::fmt;

use super::entities::{Driver, Worker};
use super::leader::Leader;
use crate::model::DriverDescription;

impl Leader {
    /// Why a driver has no place yet, for people. None once it has one, unless it is being killed there.
    pub(super) fn waiting_reason(&self, driver: &Driver) -> Option<String> {
        if driver.record.placement.is_some() {
            return driver.record.kill_requested.then(|| "being killed".to_owned());
        }
        let wanted = &*driver.record.description;
        let need = Need(wanted);
        let mut ready = 0;
        let (mut fitting, mut unsuited, mut unusable) = (0, 0, BTreeMap::new());
        for worker in self.workers.values() {
            let (suits, fits) = (suits(worker, wanted), offers(worker, wanted));
            match obstacle(worker) {
                None => {
                    ready += 1;
                    fitting += usize::from(fits && suits);
                    unsuited += usize::from(fits && !suits);
                }
                Some(_) if !suits => {}
                Some(why) if fits => *unusable.entry(why).or_insert(0) += 1,
                Some(_) => {}
            }
        }
        let others = Unusable(&unusable);
        let reason = match self.scheduler.driver_limit_reached() {
            _ if fitting == 0 && !unusable.is_empty() => format!("no worker is ready for {need}: {others}"),
            _ if ready == 0 => format!("no worker is ready; it needs {need}"),
            _ if fitting == 0 && unsuited > 0 => {
                let (workers, run) = (plural(unsuited, "worker"), if unsuited == 1 { "runs" } else { "run" });
                format!(
                    "{workers} that would have room for {need} {run} only main classes with a file to fetch and an argument {{{{WORKER_URL}}}}, which may run on while no master is heard"
                )
            }
            _ if fitting == 0 => format!("it needs {need}, more than any worker has{}", self.shortage(wanted)),
            Some(limit) => format!("the limit of {} is reached", plural(limit, "running driver")),
            None if unusable.is_empty() => format!("{need} are not free on any worker now"),
            None => format!("{need} are not free on any worker now; {others}"),
        };
        Some(format!("waits: {reason}"))
    }

    /// What no worker has enough of, each with the most that one has: ` (cores: at most 2, gpu: at most 1)`. If every
    /// single thing is there somewhere, only not together, it says that.
    fn shortage(&self, wanted: &DriverDescription) -> String {
        let records = || self.workers.values().map(|worker| &worker.record);
        let mut short = Vec::new();
        let cores = records().map(|record| record.cores).max().unwrap_or_default();
        if cores < wanted.cores {
            short.push(format!("cores: at most {cores}"));
        }
        let memory = records().map(|record| record.memory).max().unwrap_or_default();
        if memory < wanted.memory {
            short.push(format!("memory: at most {memory}"));
        }
        for (name, amount) in wanted.resources.iter() {
            let most = records().map(|record| record.resources.of(name).len()).max().unwrap_or_default();
            if most < amount as usize {
                short.push(format!("{name}: at most {most}"));
            }
        }
        if short.is_empty() { " at once".to_owned() } else { format!(" ({})", short.join(", ")) }
    }
}

/// Whether the worker could take the driver if nothing else ran there.
fn offers(worker: &Worker, wanted: &DriverDescription) -> bool {
    let record = &worker.record;
    record.cores >= wanted.cores && record.memory >= wanted.memory && record.resources.covers(&wanted.resources)
}

/// Whether the worker can run the driver as it is meant.
fn suits(worker: &Worker, wanted: &DriverDescription) -> bool {
    !worker.is_foreign() || wanted.suits_foreign_workers()
}

/// Why a worker takes no new work now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Obstacle {
    Decommissioned,
    NotConnected,
    Declines,
}

/// None exactly for a worker that is [`schedulable`](Worker::schedulable).
fn obstacle(worker: &Worker) -> Option<Obstacle> {
    if worker.schedulable() {
        None
    } else if worker.record.decommissioned {
        Some(Obstacle::Decommissioned)
    } else if worker.unknown || worker.session.is_none() {
        Some(Obstacle::NotConnected)
    } else {
        Some(Obstacle::Declines)
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Obstacle::Decommissioned => "decommissioned",
            Obstacle::NotConnected => "not connected",
            Obstacle::Declines => "low on disk space or stopping",
        })
    }
}

/// `2 workers that would fit take no new work now (1 decommissioned, 1 not connected)`
struct Unusable<'a>(&'a BTreeMap<Obstacle, usize>);

impl fmt::Display for Unusable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.0.values().sum();
        let causes: Vec<String> = self.0.iter().map(|(why, count)| format!("{count} {why}")).collect();
        let (workers, take) = (plural(all, "worker"), if all == 1 { "takes" } else { "take" });
        write!(f, "{workers} that would fit {take} no new work now ({})", causes.join(", "))
    }
}

/// `1 core and 512m memory (and 2 gpu)`
struct Need<'a>(&'a DriverDescription);

impl fmt::Display for Need<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DriverDescription { cores, memory, resources, .. } = self.0;
        write!(f, "{} and {memory} memory", plural(cores.0, "core"))?;
        if resources.is_empty() {
            return Ok(());
        }
        let all: Vec<String> = resources.iter().map(|(name, amount)| format!("{amount} {name}")).collect();
        write!(f, " (and {})", all.join(", "))
    }
}

/// `1 core`, `2 cores`
fn plural(count: impl fmt::Display + Copy + PartialEq + From<u8>, noun: &str) -> String {
    let ending = if count == 1.into() { "" } else { "s" };
    format!("{count} {noun}{ending}")
}
