//! What a master counts since its process started. Counted where it happens, read by whoever asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tanist_web::prometheus::Buckets;

/// Upper bounds of lengths of time, in milliseconds: from a store in memory to one that is about to be given up.
const BOUNDS_MS: [u32; 12] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

/// For a sum in seconds.
const MICROSECONDS_PER_SECOND: f64 = 1_000_000.0;

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

/// A number that goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    pub(crate) fn set(&self, value: usize) {
        self.0.store(u64::try_from(value).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lengths of time, counted by upper bounds.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// How many were within this bound and none below; the last one has no bound.
    within: [Count; BOUNDS_MS.len() + 1],
    microseconds: Count,
}

impl Times {
    /// It took so long.
    pub(crate) fn took(&self, length: Duration) {
        let place = BOUNDS_MS.partition_point(|bound| Duration::from_millis((*bound).into()) < length);
        if let Some(within) = self.within.get(place) {
            within.one();
        }
        self.microseconds.many(usize::try_from(length.as_micros()).unwrap_or(usize::MAX));
    }

    pub(crate) fn buckets(&self) -> Buckets {
        let mut count = 0;
        let mut add = |within: &Count| {
            count += within.get();
            count
        };
        let bounds = BOUNDS_MS.iter().map(|bound| f64::from(*bound) / 1_000.0);
        let at_most = bounds.zip(&self.within).map(|(bound, within)| (bound, add(within))).collect();
        let beyond = self.within.last().map_or(0, Count::get);
        Buckets { at_most, count: count + beyond, sum: self.microseconds.get() as f64 / MICROSECONDS_PER_SECOND }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// From the beginning of a commit to its success, tries included.
    pub(crate) commit_times: Times,
    /// Effects that wait behind the barrier.
    pub(crate) effects_waiting: Gauge,
    /// From the election to the end of the last recovery, in milliseconds; 0 = there was none.
    pub(crate) recovery_ms: Gauge,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_by_their_upper_bounds() {
        let times = Times::default();
        for milliseconds in [1, 3, 5, 60_000] {
            times.took(Duration::from_millis(milliseconds));
        }
        let Buckets { at_most, count, sum } = times.buckets();
        assert_eq!(at_most[..4], [(0.001, 1), (0.002, 1), (0.005, 3), (0.01, 3)]);
        assert_eq!((at_most[11], count), ((5.0, 3), 4));
        assert!((sum - 60.009).abs() < 1e-9, "{sum}");
    }
}
