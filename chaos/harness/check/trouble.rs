//! What faults excuse. Every promise has its terms: a driver dies with its worker, and a worker that is silent for long is
//! given up.

use std::time::Duration;

use super::Case;
use crate::clock::Boot;
use crate::history::{Fault, Life, Role};

/// Faults that end what runs on the hosts they meet.
const DEADLY: [&str; 4] = ["kill", "term", "restart", "fill"];
/// From the end of a fault until everybody has heard of it.
const HEARD_WITHIN: Duration = Duration::from_secs(10);

impl Case<'_> {
    fn heard_within(&self) -> Duration {
        HEARD_WITHIN * self.told.setting.patience
    }

    /// When a fault began and ended; one that was never undone goes on.
    fn span(&self, fault: &Fault) -> (Boot, Boot) {
        (fault.from, fault.to.or(self.told.finished).unwrap_or(Boot(u64::MAX)))
    }

    /// Faults that touch a host.
    fn touching<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Fault> {
        self.told.faults.iter().filter(move |fault| fault.hosts.iter().any(|touched| touched == host))
    }

    /// Whether the host's worker may have been out of everybody's reach at this moment.
    pub(super) fn unreachable(&self, host: &str, at: Boot) -> bool {
        let around = self.told.setting.worker_timeout + self.heard_within();
        self.touching(host).map(|fault| self.span(fault)).any(|(from, to)| from <= at && at <= to + around)
    }

    /// Whether the end of this life is one that faults explain.
    pub(super) fn excused(&self, life: &Life) -> bool {
        let at = life.alive;
        let deadly = |fault: &&Fault| DEADLY.contains(&fault.verb());
        let late = self.heard_within();
        let died = self.touching(&life.host).filter(deadly).map(|fault| self.span(fault));
        if died.into_iter().any(|(from, to)| from <= at + super::BEATS_LATE && at <= to + late) {
            return true;
        }
        let timeout = self.told.setting.worker_timeout;
        // A worker ends such drivers by itself in time, whoever it is that it does not hear.
        if life.role == Role::Once && self.longest(self.told.faults.iter(), at) * 2 >= timeout {
            return true;
        }
        self.longest(self.touching(&life.host), at) >= timeout
    }

    /// How long the trouble lasted at this moment, or just before: faults that follow each other closely are one.
    fn longest<'a>(&self, faults: impl Iterator<Item = &'a Fault>, at: Boot) -> Duration {
        let late = self.heard_within();
        let mut spans: Vec<(Boot, Boot)> =
            faults.map(|fault| self.span(fault)).map(|(from, to)| (from, to + late)).collect();
        spans.sort();
        let mut merged: Vec<(Boot, Boot)> = Vec::new();
        for (from, to) in spans {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        let around = merged.into_iter().filter(|(from, to)| *from <= at && at <= *to + late);
        around.map(|(from, to)| to.since(from)).max().unwrap_or_default()
    }
}
