//! What must hold at every step, and at rest. Judged from what goes in and out, not from the worker's own reasons.

use tanist_core::ids::{Epoch, Generation, Term, WorkerId};
use tanist_core::model::{LeaderInfo, MasterRole, WorkerState};
use tanist_core::msg::{MasterToWorker, WorkerToMaster};
use tanist_core::record::Change;
use tanist_core::tracking::{self, Following};
use tanist_core::worker::{Effect, Event, Worker};

use crate::Fate;
use crate::cluster::Cluster;
use crate::setup::{Beginning, worker_id};

/// What an observer has seen so far.
#[derive(Debug, Clone)]
pub(crate) struct Watcher {
    fate: Fate,
    beginning: Beginning,
    /// A master has taken the worker; from then on it asks nobody but the one who leads.
    answered: bool,
    /// The leader of the highest term that anybody has told the worker of.
    proven: Option<LeaderInfo>,
}

fn rank(leader: &LeaderInfo) -> (Generation, Epoch) {
    leader.term.rank()
}

impl Watcher {
    pub(crate) fn new(fate: Fate, beginning: Beginning) -> Self {
        Self { fate, beginning, answered: false, proven: None }
    }

    /// What of it bears on what may happen next.
    pub(crate) fn key(&self) -> (bool, Option<Epoch>) {
        (self.answered, self.proven.as_ref().map(|leader| leader.term.epoch))
    }

    pub(crate) fn fate_is_death(&self) -> bool {
        self.fate == Fate::Dies
    }

    pub(crate) fn worker_is_told(&mut self, worker: &Worker, event: &Event) {
        let named = match event {
            Event::LeaderNotice(leader) | Event::LeaderAnswer(leader) => Some(leader),
            Event::FromMaster { message: MasterToWorker::Standby { leader }, .. } => leader.as_ref(),
            Event::FromMaster { message: MasterToWorker::Registered(answer), .. } => Some(&answer.leader),
            _ => None,
        };
        let Some(named) = named else { return };
        let heard = worker.heard().map(Term::rank);
        if heard <= Some(rank(named)) && self.proven.as_ref().is_none_or(|proven| rank(proven) <= rank(named)) {
            self.proven = Some(named.clone());
        }
    }

    pub(crate) fn worker_does(&self, effect: &Effect) {
        match effect {
            Effect::Track(tracking::Effect::Connect { address, .. }) if self.answered => {
                let proven = self.proven.as_ref().map(|leader| leader.address.as_str());
                assert_eq!(
                    Some(address.as_str()),
                    proven,
                    "SPARK-4592: once a master has answered, nobody else is asked than the leader that is proven"
                );
            }
            Effect::Terminate { .. }
            | Effect::Kill { .. }
            | Effect::Prepare { .. }
            | Effect::Spawn { .. }
            | Effect::Forget { .. } => panic!("I6: what runs is disturbed: {effect:?}"),
            Effect::Send { message: WorkerToMaster::StaleCommand { .. }, .. } => {
                panic!("there was no command to refuse: {effect:?}")
            }
            Effect::Exit { why, .. } => panic!("the worker gives up: {why}"),
            _ => {}
        }
    }

    /// After each event: the highest term counts, and late answers of an earlier leader have changed nothing.
    pub(crate) fn worker_stands(&mut self, worker: &Worker, following: &Following) {
        if let Following::Connected(leader) = following {
            self.answered = true;
            let proven = self.proven.as_ref().map(rank);
            assert_eq!(Some(rank(leader)), proven, "I9: registered with {} against what was heard", leader.address);
            assert_eq!(worker.heard().map(Term::rank), proven, "I9: the term of the leader is the one obeyed");
        }
    }

    /// No leader ever refuses the worker as a double, or tells it to end or start anything.
    pub(crate) fn master_says(message: &MasterToWorker) {
        assert!(
            !matches!(message, MasterToWorker::RegistrationRefused { .. } | MasterToWorker::Command(_)),
            "I4, I6: {message:?}"
        );
    }

    pub(crate) fn is_stored(changes: &[Change]) {
        for change in changes {
            match change {
                Change::PutWorker(record) => assert_eq!(record.id, worker_id(), "I4"),
                Change::PutApp(_) | Change::PutDriver(_) => {}
                other => panic!("I4, I6: {other:?}"),
            }
        }
    }
}

impl Cluster {
    pub(crate) fn worker_is_connected(&self) -> bool {
        self.following.is_connected()
    }

    /// At rest: one leader, and it has the worker once, with all that runs there.
    pub(crate) fn check_rest(&self) {
        let (holder, term) = self.holder.as_ref().unwrap();
        let following = &self.following;
        assert!(
            matches!(following, Following::Connected(leader) if leader.term == *term),
            "the worker ends up with {following:?}, but term {term} of master {holder} leads"
        );
        for (master, process) in self.masters.iter().enumerate() {
            let Some(machine) = &process.machine else { continue };
            assert_eq!(machine.check(), [] as [&str; 0]);
            let view = machine.view(self.now.wall);
            if master != *holder {
                assert_eq!((view.role, view.workers.len()), (MasterRole::Standby, 0), "only the leader has it");
                continue;
            }
            let runs = usize::from(self.watcher.beginning == Beginning::Registered);
            let had: Vec<(WorkerId, WorkerState, bool, usize, usize)> = view
                .workers
                .iter()
                .map(|worker| {
                    (worker.id.clone(), worker.state, worker.connected, worker.executors, worker.drivers.len())
                })
                .collect();
            assert_eq!(had, [(worker_id(), WorkerState::Alive, true, runs, runs)], "registered exactly once");
        }
        assert_eq!(self.worker.check(), [] as [&str; 0]);
        let view = self.worker.view(self.now.wall);
        let runs = usize::from(self.watcher.beginning == Beginning::Registered);
        assert_eq!((view.executors.len(), view.drivers.len()), (runs, runs), "what ran runs");
        assert_eq!(self.pipes.values().filter(|pipe| pipe.worker_holds).count(), 1, "one session is left");
    }
}
