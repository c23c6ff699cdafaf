//! The queue of drivers and where each goes (SC-03 … SC-06).

use std::collections::BTreeMap;

use super::demand::{DriverNeed, Placement};
use super::options::SchedulerOptions;
use super::permutation::Permutation;
use super::workers::{FEW, Piece, Slot, Workers};
use crate::ids::{DriverId, WorkerId};
use crate::model::Amounts;
use crate::rng::Rng;

/// Drivers that wait, oldest first.
///
/// Whether a driver was already looked at is one number for the whole queue: a round looks at drivers in order and
/// either reaches the end or stops at the limit, so the ones not looked at are always the last ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Drivers {
    waiting: BTreeMap<u64, Waiting>,
    by_id: BTreeMap<DriverId, u64>,
    next: u64,
    /// From here on nothing is known of the drivers; the ones before fit on no worker without news.
    fresh_from: u64,
    active: u32,
}

#[derive(Debug, Clone)]
struct Waiting {
    id: DriverId,
    need: DriverNeed,
}

impl Drivers {
    pub(super) fn queue(&mut self, id: &DriverId, need: DriverNeed) {
        if !self.by_id.contains_key(id) {
            self.by_id.insert(id.clone(), self.next);
            self.waiting.insert(self.next, Waiting { id: id.clone(), need: need.at_least_one_core() });
            self.next += 1;
        }
    }

    pub(super) fn unqueue(&mut self, id: &DriverId) -> bool {
        self.by_id.remove(id).is_some_and(|place| self.waiting.remove(&place).is_some())
    }

    pub(super) fn set_active(&mut self, placed: u32) {
        self.active = placed;
    }

    pub(super) fn active(&self) -> u32 {
        self.active
    }

    /// Places what can be placed. Randomness is drawn once, and only where a driver waits and may be placed.
    pub(super) fn place(
        &mut self,
        workers: &mut Workers,
        options: &SchedulerOptions,
        rng: &mut Rng,
        out: &mut Vec<Placement>,
    ) {
        if self.waiting.is_empty() {
            return;
        }
        if self.active >= options.max_drivers {
            self.fresh_from = 0;
            return;
        }
        let mut tour = Tour::new(options.spread_out_drivers, workers.places(), rng);
        let (most_cores, most_memory) = workers.most_with_news();
        // Without any news none of those that were looked at fits: a long queue is not gone through for each that joins it.
        let first = if workers.news().is_empty() { self.fresh_from } else { 0 };
        let mut fresh_from = self.next;
        let mut placed = Vec::new();
        for (&place, Waiting { id, need }) in self.waiting.range(first..) {
            if self.active >= options.max_drivers {
                fresh_from = place;
                break;
            }
            let fresh = place >= self.fresh_from;
            if !fresh && (need.cores > most_cores || need.memory > most_memory) {
                continue;
            }
            let Some(slot) = tour.find(workers, piece(need), fresh) else { continue };
            let booked = workers.change(slot, |worker| {
                (worker.id.clone(), worker.books.take(need.cores, need.memory, &need.resources))
            });
            if let Some((worker, booking)) = booked {
                self.active += 1;
                placed.push(place);
                out.push(Placement::Driver { driver: id.clone(), worker, booking });
            }
        }
        self.fresh_from = fresh_from;
        for place in placed {
            if let Some(waiting) = self.waiting.remove(&place) {
                self.by_id.remove(&waiting.id);
            }
        }
    }
}

fn piece(need: &DriverNeed) -> Piece<'_> {
    Piece { cores: need.cores, memory: need.memory, resources: some(&need.resources), foreign: need.foreign }
}

/// Wanted resources, none if there are none.
pub(super) fn some(resources: &Amounts) -> Option<&Amounts> {
    (!resources.is_empty()).then_some(resources)
}

/// In which order one round offers the workers to drivers.
#[derive(Debug)]
enum Tour {
    /// Round and round in random order, from the worker after the last one used (SC-03).
    Spread { order: Permutation, next: u32 },
    /// Always from the first id (SC-04). `from`: what wants no less than this piece fits nowhere before this worker.
    ById { from: Option<(Piece<'static>, WorkerId)> },
}

impl Tour {
    fn new(spread: bool, places: u32, rng: &mut Rng) -> Self {
        if spread {
            Self::Spread { order: Permutation::new(places, rng.bits()), next: 0 }
        } else {
            Self::ById { from: None }
        }
    }

    /// The first worker of the tour on which the piece fits.
    ///
    /// Tried first are the next [`FEW`] workers of the tour. Where none of them fits, few of all do, most likely: then
    /// those are fetched through the index, and the one that the tour would reach first is taken. A piece that is not
    /// fresh fits on workers with news only, so if these are few they are all there is to look at.
    fn find(&mut self, workers: &mut Workers, piece: Piece<'_>, fresh: bool) -> Option<Slot> {
        let slot = if !fresh && workers.news().len() <= FEW {
            self.earliest(workers, workers.first_fitting_with_news(None, piece, usize::MAX))
        } else {
            self.among_next(workers, piece).or_else(|| {
                let fitting = workers.first_fitting(None, piece, usize::MAX);
                self.earliest(workers, fitting)
            })
        }?;
        self.used(workers, piece, slot);
        Some(slot)
    }

    fn among_next(&self, workers: &Workers, piece: Piece<'_>) -> Option<Slot> {
        match self {
            Self::Spread { order, next } => {
                let few = u32::try_from(FEW).unwrap_or(u32::MAX).min(order.len());
                (0..few).map(|step| order.at((next + step) % order.len())).find(|&slot| workers.fits(slot, piece))
            }
            Self::ById { from } => {
                let from = from.as_ref().filter(|(placed, _)| piece.wants_no_less_than(*placed));
                workers.by_id_from(from.map(|(_, id)| id)).take(FEW).find(|&slot| workers.fits(slot, piece))
            }
        }
    }

    fn earliest(&self, workers: &Workers, fitting: Vec<Slot>) -> Option<Slot> {
        match self {
            Self::Spread { order, next } => {
                let steps = |slot: Slot| (order.position_of(slot) + order.len() - next) % order.len();
                fitting.into_iter().min_by_key(|&slot| steps(slot))
            }
            Self::ById { .. } => fitting.into_iter().min_by_key(|&slot| workers.get(slot).map(|worker| &worker.id)),
        }
    }

    fn used(&mut self, workers: &Workers, piece: Piece<'_>, slot: Slot) {
        match self {
            Self::Spread { order, next } => *next = (order.position_of(slot) + 1) % order.len(),
            // Without its resources the piece might have fitted earlier, so it says nothing about others.
            Self::ById { from } if piece.resources.is_none() => {
                *from = workers.get(slot).map(|worker| (piece.without_resources(), worker.id.clone()));
            }
            Self::ById { .. } => {}
        }
    }
}
