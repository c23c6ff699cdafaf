//! Workers are alike, and masters are: which of them is which does not matter.
//!
//! Everything that is told of one of them is put together, and they are numbered in the order of that. Two with equal
//! stories can change places without anybody noticing.

use crate::scope::{MASTERS, WORKERS};
use crate::state::{Driver, Leader, Mode, State};

/// Who got which number: the old one of everybody, by the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Renaming {
    pub(crate) masters: [u8; MASTERS],
    pub(crate) workers: [u8; WORKERS],
}

impl Default for Renaming {
    /// Everybody keeps its number.
    fn default() -> Self {
        Self { masters: [0, 1, 2], workers: [0, 1] }
    }
}

impl Renaming {
    /// The same, after another one has followed.
    pub(crate) fn then(self, later: Self) -> Self {
        Self {
            masters: later.masters.map(|master| self.masters[usize::from(master)]),
            workers: later.workers.map(|worker| self.workers[usize::from(worker)]),
        }
    }
}

/// Numbers masters and workers anew. Only so many masters take part.
pub(super) fn order(state: &mut State, masters: usize) -> Renaming {
    let mut renaming = Renaming::default();
    let order = &mut renaming.masters;
    for at in 1..masters {
        for back in (1..=at).rev() {
            if story_of_master(state, order[back]) < story_of_master(state, order[back - 1]) {
                order.swap(back, back - 1);
            }
        }
    }
    if !order.is_sorted() {
        rename_masters(state, *order);
    }
    // The order of masters does not depend on that of workers, so it stands.
    if story_of_worker(state, 1) < story_of_worker(state, 0) {
        swap_workers(state);
        renaming.workers.reverse();
    }
    renaming
}

fn is_there(driver: Option<Driver>, worker: usize) -> bool {
    driver.and_then(|driver| driver.place).is_some_and(|place| usize::from(place.worker) == worker)
}

/// Everything about one worker.
fn story_of_worker(state: &State, worker: usize) -> impl Ord {
    let of_leader = |leader: &Option<Leader>| {
        leader.map(|Leader { memory, ledger, commit, pending, .. }| {
            let batch = commit.map(|commit| commit.batch);
            let of_batch = [batch.unwrap_or_default(), pending].map(|batch| {
                (batch.writes.workers[worker], is_there(batch.writes.driver, worker), batch.says.to[worker])
            });
            (memory.workers[worker], is_there(memory.driver, worker), ledger.workers[worker], of_batch)
        })
    };
    let of_stray = state.strays.map(|stray| {
        stray.map(|stray| {
            (stray.writes.workers[worker], is_there(stray.writes.driver, worker), stray.ledger.workers[worker])
        })
    });
    (
        state.workers[worker],
        state.registrations[worker],
        state.store.workers[worker],
        is_there(state.store.driver.content, worker),
        state.leaders.each_ref().map(of_leader),
        of_stray,
    )
}

fn move_driver(driver: &mut Option<Driver>) {
    if let Some(place) = driver.as_mut().and_then(|driver| driver.place.as_mut()) {
        place.worker = 1 - place.worker;
    }
}

fn swap_workers(state: &mut State) {
    const { assert!(WORKERS == 2) };
    state.workers.reverse();
    state.registrations.reverse();
    state.store.workers.reverse();
    move_driver(&mut state.store.driver.content);
    for leader in state.leaders.iter_mut().flatten() {
        leader.memory.workers.reverse();
        move_driver(&mut leader.memory.driver);
        leader.ledger.workers.reverse();
        let commit = leader.commit.as_mut().map(|commit| &mut commit.batch);
        for batch in commit.into_iter().chain([&mut leader.pending]) {
            batch.writes.workers.reverse();
            move_driver(&mut batch.writes.driver);
            batch.says.to.reverse();
        }
    }
    for stray in state.strays.iter_mut().flatten() {
        stray.writes.workers.reverse();
        move_driver(&mut stray.writes.driver);
        stray.ledger.workers.reverse();
    }
}

/// Everything about one master, whatever the workers' numbers are.
fn story_of_master(state: &State, master: u8) -> impl Ord {
    let is = |other: u8| other == master;
    let at = usize::from(master);
    let of_worker = |worker: usize| {
        let known = &state.workers[worker];
        let followed = matches!(known.mode, Mode::Connected(other) | Mode::Lost(other) if is(other));
        let asked = state.registrations[worker].map(|way| way.is_some_and(|way| is(way.to)));
        (known.links[at], followed, asked)
    };
    let last = usize::from(state.store.epoch);
    let held = state.store.holders.map(is);
    let held: [bool; crate::scope::EPOCHS + 1] =
        std::array::from_fn(|epoch| (1..=last).contains(&epoch) && held[epoch]);
    let named = |target: Option<u8>| target.is_some_and(is);
    let successor = |leader: &&Leader| {
        let resignation = leader.commit.and_then(|commit| commit.resignation);
        named(resignation.map(|resignation| resignation.target))
    };
    let mut of_workers: [_; WORKERS] = std::array::from_fn(of_worker);
    of_workers.sort_unstable();
    (
        held,
        state.leaders[at],
        state.bids[at],
        of_workers,
        named(state.store.intent.content.and_then(|wishes| wishes.target)),
        state.leaders.iter().flatten().filter(successor).count(),
        state
            .strays
            .map(|stray| named(stray.and_then(|stray| stray.resignation).map(|resignation| resignation.target))),
    )
}

/// The master at each place of the order gets the number of that place.
fn rename_masters(state: &mut State, order: [u8; MASTERS]) {
    let mut names = [0; MASTERS];
    for (name, master) in (0..).zip(order) {
        names[usize::from(master)] = name;
    }
    let rename = |master: &mut u8| *master = names[usize::from(*master)];
    let old = *state;
    for (new, master) in order.into_iter().map(usize::from).enumerate() {
        state.leaders[new] = old.leaders[master];
        state.bids[new] = old.bids[master];
        for (worker, before) in state.workers.iter_mut().zip(&old.workers) {
            worker.links[new] = before.links[master];
        }
    }
    let last = usize::from(state.store.epoch);
    state.store.holders[1..=last].iter_mut().for_each(rename);
    if let Some(target) = state.store.intent.content.as_mut().and_then(|wishes| wishes.target.as_mut()) {
        rename(target);
    }
    for leader in state.leaders.iter_mut().flatten() {
        if let Some(resignation) = leader.commit.as_mut().and_then(|commit| commit.resignation.as_mut()) {
            rename(&mut resignation.target);
        }
    }
    for stray in state.strays.iter_mut().flatten() {
        if let Some(resignation) = &mut stray.resignation {
            rename(&mut resignation.target);
        }
    }
    for worker in &mut state.workers {
        if let Mode::Connected(master) | Mode::Lost(master) = &mut worker.mode {
            rename(master);
        }
    }
    state.registrations.iter_mut().flatten().flatten().for_each(|way| rename(&mut way.to));
}
