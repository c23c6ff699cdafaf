//! A transaction of the election, before it is put into etcd's words: what must hold, and what is written then.
//!
//! Unlike the transactions of a term these put keys under leases, compare values, and write without being guarded.

use bytes::Bytes;

use crate::engine::{Expect, Guard, Revision, Versioned};
use crate::key::{Key, Name};

/// A lease of etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeaseId(pub(super) i64);

/// What must be true of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// It does not exist, or was last written at that revision.
    Expect(Expect),
    /// It was created at that revision and holds those bytes.
    Is(Guard),
    /// It exists.
    Present,
}

/// What happens to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Write {
    /// Written for good.
    Put(Bytes),
    /// Written as long as the lease lives.
    Lease(Bytes, LeaseId),
    /// Removed.
    Delete,
}

/// What is asked of etcd in one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Proposal {
    pub(super) conditions: Vec<(Key, Condition)>,
    pub(super) writes: Vec<(Key, Write)>,
}

impl Proposal {
    /// Only while this term is in office.
    pub(super) fn guarded(guard: &Guard) -> Self {
        Self { conditions: vec![(Name::Leader.into(), Condition::Is(guard.clone()))], writes: Vec::new() }
    }

    /// Only while a key is as it was read.
    pub(super) fn unchanged(&mut self, name: Name, read: Option<&Versioned>) {
        self.conditions.push((name.into(), as_read(read)));
    }

    /// Keys and values, in bytes.
    pub(super) fn size(&self) -> usize {
        let writes = self.writes.iter().map(|(key, write)| match write {
            Write::Put(value) | Write::Lease(value, _) => key.as_str().len() + value.len(),
            Write::Delete => key.as_str().len(),
        });
        writes.sum()
    }

    pub(super) fn removes(&self, key: &Key) -> bool {
        self.writes.iter().any(|(written, write)| written == key && *write == Write::Delete)
    }

    pub(super) fn write(&mut self, key: impl Into<Key>, write: Write) {
        self.writes.push((key.into(), write));
    }
}

fn as_read(read: Option<&Versioned>) -> Condition {
    Condition::Expect(read.map_or(Expect::Absent, |found| Expect::ModRevision(found.mod_revision)))
}

/// The answer of etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everything held, and it was written at this revision.
    Applied(Revision),
    /// Something did not hold, and nothing was written. What lies at each key of the conditions, in their order, at
    /// this revision.
    Refused { found: Vec<Option<Versioned>>, at: Revision },
}
