//! Operations as requests: what is relative is looked up in the simulated etcd, once, for both.

use etcd_client::{
    Compare, CompareOp, DeleteOptions, GetOptions, PutOptions, SortOrder, SortTarget, Txn, TxnOp, WatchFilterType,
    WatchOptions,
};

use tanist_etcd_sim::Host;
use tanist_etcd_sim::api::KeyValue;

use crate::operation::{self, At, Delete, Get, Put, Span, Step, Watch};

/// What the relative is relative to.
pub(crate) struct Present<'a> {
    pub(crate) host: &'a Host,
    pub(crate) compacted: i64,
}

impl Present<'_> {
    pub(crate) fn revision(&self, at: At) -> i64 {
        let now = self.host.with(|etcd, _| etcd.revision(0));
        match at {
            At::Present => 0,
            At::Back(by) => (now - by).max(1),
            At::Ahead(by) => now + by,
            At::Compacted(by) => (self.compacted + by).max(1),
        }
    }

    fn item(&self, key: &[u8]) -> Option<KeyValue> {
        self.host.with(|etcd, _| etcd.peek(0, key, b"").pop())
    }

    pub(crate) fn get(&self, get: &Get) -> GetOptions {
        let mut options =
            GetOptions::new().with_range(get.span.end).with_limit(get.limit).with_revision(self.revision(get.at));
        if get.sort != (0, 0) {
            let targets =
                [SortTarget::Key, SortTarget::Version, SortTarget::Create, SortTarget::Mod, SortTarget::Value];
            let orders = [SortOrder::None, SortOrder::Ascend, SortOrder::Descend];
            options = options.with_sort(targets[get.sort.0], orders[get.sort.1]);
        }
        let [least_mod, most_mod, least_create, most_create] = get.filters.map(|at| at.map(|at| self.revision(at)));
        options = least_mod.map_or(options.clone(), |at| options.with_min_mod_revision(at));
        options = most_mod.map_or(options.clone(), |at| options.with_max_mod_revision(at));
        options = least_create.map_or(options.clone(), |at| options.with_min_create_revision(at));
        options = most_create.map_or(options.clone(), |at| options.with_max_create_revision(at));
        options = if get.serializable { options.with_serializable() } else { options };
        options = if get.keys_only { options.with_keys_only() } else { options };
        if get.count_only { options.with_count_only() } else { options }
    }

    pub(crate) fn txn(&self, txn: &operation::Txn) -> Txn {
        let steps = |steps: &[Step]| steps.iter().map(|step| self.step(step)).collect::<Vec<_>>();
        let compares: Vec<Compare> = txn.compares.iter().map(|compare| self.compare(compare)).collect();
        Txn::new().when(compares).and_then(steps(&txn.then)).or_else(steps(&txn.otherwise))
    }

    fn step(&self, step: &Step) -> TxnOp {
        match step {
            Step::Get(get) => TxnOp::get(get.span.key, Some(self.get(get))),
            Step::Put(request) => TxnOp::put(request.key, request.value.clone(), Some(put(request))),
            Step::Delete(request) => TxnOp::delete(request.span.key, Some(delete(request))),
            Step::Txn(txn) => TxnOp::txn(self.txn(txn)),
        }
    }

    /// A belief about a key, true or nearly.
    fn compare(&self, compare: &operation::Compare) -> Compare {
        let Span { key, end } = compare.span;
        let result = [CompareOp::Equal, CompareOp::Greater, CompareOp::Less, CompareOp::NotEqual][compare.result];
        let item = self.item(key).unwrap_or_default();
        let made = match compare.target {
            0 => Compare::version(key, result, item.version + compare.off),
            1 => Compare::create_revision(key, result, item.create_revision + compare.off),
            2 => Compare::mod_revision(key, result, item.mod_revision + compare.off),
            3 => {
                let mut value = item.value.to_vec();
                value.extend((compare.off != 0).then_some(1));
                Compare::value(key, result, value)
            }
            _ => Compare::lease(key, result, item.lease + compare.off),
        };
        if end.is_empty() { made } else { made.with_range(end) }
    }

    pub(crate) fn watch(&self, watch: &Watch) -> WatchOptions {
        let mut options = WatchOptions::new()
            .with_range(watch.span.end)
            .with_start_revision(self.revision(watch.at))
            .with_watch_id(watch.id);
        options = match watch.filter {
            1 => options.with_filters([WatchFilterType::NoPut]),
            2 => options.with_filters([WatchFilterType::NoDelete]),
            _ => options,
        };
        if watch.prev_kv { options.with_prev_key() } else { options }
    }
}

pub(crate) fn put(put: &Put) -> PutOptions {
    let options = PutOptions::new().with_lease(put.lease);
    let options = if put.prev_kv { options.with_prev_key() } else { options };
    let options = if put.ignore_value { options.with_ignore_value() } else { options };
    if put.ignore_lease { options.with_ignore_lease() } else { options }
}

pub(crate) fn delete(delete: &Delete) -> DeleteOptions {
    let options = DeleteOptions::new().with_range(delete.span.end);
    if delete.prev_kv { options.with_prev_key() } else { options }
}
