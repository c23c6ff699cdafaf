//! What must always hold, as text when it does not. For tests and the simulator.

use std::collections::BTreeMap;

use super::executor::booking_of;
use super::{Target, Worker};
use crate::ids::DriverId;
use crate::model::{Booking, ExecutorState};

impl Worker {
    /// Every invariant of the state, broken ones as text. Empty = all hold.
    pub fn check(&self) -> Vec<String> {
        let mut broken = Vec::new();
        self.check_books(&mut broken);
        self.check_runs(&mut broken);
        self.check_single_copies(&mut broken);
        for list in [
            (self.ended_drivers.len() > self.config.behaviour.retained_drivers, "ended drivers"),
            (self.ended_executors.len() > self.config.behaviour.retained_executors, "ended executors"),
        ] {
            if list.0 {
                broken.push(format!("more {} are listed than may be kept", list.1));
            }
        }
        broken
    }

    /// Σ bookings = what is taken ≤ what is offered; every resource address at most once (I5).
    fn check_books(&self, broken: &mut Vec<String>) {
        let executors = self.executors.values().map(|known| booking_of(&known.description));
        let bookings: Vec<Booking> =
            self.drivers.values().map(|known| known.booking.clone()).chain(executors).collect();
        let cores: u64 = bookings.iter().map(|booking| u64::from(booking.cores.0)).sum();
        let memory: u64 = bookings.iter().map(|booking| booking.memory.as_mib()).sum();
        let used = self.books.used();
        if cores != u64::from(used.cores.0) || cores > u64::from(self.books.offered.cores.0) {
            broken.push(format!("runs take {cores} cores, booked are {}", used.cores));
        }
        if memory != used.memory.as_mib() || memory > self.books.offered.memory.as_mib() {
            broken.push(format!("runs take {memory} MiB, booked are {}", used.memory));
        }
        let mut free = self.books.offered.resources.clone();
        for booking in &bookings {
            if free.take_exact(&booking.resources).counts() != booking.resources.counts() {
                broken.push(format!("resource addresses {:?} are taken twice or not offered", booking.resources));
            }
        }
        if free.counts() != self.books.free.resources.counts() {
            broken.push(format!("resource addresses {free:?} should be free, not {:?}", self.books.free.resources));
        }
    }

    /// Runs and what they are runs of name each other.
    fn check_runs(&self, broken: &mut Vec<String>) {
        if self.runs.len() != self.drivers.len() + self.executors.len() {
            broken.push(format!("{} runs for other things than they name", self.runs.len()));
        }
        for (run, target) in &self.runs {
            let process = match target {
                Target::Driver(key) => self.drivers.get(key).map(|known| &known.process),
                Target::Executor(executor) => self.executors.get(executor).map(|known| &known.process),
            };
            if process.is_none_or(|process| process.run != *run) {
                broken.push(format!("run {run} is of {target}, which does not know it"));
            }
        }
        for known in self.executors.values() {
            if !matches!(known.description.state, ExecutorState::Launching | ExecutorState::Running) {
                broken.push(format!("executor {} runs as {}", known.description.executor, known.description.state));
            }
        }
    }

    /// I3 on one worker: at most one attempt of a driver has a process.
    fn check_single_copies(&self, broken: &mut Vec<String>) {
        let mut live: BTreeMap<&DriverId, u32> = BTreeMap::new();
        for ((driver, _), known) in &self.drivers {
            *live.entry(driver).or_default() += u32::from(known.process.is_live());
        }
        let doubled = live.into_iter().filter(|(_, copies)| *copies > 1);
        broken.extend(doubled.map(|(driver, copies)| format!("{copies} copies of driver {driver} run")));
    }
}
