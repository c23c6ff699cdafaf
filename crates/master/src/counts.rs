//! What a master counts since its process started. Counted where it happens, read by whoever asks.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// One more.
    pub(crate) fn one(&self) {
        self.many(1);
    }

    /// So many more.
    pub(crate) fn many(&self, more: usize) {
        self.0.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) terms_won: Count,
    pub(crate) commits: Count,
    pub(crate) commits_refused: Count,
    pub(crate) commits_unknown: Count,
    pub(crate) suspensions: Count,
    pub(crate) effects_withheld: Count,
    pub(crate) depositions: Count,
    pub(crate) higher_terms_seen: Count,
}

/// One of them, as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Its name, in the style of metrics.
    pub name: &'static str,
    /// What is counted, for people.
    pub help: &'static str,
    /// How often it happened.
    pub value: u64,
}

impl Counts {
    /// All of them as they are now.
    pub(crate) fn all(&self) -> Vec<Counted> {
        let of = |name, help, count: &Count| Counted { name, help, value: count.get() };
        vec![
            of("terms_won", "terms that this process has won", &self.terms_won),
            of("commits", "guarded transactions that were committed", &self.commits),
            of(
                "commits_refused",
                "guarded transactions that the store refused: the term was over",
                &self.commits_refused,
            ),
            of("commits_unknown", "guarded transactions whose outcome had to be found out", &self.commits_unknown),
            of("suspensions", "times that a term was past its local deadline", &self.suspensions),
            of(
                "effects_withheld",
                "messages and answers that were held back because their term was over or past its local deadline",
                &self.effects_withheld,
            ),
            of("depositions", "leaders that this process found gone, and whose term it ended", &self.depositions),
            of("higher_terms_seen", "times that somebody acted under a term above our own", &self.higher_terms_seen),
        ]
    }
}
