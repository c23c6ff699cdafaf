//! Versions of keys are told only by whether they are equal.

use crate::scope::WORKERS;
use crate::state::{Ledger, Seen, State};

/// More versions than one key has.
const VERSIONS: usize = 64;

/// Replaces every version by its rank among those that anybody still knows.
pub(super) fn compress(state: &mut State) {
    let store = &mut state.store;
    let mut ledgers: Vec<&mut Ledger> = Vec::with_capacity(8);
    let mut intents: Vec<&mut Seen> = Vec::with_capacity(8);
    for leader in state.leaders.iter_mut().flatten() {
        ledgers.push(&mut leader.ledger);
        let resignation = leader.commit.as_mut().and_then(|commit| commit.resignation.as_mut());
        intents.extend(resignation.map(|resignation| &mut resignation.intent));
    }
    for stray in state.strays.iter_mut().flatten() {
        ledgers.push(&mut stray.ledger);
        intents.extend(stray.resignation.as_mut().map(|resignation| &mut resignation.intent));
    }
    intents.extend(state.bids.iter_mut().flatten().map(|bid| &mut bid.intent));
    rank(&mut store.driver.version, ledgers.iter_mut().map(|ledger| &mut ledger.driver.version));
    rank(&mut store.request.version, ledgers.iter_mut().map(|ledger| &mut ledger.request.version));
    for worker in 0..WORKERS {
        let known = ledgers.iter_mut().map(|ledger| &mut ledger.workers[worker].version);
        rank(&mut store.workers[worker].version, known);
    }
    rank(&mut store.intent.version, intents.iter_mut().map(|seen| &mut seen.version));
}

fn rank<'a>(current: &mut u8, known: impl Iterator<Item = &'a mut u8>) {
    let mut all: Vec<&mut u8> = known.collect();
    all.push(current);
    let mut ranks = [0u8; VERSIONS];
    for version in &all {
        ranks[usize::from(**version)] = 1;
    }
    let mut last = 0;
    for rank in &mut ranks {
        let there = *rank;
        *rank = last;
        last += there;
    }
    for version in all {
        *version = ranks[usize::from(*version)];
    }
}
