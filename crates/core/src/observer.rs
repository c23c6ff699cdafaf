//! What an observer from outside writes down of the programs that really run, and what must hold of them at every moment
//! (I3, I5 – I8). It is told of commands that arrive and of what is in the store, and asks no machine. For worlds of
//! machines that have their faults.

use std::collections::BTreeSet;

use crate::ids::{AppId, Attempt, DriverId, ExecutorRef, Term, WorkerId};
use crate::model::OnIsolation;
use crate::msg::WorkerCommand;
use crate::tracking;
use crate::worker::{Trouble, What};

/// What a program is a run of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// An attempt of a driver.
    Driver(DriverId, Attempt, OnIsolation),
    /// An executor.
    Executor(ExecutorRef),
}

impl From<What> for Work {
    fn from(what: What) -> Self {
        match what {
            What::Driver { driver, attempt, description, .. } => {
                Self::Driver(driver, attempt, description.on_isolation)
            }
            What::Executor { executor, .. } => Self::Executor(executor),
        }
    }
}

impl Work {
    fn is_of(&self, driver: &DriverId) -> bool {
        matches!(self, Self::Driver(id, ..) if id == driver)
    }

    fn is_ended_by(&self, command: &WorkerCommand) -> bool {
        match (command, self) {
            (WorkerCommand::KillDriver { driver, attempt }, Self::Driver(id, copy, _)) => {
                driver == id && copy <= attempt
            }
            (WorkerCommand::KillExecutor { executor }, Self::Executor(id)) => executor == id,
            _ => false,
        }
    }
}

/// The observer's notes.
#[derive(Debug, Default)]
pub struct Observer {
    /// Programs that run, and the worker that started each.
    running: BTreeSet<(Work, WorkerId)>,
    /// Executors that have ever run.
    ran: BTreeSet<ExecutorRef>,
    /// Workers that the store has given up.
    pub given_up: BTreeSet<WorkerId>,
    /// Executors that their application wanted to end.
    pub unwanted: BTreeSet<ExecutorRef>,
    /// Drivers that somebody wanted to end.
    pub doomed: BTreeSet<DriverId>,
}

impl Observer {
    /// I6: nobody is told to end what runs, unless somebody wanted that, its owner has ended, or its worker had been
    /// given up. A change of leader is no reason.
    ///
    /// # Errors
    /// A program is to end for no reason.
    pub fn sees_command(
        &self,
        worker: &WorkerId,
        term: &Term,
        command: &WorkerCommand,
        app_lives: impl Fn(&AppId) -> bool,
    ) -> Result<(), String> {
        let may_end = |work: &Work| match work {
            Work::Driver(driver, ..) => self.doomed.contains(driver),
            Work::Executor(executor) => self.unwanted.contains(executor) || !app_lives(&executor.app),
        };
        let to_end = self.running.iter().filter(|(work, on)| on == worker && work.is_ended_by(command));
        let mut for_no_reason = to_end.filter(|(work, _)| !may_end(work) && !self.given_up.contains(worker));
        match for_no_reason.next() {
            Some((work, _)) => Err(format!("I6: term {term} ends {work:?} on {worker} for no reason")),
            None => Ok(()),
        }
    }

    /// I3, I7, I8.
    ///
    /// # Errors
    /// It must not start: it runs elsewhere, has ended as the store says, or has run.
    pub fn sees_start(&mut self, worker: &WorkerId, work: &Work, has_ended: bool) -> Result<(), String> {
        let given_up = self.given_up.contains(worker);
        match work {
            Work::Driver(driver, _, on_isolation) => {
                for (copy, elsewhere) in self.running.iter().filter(|(other, _)| other.is_of(driver)) {
                    let unreachable = given_up || self.given_up.contains(elsewhere);
                    let allowed = unreachable && elsewhere != worker && *on_isolation == OnIsolation::Continue;
                    if !allowed {
                        return Err(format!("I3: {work:?} starts on {worker}, but {copy:?} runs on {elsewhere}"));
                    }
                }
                if has_ended && !given_up {
                    return Err(format!("I7: {work:?} has ended and starts on {worker}"));
                }
            }
            Work::Executor(executor) => {
                if !self.ran.insert(executor.clone()) {
                    return Err(format!("I8: {executor} starts a second time, on {worker}"));
                }
            }
        }
        self.running.insert((work.clone(), worker.clone()));
        Ok(())
    }

    /// A program is not there any more.
    ///
    /// # Errors
    /// It was not there before.
    pub fn sees_end(&mut self, worker: &WorkerId, work: &Work) -> Result<(), String> {
        let was_there = self.running.remove(&(work.clone(), worker.clone()));
        was_there.then_some(()).ok_or_else(|| format!("{work:?} ended on {worker} without running"))
    }
}

/// I5: no leader promises what its worker does not have. And there are never two leaders of one rank.
pub fn is_broken_promise(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::LaunchRefused { why, .. } => !why.contains("decommissioned"),
        Trouble::Tracking(trouble) => !matches!(trouble, tracking::Trouble::OldTerm { .. }),
        _ => false,
    }
}
