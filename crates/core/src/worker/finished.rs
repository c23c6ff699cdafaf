//! What has ended, listed for people until it is crowded out (WL-09).

use std::collections::VecDeque;

/// Ended things, oldest first.
#[derive(Debug, Clone)]
pub(super) struct Finished<T> {
    retained: usize,
    list: VecDeque<T>,
}

impl<T> Finished<T> {
    pub(super) fn new(retained: usize) -> Self {
        Self { retained, list: VecDeque::new() }
    }

    /// Adds one. If that is more than may be kept, the oldest tenth goes, at least one.
    pub(super) fn push(&mut self, ended: T) {
        self.list.push_back(ended);
        if self.list.len() > self.retained {
            self.list.drain(..(self.list.len() / 10).max(1));
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.list.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Finished;

    fn lengths(retained: usize, pushes: u32) -> (Vec<usize>, Vec<u32>) {
        let mut finished = Finished::new(retained);
        let lengths = (0..pushes).map(|n| {
            finished.push(n);
            finished.len()
        });
        let lengths = lengths.collect();
        (lengths, finished.iter().copied().collect())
    }

    #[test]
    fn few_are_kept_exactly() {
        let (lengths, kept) = lengths(2, 5);
        assert_eq!((lengths, kept), (vec![1, 2, 2, 2, 2], vec![3, 4]), "T-WK-03, T-WK-05");
    }

    #[test]
    fn of_many_a_tenth_goes_at_once() {
        let (lengths, kept) = lengths(30, 50);
        let expected: Vec<usize> = (1..=30).chain([28, 29, 30]).chain([28, 29, 30].repeat(6)).take(50).collect();
        assert_eq!(lengths, expected, "T-WK-04, T-WK-06");
        assert_eq!(kept.last(), Some(&49), "the oldest go first");
    }
}
