//! One form for states that differ in nothing that matters (`docs/model.md` says why each of these loses nothing).
//!
//! Session numbers and versions are told only by their order, masters and workers not at all. What can never have an
//! effect any more is dropped, where the rules that say so are the core's and the store's own: `Guard::holds`,
//! `Expect::holds`, and that a registration counts only with a leader whose term it knows. Scopes that are not reduced
//! know none of this; `tests/` hold the two against each other.

mod symmetry;
#[cfg(test)]
mod tests;
mod versions;

pub(crate) use symmetry::Renaming;

use crate::office;
use crate::protocol::World;
use crate::scope::MASTERS;
use crate::state::{
    Batch, Driver, Known, Leader, Memory, Mode, Registration, Run, Saying, Says, State, Worker, attempts, bit,
};

/// Session numbers of one worker at most, at one moment.
const NUMBERS: usize = 64;

impl World<'_> {
    /// Brings the state into its normal form, and tells who was numbered anew.
    pub(crate) fn settle(&mut self) -> Renaming {
        if !self.protocol.scope.reduced {
            return Renaming::default();
        }
        while self.forgets() {}
        versions::compress(&mut self.state);
        symmetry::order(&mut self.state, self.protocol.scope.masters)
    }

    /// Drops what can have no effect any more. Returns whether that leaves more to be dropped.
    fn forgets(&mut self) -> bool {
        if self.protocol.is_guarded() {
            self.forget_deposed_leaders();
        }
        self.forget_strays();
        self.forget_bids();
        self.forget_registrations();
        for worker in 0..self.state.workers.len() {
            let order = |way: &Option<Registration>| way.map_or((u8::MAX, 0), |way| (way.incarnation, way.number));
            self.state.registrations[worker].sort_unstable_by_key(order);
            forget_what_is_void(&mut self.state, worker);
            forget_ended(&mut self.state, worker);
            renumber(&mut self.state, worker);
        }
        let State { store, leaders, .. } = &self.state;
        let silent = |leader: &Leader| leader.commit.is_none_or(|commit| commit.batch.says == Says::default());
        let deposed = |leader: &&Leader| !store.is_held_by(leader.epoch);
        self.protocol.is_guarded() && leaders.iter().flatten().filter(deposed).any(silent)
    }

    /// The guard refuses everything that such a leader has not committed, and so nothing of it leaves.
    fn forget_deposed_leaders(&mut self) {
        let State { store, leaders, .. } = &mut self.state;
        for leader in leaders {
            let Some(deposed) = leader.as_mut().filter(|leader| !store.is_held_by(leader.epoch)) else { continue };
            let waits = deposed.commit.filter(|commit| commit.applied && commit.batch.says != Says::default());
            *leader = waits.map(|commit| Leader {
                memory: Memory::default(),
                ledger: store.read(),
                pending: Batch::default(),
                commit: Some(commit),
                epoch: deposed.epoch,
            });
        }
    }

    fn forget_strays(&mut self) {
        let State { store, strays, .. } = &mut self.state;
        for stray in strays.iter_mut() {
            stray.take_if(|stray| !stray.may_hold(store, self.protocol.mutant));
        }
        strays.sort_unstable_by_key(Option::is_none);
    }

    /// While operators want nothing, a bid that wins later wins as one that is made then.
    fn forget_bids(&mut self) {
        let matter = self.protocol.scope.orders > 0;
        for at in 0..MASTERS {
            let may_win = |bid| matter && office::may_win(&self.state, bid, self.protocol.mutant);
            self.state.bids[at] = self.state.bids[at].filter(|bid| may_win(*bid));
        }
    }

    /// A registration that does not know the term of the leader it comes to only makes its worker hear of that term,
    /// which it may do anyway.
    fn forget_registrations(&mut self) {
        let State { leaders, registrations, .. } = &mut self.state;
        for way in registrations.iter_mut().flatten() {
            way.take_if(|way| leaders[usize::from(way.to)].is_none_or(|leader| leader.epoch != way.heard));
        }
    }

    /// The highest number that a session of a worker has.
    pub(crate) fn last_number(&mut self, worker: u8) -> u8 {
        let mut last = 0;
        numbers(&mut self.state, usize::from(worker), |number| last = last.max(*number));
        last
    }
}

/// Sessions on which nothing more can come are as good as ended, and what is said on ended ones is not heard.
fn forget_what_is_void(state: &mut State, worker: usize) {
    let State { leaders, workers, registrations, .. } = state;
    let Worker { links, runs, incarnation, mode, .. } = &mut workers[worker];
    let ways = &registrations[worker];
    for leader in leaders.iter_mut().flatten() {
        let heard = |number: u8| links.iter().flatten().any(|link| link.number == number);
        if let Known::Heard { number, open, incarnation } = &mut leader.memory.workers[worker] {
            let overtakes = ways.iter().flatten().any(|way| way.incarnation == *incarnation && way.number < *number);
            let matters = overtakes || (*open && heard(*number));
            if !matters {
                *number = 0;
            }
        }
        let commit = leader.commit.as_mut().map(|commit| &mut commit.batch.says.to[worker]);
        for saying in commit.into_iter().chain([&mut leader.pending.says.to[worker]]) {
            if !heard(saying.number) {
                *saying = Saying::default();
            }
        }
    }
    for (master, link) in (0..).zip(links.iter_mut()) {
        let Some(known) = link else { continue };
        known.launch = attempts(known.launch)
            .filter(|at| runs[usize::from(*at) - 1] == Run::None)
            .fold(0, |set, at| set | bit(at));
        let connected = *mode == Mode::Connected(master);
        if connected {
            known.heard = known.epoch;
        }
        let named = |leader: &Leader| {
            let known_there = matches!(leader.memory.workers[worker], Known::Heard { number, open: true, .. } if number == known.number);
            let said = |says: &Says| says.to[worker].number == known.number;
            known_there || said(&leader.pending.says) || leader.commit.is_some_and(|commit| said(&commit.batch.says))
        };
        let live = connected
            || known.epoch > 0
            || ways.iter().flatten().any(|way| way.number == known.number && way.incarnation == *incarnation)
            || leaders[usize::from(master)].as_ref().is_some_and(named);
        if !live {
            *link = None;
        }
    }
}

/// That an attempt has ended matters only as long as it may be launched again.
fn forget_ended(state: &mut State, worker: usize) {
    let below = |driver: Option<Driver>| driver.map_or(0, |driver| driver.attempt);
    let leading = state.leaders.iter().flatten();
    let launched = leading
        .clone()
        .filter(|leader| state.store.office == Some(leader.epoch))
        .map(|leader| below(leader.memory.driver));
    let launched = launched.min().unwrap_or(u8::MAX).min(below(state.store.driver.content));
    let said = leading.fold(0, |said, leader| {
        let commit = leader.commit.map_or(0, |commit| commit.batch.says.to[worker].launch);
        said | commit | leader.pending.says.to[worker].launch
    });
    let Worker { links, runs, .. } = &mut state.workers[worker];
    let told = links.iter().flatten().fold(said, |told, link| told | link.launch);
    for (attempt, run) in (1..).zip(runs) {
        let up_to = (bit(attempt) << 1) - 1;
        if *run == Run::Ended && attempt <= launched && told & up_to == 0 {
            *run = Run::None;
        }
    }
}

/// Every place where a session of a worker is named; 0 names none.
fn numbers(state: &mut State, worker: usize, mut visit: impl FnMut(&mut u8)) {
    state.workers[worker].links.iter_mut().flatten().for_each(|link| visit(&mut link.number));
    state.registrations[worker].iter_mut().flatten().for_each(|way| visit(&mut way.number));
    for leader in state.leaders.iter_mut().flatten() {
        if let Known::Heard { number, .. } = &mut leader.memory.workers[worker] {
            visit(number);
        }
        visit(&mut leader.pending.says.to[worker].number);
        if let Some(commit) = &mut leader.commit {
            visit(&mut commit.batch.says.to[worker].number);
        }
    }
}

fn renumber(state: &mut State, worker: usize) {
    let mut ranks = [0; NUMBERS];
    numbers(state, worker, |number| ranks[usize::from(*number)] = 1);
    ranks[0] = 0;
    let mut last = 0;
    for rank in &mut ranks {
        last += *rank;
        *rank = if *rank > 0 { last } else { 0 };
    }
    numbers(state, worker, |number| *number = ranks[usize::from(*number)]);
}
