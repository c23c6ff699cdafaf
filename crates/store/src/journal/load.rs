//! Reading what the predecessors left, and putting aside what cannot be read.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use tanist_core::record::Recovered;

use crate::engine::{PersistenceEngine, Revision, Versioned};
use crate::envelope::DecodeError;
use crate::error::StoreError;
use crate::key::{Family, InvalidKey, Key, KeyPrefix, Name};
use crate::record::decode;

use super::plan::{self, Batch};

/// Keys asked for at once. Records are a few KiB at most, so that a page stays well below gRPC's 4 MiB.
const PAGE_KEYS: NonZeroUsize = match NonZeroUsize::new(500) {
    Some(keys) => keys,
    None => NonZeroUsize::MIN,
};

/// How often reading begins again because the revision it reads was compacted away meanwhile.
const READ_TRIES: usize = 3;

/// What a new term begins with.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) recovered: Recovered,
    /// Mod revision of every key below `state/` and `done/`.
    pub(super) ledger: BTreeMap<Key, Revision>,
    /// What is to be moved to quarantine, each move for itself small enough for one transaction.
    pub(super) moves: Vec<Batch>,
}

/// Everything below the families that hold records.
#[derive(Default)]
struct Content {
    records: Vec<Versioned>,
    quarantined: BTreeSet<Key>,
}

/// Why a record is put aside.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Key(#[from] InvalidKey),
    #[error("no record is kept under this key")]
    Misplaced,
    #[error(transparent)]
    Value(#[from] DecodeError),
}

/// Reads the content at the revision at which the term was won.
pub(super) async fn load<E: PersistenceEngine + ?Sized>(engine: &E, won_at: Revision) -> Result<Loaded, StoreError> {
    let Content { records, mut quarantined } = read_content(engine, won_at).await?;
    let mut loaded = Loaded::default();
    for found in records {
        loaded.ledger.insert(found.key.clone(), found.mod_revision);
        if let Err(why) = take_in(&found, &mut loaded.recovered) {
            let aside = free_name(&found.key, &quarantined);
            tracing::error!(key = %found.key, quarantine = %aside, %why, "record cannot be read, putting it aside");
            if let Some(group) = moved(found, &aside) {
                loaded.moves.push(group);
                quarantined.insert(aside);
            }
        }
    }
    loaded.recovered.quarantined = quarantined.iter().map(Key::to_string).collect();
    Ok(loaded)
}

fn moved(found: Versioned, aside: &Key) -> Option<Batch> {
    let mut group = Batch::default();
    group.set(found.key, None);
    group.set(aside.clone(), Some(found.value));
    match plan::check(&group) {
        Ok(()) => Some(group),
        // No master wrote a value of this size. It stays where it is, untouched.
        Err(error) => {
            tracing::error!(%error, "record cannot be put aside either, leaving it");
            None
        }
    }
}

/// If the revision is gone, any later one will do: nobody but this term can have written records since, and it has not.
async fn read_content<E: PersistenceEngine + ?Sized>(engine: &E, won_at: Revision) -> Result<Content, StoreError> {
    let mut at = won_at;
    let mut tries = READ_TRIES;
    loop {
        match read_content_at(engine, at).await {
            Err(StoreError::Compacted { oldest, .. }) if tries > 1 => {
                tries -= 1;
                at = oldest.max(at);
            }
            result => return result,
        }
    }
}

async fn read_content_at<E: PersistenceEngine + ?Sized>(engine: &E, at: Revision) -> Result<Content, StoreError> {
    // Side by side: everybody waits for this.
    let (mut records, done, aside) = tokio::try_join!(
        read_family(engine, Family::State, at),
        read_family(engine, Family::Done, at),
        read_family(engine, Family::Quarantine, at),
    )?;
    records.extend(done);
    Ok(Content { records, quarantined: aside.into_iter().map(|item| item.key).collect() })
}

async fn read_family<E: PersistenceEngine + ?Sized>(
    engine: &E,
    family: Family,
    at: Revision,
) -> Result<Vec<Versioned>, StoreError> {
    let prefix = KeyPrefix::from(family);
    let mut items: Vec<Versioned> = Vec::new();
    loop {
        let after = items.last().map(|last| last.key.clone());
        let page = engine.read_page(&prefix, after.as_ref(), at, PAGE_KEYS).await?;
        items.extend(page.items);
        if !page.more {
            return Ok(items);
        }
    }
}

fn take_in(found: &Versioned, recovered: &mut Recovered) -> Result<(), Unreadable> {
    let (key, value) = (&found.key, &found.value);
    match Name::try_from(key)? {
        Name::Worker(_) => recovered.workers.push(decode(key, value)?),
        Name::App(_) => recovered.apps.push(decode(key, value)?),
        Name::Driver(_) => recovered.drivers.push(decode(key, value)?),
        Name::Request(_) => recovered.requests.push(decode(key, value)?),
        Name::DoneApp(_) => recovered.done_apps.push(decode(key, value)?),
        Name::DoneDriver(_) => recovered.done_drivers.push(decode(key, value)?),
        _ => return Err(Unreadable::Misplaced),
    }
    Ok(())
}

/// Something may lie in quarantine already from an earlier time under the same key, and is never written over.
fn free_name(original: &Key, taken: &BTreeSet<Key>) -> Key {
    let first = Key::from(Name::Quarantine(original.clone()));
    if !taken.contains(&first) {
        return first;
    }
    let mut number = 2u64;
    loop {
        let next = Key::raw(&format!("{first}~{number}"));
        if !taken.contains(&next) {
            return next;
        }
        number += 1;
    }
}
