//! Beginning and ending a term: what is read, and the transaction that follows from it. Plain data.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use tanist_core::ids::{ClusterId, Epoch, Generation, Nonce};
use tanist_core::time::Wall;

use crate::election::{
    Candidate, Ended, Ending, HISTORY_KEPT, HistoryEntry, LeaderRecord, Predecessor, RecoveryFigures,
};
use crate::engine::{Expect, Guard, Revision, Versioned};
use crate::envelope;
use crate::error::{ElectionError, StoreError};
use crate::intent::{Handover, Intent};
use crate::key::{Key, Name};
use crate::meta::{ClusterRecord, EpochRecord, GenerationRecord};
use crate::term::{Stamp, random_id};

use super::proposal::{Condition, LeaseId, Proposal, Write};

/// Most entries of the history that go at once, so that a transaction stays within etcd's limits.
const MOST_PRUNED: usize = 64;

/// A key under a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leased {
    pub(super) item: Versioned,
    pub(super) lease: LeaseId,
}

/// Everything that a candidate has to know, as it was at one revision.
#[derive(Debug, Clone, Default)]
pub(super) struct Situation {
    pub(super) leader: Option<Versioned>,
    pub(super) epoch: Option<Versioned>,
    pub(super) intent: Option<Versioned>,
    pub(super) cluster: Option<Versioned>,
    pub(super) generation: Option<Versioned>,
    /// The newest entry of the history.
    pub(super) newest: Option<Versioned>,
    /// The keys of all entries of the history, oldest first.
    pub(super) history: Vec<Key>,
    /// The member that is known under the candidate's own id.
    pub(super) namesake: Option<Leased>,
    pub(super) revision: Revision,
}

/// The readable content of a [`Situation`].
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) cluster: Option<ClusterRecord>,
    pub(super) generation: Generation,
    pub(super) last: Option<Epoch>,
    /// Nothing, if it cannot be read: a wish that nobody can understand keeps nobody out of office.
    pub(super) intent: Intent,
    /// It lies there and cannot be read.
    pub(super) intent_is_damaged: bool,
}

impl Situation {
    /// # Errors
    /// If one of the records without which no term can begin is not readable. Never guessed.
    pub(super) fn facts(&self) -> Result<Facts, StoreError> {
        let generation: Option<GenerationRecord> = optional(self.generation.as_ref())?;
        let epoch: Option<EpochRecord> = optional(self.epoch.as_ref())?;
        let intent = optional(self.intent.as_ref());
        Ok(Facts {
            cluster: optional(self.cluster.as_ref())?,
            generation: generation.map_or(Generation(0), |found| found.number),
            last: epoch.map(|found| found.last),
            intent_is_damaged: intent.is_err(),
            intent: intent.ok().flatten().unwrap_or_default(),
        })
    }
}

/// A term that is about to be won.
#[derive(Debug, Clone)]
pub(super) struct Bid {
    pub(super) record: LeaderRecord,
    /// What `ha/leader` is to hold.
    pub(super) value: Bytes,
    pub(super) predecessor: Option<Predecessor>,
    pub(super) proposal: Proposal,
}

/// The transaction that takes the office, if everything still is as it was read.
///
/// # Errors
/// If no epoch is left, or no id can be made.
pub(super) fn begin(
    situation: &Situation,
    facts: &Facts,
    candidate: &Candidate,
    cluster: &str,
    lease: LeaseId,
    now: Wall,
) -> Result<Bid, ElectionError> {
    let nonce: Nonce = random_id()?;
    let epoch = candidate.epoch(facts.last)?;
    let stamp = Stamp { epoch, nonce: &nonce };

    let mut proposal = Proposal::default();
    proposal.unchanged(Name::Leader, None);
    proposal.unchanged(Name::Epoch, situation.epoch.as_ref());
    proposal.unchanged(Name::Intent, situation.intent.as_ref());
    proposal.unchanged(Name::Cluster, situation.cluster.as_ref());
    proposal.unchanged(Name::Generation, situation.generation.as_ref());
    let predecessor = facts.last.map(|last| close(&mut proposal, situation, stamp, last, now)).transpose()?;

    let known = facts.cluster.as_ref().map(|found| found.id.clone());
    let cluster = if let Some(id) = known { id } else { new_cluster(&mut proposal, stamp, cluster, now)? };
    let record = candidate.record(cluster, facts.generation, stamp);
    let value = stamp.seal(&Name::Leader.into(), &record)?;
    proposal.write(Name::Leader, Write::Lease(value.clone(), lease));
    stamp.put(&mut proposal, Name::Epoch, &EpochRecord { last: epoch })?;
    let entry = HistoryEntry::begun(record.clone(), now, predecessor.clone());
    stamp.put(&mut proposal, Name::History(epoch), &entry)?;
    match &situation.intent {
        Some(damaged) if facts.intent_is_damaged => put_aside(&mut proposal, damaged, epoch),
        intent => write_intent(&mut proposal, stamp, intent.as_ref(), &facts.intent.settled(now))?,
    }
    prune(&mut proposal, situation);
    Ok(Bid { record, value, predecessor, proposal })
}

impl Stamp<'_> {
    fn put<T: Serialize>(self, proposal: &mut Proposal, name: Name, record: &T) -> Result<(), ElectionError> {
        let key = Key::from(name);
        let value = self.seal(&key, record)?;
        proposal.write(key, Write::Put(value));
        Ok(())
    }
}

fn close(
    proposal: &mut Proposal,
    situation: &Situation,
    stamp: Stamp<'_>,
    last: Epoch,
    now: Wall,
) -> Result<Predecessor, ElectionError> {
    let name = Name::History(last);
    let found = situation.newest.as_ref().filter(|newest| newest.key == Key::from(&name));
    let (predecessor, closed) = Predecessor::closed(last, found.and_then(|found| decode(found).ok()), now);
    if let Some(entry) = closed {
        proposal.unchanged(name.clone(), found);
        stamp.put(proposal, name, &entry)?;
    }
    Ok(predecessor)
}

fn new_cluster(proposal: &mut Proposal, stamp: Stamp<'_>, name: &str, now: Wall) -> Result<ClusterId, ElectionError> {
    let record = ClusterRecord::new(Some(name.to_owned()), now)?;
    stamp.put(proposal, Name::Cluster, &record)?;
    Ok(record.id)
}

/// With the new term's own entry, no more than [`HISTORY_KEPT`] stay.
fn prune(proposal: &mut Proposal, situation: &Situation) {
    let surplus = (situation.history.len() + 1).saturating_sub(HISTORY_KEPT).min(MOST_PRUNED);
    for key in situation.history.iter().take(surplus) {
        proposal.write(key.clone(), Write::Delete);
    }
}

/// Writes what is wanted, if that is a change; nothing wanted = no key. The key must be compared by the proposal.
fn write_intent(
    proposal: &mut Proposal,
    stamp: Stamp<'_>,
    read: Option<&Versioned>,
    wanted: &Intent,
) -> Result<(), ElectionError> {
    let found: Option<Intent> = optional(read)?;
    match (found, wanted.is_empty()) {
        (None, true) => {}
        (Some(found), false) if found == *wanted => {}
        (Some(_), true) => proposal.write(Name::Intent, Write::Delete),
        (_, false) => stamp.put(proposal, Name::Intent, wanted)?,
    }
    Ok(())
}

/// Moves what cannot be read out of the way, byte for byte. The epoch keeps several findings apart.
fn put_aside(proposal: &mut Proposal, damaged: &Versioned, epoch: Epoch) {
    let aside = Key::from(Name::Quarantine(Key::raw(&format!("{}~{epoch}", damaged.key))));
    tracing::error!(key = %damaged.key, quarantine = %aside, "what operators want cannot be read, putting it aside");
    proposal.conditions.push((aside.clone(), Condition::Expect(Expect::Absent)));
    proposal.write(aside, Write::Put(damaged.value.clone()));
    proposal.write(damaged.key.clone(), Write::Delete);
}

/// How a term is ended, by itself or by somebody else.
#[derive(Debug, Clone)]
pub(super) struct Exit<'a> {
    /// The term that ends.
    pub(super) leader: &'a LeaderRecord,
    pub(super) guard: &'a Guard,
    /// What its history will say.
    pub(super) how: Ending,
    /// Its entry in the history, as read.
    pub(super) entry: Option<&'a Versioned>,
}

/// The transaction that ends a term: its key goes, its history says why. A history that cannot be read stays as it is
/// and keeps nobody in office.
pub(super) fn end(exit: &Exit<'_>, now: Wall) -> Result<Proposal, ElectionError> {
    let mut proposal = Proposal::guarded(exit.guard);
    let name = Name::History(exit.leader.epoch);
    proposal.unchanged(name.clone(), exit.entry);
    proposal.write(Name::Leader, Write::Delete);
    match entry_of(exit.leader, exit.entry) {
        Ok(mut entry) => {
            entry.ended = Some(Ended { at: now.0, how: exit.how.clone() });
            Stamp::of(exit.leader).put(&mut proposal, name, &entry)?;
        }
        Err(error) => tracing::error!(%error, "history of a term that ends cannot be read, leaving it"),
    }
    Ok(proposal)
}

/// Adds to the end of a term that somebody is to follow.
///
/// # Errors
/// If what operators want cannot be read.
pub(super) fn hand_over(
    proposal: &mut Proposal,
    leader: &LeaderRecord,
    handover: &Handover,
    intent: Option<&Versioned>,
    now: Wall,
) -> Result<(), ElectionError> {
    let wanted: Intent = optional::<Intent>(intent)?.unwrap_or_default();
    proposal.unchanged(Name::Intent, intent);
    proposal.conditions.push((Name::Member(handover.target.clone()).into(), Condition::Present));
    write_intent(proposal, Stamp::of(leader), intent, &wanted.handing_over(handover.clone(), now))
}

/// The transaction that writes down how the recovery of a term went.
///
/// # Errors
/// If its history cannot be read.
pub(super) fn recovered(
    leader: &LeaderRecord,
    guard: &Guard,
    entry: Option<&Versioned>,
    figures: RecoveryFigures,
) -> Result<Proposal, ElectionError> {
    let mut amended = entry_of(leader, entry)?;
    amended.recovery = Some(figures);
    let mut proposal = Proposal::guarded(guard);
    let name = Name::History(leader.epoch);
    proposal.unchanged(name.clone(), entry);
    Stamp::of(leader).put(&mut proposal, name, &amended)?;
    Ok(proposal)
}

/// The transaction that changes what operators want.
///
/// # Errors
/// If what they want now cannot be read.
pub(super) fn intend(
    read: Option<&Versioned>,
    epoch: Epoch,
    change: impl FnOnce(Intent) -> Intent,
) -> Result<(Proposal, Intent), ElectionError> {
    let wanted = change(optional::<Intent>(read)?.unwrap_or_default());
    let nonce: Nonce = random_id()?;
    let mut proposal = Proposal::default();
    proposal.unchanged(Name::Intent, read);
    write_intent(&mut proposal, Stamp { epoch, nonce: &nonce }, read, &wanted)?;
    Ok((proposal, wanted))
}

fn entry_of(leader: &LeaderRecord, found: Option<&Versioned>) -> Result<HistoryEntry, StoreError> {
    Ok(optional(found)?.unwrap_or_else(|| HistoryEntry::missing(leader)))
}

/// A record that must be readable if it is there.
pub(super) fn optional<T: DeserializeOwned>(found: Option<&Versioned>) -> Result<Option<T>, StoreError> {
    found.map(decode).transpose()
}

/// A record that must be readable.
pub(super) fn decode<T: DeserializeOwned>(found: &Versioned) -> Result<T, StoreError> {
    match envelope::decode(&found.value) {
        Ok(opened) => Ok(opened.record),
        Err(source) => Err(StoreError::Record { key: found.key.clone(), source }),
    }
}
