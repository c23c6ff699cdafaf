//! The workers in the order of the selection policy (SC-10).

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::books::Books;
use super::options::WorkerSelection;
use super::workers::{Piece, Slot, Worker};
use crate::ids::WorkerId;

/// Workers with a free core, ordered by what the policy looks at, then by id. Full workers are left out: no work asks
/// for less than a core, so in a busy cluster most searches end before they begin.
#[derive(Debug, Clone)]
pub(super) struct Index {
    policy: WorkerSelection,
    order: BTreeSet<Entry>,
}

/// `id` is only missing in the lower end of a range: it comes before every id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    amount: u64,
    id: Option<WorkerId>,
    slot: Slot,
}

impl Index {
    pub(super) fn new(policy: WorkerSelection) -> Self {
        Self { policy, order: BTreeSet::new() }
    }

    /// What the policy orders by; none for a full worker.
    pub(super) fn amount(&self, books: &Books) -> Option<u64> {
        let cores = u64::from(books.free_cores().0);
        (cores > 0).then(|| self.ordered_by(cores, books.free_memory().as_mib()))
    }

    fn ordered_by(&self, cores: u64, memory: u64) -> u64 {
        match self.policy {
            WorkerSelection::CoresFreeDesc | WorkerSelection::CoresFreeAsc => cores,
            WorkerSelection::MemoryFreeDesc | WorkerSelection::MemoryFreeAsc => memory,
            WorkerSelection::WorkerId => 0,
        }
    }

    /// A worker moves from one amount to another; none = it is not listed.
    pub(super) fn shift(&mut self, id: &WorkerId, slot: Slot, before: Option<u64>, after: Option<u64>) {
        if before == after {
            return;
        }
        let entry = |amount| Entry { amount, id: Some(id.clone()), slot };
        if let Some(amount) = before {
            self.order.remove(&entry(amount));
        }
        if let Some(amount) = after {
            self.order.insert(entry(amount));
        }
    }

    /// Shows the workers on which the piece may fit in the order of the policy, until `more` says no.
    pub(super) fn visit(&self, piece: Piece<'_>, mut more: impl FnMut(Slot) -> bool) {
        let least = self.ordered_by(u64::from(piece.cores.0), piece.memory.as_mib());
        let enough = self.order.range(Entry { amount: least, id: None, slot: 0 }..);
        let mut go_on = |entry: &Entry| more(entry.slot);
        // `all` ends at the first no; whether it came to that is of no interest.
        let _stopped = match self.policy {
            WorkerSelection::CoresFreeDesc | WorkerSelection::MemoryFreeDesc => enough.rev().all(&mut go_on),
            WorkerSelection::CoresFreeAsc | WorkerSelection::MemoryFreeAsc | WorkerSelection::WorkerId => {
                enough.into_iter().all(go_on)
            }
        };
    }

    pub(super) fn compare(&self, a: &Worker, b: &Worker) -> Ordering {
        let seen = |worker: &Worker| (worker.books.free_cores(), worker.books.free_memory());
        let ((a_cores, a_memory), (b_cores, b_memory)) = (seen(a), seen(b));
        self.policy.compare((a_cores, a_memory, &a.id), (b_cores, b_memory, &b.id))
    }
}
