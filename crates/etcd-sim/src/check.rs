//! What a member refuses before it asks anybody else.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message;

use crate::api::request_op::Request as Op;
use crate::api::{PutRequest, RequestOp, TxnRequest};
use crate::failure::Failure;
use crate::message::Request;
use crate::store::{End, Span};

/// Most operations, and most compares, of a transaction.
const MAX_OPERATIONS: usize = 128;

/// Largest proposal, in bytes.
const MAX_REQUEST: usize = 3 << 19;

/// Largest message that a member takes from anybody, in bytes, and largest that it says to a watch in one piece.
pub(crate) const MAX_MESSAGE: usize = MAX_REQUEST + (512 << 10);

/// What etcd wraps a proposal in, in bytes: tag and length of the request, and the number of the call, which has a byte
/// less at about half of all members.
const WRAPPING: usize = 18;

/// Longest life that can be asked for, in seconds.
const MAX_TTL: i64 = 9_000_000_000;

/// What can be said of a request without looking at the store.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(request: &Request) -> Result<(), Failure> {
    match request {
        Request::Range(range) => key(&range.key),
        Request::Put(put) => check_put(put),
        Request::DeleteRange(delete) => key(&delete.key),
        Request::Txn(txn) => {
            check_txn(txn, MAX_OPERATIONS)?;
            changes(&txn.success)?;
            changes(&txn.failure).map(drop)
        }
        _ => Ok(()),
    }
}

/// What is not proposed because of its size, or for a life that is too long.
///
/// # Errors
/// That it is too large.
pub(crate) fn check_proposal(request: &Request) -> Result<(), Failure> {
    let size = match request {
        Request::Put(put) => put.encoded_len(),
        Request::DeleteRange(delete) => delete.encoded_len(),
        Request::Txn(txn) => txn.encoded_len(),
        _ => 0,
    };
    if size + WRAPPING > MAX_REQUEST { Err(Failure::TooLarge) } else { Ok(()) }
}

/// # Errors
/// If nobody may have it.
pub(crate) fn check_ttl(ttl: i64) -> Result<(), Failure> {
    if ttl > MAX_TTL { Err(Failure::LeaseTtlTooLarge) } else { Ok(()) }
}

fn key(key: &Bytes) -> Result<(), Failure> {
    if key.is_empty() { Err(Failure::EmptyKey) } else { Ok(()) }
}

fn check_put(put: &PutRequest) -> Result<(), Failure> {
    key(&put.key)?;
    if put.ignore_value && !put.value.is_empty() {
        return Err(Failure::ValueProvided);
    }
    if put.ignore_lease && put.lease != 0 {
        return Err(Failure::LeaseProvided);
    }
    Ok(())
}

/// `most` shrinks with the depth: an inner transaction has what the outer one leaves.
fn check_txn(txn: &TxnRequest, most: usize) -> Result<(), Failure> {
    let operations = txn.compare.len().max(txn.success.len()).max(txn.failure.len());
    if operations > most {
        return Err(Failure::TooManyOperations);
    }
    txn.compare.iter().try_for_each(|compare| key(&compare.key))?;
    txn.success.iter().chain(&txn.failure).try_for_each(|operation| check_operation(operation, most - operations))
}

fn check_operation(operation: &RequestOp, most: usize) -> Result<(), Failure> {
    match &operation.request {
        Some(Op::RequestRange(range)) => key(&range.key),
        Some(Op::RequestPut(put)) => check_put(put),
        Some(Op::RequestDeleteRange(delete)) => key(&delete.key),
        Some(Op::RequestTxn(txn)) => check_txn(txn, most),
        None => Err(Failure::KeyNotFound),
    }
}

/// What a list of operations changes.
#[derive(Debug, Default)]
struct Changes {
    puts: BTreeSet<Bytes>,
    deletes: Vec<Span>,
}

impl Changes {
    fn put(&mut self, key: &Bytes) -> Result<(), Failure> {
        let deleted = self.deletes.iter().any(|span| span.contains(key));
        if deleted || !self.puts.insert(key.clone()) { Err(Failure::DuplicateKey) } else { Ok(()) }
    }
}

/// No key may be written twice, or written and deleted. Of an inner transaction only one branch happens, so that both
/// may write the same key.
fn changes(operations: &[RequestOp]) -> Result<Changes, Failure> {
    let requests = || operations.iter().filter_map(|operation| operation.request.as_ref());
    let mut all = Changes::default();
    for request in requests() {
        if let Op::RequestDeleteRange(delete) = request {
            all.deletes.push(deleted(&delete.key, &delete.range_end));
        }
    }
    for request in requests() {
        if let Op::RequestTxn(txn) = request {
            let (then, otherwise) = (changes(&txn.success)?, changes(&txn.failure)?);
            then.puts.iter().try_for_each(|key| all.put(key))?;
            otherwise.puts.difference(&then.puts).try_for_each(|key| all.put(key))?;
            all.deletes.extend(then.deletes.into_iter().chain(otherwise.deletes));
        }
    }
    for request in requests() {
        if let Op::RequestPut(put) = request {
            all.put(&put.key)?;
        }
    }
    Ok(all)
}

/// etcd takes the end of an open span literally here, so that such a span covers nothing.
fn deleted(key: &Bytes, range_end: &Bytes) -> Span {
    match Span::of(key, range_end) {
        Span { start, end: End::Open } => Span { start, end: End::Before(range_end.clone()) },
        span => span,
    }
}
