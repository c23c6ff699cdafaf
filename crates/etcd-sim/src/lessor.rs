//! The clock of leases. Only etcd's leader has one; every new leader begins its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::Granted;

/// Between two looks at what has expired, in milliseconds.
const SCAN_MS: u64 = 500;

/// After this time an expired lease is tried to be ended again, in milliseconds.
const RETRY_MS: u64 = 3000;

/// Most leases that one scan ends.
const SCAN_LEASES: usize = 500;

/// When each lease ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lessor {
    /// The next scan is at this moment, and one every [`SCAN_MS`] after it.
    next: u64,
    terms: BTreeMap<i64, Term>,
    by_due: BTreeSet<(u64, i64)>,
}

#[derive(Debug, Clone, Copy)]
struct Term {
    expiry: u64,
    /// When a scan is to find it.
    due: u64,
}

impl Lessor {
    /// That of a new leader: every lease has its full life once more, and `extension` on top.
    pub(crate) fn new(now: u64, phase: u64, extension: u64, leases: &BTreeMap<i64, Granted>) -> Self {
        let mut lessor = Self { next: now + phase, ..Self::default() };
        for (id, granted) in leases {
            lessor.set(*id, now + extension + milliseconds(granted.ttl));
        }
        lessor
    }

    /// Grants or renews.
    pub(crate) fn restart(&mut self, now: u64, id: i64, ttl: i64) {
        self.set(id, now + milliseconds(ttl));
    }

    pub(crate) fn end(&mut self, id: i64) {
        if let Some(term) = self.terms.remove(&id) {
            self.by_due.remove(&(term.due, id));
        }
    }

    pub(crate) fn expiry(&self, id: i64) -> Option<u64> {
        self.terms.get(&id).map(|term| term.expiry)
    }

    /// The moment of the next scan that finds anything.
    pub(crate) fn next_scan(&self) -> Option<u64> {
        let (first, _) = *self.by_due.first()?;
        Some(self.next + first.saturating_sub(self.next).div_ceil(SCAN_MS) * SCAN_MS)
    }

    /// What a scan finds. It is found again only if it could not be ended for a while.
    pub(crate) fn scan(&mut self, now: u64) -> Vec<i64> {
        self.next = now + SCAN_MS;
        let found: Vec<_> = self.by_due.iter().take_while(|(due, _)| *due <= now).take(SCAN_LEASES).copied().collect();
        for (due, id) in &found {
            self.by_due.remove(&(*due, *id));
            self.by_due.insert((now + RETRY_MS, *id));
            self.terms.entry(*id).and_modify(|term| term.due = now + RETRY_MS);
        }
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Ids in the order in which they end.
    pub(crate) fn in_order(&self) -> Vec<i64> {
        let mut ids: Vec<(u64, i64)> = self.terms.iter().map(|(id, term)| (term.expiry, *id)).collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    fn set(&mut self, id: i64, expiry: u64) {
        self.end(id);
        self.terms.insert(id, Term { expiry, due: expiry });
        self.by_due.insert((expiry, id));
    }
}

fn milliseconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)
}
