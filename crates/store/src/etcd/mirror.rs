//! The copy of the records that a master keeps beside the store, fed by the watch. Plain data.
//!
//! Nothing is ever decided from it. At a take-over, what is read from the store at the revision of the victory is
//! compared with the copy as it was at that revision: a difference means that a watch lied to us, or that we did.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::election::MirrorStatus;
use crate::engine::{Page, Revision, Versioned};
use crate::key::{Family, Key, KeyPrefix};

/// What the watch says of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// Written.
    Put(Versioned),
    /// Gone.
    Deleted {
        /// Which key.
        key: Key,
        /// The revision that removed it.
        at: Revision,
    },
}

impl Event {
    pub(super) fn key(&self) -> &Key {
        match self {
            Event::Put(found) => &found.key,
            Event::Deleted { key, .. } => key,
        }
    }

    pub(super) fn at(&self) -> Revision {
        match self {
            Event::Put(found) => found.mod_revision,
            Event::Deleted { at, .. } => *at,
        }
    }
}

/// Value and mod revision of every record.
type Records = BTreeMap<Key, (Bytes, Revision)>;

/// The copy of everything below `state/` and `done/`.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    records: Records,
    /// Every change up to here is in it.
    complete: Revision,
    take_over: TakeOver,
    compared: u64,
    differences: u64,
}

/// What is kept for comparing.
#[derive(Debug, Default)]
enum TakeOver {
    /// Nothing is to be compared.
    #[default]
    None,
    /// The copy is to be kept as it is at this revision, which it has not reached yet.
    Awaited(Revision),
    /// The copy as it was at this revision.
    Kept(Revision, Records),
}

impl Mirror {
    /// Whether a key is one that the copy holds.
    pub(super) fn holds(key: &Key) -> bool {
        [Family::State, Family::Done].into_iter().any(|family| KeyPrefix::from(family).contains(key))
    }

    /// Begins anew with everything that was read at one revision. What was awaited for a comparison is not any more: a
    /// read compared with a read would say nothing of the watch.
    pub(super) fn reset(&mut self, read: Vec<Versioned>, at: Revision) {
        self.records = read.into_iter().map(|item| (item.key, (item.value, item.mod_revision))).collect();
        self.complete = at;
        if matches!(self.take_over, TakeOver::Awaited(_)) {
            self.take_over = TakeOver::None;
        }
    }

    /// Takes in a change. One that was taken in before changes nothing.
    pub(super) fn apply(&mut self, event: Event) {
        if event.at() > self.complete {
            self.keep_before(event.at());
        }
        match event {
            Event::Put(found) => {
                self.records.insert(found.key, (found.value, found.mod_revision));
            }
            Event::Deleted { key, .. } => {
                self.records.remove(&key);
            }
        }
    }

    /// Every change up to this revision has been taken in.
    pub(super) fn complete_up_to(&mut self, at: Revision) {
        self.complete = self.complete.max(at);
        self.keep_before(self.complete.next());
    }

    /// Has the copy kept as it is at this revision, for comparing. Nothing later may have been taken in yet.
    pub(super) fn await_take_over(&mut self, at: Revision) {
        self.take_over = TakeOver::Awaited(at);
        self.keep_before(self.complete.next());
    }

    /// Keeps the copy if the next change is later than the revision that is awaited.
    fn keep_before(&mut self, next: Revision) {
        if let TakeOver::Awaited(at) = self.take_over
            && next > at
        {
            self.take_over = TakeOver::Kept(at, self.records.clone());
        }
    }

    /// Whether the copy is still on its way to this revision.
    pub(super) fn awaits(&self, at: Revision) -> bool {
        matches!(self.take_over, TakeOver::Awaited(awaited) if awaited == at)
    }

    /// The comparison is over; what was kept for it goes.
    pub(super) fn forget_take_over(&mut self) {
        self.take_over = TakeOver::None;
    }

    /// Compares a page, as read from the store at a revision, with the copy kept there, and logs every difference.
    pub(super) fn compare(&mut self, prefix: &KeyPrefix, after: Option<&Key>, at: Revision, page: &Page) {
        let TakeOver::Kept(kept_at, kept) = &self.take_over else { return };
        if *kept_at != at || !Self::holds(&Key::raw(prefix.as_str())) {
            return;
        }
        let mut expected = part(kept, prefix, after, page);
        let mut differences = 0;
        for item in &page.items {
            let copy = expected.remove(&item.key);
            if copy != Some(&(item.value.clone(), item.mod_revision)) {
                differences += 1;
                let copied_at = copy.map(|(_, revision)| revision.0);
                tracing::error!(key = %item.key, revision = %item.mod_revision, copied_at, "watched copy differs from store");
            }
        }
        for (key, (_, revision)) in &expected {
            tracing::error!(%key, copied_at = %revision, "watched copy has what the store has not");
        }
        self.compared += (page.items.len() + expected.len()) as u64;
        self.differences += differences + expected.len() as u64;
    }

    pub(super) fn status(&self) -> MirrorStatus {
        MirrorStatus {
            records: self.records.len() as u64,
            revision: self.complete,
            compared: self.compared,
            differences: self.differences,
        }
    }
}

/// The part of the copy that a page speaks of: from behind `after` to its last key, or to the end of the prefix.
fn part<'a>(
    kept: &'a Records,
    prefix: &KeyPrefix,
    after: Option<&Key>,
    page: &Page,
) -> BTreeMap<&'a Key, &'a (Bytes, Revision)> {
    let start = after.map_or_else(|| Bound::Included(Key::raw(prefix.as_str())), |key| Bound::Excluded(key.clone()));
    let last = page.items.last().filter(|_| page.more).map(|last| last.key.clone());
    kept.range((start, Bound::Unbounded))
        .take_while(|(key, _)| prefix.contains(key) && last.as_ref().is_none_or(|last| *key <= last))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &str, value: &str, at: u64) -> Versioned {
        let revision = Revision(at);
        Versioned {
            key: Key::raw(key),
            value: Bytes::copy_from_slice(value.as_bytes()),
            create_revision: revision,
            mod_revision: revision,
        }
    }

    fn deleted(key: &str, at: u64) -> Event {
        Event::Deleted { key: Key::raw(key), at: Revision(at) }
    }

    fn state() -> KeyPrefix {
        Family::State.into()
    }

    fn page(items: Vec<Versioned>) -> Page {
        Page { items, more: false }
    }

    /// A copy with `a` and `b`, complete up to 5.
    fn mirror() -> Mirror {
        let mut mirror = Mirror::default();
        mirror.reset(vec![item("state/a", "1", 2), item("state/b", "1", 3)], Revision(5));
        mirror
    }

    #[test]
    fn only_records_are_copied() {
        for key in ["state/apps/a", "done/apps/a"] {
            assert!(Mirror::holds(&Key::raw(key)), "{key}");
        }
        for key in ["ha/leader", "quarantine/state/apps/a", "states/a", "meta/cluster"] {
            assert!(!Mirror::holds(&Key::raw(key)), "{key}");
        }
    }

    #[test]
    fn the_copy_is_compared_as_it_was_at_the_take_over() {
        let mut mirror = mirror();
        mirror.await_take_over(Revision(8));
        assert!(mirror.awaits(Revision(8)));
        mirror.apply(Event::Put(item("state/a", "2", 7)));
        mirror.apply(deleted("state/b", 8));
        // What the new term itself writes afterwards is not part of it.
        mirror.apply(Event::Put(item("state/c", "1", 9)));
        assert!(!mirror.awaits(Revision(8)));
        mirror.compare(&state(), None, Revision(8), &page(vec![item("state/a", "2", 7)]));
        assert_eq!(mirror.status().differences, 0);
        assert_eq!((mirror.status().compared, mirror.status().records), (1, 2));
        // Another revision is another question.
        mirror.compare(&state(), None, Revision(9), &page(vec![]));
        assert_eq!(mirror.status().compared, 1);
        mirror.forget_take_over();
        mirror.compare(&state(), None, Revision(8), &page(vec![]));
        assert_eq!(mirror.status().compared, 1);
    }

    #[test]
    fn a_quiet_store_is_compared_too() {
        let mut mirror = mirror();
        mirror.await_take_over(Revision(8));
        mirror.complete_up_to(Revision(7));
        assert!(mirror.awaits(Revision(8)));
        mirror.complete_up_to(Revision(8));
        assert!(!mirror.awaits(Revision(8)));
        assert_eq!(mirror.status().revision, Revision(8));
    }

    #[test]
    fn every_kind_of_difference_counts() {
        let read = [
            (vec![item("state/a", "1", 2)], 1),
            (vec![item("state/a", "1", 2), item("state/b", "2", 3)], 1),
            (vec![item("state/a", "1", 2), item("state/b", "1", 4)], 1),
            (vec![item("state/a", "1", 2), item("state/b", "1", 3), item("state/c", "1", 4)], 1),
            (vec![], 2),
        ];
        for (items, differences) in read {
            let mut mirror = mirror();
            mirror.await_take_over(Revision(5));
            mirror.compare(&state(), None, Revision(5), &page(items.clone()));
            assert_eq!(mirror.status().differences, differences, "{items:?}");
        }
    }

    #[test]
    fn a_page_is_compared_with_its_part() {
        let mut mirror = mirror();
        mirror.await_take_over(Revision(5));
        let first = Page { items: vec![item("state/a", "1", 2)], more: true };
        mirror.compare(&state(), None, Revision(5), &first);
        mirror.compare(&state(), Some(&Key::raw("state/a")), Revision(5), &page(vec![item("state/b", "1", 3)]));
        mirror.compare(&Family::Done.into(), None, Revision(5), &page(vec![]));
        // What is not copied is not compared.
        mirror.compare(&Family::Quarantine.into(), None, Revision(5), &page(vec![item("quarantine/x", "1", 2)]));
        assert_eq!((mirror.status().compared, mirror.status().differences), (2, 0));
    }

    #[test]
    fn a_copy_read_anew_is_not_compared() {
        let mut mirror = mirror();
        mirror.await_take_over(Revision(8));
        mirror.reset(vec![], Revision(9));
        mirror.compare(&state(), None, Revision(8), &page(vec![item("state/a", "1", 2)]));
        assert_eq!(mirror.status().compared, 0);
    }
}
