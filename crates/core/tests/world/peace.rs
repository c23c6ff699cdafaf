//! After the faults have ended: what everybody must come to agree on (L1 – L3, I5, I7).

use std::collections::BTreeSet;

use tanist_core::agreement;
use tanist_core::model::MasterRole;
use tanist_core::observer::Work;
use tanist_core::units::Memory;
use tanist_core::worker::Event;

use crate::clients::CLIENTS;
use crate::hosts::HOSTS;
use crate::masters::MASTERS;
use crate::settings::SMALL;
use crate::world::{World, millis};

/// So long after the last fault everything is as it should be: the longest time-out (an application that cannot be
/// asked, 120 s) after the longest pause of a process that looks for its leader (90 s), and what follows from it.
const PEACE_COMES_WITHIN_SECONDS: u64 = 300;

impl World {
    /// Faults end, everybody lives; then all agree within bounded time.
    pub(crate) fn heals(&mut self) {
        self.note(format_args!("──── peace"));
        self.mend_all();
        let mut differences = Vec::new();
        for _ in 0..PEACE_COMES_WITHIN_SECONDS / 5 {
            self.everybody_starts();
            (0..MASTERS).for_each(|master| self.renews(master));
            for host in 0..HOSTS {
                self.worker_is_told(host, Event::DiskFree(Memory::mib(100_000)));
            }
            if let Some(leader) = self.store.lead.as_ref().map(|lead| lead.master) {
                let open =
                    (0..self.submitter.submissions.len()).filter(|n| self.submitter.submissions[*n].driver.is_none());
                open.collect::<Vec<_>>().into_iter().for_each(|number| self.repeats(number, leader));
            }
            self.pass(millis(5000));
            differences = self.differences();
            if differences.is_empty() {
                return;
            }
        }
        panic!("no peace after {PEACE_COMES_WITHIN_SECONDS} s: {differences:#?}");
    }

    /// Everything that is not as it should be.
    fn differences(&self) -> Vec<String> {
        let Some(lead) = &self.store.lead else { return vec!["nobody leads".to_owned()] };
        let Some(machine) = self.masters[lead.master].machine() else { return vec!["the leader is dead".to_owned()] };
        let view = machine.view(self.agenda.now().wall);
        if view.role != MasterRole::Alive || view.leader.as_ref().is_none_or(|leader| leader.term != lead.term) {
            return vec![format!("m{} is {} instead of leading", lead.master, view.role)];
        }
        let mut differences = Vec::new();
        let pretender = (0..MASTERS).find(|m| *m != lead.master && self.masters[*m].term().is_some());
        differences.extend(pretender.map(|m| format!("m{m} believes that it leads, too")));
        for host in &self.hosts {
            let programs: BTreeSet<&Work> = host.programs().map(|(_, work)| work).collect();
            differences.extend(agreement::of_worker(&view, &host.id, host.machine.as_ref(), programs.len()));
        }
        for (client, known) in self.clients.iter().enumerate() {
            let name = format!("application {client}");
            differences.extend(agreement::of_app(&view, &name, known.machine.as_ref()));
        }
        for (number, submission) in self.submitter.submissions.iter().enumerate() {
            differences.extend(match &submission.driver {
                None => Some(format!("submission {number} has no answer")),
                Some(driver) => {
                    let forgotten = self.store.is_forgotten(driver);
                    agreement::of_driver(&view, driver, forgotten, &self.submitter.to_end)
                }
            });
        }
        differences.extend(agreement::of_room(&view, SMALL));
        differences.extend(agreement::of_numbers(&view, HOSTS, CLIENTS));
        differences
    }
}
