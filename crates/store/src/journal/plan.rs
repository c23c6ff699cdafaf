//! From changes to batches: which bytes go where, and what fits into one transaction. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;

use tanist_core::ids::Term;
use tanist_core::record::Change;

use crate::engine::{MAX_BYTES, MAX_OPERATIONS};
use crate::error::{CommitError, InvalidTransaction};
use crate::key::{Key, Name};
use crate::record;

/// Writes that go into one transaction: the value of each key, or `None` to remove it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    writes: BTreeMap<Key, Option<Bytes>>,
    bytes: usize,
}

impl Batch {
    pub(super) fn writes(&self) -> &BTreeMap<Key, Option<Bytes>> {
        &self.writes
    }

    /// Adds a write; a later one of the same key takes the place of an earlier one.
    pub(super) fn set(&mut self, key: Key, value: Option<Bytes>) {
        if let Some(replaced) = self.writes.remove(&key) {
            self.bytes -= size(&key, replaced.as_ref());
        }
        self.bytes += size(&key, value.as_ref());
        self.writes.insert(key, value);
    }

    /// Why this is more than one transaction takes, if it is.
    fn excess(&self) -> Option<InvalidTransaction> {
        if self.writes.len() > MAX_OPERATIONS {
            Some(InvalidTransaction::TooManyOperations { count: self.writes.len() })
        } else if self.bytes > MAX_BYTES {
            Some(InvalidTransaction::TooManyBytes { bytes: self.bytes })
        } else {
            None
        }
    }

    /// Whether both fit into one transaction. Counted as if no key were in both.
    fn has_room_for(&self, other: &Batch) -> bool {
        self.writes.len() + other.writes.len() <= MAX_OPERATIONS && self.bytes + other.bytes <= MAX_BYTES
    }

    fn absorb(&mut self, later: Batch) {
        for (key, value) in later.writes {
            self.set(key, value);
        }
    }

    fn largest(&self) -> Option<(&Key, usize)> {
        self.writes.iter().map(|(key, value)| (key, size(key, value.as_ref()))).max_by_key(|(_, size)| *size)
    }
}

fn size(key: &Key, value: Option<&Bytes>) -> usize {
    key.as_str().len() + value.map_or(0, Bytes::len)
}

/// Refuses a group that does not fit into one transaction.
///
/// # Errors
/// [`CommitError::Oversized`], with the largest object of the group.
pub(super) fn check(group: &Batch) -> Result<(), CommitError> {
    match (group.excess(), group.largest()) {
        (Some(reason), Some((object, object_bytes))) => {
            Err(CommitError::Oversized { object: object.clone(), object_bytes, reason })
        }
        _ => Ok(()),
    }
}

/// Joins neighbouring groups, each of which fits for itself, into as few batches as fit, in order, never splitting one.
pub(super) fn join(groups: Vec<Batch>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for group in groups {
        match batches.last_mut() {
            Some(last) if last.has_room_for(&group) => last.absorb(group),
            _ => batches.push(group),
        }
    }
    batches
}

/// What a group of changes writes.
///
/// # Errors
/// [`CommitError::Encode`] if a record has no stored form.
pub(super) fn encode_group(term: &Term, changes: &[Change]) -> Result<Batch, CommitError> {
    let mut batch = Batch::default();
    for change in changes {
        match change {
            Change::PutWorker(worker) => put(&mut batch, term, worker)?,
            Change::RemoveWorker(id) => batch.set(Name::Worker(id.clone()).into(), None),
            Change::PutApp(app) => put(&mut batch, term, app)?,
            Change::FinishApp(done) => {
                batch.set(Name::App(done.id.clone()).into(), None);
                put(&mut batch, term, done)?;
            }
            Change::ForgetApp(id) => batch.set(Name::DoneApp(id.clone()).into(), None),
            Change::PutDriver(driver) => put(&mut batch, term, driver)?,
            Change::FinishDriver(done) => {
                batch.set(Name::Driver(done.id.clone()).into(), None);
                put(&mut batch, term, done)?;
            }
            Change::ForgetDriver(id) => batch.set(Name::DoneDriver(id.clone()).into(), None),
            Change::PutRequest(request) => put(&mut batch, term, request)?,
            Change::ForgetRequest(id) => batch.set(Name::Request(id.clone()).into(), None),
        }
    }
    Ok(batch)
}

fn put<T: record::Keyed>(batch: &mut Batch, term: &Term, record: &T) -> Result<(), CommitError> {
    let key = Key::from(record.name());
    match record::encode(term, record) {
        Ok(value) => batch.set(key, Some(value)),
        Err(source) => return Err(CommitError::Encode { key, source }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(keys: std::ops::Range<usize>, bytes: usize) -> Batch {
        let mut batch = Batch::default();
        for key in keys {
            batch.set(Key::raw(&format!("k{key:05}")), Some(vec![0; bytes].into()));
        }
        batch
    }

    fn lengths(groups: Vec<Batch>) -> Vec<usize> {
        join(groups).iter().map(|batch| batch.writes.len()).collect()
    }

    #[test]
    fn groups_are_joined_up_to_the_limit_and_never_split() {
        assert_eq!(lengths(vec![]), [0; 0]);
        assert_eq!(lengths(vec![group(0..60, 1), group(100..160, 1)]), [120]);
        assert_eq!(lengths(vec![group(0..60, 1), group(100..161, 1), group(200..210, 1)]), [60, 71]);
        assert_eq!(lengths(vec![group(0..1, 600_000), group(1..2, 600_000)]), [1, 1]);
    }

    #[test]
    fn a_later_write_of_a_key_wins_within_a_batch() {
        let mut batches = join(vec![group(0..2, 5), group(1..3, 7)]);
        let batch = batches.remove(0);
        assert!(batches.is_empty());
        assert_eq!(batch.writes.values().flatten().map(Bytes::len).collect::<Vec<_>>(), [5, 7, 7]);
        assert_eq!(batch.bytes, 3 * "k00000".len() + 19, "a replaced value is not counted");
    }

    #[test]
    fn a_group_too_large_for_one_transaction_names_its_largest_object() {
        let error = check(&group(5..7, MAX_BYTES / 2)).unwrap_err();
        let CommitError::Oversized { object, object_bytes, reason } = error else { panic!("{error}") };
        assert_eq!((object.as_str(), object_bytes), ("k00006", MAX_BYTES / 2 + 6));
        assert_eq!(reason, InvalidTransaction::TooManyBytes { bytes: MAX_BYTES + 12 });
        let error = check(&group(0..121, 1)).unwrap_err();
        assert!(error.to_string().contains("121 operations"), "{error}");
        assert!(check(&group(0..120, 1)).is_ok());
        assert!(check(&Batch::default()).is_ok());
    }
}
