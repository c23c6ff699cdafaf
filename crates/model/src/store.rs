//! The store: transactions happen at one moment, whole or not at all. What must hold for that is asked of the rules of
//! `tanist_store::engine` themselves.

use std::sync::LazyLock;

use bytes::Bytes;
use tanist_store::{Expect, Guard, Key, Name, Revision, Versioned};

use crate::scope::{EPOCHS, Mutant};
use crate::state::{Ledger, Seen, Slot, State, Store, Transaction, Wishes, Write};

/// More writes of one key than any scope allows.
const VERSIONS: u64 = 64;

/// `ha/leader` as each term writes it. The epoch stands for the revision at which its term was won: both rise together,
/// and neither comes twice.
static OFFICES: LazyLock<Vec<Versioned>> = LazyLock::new(|| {
    let office = |epoch: u64| Versioned {
        key: Key::from(Name::Leader),
        value: Bytes::from(format!("term {epoch}")),
        create_revision: Revision(epoch),
        mod_revision: Revision(epoch),
    };
    (0..=EPOCHS as u64).map(office).collect()
});

/// What each term compares.
static GUARDS: LazyLock<Vec<Guard>> = LazyLock::new(|| {
    let guard = |office: &Versioned| Guard { create_revision: office.create_revision, value: office.value.clone() };
    OFFICES.iter().map(guard).collect()
});

/// Some key, at each version.
static RECORDS: LazyLock<Vec<Versioned>> = LazyLock::new(|| {
    let record = |version: u64| Versioned {
        key: Key::raw("record"),
        value: Bytes::new(),
        create_revision: Revision(1),
        mod_revision: Revision(version),
    };
    (0..VERSIONS).map(record).collect()
});

impl Store {
    /// Whether this term is in office, as its guard finds.
    pub(crate) fn is_held_by(&self, epoch: u8) -> bool {
        GUARDS[usize::from(epoch)].holds(self.office.map(|epoch| &OFFICES[usize::from(epoch)]))
    }

    /// What somebody knows who reads all records now.
    pub(crate) fn read(&self) -> Ledger {
        Ledger {
            driver: self.driver.seen(),
            request: self.request.seen(),
            workers: self.workers.map(|worker| worker.seen()),
        }
    }

    /// What operators want.
    pub(crate) fn wishes(&self) -> Wishes {
        self.intent.content.unwrap_or(Wishes { paused: false, target: None, expired: false })
    }
}

fn expect(seen: Seen) -> Expect {
    if seen.present { Expect::ModRevision(Revision(u64::from(seen.version))) } else { Expect::Absent }
}

/// Whether a belief about a key is true.
pub(crate) fn holds<T>(slot: &Slot<T>, seen: Seen) -> bool {
    expect(seen).holds(slot.content.as_ref().map(|_| &RECORDS[usize::from(slot.version)]))
}

/// Whether a belief that is wrong now may be true again: a removed key may come back only to those who expect none.
pub(crate) fn may_hold<T>(slot: &Slot<T>, seen: Seen) -> bool {
    holds(slot, seen) || !seen.present
}

impl Transaction {
    /// Whether the store would apply it now.
    pub(crate) fn holds(&self, store: &Store, mutant: Option<Mutant>) -> bool {
        self.guard_holds(store, mutant) && (mutant == Some(Mutant::NoCompare) || self.compares(store, Compare::Now))
    }

    /// Whether the store may ever apply it from now on.
    pub(crate) fn may_hold(&self, store: &Store, mutant: Option<Mutant>) -> bool {
        self.guard_holds(store, mutant) && (mutant == Some(Mutant::NoCompare) || self.compares(store, Compare::Ever))
    }

    fn guard_holds(&self, store: &Store, mutant: Option<Mutant>) -> bool {
        matches!(mutant, Some(Mutant::NoGuard | Mutant::LeaseTrusted)) || store.is_held_by(self.epoch)
    }

    fn compares(&self, store: &Store, when: Compare) -> bool {
        let Self { writes, ledger, resignation, .. } = self;
        let workers = writes.workers.iter().zip(&store.workers).zip(&ledger.workers);
        (writes.driver.is_none() || when.holds(&store.driver, ledger.driver))
            && (!writes.request || when.holds(&store.request, ledger.request))
            && workers
                .into_iter()
                .all(|((write, slot), seen)| write.effective(*seen) == Write::Keep || when.holds(slot, *seen))
            && resignation.is_none_or(|resignation| when.holds(&store.intent, resignation.intent))
    }

    /// Whether it changes anything.
    pub(crate) fn is_read_only(&self) -> bool {
        self.writes.is_empty() && self.resignation.is_none()
    }

    /// Applies it, and notes what is wrong about that.
    pub(crate) fn land(&self, state: &mut State) {
        if self.is_read_only() {
            return;
        }
        state.wrongs.written |= state.store.office != Some(self.epoch);
        state.excused |= self.excuses;
        let store = &mut state.store;
        if let Some(driver) = self.writes.driver {
            state.wrongs.twice |= store.driver.content.is_some_and(|known| known.born != driver.born);
            store.driver.write(Some(driver));
            if self.writes.request {
                store.request.write(Some(driver.born));
            }
        }
        for ((write, slot), seen) in self.writes.workers.iter().zip(&mut store.workers).zip(&self.ledger.workers) {
            match write.effective(*seen) {
                Write::Keep => {}
                Write::Put(incarnation) => slot.write(Some(incarnation)),
                Write::Remove => slot.write(None),
            }
        }
        if let Some(resignation) = self.resignation {
            let wishes = Wishes { target: Some(resignation.target), expired: false, ..store.wishes() };
            store.intent.write(Some(wishes));
            store.office = None;
        }
    }

    /// What the term knows of the records once it has heard that this was applied.
    pub(crate) fn settled(&self) -> Ledger {
        let written = |seen: Seen, present: bool| Seen { version: seen.version + 1, present };
        let mut ledger = self.ledger;
        if self.writes.driver.is_some() {
            ledger.driver = written(ledger.driver, true);
        }
        if self.writes.request {
            ledger.request = written(ledger.request, true);
        }
        for (write, seen) in self.writes.workers.iter().zip(&mut ledger.workers) {
            match write.effective(*seen) {
                Write::Keep => {}
                Write::Put(_) => *seen = written(*seen, true),
                Write::Remove => *seen = written(*seen, false),
            }
        }
        ledger
    }
}

impl Write {
    /// What was written and removed again before it ever reached the store is no operation.
    fn effective(self, seen: Seen) -> Self {
        if self == Self::Remove && !seen.present { Self::Keep } else { self }
    }
}

/// When a belief is to be true.
#[derive(Clone, Copy)]
enum Compare {
    Now,
    Ever,
}

impl Compare {
    fn holds<T>(self, slot: &Slot<T>, seen: Seen) -> bool {
        match self {
            Self::Now => holds(slot, seen),
            Self::Ever => may_hold(slot, seen),
        }
    }
}
