//! Reports that are kept and repeated until a master has made them durable (EX-01; WL-08 without its loss).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::{Attempt, DriverId, ExecutorRef, ReportId};
use crate::model::{Booking, DriverOnWorker, DriverOutcome, ExecutorDescription, Inventory};
use crate::msg::WorkerToMaster;
use crate::time::Mono;

/// A report that was sent so long ago and is not acknowledged is sent again. Sessions lose nothing while they last; this
/// is for a leader that was not sure of its lead when it heard it.
pub(super) const REPEAT_AFTER: Duration = Duration::from_secs(5);

/// What is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
    /// RUNNING, or a final state.
    Executor { description: ExecutorDescription, message: Option<String>, exit_status: Option<i32> },
    /// FAILED, and it would always be here.
    Refusal { description: ExecutorDescription, why: String },
    /// A final state.
    Driver { driver: DriverId, attempt: Attempt, outcome: DriverOutcome },
}

#[derive(Debug, Clone)]
struct Waiting {
    report: Report,
    sent_at: Option<Mono>,
}

/// Reports without acknowledgement, in the order in which they happened.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    next: ReportId,
    waiting: BTreeMap<ReportId, Waiting>,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { next: ReportId(1), waiting: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, report: Report) {
        self.waiting.insert(self.next, Waiting { report, sent_at: None });
        self.next = self.next.next();
    }

    pub(super) fn acknowledged(&mut self, report: ReportId) {
        self.waiting.remove(&report);
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A new session: everything is to be said again.
    pub(super) fn forget_sent(&mut self) {
        self.waiting.values_mut().for_each(|waiting| waiting.sent_at = None);
    }

    /// What is to be said now.
    pub(super) fn due(&mut self, now: Mono) -> Vec<WorkerToMaster> {
        let mut due = Vec::new();
        for (id, waiting) in &mut self.waiting {
            if waiting.sent_at.is_none_or(|sent| now - sent >= REPEAT_AFTER) {
                waiting.sent_at = Some(now);
                due.push(message(*id, &waiting.report));
            }
        }
        due
    }

    pub(super) fn reports_end_of_driver(&self, id: &DriverId, copy: Attempt) -> bool {
        self.waiting.values().any(
            |waiting| matches!(&waiting.report, Report::Driver { driver, attempt, .. } if driver == id && *attempt == copy),
        )
    }

    pub(super) fn reports_end_of_executor(&self, id: &ExecutorRef) -> bool {
        self.waiting.values().any(|waiting| {
            matches!(&waiting.report, Report::Executor { description, .. } | Report::Refusal { description, .. }
                if description.executor == *id && description.state.is_finished())
        })
    }

    /// Adds the final states to what is told about this worker. They occupy nothing any more.
    pub(super) fn add_finals(&self, inventory: &mut Inventory) {
        for waiting in self.waiting.values() {
            match &waiting.report {
                Report::Executor { description, .. } | Report::Refusal { description, .. }
                    if description.state.is_finished() =>
                {
                    inventory.executors.push(description.clone());
                }
                Report::Executor { .. } | Report::Refusal { .. } => {}
                Report::Driver { driver, attempt, outcome } => inventory.drivers.push(DriverOnWorker {
                    driver: driver.clone(),
                    attempt: *attempt,
                    state: outcome.state,
                    booking: Booking::default(),
                }),
            }
        }
    }
}

fn message(id: ReportId, report: &Report) -> WorkerToMaster {
    match report.clone() {
        Report::Executor { description, message, exit_status } => WorkerToMaster::ExecutorStateChanged {
            report: id,
            executor: description.executor,
            state: description.state,
            message,
            exit_status,
        },
        Report::Refusal { description, why } => {
            WorkerToMaster::ExecutorRefused { report: id, executor: description.executor, why }
        }
        Report::Driver { driver, attempt, outcome } => {
            WorkerToMaster::DriverEnded { report: id, driver, attempt, outcome }
        }
    }
}
