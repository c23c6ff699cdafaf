//! Virtual time: what happens next, and when. Nothing here ever waits.

use std::collections::BTreeMap;
use std::time::Duration;

use tanist_core::time::{Mono, Now, Wall};

/// 2026-11-20T14:00:00Z, when every world begins.
const FIRST_DAY: u64 = 1_795_183_200_000;

/// What is going to happen, in the order of time; at one moment in the order in which it was entered.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    now: Mono,
    entered: u64,
    entries: BTreeMap<(Mono, u64), T>,
}

impl<T> Agenda<T> {
    pub(crate) fn new() -> Self {
        Self { now: Mono(1_000_000), entered: 0, entries: BTreeMap::new() }
    }

    pub(crate) fn now(&self) -> Now {
        Now { mono: self.now, wall: Wall(FIRST_DAY + self.now.0) }
    }

    /// Enters something for a moment; one that has passed counts as now.
    pub(crate) fn at(&mut self, at: Mono, what: T) {
        self.entered += 1;
        self.entries.insert((at.max(self.now), self.entered), what);
    }

    pub(crate) fn after(&mut self, wait: Duration, what: T) {
        self.at(self.now + wait, what);
    }

    /// Takes out what happens next until `end`, and lets the time pass up to it. None: it is `end`.
    pub(crate) fn next_until(&mut self, end: Mono) -> Option<T> {
        let next = self.entries.first_entry().filter(|first| first.key().0 <= end);
        self.now = next.as_ref().map_or(end, |next| next.key().0);
        next.map(std::collections::btree_map::OccupiedEntry::remove)
    }
}
