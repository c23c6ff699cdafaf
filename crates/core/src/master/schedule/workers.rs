//! The workers: their books, their places, their order, and which of them offer more than in the last round.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::books::Books;
use super::demand::Free;
use super::index::Index;
use super::options::WorkerSelection;
use crate::ids::{AppId, WorkerId};
use crate::model::{Addresses, Amounts, Booking};
use crate::units::{Cores, Memory};

/// Up to so many workers with news are looked at one by one; more are reached through the index like all others.
pub(super) const FEW: usize = 64;

/// Up to so many kinds of work that fit nowhere are remembered; the oldest is forgotten first.
const KINDS_REMEMBERED: usize = 16;

/// Number of a worker's place. A new worker takes the lowest empty one.
pub(super) type Slot = u32;

/// One piece of work, as far as fitting goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    /// At least 1.
    pub(super) cores: Cores,
    pub(super) memory: Memory,
    /// None, or not empty.
    pub(super) resources: Option<&'a Amounts>,
    /// A foreign worker can run it too.
    pub(super) foreign: bool,
}

impl Piece<'_> {
    pub(super) fn without_resources(self) -> Piece<'static> {
        let Self { cores, memory, resources: _, foreign } = self;
        Piece { cores, memory, resources: None, foreign }
    }

    /// Whether this fits on no worker on which the other one, which wants no resources, does not.
    pub(super) fn wants_no_less_than(self, other: Piece<'static>) -> bool {
        self.cores >= other.cores && self.memory >= other.memory && self.foreign <= other.foreign
    }
}

/// A worker that may get work or has some.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) books: Books,
    paused: bool,
    foreign: bool,
}

impl Worker {
    fn fits(&self, piece: Piece<'_>) -> bool {
        !self.paused
            && (piece.foreign || !self.foreign)
            && self.books.free_cores() >= piece.cores
            && self.books.free_memory() >= piece.memory
            && piece.resources.is_none_or(|wanted| self.books.room_for(wanted) > 0)
    }
}

/// All workers.
#[derive(Debug, Clone)]
pub(super) struct Workers {
    slots: Vec<Option<Worker>>,
    vacant: BTreeSet<Slot>,
    by_id: BTreeMap<WorkerId, Slot>,
    index: Index,
    /// Workers that are not paused and may offer more than at the end of the last round.
    news: BTreeSet<Slot>,
    /// Work without resources that was found to fit nowhere. It stays true until a worker has news on which it fits.
    nowhere: VecDeque<Piece<'static>>,
    /// Workers that get nothing of an application.
    ruled_out: BTreeMap<AppId, BTreeSet<Slot>>,
}

impl Workers {
    pub(super) fn new(policy: WorkerSelection) -> Self {
        Self {
            slots: Vec::new(),
            vacant: BTreeSet::new(),
            by_id: BTreeMap::new(),
            index: Index::new(policy),
            news: BTreeSet::new(),
            nowhere: VecDeque::new(),
            ruled_out: BTreeMap::new(),
        }
    }

    pub(super) fn up(&mut self, id: &WorkerId, cores: Cores, memory: Memory, resources: &Addresses) {
        let slot = self.by_id.get(id).copied().unwrap_or_else(|| self.settle(id));
        self.change(slot, |worker| {
            worker.books.offer(cores, memory, resources);
            worker.paused = false;
        });
        self.rule_in(slot);
        self.may_offer_more(slot);
    }

    pub(super) fn set_foreign(&mut self, id: &WorkerId, foreign: bool) {
        let Some(&slot) = self.by_id.get(id) else { return };
        self.change(slot, |worker| worker.foreign = foreign);
        self.may_offer_more(slot);
    }

    pub(super) fn rule_out(&mut self, app: &AppId, id: &WorkerId) {
        if let Some(&slot) = self.by_id.get(id) {
            self.ruled_out.entry(app.clone()).or_default().insert(slot);
        }
    }

    pub(super) fn is_ruled_out(&self, app: &AppId, id: &WorkerId) -> bool {
        self.by_id.get(id).is_some_and(|slot| self.ruled_out.get(app).is_some_and(|out| out.contains(slot)))
    }

    fn rule_in(&mut self, slot: Slot) {
        self.ruled_out.retain(|_, out| {
            out.remove(&slot);
            !out.is_empty()
        });
    }

    pub(super) fn forget_app(&mut self, app: &AppId) {
        self.ruled_out.remove(app);
    }

    /// Gives a new worker its place; it starts paused and offers nothing.
    fn settle(&mut self, id: &WorkerId) -> Slot {
        let worker = Some(Worker { id: id.clone(), books: Books::default(), paused: true, foreign: false });
        let slot = if let Some(slot) = self.vacant.pop_first() {
            self.slots[slot as usize] = worker;
            slot
        } else {
            self.slots.push(worker);
            self.places() - 1
        };
        self.by_id.insert(id.clone(), slot);
        slot
    }

    pub(super) fn pause(&mut self, id: &WorkerId, paused: bool) {
        let Some(&slot) = self.by_id.get(id) else { return };
        self.change(slot, |worker| worker.paused = paused);
        if paused {
            self.news.remove(&slot);
        } else {
            self.may_offer_more(slot);
        }
    }

    /// Every change that can make something fit ends here.
    fn may_offer_more(&mut self, slot: Slot) {
        let Some(worker) = self.slots.get(slot as usize).and_then(Option::as_ref) else { return };
        if !worker.paused {
            self.nowhere.retain(|kind| !worker.fits(*kind));
            self.news.insert(slot);
        }
    }

    pub(super) fn down(&mut self, id: &WorkerId) {
        let Some(&slot) = self.by_id.get(id) else { return };
        // Pausing takes it out of the index and the news.
        self.pause(id, true);
        self.by_id.remove(id);
        self.rule_in(slot);
        self.slots[slot as usize] = None;
        self.vacant.insert(slot);
    }

    pub(super) fn book(&mut self, id: &WorkerId, booking: &Booking) -> Booking {
        let slot = self.by_id.get(id).copied();
        slot.and_then(|slot| self.change(slot, |worker| worker.books.take_exact(booking))).unwrap_or_default()
    }

    pub(super) fn release(&mut self, id: &WorkerId, booking: Booking) {
        let Some(&slot) = self.by_id.get(id) else { return };
        self.change(slot, |worker| worker.books.put_back(booking));
        self.may_offer_more(slot);
    }

    pub(super) fn free(&self, id: &WorkerId) -> Option<Free> {
        self.get(*self.by_id.get(id)?).map(|worker| worker.books.free())
    }

    /// How many places there are, empty ones included.
    pub(super) fn places(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Worker> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn fits(&self, slot: Slot, piece: Piece<'_>) -> bool {
        self.get(slot).is_some_and(|worker| worker.fits(piece))
    }

    /// Changes a worker and keeps the index true.
    pub(super) fn change<R>(&mut self, slot: Slot, change: impl FnOnce(&mut Worker) -> R) -> Option<R> {
        let worker = self.slots.get_mut(slot as usize)?.as_mut()?;
        let listed = |worker: &Worker| if worker.paused { None } else { self.index.amount(&worker.books) };
        let before = listed(worker);
        let result = change(worker);
        let after = listed(worker);
        self.index.shift(&worker.id, slot, before, after);
        Some(result)
    }

    /// The workers by id from `start` on.
    pub(super) fn by_id_from(&self, start: Option<&WorkerId>) -> impl Iterator<Item = Slot> {
        use std::ops::Bound::{Included, Unbounded};
        self.by_id.range((start.map_or(Unbounded, Included), Unbounded)).map(|(_, slot)| *slot)
    }

    /// The first `most` workers, at least one, in the order of the policy on which the piece fits; without those that are
    /// ruled out for the application whose it is.
    pub(super) fn first_fitting(&mut self, app: Option<&AppId>, piece: Piece<'_>, most: usize) -> Vec<Slot> {
        // What is larger than something that fits nowhere does not fit either.
        if self.nowhere.iter().any(|kind| piece.wants_no_less_than(*kind)) {
            return Vec::new();
        }
        let out = app.and_then(|app| self.ruled_out.get(app));
        let mut found = Vec::new();
        self.index.visit(piece, |slot| {
            if self.fits(slot, piece) && out.is_none_or(|out| !out.contains(&slot)) {
                found.push(slot);
            }
            found.len() < most
        });
        if found.is_empty() && piece.resources.is_none() && out.is_none() {
            self.nowhere.truncate(KINDS_REMEMBERED - 1);
            self.nowhere.push_front(piece.without_resources());
        }
        found
    }

    /// The same out of the workers with news.
    pub(super) fn first_fitting_with_news(&self, app: Option<&AppId>, piece: Piece<'_>, most: usize) -> Vec<Slot> {
        let out = app.and_then(|app| self.ruled_out.get(app));
        let news = self.news.iter().filter(|slot| out.is_none_or(|out| !out.contains(slot)));
        let fitting = |&slot: &Slot| self.get(slot).filter(|worker| worker.fits(piece)).map(|worker| (slot, worker));
        let mut found: Vec<_> = news.filter_map(fitting).collect();
        found.sort_by(|(_, a), (_, b)| self.index.compare(a, b));
        found.truncate(most);
        found.into_iter().map(|(slot, _)| slot).collect()
    }

    /// Workers with news.
    pub(super) fn news(&self) -> &BTreeSet<Slot> {
        &self.news
    }

    /// The most that any worker with news has free: of cores, and of memory.
    pub(super) fn most_with_news(&self) -> (Cores, Memory) {
        let most = |(cores, memory): (Cores, Memory), worker: &Worker| {
            (cores.max(worker.books.free_cores()), memory.max(worker.books.free_memory()))
        };
        self.news.iter().filter_map(|&slot| self.get(slot)).fold(Default::default(), most)
    }

    /// A round has ended: nothing that waits fits anywhere.
    pub(super) fn end_round(&mut self) {
        self.news.clear();
    }
}
