//! Beginning and ending a term in the store file, each in one transaction. Blocking.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use tanist_core::ids::{ClusterId, Epoch, Generation, Nonce};
use tanist_core::time::Wall;

use crate::election::{
    Candidate, Ended, Ending, HISTORY_KEPT, HistoryEntry, LeaderRecord, Predecessor, RecoveryFigures,
};
use crate::engine::{Action, Committed, Guard, Revision, Transaction};
use crate::envelope;
use crate::error::{CommitError, Conflict, ElectionError, Refusal, StoreError};
use crate::key::{Family, Key, KeyPrefix, Name};
use crate::meta::{ClusterRecord, EpochRecord, GenerationRecord};
use crate::term::{Stamp, random_id};

use super::file::{StoreFile, WriteError, Writing, store_error};

/// A term as it was written down.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) record: LeaderRecord,
    pub(super) guard: Guard,
    pub(super) revision: Revision,
    pub(super) predecessor: Option<Predecessor>,
}

type Step<T> = Result<T, WriteError<ElectionError>>;

/// Ends whatever term is still written down, whose holder must be gone since the file is ours, and begins a new one.
/// `known` is the cluster that this process belongs to, if it has ever seen one.
pub(super) fn begin(
    file: &StoreFile,
    candidate: &Candidate,
    known: Option<&ClusterId>,
    now: Wall,
) -> Result<Begun, ElectionError> {
    let nonce: Nonce = random_id()?;
    let place = file.path().display().to_string();
    file.write(|writing| begin_in(writing, &place, candidate, known, &nonce, now)).map_err(election_error)
}

fn begin_in(
    writing: &mut Writing<'_>,
    place: &str,
    candidate: &Candidate,
    known: Option<&ClusterId>,
    nonce: &Nonce,
    now: Wall,
) -> Step<Begun> {
    let cluster: Option<ClusterRecord> = required(writing, Name::Cluster)?;
    let found = cluster.as_ref().map(|cluster| &cluster.id);
    if let Some(expected) = known.filter(|known| found != Some(known)) {
        let (place, expected, found) = (place.to_owned(), expected.clone(), found.cloned());
        return Err(WriteError::Decided(ElectionError::ForeignCluster { place, expected, found }));
    }
    let generation: Option<GenerationRecord> = required(writing, Name::Generation)?;
    let last = required::<EpochRecord>(writing, Name::Epoch)?.map(|found| found.last);
    let epoch = candidate.epoch(last).map_err(WriteError::Decided)?;
    let stamp = Stamp { epoch, nonce };

    expire_leader(writing)?;
    let revision = writing.advance();
    let predecessor = last.map(|last| close_history(writing, stamp, last, now)).transpose()?;
    let cluster = if let Some(found) = cluster { found.id } else { new_cluster(writing, stamp, now)? };
    let record = candidate.record(cluster, generation.map_or(Generation(0), |found| found.number), stamp);
    let value = put(writing, Name::Leader, stamp, &record)?;
    put(writing, Name::Epoch, stamp, &EpochRecord { last: epoch })?;
    let entry = HistoryEntry::begun(record.clone(), now, predecessor.clone());
    put(writing, Name::History(epoch), stamp, &entry)?;
    prune_history(writing)?;
    Ok(Begun { record, guard: Guard { create_revision: revision, value }, revision, predecessor })
}

/// What the lease does in etcd: the key of a leader that is gone goes by itself, at a revision of its own.
fn expire_leader(writing: &mut Writing<'_>) -> Step<()> {
    let leader = Key::from(Name::Leader);
    if writing.get(&leader)?.is_some() {
        writing.advance();
        writing.remove(&leader)?;
    }
    Ok(())
}

fn close_history(writing: &mut Writing<'_>, stamp: Stamp<'_>, last: Epoch, now: Wall) -> Step<Predecessor> {
    let name = Name::History(last);
    let found = writing.get(&Key::from(&name))?;
    let entry = found.and_then(|found| envelope::decode(&found.value).ok()).map(|opened| opened.record);
    let (predecessor, closed) = Predecessor::closed(last, entry, now);
    if let Some(entry) = closed {
        put(writing, name, stamp, &entry)?;
    }
    Ok(predecessor)
}

fn new_cluster(writing: &mut Writing<'_>, stamp: Stamp<'_>, now: Wall) -> Step<ClusterId> {
    let record = ClusterRecord::new(None, now).map_err(WriteError::Decided)?;
    put(writing, Name::Cluster, stamp, &record)?;
    Ok(record.id)
}

fn prune_history(writing: &mut Writing<'_>) -> Step<()> {
    let entries = writing.below(&KeyPrefix::from(Family::History))?;
    let surplus = entries.len().saturating_sub(HISTORY_KEPT);
    for entry in &entries[..surplus] {
        writing.remove(&entry.key)?;
    }
    Ok(())
}

/// Ends the term: its key goes, its history says why.
pub(super) fn end(
    file: &StoreFile,
    guard: &Guard,
    leader: &LeaderRecord,
    why: &str,
    now: Wall,
) -> Result<(), ElectionError> {
    let how = Ending::Resigned { why: why.to_owned() };
    let amended = amend(file, guard, leader, |writing, entry| {
        writing.remove(&Name::Leader.into())?;
        entry.ended = Some(Ended { at: now.0, how });
        Ok(())
    });
    amended.map_err(election_error)
}

/// Writes down how the recovery went.
pub(super) fn record_recovery(
    file: &StoreFile,
    guard: &Guard,
    leader: &LeaderRecord,
    figures: RecoveryFigures,
) -> Result<(), ElectionError> {
    let amended = amend(file, guard, leader, |_, entry| {
        entry.recovery = Some(figures);
        Ok(())
    });
    amended.map_err(election_error)
}

fn amend(
    file: &StoreFile,
    guard: &Guard,
    leader: &LeaderRecord,
    change: impl FnOnce(&mut Writing<'_>, &mut HistoryEntry) -> Step<()>,
) -> Step<()> {
    file.write(|writing| {
        if !guard.holds(writing.get(&Name::Leader.into())?.as_ref()) {
            return Err(WriteError::Decided(CommitError::Refused(Refusal::term_over()).into()));
        }
        let name = Name::History(leader.epoch);
        let mut entry = required(writing, name.clone())?.unwrap_or_else(|| HistoryEntry::missing(leader));
        writing.advance();
        change(writing, &mut entry)?;
        put(writing, name, Stamp::of(leader), &entry)?;
        Ok(())
    })
}

/// Compares and writes, as [`crate::engine::PersistenceEngine::commit`] says.
pub(super) fn commit(
    file: &StoreFile,
    guard: &Guard,
    transaction: &Transaction,
) -> Result<Committed, WriteError<Refusal>> {
    if transaction.is_read_only() {
        return compare_only(file, guard, transaction);
    }
    file.write(|writing| {
        let lost = !guard.holds(writing.get(&Name::Leader.into())?.as_ref());
        let mut conflicts = Vec::new();
        for operation in transaction.operations() {
            let found = writing.get(&operation.key)?;
            if !operation.expect.holds(found.as_ref()) {
                conflicts.push(Conflict { key: operation.key.clone(), expected: operation.expect, found });
            }
        }
        if lost || !conflicts.is_empty() {
            return Err(WriteError::Decided(Refusal { leadership_lost: lost, conflicts }));
        }
        let revision = writing.advance();
        for operation in transaction.operations() {
            match &operation.action {
                Action::Put(value) => writing.put(&operation.key, value)?,
                Action::Delete => writing.remove(&operation.key)?,
                Action::Compare => {}
            }
        }
        Ok(Committed { revision })
    })
}

/// Nothing to write, so nothing to sync: the lock and one snapshot answer.
fn compare_only(file: &StoreFile, guard: &Guard, transaction: &Transaction) -> Result<Committed, WriteError<Refusal>> {
    if !file.is_in_place() {
        return Err(WriteError::Replaced);
    }
    let leader = Key::from(Name::Leader);
    let keys: Vec<&Key> = std::iter::once(&leader).chain(transaction.operations().iter().map(|o| &o.key)).collect();
    let (mut found, revision) = file.read_keys(&keys).map_err(WriteError::Failed)?;
    let lost = !guard.holds(found.remove(0).as_ref());
    let conflicts: Vec<Conflict> = transaction
        .operations()
        .iter()
        .zip(found)
        .filter(|(operation, found)| !operation.expect.holds(found.as_ref()))
        .map(|(operation, found)| Conflict { key: operation.key.clone(), expected: operation.expect, found })
        .collect();
    if lost || !conflicts.is_empty() {
        return Err(WriteError::Decided(Refusal { leadership_lost: lost, conflicts }));
    }
    Ok(Committed { revision })
}

/// A record that must be readable if it is there.
fn required<T: DeserializeOwned>(writing: &Writing<'_>, name: Name) -> Step<Option<T>> {
    let key = Key::from(name);
    let Some(found) = writing.get(&key)? else { return Ok(None) };
    match envelope::decode(&found.value) {
        Ok(opened) => Ok(Some(opened.record)),
        Err(source) => Err(WriteError::Decided(StoreError::Record { key, source }.into())),
    }
}

fn put<T: Serialize>(writing: &mut Writing<'_>, name: Name, stamp: Stamp<'_>, record: &T) -> Step<Bytes> {
    let key = Key::from(name);
    let value = stamp.seal(&key, record).map_err(WriteError::Decided)?;
    writing.put(&key, &value)?;
    Ok(value)
}

fn election_error(error: WriteError<ElectionError>) -> ElectionError {
    match error {
        WriteError::Decided(error) => error,
        WriteError::Failed(error) => store_error("writing the term", error).into(),
        WriteError::InDoubt(error) => CommitError::Unknown { source: Box::new(error) }.into(),
        WriteError::Replaced => CommitError::Refused(Refusal::term_over()).into(),
    }
}
