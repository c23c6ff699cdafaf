//! After the faults have ended: what everybody must come to agree on, and within which time (L1 – L3, I5, I7).

use std::collections::BTreeSet;
use std::time::Duration;

use tanist_core::agreement;
use tanist_core::model::MasterRole;
use tanist_core::observer::Work;

use crate::agenda::millis;
use crate::settings::{MASTERS, SMALL, master_id};
use crate::world::{Ending, World};

/// Within which time what must be true.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// L1: one leader that may act, so long after the last fault: the lease of a leader that died with it, and three
    /// seconds.
    leader: Duration,
    /// L2: all workers follow it, so long after that.
    adopted: Duration,
    /// L3: everything else is as it should be.
    peace: Duration,
}

/// After any faults. L2: 2 s for whoever can be told; but one whose try of before the end of the faults is still waiting for
/// an answer gives that up after 5 s, and its next one comes up to 5 s later. L3: the longest time-out (an application that
/// cannot be asked, 120 s) after that, and what follows.
pub const AFTER_FAULTS: Bounds =
    Bounds { leader: Duration::from_secs(8), adopted: Duration::from_secs(10), peace: Duration::from_secs(180) };

/// With ten thousand workers, that all come at once.
pub const AT_SIZE: Bounds =
    Bounds { leader: Duration::from_secs(8), adopted: Duration::from_secs(60), peace: Duration::from_secs(300) };

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long each goal took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Healing {
    /// L1.
    pub leader: Duration,
    /// L2.
    pub adopted: Duration,
    /// L3.
    pub peace: Duration,
}

impl World {
    /// Faults end, everybody lives; then all agree within bounded time.
    pub fn heals(&mut self) -> Healing {
        self.heals_with(AFTER_FAULTS)
    }

    /// The same within other bounds.
    pub fn heals_with(&mut self, bounds: Bounds) -> Healing {
        self.trace.fact(self.agenda.now(), "──── peace");
        self.faults_end();
        self.peace_is_kept();
        let begun = self.agenda.now();
        let leader = self.comes_true("L1", bounds.leader, Self::no_leader);
        let adopted = self.comes_true("L2", bounds.adopted, Self::not_adopted);
        self.comes_true("L3", bounds.peace, Self::differences);
        Healing { leader, adopted, peace: self.agenda.now() - begun }
    }

    /// Lets time pass until nothing is left that is not as it should be.
    fn comes_true(&mut self, goal: &str, within: Duration, wrong: impl Fn(&mut Self) -> Vec<String>) -> Duration {
        let begun = self.agenda.now();
        loop {
            let found = wrong(self);
            let took = self.agenda.now() - begun;
            if found.is_empty() {
                return took;
            }
            assert!(took < within, "{goal}: not within {} ms: {found:#?}", within.as_millis());
            self.peace_is_kept();
            self.pass(LOOK_EVERY);
        }
    }

    /// Who ends meanwhile, because he was told to before, starts again.
    fn peace_is_kept(&mut self) {
        (0..MASTERS).for_each(|master| self.ends(Ending::MasterStarts(master)));
        (0..self.hosts.len()).for_each(|host| self.worker_starts(host, false));
        (0..self.clients.len()).for_each(|client| self.app_starts(client));
        for host in 0..self.hosts.len() {
            self.disk(host, false);
        }
    }

    fn no_leader(&mut self) -> Vec<String> {
        let acts = |role| matches!(role, MasterRole::Recovering | MasterRole::Alive);
        let acting: Vec<usize> = (0..MASTERS).filter(|master| acts(self.masters[*master].role())).collect();
        match (self.leader(), acting.as_slice()) {
            (Some(leader), [acting]) if leader == *acting => Vec::new(),
            (leader, acting) => vec![format!("{leader:?} is in office, {acting:?} act")],
        }
    }

    fn not_adopted(&mut self) -> Vec<String> {
        let Some(lead) = self.ledger.lead.as_ref().map(tanist_store::LeaderRecord::info) else {
            return vec!["nobody leads".to_owned()];
        };
        let now = self.agenda.now();
        let follows = |host: &&crate::hosts::Host| {
            host.machine.as_ref().is_some_and(|worker| {
                let following = worker.view(host.clock.wall(now)).following;
                following.is_connected() && following.leader() == Some(&lead)
            })
        };
        self.hosts.iter().filter(|host| !follows(host)).map(|host| format!("{} does not follow", host.id)).collect()
    }

    /// Everything that is not as it should be.
    fn differences(&mut self) -> Vec<String> {
        let Some(lead) = self.ledger.lead.clone() else { return vec!["nobody leads".to_owned()] };
        let Some(leader) = self.leader() else { return vec!["the leader is dead".to_owned()] };
        self.masters[leader].ask_view();
        self.pass(millis(300));
        let Some(published) = self.masters[leader].view() else { return vec!["the leader shows nothing".to_owned()] };
        let view = published.view;
        if view.role != MasterRole::Alive || view.leader.as_ref().is_none_or(|found| found.term != lead.term()) {
            return vec![format!("{} is {} instead of leading", master_id(leader), view.role)];
        }
        let mut differences = self.no_leader();
        for host in &self.hosts {
            let programs: BTreeSet<&Work> = host.programs().map(|(_, work)| work).collect();
            differences.extend(agreement::of_worker(&view, &host.id, host.machine.as_ref(), programs.len()));
        }
        for (client, known) in self.clients.iter().enumerate() {
            let name = format!("application {client}");
            differences.extend(agreement::of_app(&view, &name, known.machine.as_ref()));
        }
        for (number, submission) in self.operator.submissions.iter().enumerate() {
            differences.extend(match &submission.driver {
                None => Some(format!("submission {number} has no answer")),
                Some(driver) => agreement::of_driver(&view, driver, self.is_forgotten(driver), &self.operator.to_end),
            });
        }
        differences.extend(agreement::of_room(&view, SMALL));
        differences.extend(agreement::of_numbers(&view, self.hosts.len(), self.clients.len()));
        differences
    }
}
