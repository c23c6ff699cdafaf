//! Changes that make one revision together.

use bytes::Bytes;

use crate::api::event::EventType;
use crate::api::{Event, KeyValue};

use super::{Span, Store, Version};

/// A write under way. It is the next revision as soon as it has changed anything.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    store: &'a mut Store,
    events: Vec<Event>,
}

impl Store {
    pub(crate) fn write(&mut self) -> Write<'_> {
        Write { store: self, events: Vec::new() }
    }
}

impl Write<'_> {
    /// The store with what was changed so far.
    pub(crate) fn store(&self) -> &Store {
        self.store
    }

    /// The revision that the write sees, and would leave behind if it ended here.
    pub(crate) fn revision(&self) -> i64 {
        self.store.revision + i64::from(!self.events.is_empty())
    }

    pub(crate) fn put(&mut self, key: Bytes, value: Bytes, lease: i64) {
        let at = self.store.revision + 1;
        let old = self.store.get(&key).map(|old| (old.create_revision, old.version, old.lease));
        let (create_revision, version, old_lease) = old.unwrap_or((at, 0, 0));
        self.detach(old_lease, &key);
        if let Some(granted) = self.store.leases.get_mut(&lease) {
            granted.keys.insert(key.clone());
        }
        let item = KeyValue { key, create_revision, mod_revision: at, version: version + 1, value, lease };
        self.change(at, Some(item.clone()), EventType::Put, item);
    }

    /// Says how many keys it deleted.
    pub(crate) fn delete(&mut self, span: &Span) -> i64 {
        let at = self.store.revision + 1;
        let found: Vec<_> = self.store.span(span, at).map(|item| (item.key.clone(), item.lease)).collect();
        for (key, lease) in &found {
            self.detach(*lease, key);
            let gone = KeyValue { key: key.clone(), mod_revision: at, ..KeyValue::default() };
            self.change(at, None, EventType::Delete, gone);
        }
        i64::try_from(found.len()).unwrap_or(i64::MAX)
    }

    /// Says which revision the store has now.
    pub(crate) fn finish(self) -> i64 {
        let revision = self.revision();
        if !self.events.is_empty() {
            self.store.changes.insert(revision, self.events);
            self.store.revision = revision;
        }
        revision
    }

    fn detach(&mut self, lease: i64, key: &Bytes) {
        if let Some(granted) = self.store.leases.get_mut(&lease) {
            granted.keys.remove(key);
        }
    }

    fn change(&mut self, at: i64, item: Option<KeyValue>, kind: EventType, shown: KeyValue) {
        self.store.keys.entry(shown.key.clone()).or_default().push(Version { at, item });
        self.events.push(Event { r#type: kind.into(), kv: Some(shown), prev_kv: None });
    }
}
