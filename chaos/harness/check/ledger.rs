//! etcd's history, read as the history of a cluster: who was in office when, and who has written what.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::clock::Boot;
use crate::cluster::PREFIX;
use crate::history::{Change, Changed};

/// The history in the order of revisions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) entries: Vec<Entry>,
    pub(crate) tenures: Vec<Tenure>,
    /// A revision of which nothing is told although later ones are.
    pub(crate) skipped: Option<i64>,
}

/// One change of one key of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) revision: i64,
    pub(crate) at: Boot,
    /// Behind the cluster's prefix.
    pub(crate) key: String,
    /// None = deleted, or no envelope.
    pub(crate) written: Option<Written>,
    pub(crate) deleted: bool,
}

/// What an envelope says.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) epoch: u64,
    pub(crate) nonce: String,
    pub(crate) record: Value,
}

/// A leader key, from its creation to its deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tenure {
    pub(crate) epoch: u64,
    pub(crate) nonce: String,
    pub(crate) master: String,
    pub(crate) from: (i64, Boot),
    /// None = it is there at the end.
    pub(crate) to: Option<(i64, Boot)>,
}

impl Tenure {
    /// Whether the key was there at this moment, as far as it was seen.
    pub(crate) fn covers(&self, at: Boot) -> bool {
        self.from.1 <= at && self.to.is_none_or(|(_, to)| at < to)
    }
}

impl Ledger {
    pub(crate) fn of(changes: &[Changed]) -> Self {
        let mut ledger = Self::default();
        let mut last = 0;
        for change in changes {
            // Revision 1 is the empty store.
            let expected = if last == 0 { change.revision } else { last + 1 };
            if change.revision > expected && last > 0 {
                ledger.skipped.get_or_insert(expected);
            }
            last = change.revision;
            if let Some(key) = change.key.strip_prefix(PREFIX) {
                let entry = Entry::of(change, key);
                ledger.office(&entry);
                ledger.entries.push(entry);
            }
        }
        ledger
    }

    fn office(&mut self, entry: &Entry) {
        if entry.key != "ha/leader" {
            return;
        }
        let here = (entry.revision, entry.at);
        if let Some(last) = self.tenures.last_mut() {
            last.to.get_or_insert(here);
        }
        if let Some(Written { epoch, nonce, record }) = &entry.written {
            let master = record["master"].as_str().unwrap_or_default().to_owned();
            self.tenures.push(Tenure { epoch: *epoch, nonce: nonce.clone(), master, from: here, to: None });
        }
    }

    /// Who was in office when this revision was written.
    pub(crate) fn office_at(&self, revision: i64) -> Option<&Tenure> {
        let behind = self.tenures.partition_point(|tenure| tenure.from.0 <= revision);
        let last = behind.checked_sub(1).and_then(|at| self.tenures.get(at));
        last.filter(|tenure| tenure.to.is_none_or(|(to, _)| revision < to))
    }

    /// Changes of keys that begin with this.
    pub(crate) fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        self.entries.iter().filter_map(move |entry| Some((entry.key.strip_prefix(prefix)?, entry)))
    }

    /// Where each attempt of each driver was placed, and by which term; the last word counts.
    pub(crate) fn placements(&self) -> BTreeMap<(String, u64), Vec<Placement>> {
        let mut found: BTreeMap<(String, u64), Vec<Placement>> = BTreeMap::new();
        for (driver, entry) in self.below("state/drivers/") {
            let Some(Written { record, .. }) = &entry.written else { continue };
            let (attempt, placed) = (record["attempt"].as_u64(), &record["placement"]);
            if let (Some(attempt), Some(worker), Some(epoch)) =
                (attempt, placed["worker"].as_str(), placed["epoch"].as_u64())
            {
                let placement = Placement { worker: worker.to_owned(), epoch };
                let known = found.entry((driver.to_owned(), attempt)).or_default();
                if !known.contains(&placement) {
                    known.push(placement);
                }
            }
        }
        found
    }

    /// What lies below a prefix at the end.
    pub(crate) fn left_below<'a>(&'a self, prefix: &'a str) -> BTreeMap<&'a str, &'a Entry> {
        let mut left = BTreeMap::new();
        for (key, entry) in self.below(prefix) {
            left.insert(key, entry);
        }
        left.retain(|_, entry| !entry.deleted);
        left
    }
}

/// A decision about an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) worker: String,
    pub(crate) epoch: u64,
}

impl Entry {
    fn of(change: &Changed, key: &str) -> Self {
        let written = match &change.change {
            Change::Put(value) => envelope(value),
            Change::Delete => None,
        };
        let deleted = change.change == Change::Delete;
        Self { revision: change.revision, at: change.at, key: key.to_owned(), written, deleted }
    }
}

fn envelope(value: &str) -> Option<Written> {
    let value: Value = serde_json::from_str(value).ok()?;
    let (epoch, nonce) = (value["epoch"].as_u64()?, value["nonce"].as_str()?.to_owned());
    Some(Written { epoch, nonce, record: value["record"].clone() })
}
