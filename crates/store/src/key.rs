//! Where each record lives: the keys of protocol 1, relative to the cluster's prefix.
//!
//! [`Key`] is what the engines store under: a text, ordered by its bytes. [`Name`] is what a key means. Every name has
//! exactly one key; a key need not have a name, since whoever has access to the store can put anything into it.
//! [`KeyPrefix`] always ends in `/`, so that `state/apps/` can never take in `state/apps2/…`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tanist_core::ids::{AppId, DriverId, Epoch, InvalidId, MasterId, RequestId, WorkerId};

/// Digits of an epoch in a history key: as many as the largest one needs, so that key order is epoch order.
const EPOCH_DIGITS: usize = 20;

/// A key of the store, relative to the cluster's prefix, ordered by its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Takes a text as a key, whatever it says: for engines that list what they find.
    pub fn raw(text: &str) -> Self {
        Self(text.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&Name> for Key {
    fn from(name: &Name) -> Self {
        Self(name.to_string().into())
    }
}

impl From<Name> for Key {
    fn from(name: Name) -> Self {
        Self::from(&name)
    }
}

/// What a key means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// `meta/cluster`: cluster id, schema version, created-at.
    Cluster,
    /// `meta/generation`: restores so far, raised only by the restore tool.
    Generation,
    /// `ha/leader`: the term in office. Written once per term, never rewritten, gone when the term ends.
    Leader,
    /// `ha/epoch`: the last epoch issued.
    Epoch,
    /// `ha/members/<id>`: one master process that is up.
    Member(MasterId),
    /// `ha/intent`: what an operator wants of the masters.
    Intent,
    /// `ha/history/<epoch>`: how a term began and ended.
    History(Epoch),
    /// `state/workers/<id>`.
    Worker(WorkerId),
    /// `state/apps/<id>`.
    App(AppId),
    /// `state/drivers/<id>`.
    Driver(DriverId),
    /// `state/requests/<id>`: a client's request and what it led to.
    Request(RequestId),
    /// `done/apps/<id>`: final outcome.
    DoneApp(AppId),
    /// `done/drivers/<id>`: final outcome.
    DoneDriver(DriverId),
    /// `quarantine/<original key>`: bytes that could not be decoded, as found. A `~2`, `~3`, … at the end keeps several
    /// findings under one key apart.
    Quarantine(Key),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Cluster => f.write_str("meta/cluster"),
            Name::Generation => f.write_str("meta/generation"),
            Name::Leader => f.write_str("ha/leader"),
            Name::Epoch => f.write_str("ha/epoch"),
            Name::Member(id) => write!(f, "ha/members/{id}"),
            Name::Intent => f.write_str("ha/intent"),
            Name::History(epoch) => write!(f, "ha/history/{:0EPOCH_DIGITS$}", epoch.0),
            Name::Worker(id) => write!(f, "state/workers/{id}"),
            Name::App(id) => write!(f, "state/apps/{id}"),
            Name::Driver(id) => write!(f, "state/drivers/{id}"),
            Name::Request(id) => write!(f, "state/requests/{id}"),
            Name::DoneApp(id) => write!(f, "done/apps/{id}"),
            Name::DoneDriver(id) => write!(f, "done/drivers/{id}"),
            Name::Quarantine(original) => write!(f, "quarantine/{original}"),
        }
    }
}

/// Why a key has no meaning here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// No family of keys begins like this.
    #[error("key {key:?} belongs to no known family")]
    Unknown {
        /// The key as found.
        key: Key,
    },
    /// The family is known, the id in it is not valid.
    #[error("key {key:?}: {source}")]
    Id {
        /// The key as found.
        key: Key,
        /// What is wrong with the id.
        source: InvalidId,
    },
    /// A history key whose last part is not an epoch of 20 digits.
    #[error("key {key:?}: an epoch of {EPOCH_DIGITS} digits is expected after the last '/'")]
    Epoch {
        /// The key as found.
        key: Key,
    },
    /// A prefix that does not end in `/`, or holds nothing else.
    #[error("key prefix {prefix:?} must be one or more path parts, each ended by '/'")]
    Prefix {
        /// The text as given.
        prefix: String,
    },
}

impl TryFrom<&Key> for Name {
    type Error = InvalidKey;

    fn try_from(key: &Key) -> Result<Self, InvalidKey> {
        let id = |source| InvalidKey::Id { key: key.clone(), source };
        let unknown = || InvalidKey::Unknown { key: key.clone() };
        match key.as_str() {
            "meta/cluster" => return Ok(Name::Cluster),
            "meta/generation" => return Ok(Name::Generation),
            "ha/leader" => return Ok(Name::Leader),
            "ha/epoch" => return Ok(Name::Epoch),
            "ha/intent" => return Ok(Name::Intent),
            _ => {}
        }
        let (family, rest) = key.as_str().split_once('/').ok_or_else(unknown)?;
        if family == "quarantine" && !rest.is_empty() {
            return Ok(Name::Quarantine(Key::raw(rest)));
        }
        let (kind, last) = rest.split_once('/').ok_or_else(unknown)?;
        match (family, kind) {
            ("ha", "members") => MasterId::new(last).map(Name::Member).map_err(id),
            ("ha", "history") => {
                epoch_of(last).map(Name::History).ok_or_else(|| InvalidKey::Epoch { key: key.clone() })
            }
            ("state", "workers") => WorkerId::new(last).map(Name::Worker).map_err(id),
            ("state", "apps") => AppId::new(last).map(Name::App).map_err(id),
            ("state", "drivers") => DriverId::new(last).map(Name::Driver).map_err(id),
            ("state", "requests") => RequestId::new(last).map(Name::Request).map_err(id),
            ("done", "apps") => AppId::new(last).map(Name::DoneApp).map_err(id),
            ("done", "drivers") => DriverId::new(last).map(Name::DoneDriver).map_err(id),
            _ => Err(unknown()),
        }
    }
}

/// Only the one text that [`Name::History`] writes, so that every name has one key.
fn epoch_of(text: &str) -> Option<Epoch> {
    let digits = text.len() == EPOCH_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok().map(Epoch) } else { None }
}

/// A folder of keys: everything whose text begins with this one, which ends in `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPrefix(Arc<str>);

impl KeyPrefix {
    /// The prefix as text, `/` at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the key lies below this prefix.
    pub fn contains(&self, key: &Key) -> bool {
        key.as_str().starts_with(&*self.0)
    }

    /// The first text that sorts behind every key below this prefix: `/` replaced by `0`, its successor.
    pub fn end(&self) -> String {
        let mut end = self.0.strip_suffix('/').unwrap_or(&self.0).to_owned();
        end.push('0');
        end
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyPrefix {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let parts = text.strip_suffix('/').is_some_and(|parts| parts.split('/').all(|part| !part.is_empty()));
        if parts { Ok(Self(text.into())) } else { Err(InvalidKey::Prefix { prefix: text.to_owned() }) }
    }
}

/// Families of keys that are read as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `ha/members/`.
    Members,
    /// `ha/history/`.
    History,
    /// `state/`: live records and requests.
    State,
    /// `done/`: final outcomes.
    Done,
    /// `quarantine/`.
    Quarantine,
}

impl From<Family> for KeyPrefix {
    fn from(family: Family) -> Self {
        Self(Arc::from(match family {
            Family::Members => "ha/members/",
            Family::History => "ha/history/",
            Family::State => "state/",
            Family::Done => "done/",
            Family::Quarantine => "quarantine/",
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<Name> {
        vec![
            Name::Cluster,
            Name::Generation,
            Name::Leader,
            Name::Epoch,
            Name::Member(MasterId::new("m1").unwrap()),
            Name::Intent,
            Name::History(Epoch(u64::MAX)),
            Name::Worker(WorkerId::new("worker-1").unwrap()),
            Name::App(AppId::new("app-1").unwrap()),
            Name::Driver(DriverId::new("driver-1").unwrap()),
            Name::Request(RequestId::new("r-1").unwrap()),
            Name::DoneApp(AppId::new("app-1").unwrap()),
            Name::DoneDriver(DriverId::new("driver-1").unwrap()),
            Name::Quarantine(Key::raw("state/apps/a b/c")),
        ]
    }

    #[test]
    fn every_name_is_read_back_from_its_key() {
        for name in names() {
            assert_eq!(Name::try_from(&Key::from(&name)), Ok(name));
        }
    }

    #[test]
    fn keys_without_a_meaning_are_told_apart() {
        for unknown in
            ["", "state", "state/apps", "state/apps2/a", "ha/leader/x", "done/workers/w", "meta/x", "quarantine/"]
        {
            let found = Name::try_from(&Key::raw(unknown));
            assert!(matches!(found, Err(InvalidKey::Unknown { .. })), "{unknown}: {found:?}");
        }
        for bad in ["state/apps/", "state/apps/a b", "state/apps/a/b", "state/workers/..", "ha/members/\t"] {
            let found = Name::try_from(&Key::raw(bad));
            assert!(matches!(found, Err(InvalidKey::Id { .. })), "{bad}: {found:?}");
        }
        for bad in ["ha/history/1", "ha/history/+0000000000000000001", "ha/history/99999999999999999999"] {
            let found = Name::try_from(&Key::raw(bad));
            assert!(matches!(found, Err(InvalidKey::Epoch { .. })), "{bad}: {found:?}");
        }
    }

    #[test]
    fn history_keys_are_in_epoch_order() {
        let key = |epoch| Key::from(Name::History(Epoch(epoch)));
        assert!(key(9) < key(10));
        assert!(key(99) < key(u64::MAX));
    }

    #[test]
    fn a_prefix_takes_in_its_folder_and_nothing_beside_it() {
        let apps: KeyPrefix = "state/apps/".parse().unwrap();
        assert!(apps.contains(&Key::raw("state/apps/a")));
        for outside in ["state/apps2/a", "state/apps", "state/app/a", "state/apps0"] {
            assert!(!apps.contains(&Key::raw(outside)), "{outside}");
        }
        assert!("state/apps/\u{10ffff}" < apps.end().as_str());
        assert!("state/apps2/a" > apps.end().as_str(), "the end excludes the neighbour");
        for bad in ["", "/", "state/apps", "//", "/state/", "state//"] {
            assert!(bad.parse::<KeyPrefix>().is_err(), "{bad:?}");
        }
    }
}
