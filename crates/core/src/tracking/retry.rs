//! When to try again: a quick phase, then steadily; or, for those who give up at some time, at the original's two
//! intervals with their common fuzz (WR-04).

use std::time::Duration;

use crate::rng::Rng;

/// First delay of the quick phase. Doubles up to [`QUICK_LAST`]: a leader that was only restarted is back in seconds.
const QUICK_FIRST: Duration = Duration::from_millis(100);
/// Last delay of the quick phase.
const QUICK_LAST: Duration = Duration::from_secs(5);
/// Retries of the quick phase: 100, 200, 400, 800, 1600, 3200 and 5000 ms.
pub(super) const QUICK_RETRIES: u32 = 7;
/// Interval after that, in seconds before the fuzz. Nobody tells a process whose network was away that it is back, so
/// it looks often (L2, ADR 13).
const STEADY_SECONDS: f64 = 2.0;
/// Retries at the original's first interval (WR-04).
const INITIAL_RETRIES: u32 = 6;
/// The original's first interval, in seconds before the fuzz.
const INITIAL_SECONDS: f64 = 10.0;
/// The original's second interval, in seconds before the fuzz.
const PROLONGED_SECONDS: f64 = 60.0;

/// The delays of one process. Drawn once, so that processes that lost the same master do not come back together.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    initial: Duration,
    prolonged: Duration,
}

impl Schedule {
    /// A number of retries after which to give up is one of the original's, and means the time that it means there.
    pub(super) fn draw(max_retries: Option<u32>, rng: &mut Rng) -> Self {
        let fuzz = 0.5 + rng.unit();
        if max_retries.is_none() {
            let steady = Duration::from_secs_f64(STEADY_SECONDS * fuzz);
            return Self { initial: steady, prolonged: steady };
        }
        let rounded = |seconds: f64| Duration::from_secs_f64((seconds * fuzz).round());
        Self { initial: rounded(INITIAL_SECONDS), prolonged: rounded(PROLONGED_SECONDS) }
    }

    /// How long to wait before the retry of this number, from 0.
    pub(super) fn delay(&self, retry: u32) -> Duration {
        if retry < QUICK_RETRIES {
            (QUICK_FIRST * (1 << retry)).min(QUICK_LAST)
        } else if retry < QUICK_RETRIES + INITIAL_RETRIES {
            self.initial
        } else {
            self.prolonged
        }
    }

    /// Whether all allowed retries have been made.
    pub(super) fn exhausted(retries: u32, max: Option<u32>) -> bool {
        max.is_some_and(|max| retries >= QUICK_RETRIES.saturating_add(max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_then_six_short_then_long_intervals() {
        let schedule = Schedule { initial: Duration::from_secs(7), prolonged: Duration::from_secs(44) };
        let delays: Vec<u128> = (0..16).map(|retry| schedule.delay(retry).as_millis()).collect();
        assert_eq!(
            delays,
            [100, 200, 400, 800, 1600, 3200, 5000, 7000, 7000, 7000, 7000, 7000, 7000, 44_000, 44_000, 44_000]
        );
    }

    #[test]
    fn the_fuzz_keeps_to_its_ranges() {
        for seed in 0..1000 {
            let schedule = Schedule::draw(Some(16), &mut Rng::new(seed));
            assert!((5..=15).contains(&schedule.initial.as_secs()), "WR-04: {schedule:?}");
            assert!((30..=90).contains(&schedule.prolonged.as_secs()), "WR-04: {schedule:?}");
            assert_eq!(schedule.initial.subsec_millis(), 0, "whole seconds");
            let steady = Schedule::draw(None, &mut Rng::new(seed));
            assert!((1000..=3000).contains(&steady.initial.as_millis()), "{steady:?}");
            assert_eq!(steady.initial, steady.prolonged);
        }
    }

    #[test]
    fn retries_are_counted_after_the_quick_phase() {
        assert!(!Schedule::exhausted(QUICK_RETRIES + 15, Some(16)));
        assert!(Schedule::exhausted(QUICK_RETRIES + 16, Some(16)));
        assert!(!Schedule::exhausted(u32::MAX, None));
    }
}
