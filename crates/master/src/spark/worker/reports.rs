//! What a worker has said once, and the loop has yet to make durable. Our own workers repeat a report until it is
//! acknowledged; those of Spark say the end of a driver once, and wait for the answer about an executor.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use tanist_core::ids::{ExecutorRef, ProfileId, ReportId};
use tanist_core::model::{Addresses, Booking, DriverOnWorker, ExecutorDescription, ExecutorState, Inventory};
use tanist_core::msg::WorkerToMaster;
use tanist_core::units::{Cores, Memory};

/// A report that is not acknowledged is said again after this time.
const REPEATED_AFTER: Duration = Duration::from_secs(5);

/// A question is answered after this time at the latest, though nothing is durable: a worker waits for 120 s, and ends itself
/// with all that it runs where it has waited in vain for the sixth time.
const ANSWERED_AFTER: Duration = Duration::from_secs(100);

/// Most reports that are kept: more than a worker has to end. Each has some KiB at most.
const MAX_REPORTS: usize = 1024;

/// The reports of one worker.
#[derive(Debug, Default)]
pub(super) struct Reports {
    last: u64,
    open: BTreeMap<ReportId, Open>,
}

/// One that is not acknowledged.
#[derive(Debug)]
struct Open {
    message: WorkerToMaster,
    /// The question that waits for the acknowledgement.
    question: Option<i64>,
    asked: Instant,
    said: Instant,
}

impl Reports {
    /// One more; `None` = there are too many.
    pub(super) fn add(
        &mut self,
        question: Option<i64>,
        message: impl FnOnce(ReportId) -> WorkerToMaster,
    ) -> Option<WorkerToMaster> {
        if self.open.len() >= MAX_REPORTS {
            return None;
        }
        self.last += 1;
        let report = ReportId(self.last);
        let message = message(report);
        let now = Instant::now();
        self.open.insert(report, Open { message: message.clone(), question, asked: now, said: now });
        Some(message)
    }

    /// One is durable. The question that has waited for that, if there is one.
    pub(super) fn acknowledged(&mut self, report: ReportId) -> Option<i64> {
        self.open.remove(&report)?.question
    }

    /// When one is to be said again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.open.values().map(|open| open.said + REPEATED_AFTER).min()
    }

    /// What is to be said again now, in its order, and the questions that have waited long enough for their answer.
    pub(super) fn overdue(&mut self, now: Instant) -> (Vec<i64>, Vec<WorkerToMaster>) {
        let (mut questions, mut messages) = (Vec::new(), Vec::new());
        for open in self.open.values_mut().filter(|open| now >= open.said + REPEATED_AFTER) {
            if now >= open.asked + ANSWERED_AFTER {
                questions.extend(open.question.take());
            }
            open.said = now;
            messages.push(open.message.clone());
        }
        (questions, messages)
    }

    /// What has ended belongs to what a worker has, until the loop knows how: what is not there would be lost.
    pub(super) fn add_ends(&self, inventory: &mut Inventory) {
        for Open { message, .. } in self.open.values() {
            match message {
                WorkerToMaster::ExecutorStateChanged { executor, state, .. } if state.is_finished() => {
                    add_end(inventory, executor, *state);
                }
                WorkerToMaster::ExecutorRefused { executor, .. } => {
                    add_end(inventory, executor, ExecutorState::Failed);
                }
                WorkerToMaster::DriverEnded { driver, attempt, outcome, .. } => {
                    inventory.drivers.retain(|known| (&known.driver, known.attempt) != (driver, *attempt));
                    inventory.drivers.push(DriverOnWorker {
                        driver: driver.clone(),
                        attempt: *attempt,
                        state: outcome.state,
                        booking: Booking::default(),
                    });
                }
                _ => {}
            }
        }
    }

    /// Everything that is not acknowledged, in its order.
    pub(super) fn all(&self) -> Vec<WorkerToMaster> {
        self.open.values().map(|open| open.message.clone()).collect()
    }
}

fn add_end(inventory: &mut Inventory, executor: &ExecutorRef, state: ExecutorState) {
    inventory.executors.retain(|known| known.executor != *executor);
    inventory.executors.push(ExecutorDescription {
        executor: executor.clone(),
        profile: ProfileId(0),
        cores: Cores::ZERO,
        memory: Memory::ZERO,
        resources: Addresses::default(),
        state,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(number: u64) -> impl FnOnce(ReportId) -> WorkerToMaster {
        move |report| {
            let driver = tanist_core::ids::DriverId::new(&format!("driver-{}-{number}", report.0)).unwrap();
            WorkerToMaster::DriverStarted { driver, attempt: tanist_core::ids::Attempt(1) }
        }
    }

    #[test]
    fn a_report_is_repeated_until_it_is_acknowledged_and_its_question_answered_once() {
        let mut reports = Reports::default();
        assert_eq!(reports.due(), None);
        let first = reports.add(Some(7), started(1)).unwrap();
        let second = reports.add(None, started(2)).unwrap();
        let now = Instant::now();
        let (soon, later) = (reports.due().unwrap() - REPEATED_AFTER, now + REPEATED_AFTER);
        assert_eq!(reports.overdue(soon), (vec![], vec![]));
        assert_eq!(reports.overdue(later), (vec![], vec![first.clone(), second.clone()]));
        assert_eq!(reports.overdue(later), (vec![], vec![]), "said just now");
        assert_eq!(reports.all(), [first.clone(), second.clone()]);
        let later = now + ANSWERED_AFTER;
        assert_eq!(reports.overdue(later), (vec![7], vec![first, second.clone()]));
        assert_eq!(reports.acknowledged(ReportId(1)), None, "answered already");
        assert_eq!(reports.overdue(later + REPEATED_AFTER), (vec![], vec![second]));
        reports.add(Some(9), started(3)).unwrap();
        assert_eq!((reports.acknowledged(ReportId(3)), reports.acknowledged(ReportId(3))), (Some(9), None));
        assert!(reports.due().is_some());
    }

    #[test]
    fn no_more_than_a_worker_has_to_end_is_kept() {
        let mut reports = Reports::default();
        assert!((0..MAX_REPORTS as u64).all(|number| reports.add(None, started(number)).is_some()));
        assert!(reports.add(None, started(0)).is_none());
    }
}
