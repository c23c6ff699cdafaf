//! Reads.

use std::cmp::Ordering;

use crate::api::range_request::{SortOrder, SortTarget};
use crate::api::{KeyValue, RangeRequest, RangeResponse, ResponseHeader};
use crate::failure::Failure;

use super::{Span, Store};

impl Store {
    /// Reads as a store whose present revision is `now`: that of the store, or of the write under way.
    pub(crate) fn range(&self, request: &RangeRequest, now: i64) -> Result<RangeResponse, Failure> {
        let at = match request.revision {
            future if future > now => return Err(Failure::FutureRevision),
            present if present <= 0 => now,
            past if past < self.compacted => return Err(Failure::Compacted),
            past => past,
        };
        let header = Some(ResponseHeader { revision: now, ..ResponseHeader::default() });
        let found: Vec<&KeyValue> = self.span(&Span::of(&request.key, &request.range_end), at).collect();
        let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
        if request.count_only {
            return Ok(RangeResponse { header, kvs: Vec::new(), more: false, count });
        }
        let (kvs, more) = pick(request, found);
        let mut kvs: Vec<KeyValue> = kvs.into_iter().cloned().collect();
        if request.keys_only {
            for item in &mut kvs {
                item.value.clear();
            }
        }
        Ok(RangeResponse { header, kvs, more, count })
    }
}

/// Filters, sorts and cuts off, in etcd's order: where nobody asks for an order or a filter, the limit comes first.
fn pick<'a>(request: &RangeRequest, mut found: Vec<&'a KeyValue>) -> (Vec<&'a KeyValue>, bool) {
    let limit = usize::try_from(request.limit).unwrap_or(0);
    let filters =
        [request.min_mod_revision, request.max_mod_revision, request.min_create_revision, request.max_create_revision];
    let mut order = request.sort_order();
    if limit > 0 && order == SortOrder::None && filters == [0; 4] {
        // One more than asked for tells that there are more.
        found.truncate(limit + 1);
    }
    found.retain(|item| passes(request, item));
    if request.sort_target() != SortTarget::Key && order == SortOrder::None {
        order = SortOrder::Ascend;
    }
    match order {
        SortOrder::None => {}
        SortOrder::Ascend => found.sort_by(|a, b| compare(request.sort_target(), a, b)),
        SortOrder::Descend => found.sort_by(|a, b| compare(request.sort_target(), b, a)),
    }
    let more = limit > 0 && found.len() > limit;
    if more {
        found.truncate(limit);
    }
    (found, more)
}

fn passes(request: &RangeRequest, item: &KeyValue) -> bool {
    let within = |least: i64, most: i64, value: i64| (least == 0 || value >= least) && (most == 0 || value <= most);
    within(request.min_mod_revision, request.max_mod_revision, item.mod_revision)
        && within(request.min_create_revision, request.max_create_revision, item.create_revision)
}

fn compare(target: SortTarget, a: &KeyValue, b: &KeyValue) -> Ordering {
    match target {
        SortTarget::Key => a.key.cmp(&b.key),
        SortTarget::Version => a.version.cmp(&b.version),
        SortTarget::Create => a.create_revision.cmp(&b.create_revision),
        SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
        SortTarget::Value => a.value.cmp(&b.value),
    }
}
