//! What an observer from outside writes down, and what must hold at every moment (protocol 8).
//!
//! It sees the store, the commands that arrive, and the programs that really run. It does not look into any machine.

use std::collections::BTreeSet;

use tanist_core::ids::{DriverId, ExecutorRef, Term, WorkerId};
use tanist_core::master::Effect;
use tanist_core::model::OnIsolation;
use tanist_core::msg::{Fenced, MasterToWorker, WorkerCommand};
use tanist_core::record::Change;
use tanist_core::tracking;
use tanist_core::worker::Trouble;

use crate::hosts::{Host, Work, is_ended_by};
use crate::net::Who;
use crate::world::World;

/// The observer's notes.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Programs that run, and the worker that started each.
    running: BTreeSet<(Work, WorkerId)>,
    /// Executors that have ever run.
    ran: BTreeSet<ExecutorRef>,
    /// Workers that the store has given up.
    given_up: BTreeSet<WorkerId>,
    /// Executors that their application wanted to end.
    pub(crate) unwanted: BTreeSet<ExecutorRef>,
    /// Drivers that somebody wanted to end.
    pub(crate) doomed: BTreeSet<DriverId>,
}

impl World {
    /// A worker that was asked to go gets nothing new, in no later term either. What a master decides that has lost the
    /// lead never leaves it.
    pub(crate) fn observe_decisions(&self, master: usize, effects: &[Effect]) {
        if self.store.lead.as_ref().map(|lead| &lead.term) != self.masters[master].term() {
            return;
        }
        for effect in effects {
            let Effect::ToWorker { session, message: MasterToWorker::Command(Fenced { body, .. }) } = effect else {
                continue;
            };
            let launches = matches!(body, WorkerCommand::LaunchDriver { .. } | WorkerCommand::LaunchExecutor { .. });
            let Some((Who::Worker(host), _)) = self.net.peer(*session).filter(|_| launches) else { continue };
            let Host { id, life, .. } = &self.hosts[host];
            let record = self.store.worker(id).filter(|record| record.incarnation.0 == u64::from(*life));
            assert!(record.is_none_or(|record| !record.decommissioned), "DC-04: {body:?} for {id}, which is to go");
        }
    }

    pub(crate) fn observe_changes(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::RemoveWorker(id) = change {
                self.ledger.given_up.insert(id.clone());
            }
        }
    }

    /// I6: nobody is told to end what runs, unless somebody wanted that, its owner has ended, or its worker had been
    /// given up. A change of leader is no reason.
    pub(crate) fn observe_command(&self, host: usize, term: &Term, command: &WorkerCommand) {
        let known = &self.hosts[host];
        for (_, work) in known.programs().filter(|(_, work)| is_ended_by(command, work)) {
            let wanted = match work {
                Work::Driver(driver, ..) => self.ledger.doomed.contains(driver),
                Work::Executor(executor) => {
                    self.ledger.unwanted.contains(executor) || !self.store.app_lives(&executor.app)
                }
            };
            let given_up = self.ledger.given_up.contains(&known.id);
            assert!(wanted || given_up, "I6: term {term} ends {work:?} on {} for no reason", known.id);
        }
    }

    pub(crate) fn observe_program_started(&mut self, host: usize, work: &Work) {
        let worker = self.hosts[host].id.clone();
        let given_up = self.ledger.given_up.contains(&worker);
        match work {
            Work::Driver(driver, _, on_isolation) => {
                for (copy, elsewhere) in self.ledger.running.iter().filter(|(other, _)| other.is_of(driver)) {
                    let unreachable = given_up || self.ledger.given_up.contains(elsewhere);
                    let allowed = unreachable && *elsewhere != worker && *on_isolation == OnIsolation::Continue;
                    assert!(allowed, "I3: {work:?} starts on {worker}, but {copy:?} runs on {elsewhere}");
                }
                let ended = self.store.driver_has_ended(driver);
                assert!(!ended || given_up, "I7: {work:?} has ended and starts on {worker}");
            }
            Work::Executor(executor) => {
                assert!(self.ledger.ran.insert(executor.clone()), "I8: {executor} starts a second time, on {worker}");
            }
        }
        self.ledger.running.insert((work.clone(), worker));
    }

    pub(crate) fn observe_program_ended(&mut self, host: usize, work: &Work) {
        let entry = (work.clone(), self.hosts[host].id.clone());
        assert!(self.ledger.running.remove(&entry), "{entry:?} ended without running");
    }

    /// I5: no leader promises what its worker does not have. And there are never two leaders of one rank.
    pub(crate) fn observe_trouble(&self, host: usize, trouble: &Trouble) {
        let bad = match trouble {
            Trouble::LaunchRefused { why, .. } => !why.contains("decommissioned"),
            Trouble::Tracking(trouble) => !matches!(trouble, tracking::Trouble::OldTerm { .. }),
            _ => false,
        };
        assert!(!bad, "{}: {trouble}", self.hosts[host].id);
    }
}

impl Work {
    fn is_of(&self, driver: &DriverId) -> bool {
        matches!(self, Self::Driver(id, ..) if id == driver)
    }
}
