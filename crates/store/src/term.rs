//! What a term is made of and what is written of it, whatever the store.

use std::str::FromStr;

use bytes::Bytes;
use serde::Serialize;
use tanist_core::ids::{ClusterId, Epoch, Generation, InvalidId, Nonce};
use tanist_core::time::Wall;

use crate::chance;
use crate::election::{Candidate, Ended, Ending, HistoryEntry, LeaderRecord, Predecessor};
use crate::envelope;
use crate::error::{CommitError, ElectionError};
use crate::key::Key;
use crate::meta::ClusterRecord;

/// Who writes.
#[derive(Clone, Copy)]
pub(crate) struct Stamp<'a> {
    pub(crate) epoch: Epoch,
    pub(crate) nonce: &'a Nonce,
}

impl<'a> Stamp<'a> {
    pub(crate) fn of(leader: &'a LeaderRecord) -> Self {
        Self { epoch: leader.epoch, nonce: &leader.nonce }
    }

    pub(crate) fn seal<T: Serialize>(self, key: &Key, record: &T) -> Result<Bytes, ElectionError> {
        envelope::encode(self.epoch, self.nonce, record)
            .map_err(|source| CommitError::Encode { key: key.clone(), source }.into())
    }
}

impl Candidate {
    /// The epoch in which it leads, if it wins: above all that this process and the store have ever heard of.
    pub(crate) fn epoch(&self, last: Option<Epoch>) -> Result<Epoch, ElectionError> {
        let highest = self.heard.highest().max(last.unwrap_or_default());
        highest.0.checked_add(1).map(Epoch).ok_or(ElectionError::NoEpochLeft { highest })
    }

    /// What is written of it in `ha/leader`.
    pub(crate) fn record(&self, cluster: ClusterId, generation: Generation, stamp: Stamp<'_>) -> LeaderRecord {
        LeaderRecord {
            cluster,
            generation,
            epoch: stamp.epoch,
            master: self.master.clone(),
            nonce: stamp.nonce.clone(),
            rpc: self.rpc.clone(),
            ui: self.ui.clone(),
            rest: self.rest.clone(),
            version: self.version.clone(),
        }
    }
}

impl HistoryEntry {
    /// Of a term that begins.
    pub(crate) fn begun(leader: LeaderRecord, since: Wall, predecessor: Option<Predecessor>) -> Self {
        Self { leader, since: since.0, predecessor, recovery: None, ended: None }
    }

    /// In the place of one that is gone.
    pub(crate) fn missing(leader: &LeaderRecord) -> Self {
        Self::begun(leader.clone(), Wall(0), None)
    }
}

impl Predecessor {
    /// The term before, with its entry in the history if that is to be closed: a term that said nothing at its end was
    /// gone. An entry that cannot be read stays as it is; it only tells people what happened.
    pub(crate) fn closed(epoch: Epoch, entry: Option<HistoryEntry>, now: Wall) -> (Self, Option<HistoryEntry>) {
        let master = entry.as_ref().map(|entry| entry.leader.master.clone());
        match entry {
            Some(HistoryEntry { ended: Some(ended), .. }) => (Self { epoch, master, ending: ended.how }, None),
            entry => {
                let ended = Some(Ended { at: now.0, how: Ending::Gone });
                (Self { epoch, master, ending: Ending::Gone }, entry.map(|entry| HistoryEntry { ended, ..entry }))
            }
        }
    }
}

impl ClusterRecord {
    /// Of a store that has none yet.
    pub(crate) fn new(name: Option<String>, now: Wall) -> Result<Self, ElectionError> {
        Ok(Self { id: random_id()?, name, schema: envelope::VERSION, created_at: now.0 })
    }
}

pub(crate) fn random_id<T: FromStr<Err = InvalidId>>() -> Result<T, ElectionError> {
    chance::uuid().to_string().parse().map_err(ElectionError::NewId)
}
