//! Which actions are worth trying in a state. One that turns out to change nothing is dropped by the model.

use crate::action::Action;
use crate::master::Happening;
use crate::office;
use crate::protocol::Protocol;
use crate::scope::Mutant;
use crate::state::{Known, Leader, Mode, Run, State, attempts};

impl Protocol {
    pub(crate) fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        if state.store.office.is_some() {
            actions.push(Action::KeyIsLost);
        }
        for master in (0..).take(self.scope.masters) {
            self.of_master(state, master, actions);
        }
        actions.extend((0..).take(state.strays.len()).map(|stray| Action::StrayLands { stray }));
        for (worker, known) in (0..).zip(&state.workers) {
            of_worker(state, worker, actions);
            if !known.cut {
                self.on_the_way(state, worker, actions);
            }
        }
        self.of_operators(state, actions);
    }

    /// One action for each decision that a leader's machine may take.
    fn choices(&self, leader: &Leader, happening: Happening, action: impl Fn(u8) -> Action, actions: &mut Vec<Action>) {
        let decisions = self.masters.decide(leader.epoch, leader.memory, happening).len();
        actions.extend((0..).take(decisions).map(action));
    }

    fn of_master(&self, state: &State, master: u8, actions: &mut Vec<Action>) {
        let at = usize::from(master);
        if state.bids[at].is_some_and(|bid| office::would_win(state, bid, self.mutant)) {
            actions.push(Action::BidLands { master, choice: 0 });
        }
        if office::would_bid(state, self.scope.epochs, master) {
            let bids = self.scope.orders > 0 || !self.scope.reduced;
            actions.push(if bids { Action::Bids { master } } else { Action::TakesOffice { master, choice: 0 } });
        }
        let Some(leader) = &state.leaders[at] else { return };
        actions.push(Action::Quits { master });
        match leader.commit {
            Some(commit) if commit.applied => actions.push(Action::Answered { master }),
            Some(_) => actions.push(Action::Lands { master }),
            None => {}
        }
        if leader.is_leaving() {
            actions.push(Action::StaysInDoubt { master });
            return;
        }
        if self.scope.reduced && self.is_helpless(state, leader) {
            return;
        }
        let asked =
            leader.pending.says.acknowledge || leader.commit.is_some_and(|commit| commit.batch.says.acknowledge);
        if !state.acknowledged && !asked {
            self.choices(leader, Happening::Submitted, |choice| Action::Submits { master, choice }, actions);
        }
        for worker in (0..).take(state.workers.len()) {
            self.of_leader(state, leader, (master, worker), actions);
        }
    }

    /// Nothing that it decides can ever be committed.
    fn is_helpless(&self, state: &State, leader: &Leader) -> bool {
        self.is_guarded() && !state.store.is_held_by(leader.epoch)
    }

    /// What a leader finds out about a worker.
    fn of_leader(&self, state: &State, leader: &Leader, (master, worker): (u8, u8), actions: &mut Vec<Action>) {
        let process = &state.workers[usize::from(worker)];
        let known = leader.memory.workers[usize::from(worker)];
        if let Known::Heard { open: true, number, .. } = known
            && (state.budget.breaks > 0 || !state.is_held_open(master, worker, number))
        {
            let ends = |choice| Action::SessionEnds { master, worker, choice };
            self.choices(leader, Happening::Closed(worker), ends, actions);
        }
        if process.cut && known != Known::Absent {
            let gives_up = |choice| Action::GivesUp { master, worker, choice };
            self.choices(leader, Happening::Silent(worker), gives_up, actions);
        }
        let gone = match known {
            Known::Unknown { incarnation } => incarnation < process.incarnation,
            Known::Heard { incarnation, open: false, .. } => {
                // The mutant: whether the one who died is the one who is cut off now is not looked at.
                incarnation < process.incarnation
                    || self.mutant == Some(Mutant::LooseFindings) && process.incarnation > 1
            }
            Known::Heard { open: true, .. } | Known::Absent => false,
        };
        if gone {
            let finds = |choice| Action::FindsGone { master, worker, choice };
            self.choices(leader, Happening::Gone(worker), finds, actions);
        }
    }

    /// What reaches a worker, and what of it reaches others.
    fn on_the_way(&self, state: &State, worker: u8, actions: &mut Vec<Action>) {
        let known = &state.workers[usize::from(worker)];
        if !matches!(known.mode, Mode::Connected(_)) {
            actions.push(Action::Retries { worker });
        }
        actions.extend((1..=state.store.epoch).map(|epoch| Action::HearsOf { worker, epoch }));
        for (master, link) in (0..).zip(&known.links) {
            let Some(link) = link else { continue };
            if link.registered {
                actions.push(Action::HearsRegistered { worker, master });
            }
            actions.extend(attempts(link.launch).map(|attempt| Action::HearsLaunch { worker, master, attempt }));
            actions.extend(attempts(link.kill).map(|attempt| Action::HearsKill { worker, master, attempt }));
        }
        for (place, way) in (0..).zip(&state.registrations[usize::from(worker)]) {
            let Some(registration) = way else { continue };
            actions.push(Action::IsLost { worker, place });
            let leader = state.leaders[usize::from(registration.to)].as_ref().filter(|leader| !leader.is_leaving());
            if let Some(leader) = leader {
                let arrives = |choice| Action::Arrives { worker, place, choice };
                self.choices(leader, Happening::Registers(worker, *registration), arrives, actions);
            }
        }
        self.starts(state, worker, actions);
    }

    /// The word that the driver runs.
    fn starts(&self, state: &State, worker: u8, actions: &mut Vec<Action>) {
        let known = &state.workers[usize::from(worker)];
        let Mode::Connected(master) = known.mode else { return };
        let (Some(leader), Some(link)) = (&state.leaders[usize::from(master)], &known.links[usize::from(master)])
        else {
            return;
        };
        let open = match leader.memory.workers[usize::from(worker)] {
            Known::Heard { number, open, .. } => open && number == link.number,
            Known::Absent | Known::Unknown { .. } => false,
        };
        if leader.is_leaving() || !open {
            return;
        }
        for (attempt, run) in (1..).zip(known.runs) {
            if run == Run::Live {
                let says = |choice| Action::SaysStarted { worker, attempt, choice };
                self.choices(leader, Happening::Started(worker, attempt), says, actions);
            }
        }
    }

    fn of_operators(&self, state: &State, actions: &mut Vec<Action>) {
        let wishes = state.store.wishes();
        if wishes.target.is_some() && !wishes.expired {
            actions.push(Action::HandoverExpires);
        }
        if state.budget.orders == 0 {
            return;
        }
        actions.push(if wishes.paused { Action::Resumes } else { Action::Pauses });
        for master in (0..).take(self.scope.masters) {
            if state.leaders[usize::from(master)].is_some() {
                let others = (0..).take(self.scope.masters).filter(|to| *to != master);
                actions.extend(others.map(|to| Action::HandsOver { master, to }));
            }
        }
    }
}

/// What a worker does by itself.
fn of_worker(state: &State, worker: u8, actions: &mut Vec<Action>) {
    let known = &state.workers[usize::from(worker)];
    for (master, link) in (0..).zip(&known.links) {
        let Some(link) = link else { continue };
        if state.budget.breaks > 0 || !state.is_held_open(master, worker, link.number) {
            actions.push(Action::LinkEnds { worker, master });
        }
    }
    for (attempt, run) in (1..).zip(known.runs) {
        if run == Run::Ending {
            actions.push(Action::Exits { worker, attempt });
        }
    }
    let budget = &state.budget;
    if budget.crashes > 0 {
        actions.push(Action::Crashes { worker });
    }
    if known.cut {
        actions.push(Action::IsMended { worker });
    } else if budget.cuts > 0 {
        actions.push(Action::IsCutOff { worker });
    }
}
