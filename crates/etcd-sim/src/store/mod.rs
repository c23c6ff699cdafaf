//! Keys in all their revisions, and the leases they are bound to: what every member holds.

mod range;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;

use crate::api::event::EventType;
use crate::api::{Event, KeyValue};
use crate::failure::Failure;

pub(crate) use write::Write;

/// The content of one member.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    /// Per key its versions, oldest first.
    keys: BTreeMap<Bytes, Vec<Version>>,
    /// What each revision changed, for watches that begin in the past.
    changes: BTreeMap<i64, Vec<Event>>,
    revision: i64,
    /// The oldest revision that can be read; negative before the first compaction, as etcd has it.
    compacted: i64,
    leases: BTreeMap<i64, Granted>,
}

/// A key from one revision on.
#[derive(Debug, Clone)]
struct Version {
    at: i64,
    /// None from its deletion on.
    item: Option<KeyValue>,
}

/// A lease, without the clock: only etcd's leader has one.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    pub(crate) ttl: i64,
    pub(crate) keys: BTreeSet<Bytes>,
}

impl Store {
    /// An empty one. etcd counts its first revision without a change.
    pub(crate) fn new() -> Self {
        let (keys, changes, leases) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { keys, changes, revision: 1, compacted: -1, leases }
    }

    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    pub(crate) fn compacted(&self) -> i64 {
        self.compacted
    }

    pub(crate) fn leases(&self) -> &BTreeMap<i64, Granted> {
        &self.leases
    }

    pub(crate) fn lease(&self, id: i64) -> Option<&Granted> {
        self.leases.get(&id)
    }

    /// What a key is now.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&KeyValue> {
        self.get_at(key, i64::MAX)
    }

    /// What a key was at a revision, whether or not that is compacted.
    pub(crate) fn get_at(&self, key: &[u8], at: i64) -> Option<&KeyValue> {
        self.keys.get(key).and_then(|versions| as_of(versions, at))
    }

    /// The keys in a span that exist at a revision, in order.
    pub(crate) fn span<'a>(&'a self, span: &Span, at: i64) -> impl Iterator<Item = &'a KeyValue> + use<'a> {
        let start = span.start.as_ref();
        let end = match &span.end {
            End::Alone => Bound::Included(start),
            // What ends before it starts holds nothing.
            End::Before(end) => Bound::Excluded(end.as_ref().max(start)),
            End::Open => Bound::Unbounded,
        };
        self.keys.range::<[u8], _>((Bound::Included(start), end)).filter_map(move |(_, versions)| as_of(versions, at))
    }

    /// What happened from a revision on, revision by revision.
    pub(crate) fn changes_since(&self, from: i64) -> impl Iterator<Item = (i64, &[Event])> {
        self.changes.range(from..).map(|(at, events)| (*at, events.as_slice()))
    }

    pub(crate) fn grant(&mut self, id: i64, ttl: i64) {
        self.leases.insert(id, Granted { ttl, keys: BTreeSet::new() });
    }

    /// Ends a lease, and deletes its keys in one revision.
    pub(crate) fn revoke(&mut self, id: i64) -> Option<()> {
        let keys = self.leases.get(&id)?.keys.clone();
        let mut write = self.write();
        for key in keys {
            write.delete(&Span::one(key));
        }
        write.finish();
        self.leases.remove(&id);
        Some(())
    }

    /// Forgets what no revision from this one on needs.
    pub(crate) fn compact(&mut self, at: i64) -> Result<(), Failure> {
        if at <= self.compacted {
            return Err(Failure::Compacted);
        }
        if at > self.revision {
            return Err(Failure::FutureRevision);
        }
        self.compacted = at;
        self.keys.retain(|_, versions| {
            let kept = versions.iter().rposition(|version| version.at <= at).unwrap_or(0);
            versions.drain(..kept);
            if versions.first().is_some_and(|first| first.at <= at && first.item.is_none()) {
                versions.remove(0);
            }
            !versions.is_empty()
        });
        self.changes = self.changes.split_off(&at);
        // Deletions at the compacted revision itself are lost to watches (etcd before 3.4.36 and 3.5.18).
        if let Some(events) = self.changes.get_mut(&at) {
            events.retain(|event| event.r#type() == EventType::Put);
        }
        Ok(())
    }

    /// About as many bytes as the content has.
    pub(crate) fn size(&self) -> i64 {
        let versions = self.keys.values().flatten().filter_map(|version| version.item.as_ref());
        let bytes: usize = versions.map(|item| item.key.len() + item.value.len()).sum();
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }
}

fn as_of(versions: &[Version], at: i64) -> Option<&KeyValue> {
    versions.iter().rev().find(|version| version.at <= at).and_then(|version| version.item.as_ref())
}

/// The keys that a request speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Bytes,
    pub(crate) end: End,
}

/// Where a span ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// It is one key.
    Alone,
    /// Before this key.
    Before(Bytes),
    /// Nowhere.
    Open,
}

impl Span {
    pub(crate) fn one(key: Bytes) -> Self {
        Self { start: key, end: End::Alone }
    }

    /// In the words of a request: no end for one key, a zero byte for all that follow.
    pub(crate) fn of(key: &Bytes, range_end: &Bytes) -> Self {
        let end = match range_end.as_ref() {
            [] => End::Alone,
            [0] => End::Open,
            _ => End::Before(range_end.clone()),
        };
        Self { start: key.clone(), end }
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            End::Alone => self.start == key,
            End::Before(end) => self.start <= key && key < end.as_ref(),
            End::Open => self.start <= key,
        }
    }
}
