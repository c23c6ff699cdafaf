//! The office: taken, lost, left (protocol 2). The transactions are told anew; whether operators let a master take it
//! is asked of `tanist_store::Intent`.

use tanist_core::time::Wall;
use tanist_store::{Handover, Intent, Pause};

use crate::master::Happening;
use crate::names;
use crate::protocol::World;
use crate::scope::Mutant;
use crate::state::{Batch, Bid, Commit, Known, Leader, Memory, Resignation, State, Wishes};
use crate::store;

/// The wall clock of a master that asks.
const NOW: Wall = Wall(1000);

/// What operators want holds until then, or did.
fn until(expired: bool) -> u64 {
    if expired { NOW.0 } else { NOW.0 + 1 }
}

/// Whether operators keep a master from taking the office.
pub(crate) fn is_kept_out(wishes: Wishes, master: u8) -> bool {
    let (by, why) = (String::new(), String::new());
    let intent = Intent {
        pause: wishes.paused.then(|| Pause { by, why: why.clone(), until: until(false) }),
        handover: wishes.target.map(|target| Handover {
            target: names::master_id(target),
            why,
            until: until(wishes.expired),
        }),
    };
    intent.obstacle(&names::master_id(master), NOW).is_some()
}

/// Whether a standby that reads the store now would bid.
pub(crate) fn would_bid(state: &State, epochs: u8, master: u8) -> bool {
    let at = usize::from(master);
    state.leaders[at].is_none()
        && state.bids[at].is_none()
        && state.store.office.is_none()
        && state.store.epoch < epochs
        && !is_kept_out(state.store.wishes(), master)
}

/// Whether a bid would win now: what it read is there.
pub(crate) fn would_win(state: &State, bid: Bid, mutant: Option<Mutant>) -> bool {
    let intent = mutant == Some(Mutant::NoIntent) || store::holds(&state.store.intent, bid.intent);
    state.store.office.is_none() && state.store.epoch == bid.epoch && intent
}

/// Whether a bid may ever win.
pub(crate) fn may_win(state: &State, bid: Bid, mutant: Option<Mutant>) -> bool {
    let intent = mutant == Some(Mutant::NoIntent) || store::may_hold(&state.store.intent, bid.intent);
    state.store.epoch == bid.epoch && intent
}

impl World<'_> {
    pub(crate) fn bids(&mut self, master: u8) {
        let bid = Bid { epoch: self.state.store.epoch, intent: self.state.store.intent.seen() };
        self.state.bids[usize::from(master)] = Some(bid);
    }

    pub(crate) fn bid_lands(&mut self, master: u8, choice: u8) -> Option<()> {
        let bid = self.state.bids[usize::from(master)].take()?;
        if !would_win(&self.state, bid, self.protocol.mutant) {
            return None;
        }
        self.takes_office(master, choice)
    }

    /// A bid wins, and the winner reads what is there at that moment: the content at the revision of its victory.
    pub(crate) fn takes_office(&mut self, master: u8, choice: u8) -> Option<()> {
        let State { store, wrongs, handed_over, .. } = &mut self.state;
        let wishes = store.wishes();
        wrongs.paused |= wishes.paused;
        *handed_over |= wishes.target == Some(master) && !wishes.expired;
        if wishes.target.is_some() {
            let left = Wishes { target: None, expired: false, ..wishes };
            store.intent.write(Some(left).filter(|left| left.paused));
        }
        store.epoch += 1;
        let epoch = store.epoch;
        store.office = Some(epoch);
        store.holders[usize::from(epoch)] = master;
        let unknown = |incarnation| Known::Unknown { incarnation };
        let content = Memory {
            driver: store.driver.content,
            workers: store.workers.map(|slot| slot.content.map_or(Known::Absent, unknown)),
        };
        let ledger = store.read();
        let leader = Leader { epoch, memory: content, ledger, commit: None, pending: Batch::default() };
        self.state.leaders[usize::from(master)] = Some(leader);
        self.decides(master, Happening::Elected, choice, 0)?;
        if self.protocol.mutant == Some(Mutant::NoPatience) {
            self.gives_up_the_silent(master);
        }
        Some(())
    }

    /// The mutant: who has not reported is taken for lost.
    fn gives_up_the_silent(&mut self, master: u8) {
        let Some(leader) = self.state.leaders[usize::from(master)] else { return };
        for (worker, known) in (0..).zip(leader.memory.workers) {
            if matches!(known, Known::Unknown { .. }) {
                self.decides(master, Happening::Silent(worker), 0, 0);
            }
        }
    }

    /// An operator's wish, written as the only thing of its transaction.
    pub(crate) fn wishes_pause(&mut self, paused: bool) {
        let intent = &mut self.state.store.intent;
        let wishes = Wishes { paused, ..intent.content.unwrap_or(Wishes { paused, target: None, expired: false }) };
        intent.write(Some(wishes).filter(|wishes| wishes.paused || wishes.target.is_some()));
    }

    /// The leader, who has nothing under way, ends its term in favour of another.
    pub(crate) fn hands_over(&mut self, master: u8, to: u8) -> Option<()> {
        let intent = self.state.store.intent.seen();
        let leader = self.state.leaders[usize::from(master)].as_mut()?;
        if leader.commit.is_some() || !leader.pending.is_empty() {
            return None;
        }
        let resignation = Some(Resignation { target: to, intent });
        leader.commit = Some(Commit { batch: Batch::default(), resignation, applied: false });
        Some(())
    }

    /// The answer to that is lost, and the leader goes on.
    pub(crate) fn stays_in_doubt(&mut self, master: u8) -> Option<()> {
        let leader = self.state.leaders[usize::from(master)].as_mut().filter(|leader| leader.is_leaving())?;
        let transaction = leader.transaction();
        leader.commit = None;
        if let Some(transaction) = transaction {
            self.strays(transaction);
        }
        Some(())
    }

    pub(crate) fn handover_expires(&mut self) {
        if let Some(wishes) = self.state.store.intent.content.as_mut().filter(|wishes| wishes.target.is_some()) {
            wishes.expired = true;
        }
    }
}
