//! The keys of this cluster as etcd knows them: ours, behind the cluster's prefix.

use bytes::Bytes;
use etcd_client::KeyValue;

use crate::engine::{Revision, Versioned};
use crate::key::{Key, KeyPrefix};

/// Puts the prefix on, and takes it off.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The key as etcd knows it.
    pub(crate) fn full(&self, key: &Key) -> Vec<u8> {
        [self.prefix.as_bytes(), key.as_str().as_bytes()].concat()
    }

    /// First key and end, as etcd wants them, of everything below a folder.
    pub(crate) fn range(&self, folder: &KeyPrefix) -> (Vec<u8>, Vec<u8>) {
        let full = |text: &str| [self.prefix.as_bytes(), text.as_bytes()].concat();
        (full(folder.as_str()), full(&folder.end()))
    }

    /// First key and end of everything that belongs to this cluster.
    pub(crate) fn everything(&self) -> (Vec<u8>, Vec<u8>) {
        let mut end = self.prefix.clone().into_bytes();
        // The prefix ends in `/`; `0` is its successor.
        if let Some(last) = end.last_mut() {
            *last = b'0';
        }
        (self.prefix.clone().into_bytes(), end)
    }

    /// The key as we know it; `None` for one that is not ours, or no text.
    pub(crate) fn relative(&self, full: &[u8]) -> Option<Key> {
        let rest = full.strip_prefix(self.prefix.as_bytes())?;
        std::str::from_utf8(rest).ok().map(Key::raw)
    }

    /// What etcd found; `None` for a key that is not ours, or no text.
    pub(crate) fn versioned(&self, found: KeyValue) -> Option<Versioned> {
        let key = self.relative(found.key())?;
        let (create_revision, mod_revision) = (revision(found.create_revision()), revision(found.mod_revision()));
        let (_, value) = found.into_key_value();
        Some(Versioned { key, value: Bytes::from(value), create_revision, mod_revision })
    }
}

/// etcd counts revisions in a signed number that is never negative.
pub(crate) fn revision(number: i64) -> Revision {
    Revision(u64::try_from(number).unwrap_or(0))
}

/// The number that etcd knows a revision by.
pub(crate) fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}
