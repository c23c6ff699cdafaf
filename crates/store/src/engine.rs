//! What a store must be able to do, in the terms of etcd: revisions, compares, guarded transactions.
//!
//! A store has one counter, its [`Revision`], raised by every transaction that changes something. Each key carries the
//! revision that created it and the one that last changed it. Reads name the revision they want, so that nobody is ever
//! given an older world than the one asked for; writes name what they believe about every key they touch.
//!
//! Every write of a term also carries the term's [`Guard`]: it is applied only while `ha/leader` is still the very key
//! that the term created. No clock takes part in this.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{CommitError, InvalidTransaction, StoreError};
use crate::key::{Key, KeyPrefix};

/// Most operations of one transaction. etcd's default limit is 128 compares and 128 operations; the guard needs two.
pub const MAX_OPERATIONS: usize = 120;

/// Most bytes of one transaction, keys and values together: 1 MiB, below etcd's request limit of 1.5 MiB.
pub const MAX_BYTES: usize = 1 << 20;

/// The store's counter of changes. Grows by one with every transaction that writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key with its value, as found at some revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// Where it lies.
    pub key: Key,
    /// Its bytes.
    pub value: Bytes,
    /// The revision that created the key.
    pub create_revision: Revision,
    /// The revision that wrote this value.
    pub mod_revision: Revision,
}

/// What a transaction believes about a key. A wrong belief refuses the whole transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The key does not exist.
    Absent,
    /// The key exists and was last written at this revision.
    ModRevision(Revision),
}

impl Expect {
    /// Whether the belief is true of what was found.
    pub fn holds(self, found: Option<&Versioned>) -> bool {
        match (self, found) {
            (Expect::Absent, None) => true,
            (Expect::ModRevision(revision), Some(found)) => found.mod_revision == revision,
            _ => false,
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expect::Absent => f.write_str("absent"),
            Expect::ModRevision(revision) => write!(f, "at revision {revision}"),
        }
    }
}

/// What is done to a key once every belief of the transaction holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Writes this value.
    Put(Bytes),
    /// Removes the key.
    Delete,
    /// Nothing: the key is only compared.
    Compare,
}

/// One key of a transaction. There is no write without a belief about what it replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The key.
    pub key: Key,
    /// What must be true of it.
    pub expect: Expect,
    /// What happens to it then.
    pub action: Action,
}

impl Operation {
    /// Writes a value.
    pub fn put(key: impl Into<Key>, expect: Expect, value: impl Into<Bytes>) -> Self {
        Self { key: key.into(), expect, action: Action::Put(value.into()) }
    }

    /// Removes the key that was last written at `revision`.
    pub fn delete(key: impl Into<Key>, revision: Revision) -> Self {
        Self { key: key.into(), expect: Expect::ModRevision(revision), action: Action::Delete }
    }

    /// Only compares.
    pub fn compare(key: impl Into<Key>, expect: Expect) -> Self {
        Self { key: key.into(), expect, action: Action::Compare }
    }

    /// What this operation adds to the size of its transaction, in bytes.
    pub fn size(&self) -> usize {
        let value = if let Action::Put(value) = &self.action { value.len() } else { 0 };
        self.key.as_str().len() + value
    }
}

/// Operations that happen all or not at all, within the limits of every backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    operations: Vec<Operation>,
}

impl Transaction {
    /// Checks the limits: at most [`MAX_OPERATIONS`], at most [`MAX_BYTES`], no key twice, no removal of an absent key.
    pub fn new(operations: Vec<Operation>) -> Result<Self, InvalidTransaction> {
        if operations.len() > MAX_OPERATIONS {
            return Err(InvalidTransaction::TooManyOperations { count: operations.len() });
        }
        let bytes = operations.iter().map(Operation::size).sum();
        if bytes > MAX_BYTES {
            return Err(InvalidTransaction::TooManyBytes { bytes });
        }
        let mut keys = BTreeSet::new();
        for operation in &operations {
            if !keys.insert(&operation.key) {
                return Err(InvalidTransaction::KeyTwice { key: operation.key.clone() });
            }
            if operation.action == Action::Delete && operation.expect == Expect::Absent {
                return Err(InvalidTransaction::DeleteOfAbsent { key: operation.key.clone() });
            }
        }
        Ok(Self { operations })
    }

    /// For operations that keep the limits by the way they were made.
    pub(crate) fn of_checked(operations: Vec<Operation>) -> Self {
        debug_assert!(Self::new(operations.clone()).is_ok(), "the caller keeps the limits");
        Self { operations }
    }

    /// No operation: only the guard is compared. Committing it proves leadership.
    pub fn guard_alone() -> Self {
        Self::default()
    }

    /// The operations, in the order given.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether it changes nothing, and so does not raise the store's revision.
    pub fn is_read_only(&self) -> bool {
        self.operations.iter().all(|operation| operation.action == Action::Compare)
    }
}

/// What every write of a term compares: `ha/leader` is the key that the term created, with the value it wrote. The
/// value holds the term's random nonce, so that a restored store, whose revisions repeat, cannot match by accident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The revision at which the term created `ha/leader`.
    pub create_revision: Revision,
    /// The exact bytes it wrote there.
    pub value: Bytes,
}

impl Guard {
    /// Whether the term is still in office, given what lies at `ha/leader`.
    pub fn holds(&self, leader: Option<&Versioned>) -> bool {
        leader.is_some_and(|leader| leader.create_revision == self.create_revision && leader.value == self.value)
    }
}

/// A committed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The store's revision after it: the mod revision of every key it wrote. A transaction without writes leaves the
    /// revision as it was.
    pub revision: Revision,
}

/// A run of keys in key order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys, in ascending order.
    pub items: Vec<Versioned>,
    /// Whether keys of the prefix follow behind the last item.
    pub more: bool,
}

/// One key as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The key with its value, if it exists.
    pub item: Option<Versioned>,
    /// The store's revision at which this was true.
    pub revision: Revision,
}

/// A store of keys and values with guarded transactions.
///
/// Every method ends: a backend bounds each wait by a deadline of its own and answers with an error then. Dropping a
/// future is safe; a commit whose future was dropped may or may not have been applied.
#[async_trait]
pub trait PersistenceEngine: Send + Sync {
    /// Reads up to `limit` keys below `prefix` that come after `after` (from the first one if `None`), as they were at
    /// the revision `at`, in ascending order. A backend may return fewer than `limit` with [`Page::more`] set, but
    /// never an empty page with it.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] if the store no longer has that revision, [`StoreError::FutureRevision`] if it does
    /// not have it yet; what goes wrong on the way.
    async fn read_page(
        &self,
        prefix: &KeyPrefix,
        after: Option<&Key>,
        at: Revision,
        limit: NonZeroUsize,
    ) -> Result<Page, StoreError>;

    /// Reads one key as it is now: not older than any transaction acknowledged before the call, and not older than
    /// the revision `at_least`.
    ///
    /// # Errors
    /// [`StoreError::FutureRevision`] if the store is behind `at_least`; what goes wrong on the way.
    async fn read_key(&self, key: &Key, at_least: Revision) -> Result<Reading, StoreError>;

    /// Applies the transaction if the guard and every expectation hold, all in one step, durably: once this returns
    /// `Ok`, the change survives the loss of this process and of this host's power. An empty transaction compares the
    /// guard alone, and so proves that the term was in office after the call began.
    ///
    /// # Errors
    /// Sorted by what is known of the outcome: see [`CommitError`].
    async fn commit(&self, guard: &Guard, transaction: &Transaction) -> Result<Committed, CommitError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, bytes: usize) -> Operation {
        Operation::put(Key::raw(key), Expect::Absent, vec![0; bytes])
    }

    #[test]
    fn limits_are_exact() {
        let many = |count: usize| (0..count).map(|n| put(&n.to_string(), 1)).collect::<Vec<_>>();
        assert!(Transaction::new(many(MAX_OPERATIONS)).is_ok());
        let error = Transaction::new(many(MAX_OPERATIONS + 1)).unwrap_err();
        assert_eq!(error, InvalidTransaction::TooManyOperations { count: MAX_OPERATIONS + 1 });

        assert!(Transaction::new(vec![put("a", MAX_BYTES / 2), put("b", MAX_BYTES / 2 - 2)]).is_ok());
        let error = Transaction::new(vec![put("a", MAX_BYTES / 2), put("b", MAX_BYTES / 2 - 1)]).unwrap_err();
        assert_eq!(error, InvalidTransaction::TooManyBytes { bytes: MAX_BYTES + 1 });
    }

    #[test]
    fn no_key_occurs_twice() {
        let error = Transaction::new(vec![put("a", 1), put("b", 1), Operation::delete(Key::raw("a"), Revision(1))]);
        assert_eq!(error.unwrap_err(), InvalidTransaction::KeyTwice { key: Key::raw("a") });
        let nothing = Operation { action: Action::Delete, ..put("a", 1) };
        assert_eq!(
            Transaction::new(vec![nothing]).unwrap_err(),
            InvalidTransaction::DeleteOfAbsent { key: Key::raw("a") }
        );
    }
}
