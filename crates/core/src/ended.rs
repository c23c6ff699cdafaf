//! Which executors of an application have ended, for as long as it lives, in little space.

use std::collections::BTreeMap;

use crate::ids::ExecutorId;

/// A set of executor numbers, kept as ranges. Numbers are given out in order and most have ended, so it holds about as
/// many ranges as there are live executors, however many have ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EndedExecutors {
    /// First number → last number of it; neighbouring ranges are one.
    ranges: BTreeMap<u32, u32>,
}

impl EndedExecutors {
    pub(crate) fn contains(&self, id: ExecutorId) -> bool {
        self.ranges.range(..=id.0).next_back().is_some_and(|(_, last)| *last >= id.0)
    }

    pub(crate) fn insert(&mut self, id: ExecutorId) {
        if self.contains(id) {
            return;
        }
        let next = id.0.checked_add(1).and_then(|next| self.ranges.remove(&next));
        let last = next.unwrap_or(id.0);
        let before = self.ranges.range_mut(..id.0).next_back().filter(|(_, last)| last.checked_add(1) == Some(id.0));
        match before {
            Some((_, end)) => *end = last,
            None => drop(self.ranges.insert(id.0, last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_life_takes_little_space() {
        let mut ended = EndedExecutors::default();
        (0..100_000).filter(|n| *n != 70).for_each(|n| ended.insert(ExecutorId(n)));
        assert_eq!(ended.ranges, BTreeMap::from([(0, 69), (71, 99_999)]));
    }

    proptest! {
        #[test]
        fn it_holds_what_was_put_in(ids in proptest::collection::vec(prop_oneof![0u32..40, Just(u32::MAX)], 0..60)) {
            let mut ended = EndedExecutors::default();
            for id in &ids {
                ended.insert(ExecutorId(*id));
            }
            let plain: BTreeSet<u32> = ids.into_iter().collect();
            for id in (0..42).chain([u32::MAX - 1, u32::MAX]) {
                prop_assert_eq!(ended.contains(ExecutorId(id)), plain.contains(&id), "{}", id);
            }
            let ranges: Vec<(u32, u32)> = ended.ranges.into_iter().collect();
            prop_assert!(ranges.windows(2).all(|two| two[0].1 + 1 < two[1].0), "{:?}", ranges);
        }
    }
}
