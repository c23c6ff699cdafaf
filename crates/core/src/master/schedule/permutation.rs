//! A random order of the numbers below `n` that is never written down.
//!
//! Drivers go round the workers in an order that is drawn anew for every round (SC-03). Shuffling 10,000 workers to
//! place one driver is the cost of a full rescan; here one drawn key fixes the whole order, any single position is
//! computed when it is asked for, and so is the position of any single worker.

use crate::rng::mix;

/// Half rounds of the network. Four are the least that make both halves depend on each other twice; two more cost a
/// few nanoseconds and hide the pattern of very small tables.
const HALF_ROUNDS: u64 = 6;

/// A bijection of `0..n` onto itself: an additive Feistel network over a table of `rows × columns ≥ n` cells, walked
/// again where it leaves `0..n`. `rows` is just above √n, so that
/// about one walk in √n leaves the range.
#[derive(Debug, Clone, Copy)]
pub struct Permutation {
    n: u64,
    rows: u64,
    columns: u64,
    key: u64,
}

impl Permutation {
    /// The order of `0..n` that belongs to `key`.
    pub fn new(n: u32, key: u64) -> Self {
        let n = u64::from(n);
        let rows = n.isqrt() + 1;
        Self { n, rows, columns: n.div_ceil(rows).max(1), key }
    }

    /// How many numbers are in order.
    pub fn len(&self) -> u32 {
        u32::try_from(self.n).unwrap_or(u32::MAX)
    }

    /// Nothing to order.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Which number stands at `position`, which must be below [`len`](Self::len).
    pub fn at(&self, position: u32) -> u32 {
        self.walk(position, |cell| self.forth(cell))
    }

    /// At which position `number` stands, which must be below [`len`](Self::len).
    pub fn position_of(&self, number: u32) -> u32 {
        self.walk(number, |cell| self.back(cell))
    }

    /// Cells at and above `n` are passed over: following a bijection of the whole table from inside `0..n` until it is
    /// inside again is a bijection of `0..n`, and walking backwards undoes it.
    fn walk(&self, start: u32, step: impl Fn(u64) -> u64) -> u32 {
        debug_assert!(u64::from(start) < self.n, "only numbers in order have a place in it");
        let mut cell = step(u64::from(start));
        while cell >= self.n {
            cell = step(cell);
        }
        u32::try_from(cell).unwrap_or_default()
    }

    fn forth(&self, cell: u64) -> u64 {
        let (mut row, mut column) = (cell / self.columns, cell % self.columns);
        for round in 0..HALF_ROUNDS {
            if round % 2 == 0 {
                row = (row + self.noise(round, column) % self.rows) % self.rows;
            } else {
                column = (column + self.noise(round, row) % self.columns) % self.columns;
            }
        }
        row * self.columns + column
    }

    fn back(&self, cell: u64) -> u64 {
        let (mut row, mut column) = (cell / self.columns, cell % self.columns);
        for round in (0..HALF_ROUNDS).rev() {
            if round % 2 == 0 {
                row = (row + self.rows - self.noise(round, column) % self.rows) % self.rows;
            } else {
                column = (column + self.columns - self.noise(round, row) % self.columns) % self.columns;
            }
        }
        row * self.columns + column
    }

    fn noise(&self, round: u64, half: u64) -> u64 {
        mix(self.key.wrapping_add((round << 32 | half).wrapping_mul(0x9E37_79B9_7F4A_7C15))) >> 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn every_number_has_exactly_one_place() {
        let mut rng = Rng::new(1);
        for n in (1..70).chain([97, 100, 1000, 4096, 10_007]) {
            let order = Permutation::new(n, rng.bits());
            let mut seen = vec![false; n as usize];
            for position in 0..n {
                let number = order.at(position);
                assert!(!std::mem::replace(&mut seen[number as usize], true), "{number} of {n} twice");
                assert_eq!(order.position_of(number), position, "{n}");
            }
        }
        assert!(Permutation::new(0, 7).is_empty());
    }

    #[test]
    fn every_number_is_about_as_often_first_and_follows_every_other() {
        let (n, draws) = (5u32, 40_000);
        let mut rng = Rng::new(2);
        let mut first = vec![0; n as usize];
        let mut pairs = vec![0; (n * n) as usize];
        for _ in 0..draws {
            let order = Permutation::new(n, rng.bits());
            first[order.at(0) as usize] += 1;
            pairs[(order.at(0) * n + order.at(1)) as usize] += 1;
        }
        let near = |count: i32, expected: i32| (count - expected).abs() < expected / 10;
        assert!(first.iter().all(|&count| near(count, 8000)), "{first:?}");
        let followed = |(at, count): (usize, &i32)| at % 6 == 0 || (1400..2600).contains(count);
        assert!(pairs.iter().enumerate().all(followed), "{pairs:?}");
    }
}
