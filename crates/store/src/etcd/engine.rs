//! Reads and guarded transactions, in etcd's own words.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use etcd_client::{Compare, CompareOp, GetOptions, GetResponse, Txn, TxnOp, TxnOpResponse, TxnResponse};

use crate::engine::{
    Action, Committed, Expect, Guard, MAX_BYTES, MAX_OPERATIONS, Operation, Page, Reading, Revision, Transaction,
    Versioned,
};
use crate::error::{CommitError, Conflict, Refusal, StoreError};
use crate::key::{Key, KeyPrefix, Name};

use super::fault::{Fault, Kind, Reason};
use super::pool::{Call, Keys, Pool, number, revision_of};

/// What a page aims at, in bytes, judged by the page before it: half of the 4 MiB that a message of gRPC usually has.
const PAGE_BYTES: usize = 2 << 20;

/// Keys of the first page of a process, before anything is known of their size: 1 MiB each would still be bearable.
const FIRST_PAGE: usize = 128;

/// Most keys of a page, however small they are.
const LONGEST_PAGE: usize = 2000;

/// How much more than the page before a page may ask for; as much less after one that was too large.
const PAGE_STEP: usize = 4;

/// Largest page that is taken, in bytes: room for a guess that was wrong.
const LARGEST_PAGE: usize = 16 << 20;

/// Largest answer to a transaction: a refusal brings back everything that was compared.
const LARGEST_REFUSAL: usize = (MAX_OPERATIONS + 1) * 2 * MAX_BYTES;

/// A mod revision that no key has.
const NEVER: i64 = -1;

/// What [`crate::PersistenceEngine`] promises, for a store that delegates to it.
#[derive(Debug)]
pub(super) struct Engine {
    pool: Arc<Pool>,
    /// Keys that the next page asks for.
    page: AtomicUsize,
}

impl Engine {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, page: AtomicUsize::new(FIRST_PAGE) }
    }

    pub(super) async fn read_page(
        &self,
        prefix: &KeyPrefix,
        after: Option<&Key>,
        at: Revision,
        limit: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        let (mut start, end) = self.pool.keys().range(prefix);
        if let Some(after) = after {
            start = start.max(behind(self.pool.keys().full(after)));
        }
        loop {
            let most = self.page.load(Ordering::Relaxed);
            let keys = limit.get().min(most);
            let mut found = match self.range(&start, &end, at, keys).await {
                Err(fault) if fault.is_reason(&Reason::AnswerTooLarge) && keys > 1 => {
                    self.page.store((keys / PAGE_STEP).max(1), Ordering::Relaxed);
                    continue;
                }
                Err(fault) => return Err(self.page_error(fault, prefix, at).await),
                Ok(found) => found,
            };
            let (more, found) = (found.more(), found.take_kvs());
            self.page.store(next_page(most, &found), Ordering::Relaxed);
            let last = found.last().map(|last| behind(last.key().to_vec()));
            let items = items(self.pool.keys(), found);
            match last {
                // Nothing but keys that are no text, which nobody of ours wrote: what is behind them?
                Some(last) if more && items.is_empty() => start = last,
                _ => return Ok(Page { items, more }),
            }
        }
    }

    pub(super) async fn read_key(&self, key: &Key, at_least: Revision) -> Result<Reading, StoreError> {
        let failed = |fault: Fault| fault.reading(format!("reading {key}"));
        let (found, current) = self.get(key, GetOptions::new()).await.map_err(failed)?;
        if current < at_least {
            return Err(StoreError::FutureRevision { at: at_least, current });
        }
        Ok(Reading { item: found, revision: current })
    }

    pub(super) async fn commit(&self, guard: &Guard, transaction: &Transaction) -> Result<Committed, CommitError> {
        let request = request(self.pool.keys(), guard, transaction);
        let bytes = transaction.operations().iter().map(Operation::size).sum();
        let answer = self.pool.write(Call::COMMIT, |client| {
            let (mut client, request) =
                (client.kv_client().max_decoding_message_size(LARGEST_REFUSAL), request.clone());
            async move { client.txn(request).await }
        });
        let answer = answer.await.map_err(|fault| fault.committing(bytes))?;
        let revision = revision_of(&answer).map_err(|fault| fault.committing(bytes))?;
        if answer.succeeded() {
            return Ok(Committed { revision });
        }
        Err(self.refusal(guard, transaction, &answer))
    }

    async fn range(&self, start: &[u8], end: &[u8], at: Revision, keys: usize) -> Result<GetResponse, Fault> {
        let limit = i64::try_from(keys).unwrap_or(i64::MAX);
        let options = GetOptions::new().with_range(end).with_revision(number(at)).with_limit(limit);
        let answer = self.pool.read(Call::BULK, |client| {
            let (mut client, options) = (client.kv_client().max_decoding_message_size(LARGEST_PAGE), options.clone());
            async move { client.get(start, Some(options)).await }
        });
        answer.await
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<(Option<Versioned>, Revision), Fault> {
        let full = self.pool.keys().full(key);
        let answer = self.pool.read(Call::READ, |client| {
            let (mut client, full, options) = (client.kv_client(), full.clone(), options.clone());
            async move { client.get(full, Some(options)).await }
        });
        let mut answer = answer.await?;
        let found = answer.take_kvs().pop().and_then(|found| self.pool.keys().versioned(found));
        Ok((found, revision_of(&answer)?))
    }

    /// etcd says that it has no such revision, but not which ones it has: its present one it has for certain.
    async fn page_error(&self, fault: Fault, prefix: &KeyPrefix, at: Revision) -> StoreError {
        let Kind::Refused(reason @ (Reason::Compacted | Reason::FutureRevision)) = fault.kind() else {
            return fault.reading(format!("reading {prefix}"));
        };
        let current = self.get(&Name::Leader.into(), GetOptions::new().with_keys_only()).await;
        match current {
            Err(fault) => fault.reading("asking for the present revision"),
            Ok((_, current)) if *reason == Reason::Compacted => StoreError::Compacted { at, oldest: current },
            Ok((_, current)) => StoreError::FutureRevision { at, current },
        }
    }

    /// What the else-branch read, by the same evaluation that refused, says which belief was wrong.
    fn refusal(&self, guard: &Guard, transaction: &Transaction, answer: &TxnResponse) -> CommitError {
        let mut found = answer.op_responses().into_iter().map(|answer| match answer {
            TxnOpResponse::Get(mut got) => got.take_kvs().pop().and_then(|found| self.pool.keys().versioned(found)),
            _ => None,
        });
        if !guard.holds(found.next().flatten().as_ref()) {
            return CommitError::Refused(Refusal::term_over());
        }
        let conflicts = transaction.operations().iter().zip(found).filter_map(|(operation, found)| {
            let Operation { key, expect, .. } = operation;
            (!expect.holds(found.as_ref())).then(|| Conflict { key: key.clone(), expected: *expect, found })
        });
        CommitError::Refused(Refusal { leadership_lost: false, conflicts: conflicts.collect() })
    }
}

/// A key that nobody ever writes.
const NOTHING: &str = "ha/nothing";

/// One transaction: compares of the guard and of every key, and reads of the same keys if one of them does not hold.
///
/// What proves the lead must not be answered as a read is: versions of etcd are in use whose member, once it has been
/// paused, answers reads with old content (etcd #20418). A transaction without writes therefore removes what does not
/// exist: it takes its place among the writes of all members, and changes nothing.
fn request(keys: &Keys, guard: &Guard, transaction: &Transaction) -> Txn {
    let leader = keys.full(&Name::Leader.into());
    let mut compares = vec![
        Compare::create_revision(leader.clone(), CompareOp::Equal, number(guard.create_revision)),
        Compare::value(leader.clone(), CompareOp::Equal, guard.value.clone()),
    ];
    let mut writes = Vec::new();
    let mut reads = vec![TxnOp::get(leader, None)];
    for operation in transaction.operations() {
        let key = keys.full(&operation.key);
        compares.push(Compare::mod_revision(key.clone(), CompareOp::Equal, expected(operation.expect)));
        match &operation.action {
            Action::Put(value) => writes.push(TxnOp::put(key.clone(), value.clone(), None)),
            Action::Delete => writes.push(TxnOp::delete(key.clone(), None)),
            Action::Compare => {}
        }
        reads.push(TxnOp::get(key, None));
    }
    if writes.is_empty() {
        writes.push(TxnOp::delete(keys.full(&Key::raw(NOTHING)), None));
    }
    Txn::new().when(compares).and_then(writes).or_else(reads)
}

/// The mod revision that a key must have. To etcd, a key that does not exist has revision 0, which is no belief of ours
/// about a key that does.
fn expected(expect: Expect) -> i64 {
    match expect {
        Expect::Absent => 0,
        Expect::ModRevision(Revision(0)) => NEVER,
        Expect::ModRevision(revision) => number(revision),
    }
}

/// The first key that sorts behind this one.
fn behind(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

fn items(keys: &Keys, found: Vec<etcd_client::KeyValue>) -> Vec<Versioned> {
    let count = found.len();
    let items: Vec<_> = found.into_iter().filter_map(|found| keys.versioned(found)).collect();
    if items.len() < count {
        tracing::warn!(count = count - items.len(), "keys that are no text are left alone");
    }
    items
}

/// How many keys to ask for at most after a page that might have had so many.
fn next_page(most: usize, found: &[etcd_client::KeyValue]) -> usize {
    let bytes: usize = found.iter().map(|found| found.key().len() + found.value().len()).sum();
    match found.len() {
        0 => most,
        count => (PAGE_BYTES * count / bytes.max(1)).min(most * PAGE_STEP).clamp(1, LONGEST_PAGE),
    }
}

#[cfg(test)]
mod tests;
