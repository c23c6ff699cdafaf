//! Time stamps and numbers of new ids. No pair of them comes twice, whatever the masters' wall clocks say (ADR 12), except
//! where small numbers are asked for (`IdSeries::below`, `app_number_modulo`).

use crate::ids::{Generation, Term, time_stamp};
use crate::time::Wall;

/// Numbers of one term; then the count begins again under a later time stamp.
const COUNT: u64 = 10_000;

/// Terms of one generation of the store that are told apart.
const TERMS: u64 = 100_000_000;

/// The last generation of which every term has numbers of its own: those of the next one do not fit.
pub const LAST_GENERATION: Generation = Generation(u64::MAX / (TERMS * COUNT) - 1);

/// What the ids of one term are made from.
#[derive(Debug, Clone)]
pub(super) struct IdSeries {
    /// The first number. It carries the term.
    first: u64,
    /// So many numbers there are.
    count: u64,
    /// How many of them are taken under the latest time stamp or before it.
    taken: u64,
    /// The latest time stamp. It never goes back within a term.
    stamp: Wall,
}

impl IdSeries {
    /// Numbers that no other term has.
    pub(super) fn of(term: &Term) -> Self {
        let before = term.generation.0.saturating_mul(TERMS).saturating_add(term.epoch.0);
        Self { first: before.saturating_mul(COUNT), count: COUNT, taken: 0, stamp: Wall::default() }
    }

    /// Numbers below a limit, for those who want them small (T-MS-27): each term has the same ones.
    pub(super) fn below(limit: u64) -> Self {
        Self { first: 0, count: limit.max(1), taken: 0, stamp: Wall::default() }
    }

    /// The next time stamp and number.
    pub(super) fn next(&mut self, now: Wall) -> (String, u64) {
        self.stamp = self.stamp.max(now);
        if self.taken == self.count {
            self.taken = 0;
            self.stamp = Wall(self.stamp.0.saturating_add(1000));
        }
        let number = self.first.saturating_add(self.taken);
        self.taken += 1;
        (time_stamp(self.stamp), number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::ids::{Epoch, Generation, Nonce};

    fn term(generation: u64, epoch: u64) -> Term {
        let nonce = Nonce::new("n").unwrap();
        Term { generation: Generation(generation), epoch: Epoch(epoch), nonce }
    }

    const NOON: Wall = Wall(1_795_183_200_000);

    #[test]
    fn the_number_carries_the_term_dr_02_ap_01() {
        let pair = |stamp: &str, number| (stamp.to_owned(), number);
        let mut series = IdSeries::of(&term(0, 7));
        assert_eq!(series.next(NOON), pair("20261120140000", 70_000));
        assert_eq!(series.next(NOON), pair("20261120140000", 70_001));
        assert_eq!(IdSeries::of(&term(3, 7)).next(NOON).1, 3_000_000_070_000, "the store was restored three times");
    }

    #[test]
    fn the_last_generation_still_has_numbers_of_its_own() {
        let mut last = IdSeries::of(&term(LAST_GENERATION.0, TERMS - 1));
        let numbers: BTreeSet<u64> = (0..COUNT).map(|_| last.next(NOON).1).collect();
        assert_eq!(numbers.len(), 10_000);
        assert_eq!(LAST_GENERATION, Generation(18_446_743));
    }

    #[test]
    fn the_time_stamp_stays_where_the_clock_goes_back_and_moves_on_where_the_numbers_are_over() {
        let mut series = IdSeries::of(&term(0, 1));
        let before = series.next(NOON);
        assert_eq!(series.next(Wall(0)), (before.0, 10_001));
        let last = (2..10_000).map(|_| series.next(NOON)).last();
        assert_eq!(last, Some(("20261120140000".to_owned(), 19_999)));
        assert_eq!(series.next(NOON), ("20261120140001".to_owned(), 10_000));
    }

    #[test]
    fn a_limit_of_the_numbers_holds_in_every_term_t_ms_27() {
        let mut series = IdSeries::below(1000);
        let numbers: Vec<u64> = (0..2001).map(|_| series.next(NOON).1).collect();
        assert!(numbers.iter().zip(0..).all(|(number, n)| *number == n % 1000));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        /// Terms follow one another, with restores among them; in each the clock jumps as it likes within some seconds,
        /// so that all meet at the same ones, and thousands of ids are made at each place it stands at.
        #[test]
        fn no_pair_comes_twice_whatever_the_clocks_say_rc_19(
            terms in proptest::collection::vec(
                (any::<bool>(), proptest::collection::vec((0..4_000u64, 1..6_000usize), 1..6)), 1..6,
            ),
        ) {
            let (mut seen, mut made, mut generation, mut epoch) = (BTreeSet::new(), 0, 0, 5);
            for (restored, stays) in terms {
                (generation, epoch) = if restored { (generation + 1, 5) } else { (generation, epoch + 1) };
                let mut series = IdSeries::of(&term(generation, epoch));
                for (clock, ids) in stays {
                    seen.extend((0..ids).map(|_| series.next(Wall(clock))));
                    made += ids;
                }
            }
            prop_assert_eq!(seen.len(), made);
        }
    }
}
