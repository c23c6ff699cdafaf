//! What an observer from outside is told of, and what must hold at every moment (protocol 8).
//!
//! It sees the store, the commands that arrive, and the programs that really run. It does not look into any machine.

use tanist_core::ids::Term;
use tanist_core::master::Effect;
use tanist_core::msg::{Fenced, MasterToWorker, WorkerCommand};
use tanist_core::observer::{Work, is_broken_promise};
use tanist_core::record::Change;
use tanist_core::worker::Trouble;

use crate::hosts::Host;
use crate::net::Who;
use crate::world::World;

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
                self.observer.given_up.insert(id.clone());
            }
        }
    }

    pub(crate) fn observe_command(&self, host: usize, term: &Term, command: &WorkerCommand) {
        let seen = self.observer.sees_command(&self.hosts[host].id, term, command, |app| self.store.app_lives(app));
        seen.unwrap_or_else(|wrong| panic!("{wrong}"));
    }

    pub(crate) fn observe_program_started(&mut self, host: usize, work: &Work) {
        let ended = matches!(work, Work::Driver(driver, ..) if self.store.driver_has_ended(driver));
        let seen = self.observer.sees_start(&self.hosts[host].id, work, ended);
        seen.unwrap_or_else(|wrong| panic!("{wrong}"));
    }

    pub(crate) fn observe_program_ended(&mut self, host: usize, work: &Work) {
        self.observer.sees_end(&self.hosts[host].id, work).unwrap_or_else(|wrong| panic!("{wrong}"));
    }

    pub(crate) fn observe_trouble(&self, host: usize, trouble: &Trouble) {
        assert!(!is_broken_promise(trouble), "I5: {}: {trouble}", self.hosts[host].id);
    }
}
