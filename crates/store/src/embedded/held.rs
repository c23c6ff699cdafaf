//! A term in office: the open store file with the guard of the term that holds it. Blocking.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::watch;

use crate::election::{LeaderRecord, Loss, RecoveryFigures, Standing};
use crate::engine::{Committed, Guard, Revision, Transaction};
use crate::error::{CommitError, ElectionError, Refusal, StoreError};
use crate::key::{Key, Name};

use super::advisory::StoreDir;
use super::file::{Identity, StoreFile, WriteError, store_error};
use super::term;

/// The store file of a term that was won, until it is over.
#[derive(Debug)]
pub(super) struct Held {
    dir: StoreDir,
    identity: Identity,
    leader: LeaderRecord,
    guard: Guard,
    slot: RwLock<Slot>,
    standing: watch::Sender<Standing>,
}

#[derive(Debug)]
enum Slot {
    Open(StoreFile),
    /// The disk failed and redb trusts its own memory no more: open anew at the next use.
    Broken,
    /// The term is over.
    Closed,
}

/// The file cannot be used now.
enum Unusable {
    /// The term is over.
    Over,
    /// It may be usable later.
    Failing(StoreError),
}

impl Held {
    pub(super) fn new(dir: StoreDir, file: StoreFile, leader: LeaderRecord, guard: Guard) -> Self {
        let standing = watch::Sender::new(Standing::Held { until: None });
        Self { dir, identity: file.identity(), leader, guard, slot: RwLock::new(Slot::Open(file)), standing }
    }

    pub(super) fn leader(&self) -> &LeaderRecord {
        &self.leader
    }

    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Lost(_))
    }

    /// Ends the term if the file is not the one under its name any more.
    pub(super) fn check_in_place(&self) {
        let replaced = match &*self.read_slot() {
            Slot::Open(file) => !file.is_in_place(),
            Slot::Broken | Slot::Closed => false,
        };
        if replaced {
            self.close(Loss::Replaced);
        }
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&StoreFile) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let result = self.with_file(read).map_err(|unusable| match unusable {
            Unusable::Over => StoreError::NotHeld,
            Unusable::Failing(error) => error,
        })?;
        if let Err(StoreError::Unreachable { .. }) = result {
            self.distrust();
        }
        result
    }

    pub(super) fn commit(&self, guard: &Guard, transaction: &Transaction) -> Result<Committed, CommitError> {
        let committed = self.with_file(|file| term::commit(file, guard, transaction)).map_err(|error| match error {
            Unusable::Over => CommitError::Refused(Refusal::term_over()),
            Unusable::Failing(error) => CommitError::NotSent { source: Box::new(error) },
        })?;
        committed.map_err(|error| match error {
            WriteError::Decided(refusal) => CommitError::Refused(refusal),
            WriteError::Failed(error) => {
                self.distrust();
                if is_full(&error) {
                    CommitError::NoSpace { source: Box::new(error) }
                } else {
                    CommitError::NotSent { source: Box::new(error) }
                }
            }
            WriteError::InDoubt(error) => {
                self.distrust();
                CommitError::Unknown { source: Box::new(error) }
            }
            WriteError::Replaced => {
                self.close(Loss::Replaced);
                CommitError::Refused(Refusal::term_over())
            }
        })
    }

    pub(super) fn record_recovery(&self, figures: RecoveryFigures) -> Result<(), ElectionError> {
        self.with_file(|file| term::record_recovery(file, &self.guard, &self.leader, figures)).unwrap_or_else(
            |unusable| match unusable {
                Unusable::Over => Err(CommitError::Refused(Refusal::term_over()).into()),
                Unusable::Failing(error) => Err(error.into()),
            },
        )
    }

    /// Ends the term in the file, then lets go of the file, whatever came of the first.
    pub(super) fn resign(&self, why: &str) -> Result<(), ElectionError> {
        let now = crate::clock::wall();
        let ended = match self.with_file(|file| term::end(file, &self.guard, &self.leader, why, now)) {
            Ok(ended) => ended,
            Err(Unusable::Over) => Ok(()),
            Err(Unusable::Failing(error)) => Err(error.into()),
        };
        self.close(Loss::Resigned);
        ended
    }

    /// Lets go of the file, and with it of the lock. The first reason counts.
    fn close(&self, why: Loss) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        self.close_slot(&mut slot, why);
    }

    fn close_slot(&self, slot: &mut Slot, why: Loss) {
        // While the lock is held nobody else writes that file, and it can only speak of this term.
        if let Slot::Open(file) = &*slot
            && file.is_in_place()
            && let Err(error) = self.dir.remove_leader()
        {
            tracing::warn!(epoch = %self.leader.epoch, %error, "advice about the leader stays behind");
        }
        *slot = Slot::Closed;
        self.standing.send_if_modified(|standing| {
            let first = !matches!(standing, Standing::Lost(_));
            if first {
                *standing = Standing::Lost(why);
            }
            first
        });
    }

    fn read_slot(&self) -> RwLockReadGuard<'_, Slot> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the file opened anew before its next use.
    pub(super) fn distrust(&self) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*slot, Slot::Open(_)) {
            *slot = Slot::Broken;
        }
    }

    fn with_file<T>(&self, work: impl FnOnce(&StoreFile) -> T) -> Result<T, Unusable> {
        if matches!(*self.read_slot(), Slot::Broken) {
            self.reopen()?;
        }
        match &*self.read_slot() {
            Slot::Open(file) => Ok(work(file)),
            Slot::Broken => Err(Unusable::Failing(StoreError::NotHeld)),
            Slot::Closed => Err(Unusable::Over),
        }
    }

    /// Between closing and opening the lock was free. Whoever took it meanwhile either has it still or has ended this
    /// term in the file; only if neither is true does the term go on.
    fn reopen(&self) -> Result<(), Unusable> {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*slot, Slot::Broken) {
            return Ok(());
        }
        let opened = StoreFile::try_open(&self.dir.store()).map_err(Unusable::Failing)?;
        let Some(file) = opened.filter(|file| file.identity() == self.identity) else {
            self.close_slot(&mut slot, Loss::Expired);
            return Err(Unusable::Over);
        };
        let leader = Key::from(Name::Leader);
        let found = file.read_keys(&[&leader]);
        let (found, _) = found.map_err(|error| Unusable::Failing(store_error("reading ha/leader", error)))?;
        if !self.guard.holds(found.first().and_then(Option::as_ref)) {
            self.close_slot(&mut slot, Loss::Expired);
            return Err(Unusable::Over);
        }
        tracing::info!(epoch = %self.leader.epoch, "store file opened anew, the term goes on");
        *slot = Slot::Open(file);
        Ok(())
    }

    /// The present revision, for reads that want the latest.
    pub(super) fn revision(&self) -> Result<Revision, StoreError> {
        self.read(|file| Ok(file.read_key(&Name::Epoch.into(), Revision(0))?.revision))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.close(Loss::Resigned);
    }
}

fn is_full(error: &redb::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error, redb::Error::Io(error) if matches!(error.kind(), StorageFull | QuotaExceeded))
}
