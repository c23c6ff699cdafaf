//! Transactions: compares decide between two lists of operations, and so on inside.

use crate::api::compare::{CompareResult, CompareTarget, TargetUnion};
use crate::api::request_op::Request as Op;
use crate::api::response_op::Response as Done;
use crate::api::{
    Compare, DeleteRangeRequest, DeleteRangeResponse, KeyValue, PutRequest, PutResponse, RangeRequest, RequestOp,
    ResponseHeader, ResponseOp, TxnRequest, TxnResponse,
};
use crate::failure::Failure;
use crate::store::{Span, Store, Write};

/// A transaction whose compares have been evaluated: what it will do, and what the inner ones will.
struct Decided<'a> {
    succeeded: bool,
    steps: Vec<Step<'a>>,
}

enum Step<'a> {
    Range(&'a RangeRequest),
    Put(&'a PutRequest),
    Delete(&'a DeleteRangeRequest),
    Inner(Decided<'a>),
}

/// Whether it only reads, as etcd sees it: an inner transaction counts as a write.
pub(crate) fn is_read(txn: &TxnRequest) -> bool {
    operations(txn).all(|operation| matches!(operation.request, Some(Op::RequestRange(_))))
}

/// Whether a transaction that only reads may be answered by one member alone. One that has no operations may.
pub(crate) fn is_serializable(txn: &TxnRequest) -> bool {
    operations(txn).all(|operation| match &operation.request {
        Some(Op::RequestRange(range)) => range.serializable,
        _ => false,
    })
}

/// Whether one of its branches writes: that is what an alarm stops. etcd does not look into inner transactions.
pub(crate) fn has_puts(txn: &TxnRequest) -> bool {
    operations(txn).any(|operation| matches!(operation.request, Some(Op::RequestPut(_))))
}

fn operations(txn: &TxnRequest) -> impl Iterator<Item = &RequestOp> {
    txn.success.iter().chain(&txn.failure)
}

/// Carries out a transaction that only reads.
pub(crate) fn read(store: &Store, txn: &TxnRequest) -> Result<TxnResponse, Failure> {
    let decided = decide(store, txn);
    let mut responses = Vec::new();
    for step in &decided.steps {
        if let Step::Range(range) = step {
            let found = store.range(range, store.revision())?;
            responses.push(ResponseOp { response: Some(Done::ResponseRange(found)) });
        }
    }
    Ok(TxnResponse { header: Some(header(store.revision())), succeeded: decided.succeeded, responses })
}

/// Carries out any transaction: all of it in one revision, or nothing.
pub(crate) fn apply(store: &mut Store, txn: &TxnRequest) -> Result<TxnResponse, Failure> {
    let decided = decide(store, txn);
    check(store, &decided, check_put)?;
    check(store, &decided, check_range)?;
    let mut write = store.write();
    let mut response = carry_out(&mut write, &decided)?;
    response.header = Some(header(write.finish()));
    Ok(response)
}

/// All compares, also of inner transactions, look at the store as it was before.
fn decide<'a>(store: &Store, txn: &'a TxnRequest) -> Decided<'a> {
    let succeeded = txn.compare.iter().all(|compare| holds(store, compare));
    let chosen = if succeeded { &txn.success } else { &txn.failure };
    let steps = chosen.iter().filter_map(|operation| match operation.request.as_ref()? {
        Op::RequestRange(range) => Some(Step::Range(range)),
        Op::RequestPut(put) => Some(Step::Put(put)),
        Op::RequestDeleteRange(delete) => Some(Step::Delete(delete)),
        Op::RequestTxn(inner) => Some(Step::Inner(decide(store, inner))),
    });
    Decided { succeeded, steps: steps.collect() }
}

/// Of several keys all must hold; a key that does not exist has zeros, and no value at all.
fn holds(store: &Store, compare: &Compare) -> bool {
    let span = Span::of(&compare.key, &compare.range_end);
    let mut found = store.span(&span, i64::MAX).peekable();
    if found.peek().is_none() {
        return compare.target() != CompareTarget::Value && holds_for(compare, &KeyValue::default());
    }
    found.all(|item| holds_for(compare, item))
}

fn holds_for(compare: &Compare, item: &KeyValue) -> bool {
    use TargetUnion as Wanted;
    // What is wanted counts as nothing where it is of another kind than the target.
    let ordering = match (compare.target(), &compare.target_union) {
        (CompareTarget::Version, Some(Wanted::Version(wanted))) => item.version.cmp(wanted),
        (CompareTarget::Create, Some(Wanted::CreateRevision(wanted))) => item.create_revision.cmp(wanted),
        (CompareTarget::Mod, Some(Wanted::ModRevision(wanted))) => item.mod_revision.cmp(wanted),
        (CompareTarget::Lease, Some(Wanted::Lease(wanted))) => item.lease.cmp(wanted),
        (CompareTarget::Value, Some(Wanted::Value(wanted))) => item.value.cmp(wanted),
        (CompareTarget::Version, _) => item.version.cmp(&0),
        (CompareTarget::Create, _) => item.create_revision.cmp(&0),
        (CompareTarget::Mod, _) => item.mod_revision.cmp(&0),
        (CompareTarget::Lease, _) => item.lease.cmp(&0),
        (CompareTarget::Value, _) => item.value.len().cmp(&0),
    };
    match compare.result() {
        CompareResult::Equal => ordering.is_eq(),
        CompareResult::NotEqual => ordering.is_ne(),
        CompareResult::Greater => ordering.is_gt(),
        CompareResult::Less => ordering.is_lt(),
    }
}

/// All puts are checked before all reads.
fn check(
    store: &Store,
    decided: &Decided<'_>,
    step: fn(&Store, &Step<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    decided.steps.iter().try_for_each(|next| match next {
        Step::Inner(inner) => check(store, inner, step),
        plain => step(store, plain),
    })
}

fn check_put(store: &Store, step: &Step<'_>) -> Result<(), Failure> {
    let Step::Put(put) = step else { return Ok(()) };
    check_kept(store, put)?;
    check_lease(store, put)
}

/// What a put keeps must be there.
pub(crate) fn check_kept(store: &Store, put: &PutRequest) -> Result<(), Failure> {
    let keeps = put.ignore_value || put.ignore_lease;
    if keeps && store.get(&put.key).is_none() { Err(Failure::KeyNotFound) } else { Ok(()) }
}

pub(crate) fn check_lease(store: &Store, put: &PutRequest) -> Result<(), Failure> {
    if put.lease != 0 && store.lease(put.lease).is_none() { Err(Failure::LeaseNotFound) } else { Ok(()) }
}

fn check_range(store: &Store, step: &Step<'_>) -> Result<(), Failure> {
    let Step::Range(range) = step else { return Ok(()) };
    match range.revision {
        0 => Ok(()),
        future if future > store.revision() => Err(Failure::FutureRevision),
        past if past < store.compacted() => Err(Failure::Compacted),
        _ => Ok(()),
    }
}

fn carry_out(write: &mut Write<'_>, decided: &Decided<'_>) -> Result<TxnResponse, Failure> {
    let mut responses = Vec::new();
    for step in &decided.steps {
        let done = match step {
            Step::Inner(inner) => Done::ResponseTxn(carry_out(write, inner)?),
            Step::Range(range) => Done::ResponseRange(write.store().range(range, write.revision())?),
            Step::Put(request) => Done::ResponsePut(put(write, request)),
            Step::Delete(request) => Done::ResponseDeleteRange(delete(write, request)),
        };
        responses.push(ResponseOp { response: Some(done) });
    }
    Ok(TxnResponse { header: Some(ResponseHeader::default()), succeeded: decided.succeeded, responses })
}

/// A put that was checked. What it keeps of a key may be gone all the same, by an open delete before it in the same
/// transaction, which etcd does not notice: of that etcd 3.4 dies, here nothing is kept.
pub(crate) fn put(write: &mut Write<'_>, request: &PutRequest) -> PutResponse {
    let old = write.store().get(&request.key).cloned();
    let kept = old.clone().unwrap_or_default();
    let value = if request.ignore_value { kept.value } else { request.value.clone() };
    let lease = if request.ignore_lease { kept.lease } else { request.lease };
    write.put(request.key.clone(), value, lease);
    PutResponse { header: Some(header(write.revision())), prev_kv: old.filter(|_| request.prev_kv) }
}

pub(crate) fn delete(write: &mut Write<'_>, request: &DeleteRangeRequest) -> DeleteRangeResponse {
    let span = Span::of(&request.key, &request.range_end);
    let prev_kvs = if request.prev_kv { write.store().span(&span, i64::MAX).cloned().collect() } else { Vec::new() };
    let deleted = write.delete(&span);
    DeleteRangeResponse { header: Some(header(write.revision())), deleted, prev_kvs }
}

fn header(revision: i64) -> ResponseHeader {
    ResponseHeader { revision, ..ResponseHeader::default() }
}
