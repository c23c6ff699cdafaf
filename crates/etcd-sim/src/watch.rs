//! The watches of one stream at one member.

use std::collections::BTreeMap;

use prost::Message;

use crate::api::event::EventType;
use crate::api::watch_create_request::FilterType;
use crate::api::{Event, WatchCreateRequest, WatchResponse};
use crate::check::MAX_MESSAGE;
use crate::store::{End, Span, Store};

/// Most revisions in one message to a watch that catches up.
const MAX_REVISIONS: usize = 1000;

/// The id of what concerns all watches of a stream.
const EVERY_WATCH: i64 = -1;

/// Watches by their ids.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    watches: BTreeMap<i64, Watch>,
    next: i64,
}

#[derive(Debug)]
struct Watch {
    span: Span,
    /// The next revision that it has not seen.
    next: i64,
    pace: Pace,
    filters: Vec<FilterType>,
    prev_kv: bool,
    fragment: bool,
}

/// How a watch gets its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// As they happen.
    Live,
    /// From the past, in the member's next round.
    Behind,
    /// Not any more: what it wants to see is compacted. The client still has to cancel it.
    Over,
}

impl Watches {
    /// Begins a watch: says so, in the words for the client.
    pub(crate) fn create(&mut self, store: &Store, request: &WatchCreateRequest) -> WatchResponse {
        let now = store.revision();
        let refused = |reason: &str| WatchResponse {
            watch_id: EVERY_WATCH,
            created: true,
            canceled: true,
            cancel_reason: reason.to_owned(),
            ..at(now)
        };
        let key = if request.key.is_empty() { bytes::Bytes::from_static(&[0]) } else { request.key.clone() };
        let span = Span::of(&key, &request.range_end);
        if matches!(&span.end, End::Before(end) if *end <= span.start) {
            return refused("mvcc: watcher range is empty");
        }
        let id = match request.watch_id {
            0 => self.free_id(),
            taken if self.watches.contains_key(&taken) => {
                return refused("mvcc: duplicate watch ID provided on the WatchStream");
            }
            id => id,
        };
        let start = request.start_revision;
        let (next, pace) = match start {
            0 => (now + 1, Pace::Live),
            future if future > now => (future, Pace::Live),
            past => (past, Pace::Behind),
        };
        let (filters, prev_kv, fragment) = (request.filters().collect(), request.prev_kv, request.fragment);
        self.watches.insert(id, Watch { span, next, pace, filters, prev_kv, fragment });
        WatchResponse { watch_id: id, created: true, ..at(now) }
    }

    pub(crate) fn cancel(&mut self, store: &Store, id: i64) -> Option<WatchResponse> {
        self.watches.remove(&id)?;
        Some(WatchResponse { watch_id: id, canceled: true, ..at(store.revision()) })
    }

    pub(crate) fn progress(store: &Store) -> WatchResponse {
        WatchResponse { watch_id: EVERY_WATCH, ..at(store.revision()) }
    }

    /// Whether a round has anything to do.
    pub(crate) fn is_behind(&self) -> bool {
        self.watches.values().any(|watch| watch.pace == Pace::Behind)
    }

    /// What the newest revision of the store means to the watches that are up to date.
    pub(crate) fn happened(&mut self, store: &Store, events: &[Event], messages: &mut Vec<WatchResponse>) {
        let now = store.revision();
        for (id, watch) in &mut self.watches {
            if watch.pace == Pace::Live && watch.next <= now {
                let seen = watch.seen(events);
                watch.next = now + 1;
                watch.say(*id, now, seen, store, messages);
            }
        }
    }

    /// A round of catching up.
    pub(crate) fn catch_up(&mut self, store: &Store, messages: &mut Vec<WatchResponse>) {
        for (id, watch) in &mut self.watches {
            if watch.pace != Pace::Behind {
                continue;
            }
            if watch.next < store.compacted() {
                watch.pace = Pace::Over;
                // Without a revision, as etcd does it.
                let compacted =
                    WatchResponse { watch_id: *id, canceled: true, compact_revision: store.compacted(), ..at(0) };
                messages.push(compacted);
                continue;
            }
            let mut seen = Vec::new();
            let mut revisions = 0;
            watch.pace = Pace::Live;
            let from = std::mem::replace(&mut watch.next, store.revision() + 1);
            for (revision, events) in store.changes_since(from) {
                let relevant = watch.seen(events);
                if !relevant.is_empty() && revisions == MAX_REVISIONS {
                    (watch.next, watch.pace) = (revision, Pace::Behind);
                    break;
                }
                revisions += usize::from(!relevant.is_empty());
                seen.extend(relevant);
            }
            watch.say(*id, store.revision(), seen, store, messages);
        }
    }

    fn free_id(&mut self) -> i64 {
        while self.watches.contains_key(&self.next) {
            self.next += 1;
        }
        self.next += 1;
        self.next - 1
    }
}

impl Watch {
    /// What lies in its span.
    fn seen(&self, events: &[Event]) -> Vec<Event> {
        let within = |event: &&Event| event.kv.as_ref().is_some_and(|kv| self.span.contains(&kv.key));
        events.iter().filter(within).cloned().collect()
    }

    fn passes(&self, event: &Event) -> bool {
        !self.filters.iter().any(|filter| match filter {
            FilterType::Noput => event.r#type() == EventType::Put,
            FilterType::Nodelete => event.r#type() == EventType::Delete,
        })
    }

    fn say(&self, id: i64, now: i64, mut events: Vec<Event>, store: &Store, messages: &mut Vec<WatchResponse>) {
        events.retain(|event| self.passes(event));
        if events.is_empty() {
            return;
        }
        if self.prev_kv {
            for event in &mut events {
                add_previous(event, store);
            }
        }
        let whole = WatchResponse { watch_id: id, events, ..at(now) };
        if self.fragment { messages.extend(fragments(whole)) } else { messages.push(whole) }
    }
}

/// Nothing comes before the making of a key, even if it was deleted in the same revision.
fn add_previous(event: &mut Event, store: &Store) {
    let Some(kv) = event.kv.as_ref().filter(|kv| kv.create_revision != kv.mod_revision) else { return };
    let before = kv.mod_revision - 1;
    if before >= store.compacted() {
        event.prev_kv = store.get_at(&kv.key, before).cloned();
    }
}

/// All but the last say that more will come.
fn fragments(whole: WatchResponse) -> Vec<WatchResponse> {
    if whole.encoded_len() < MAX_MESSAGE || whole.events.len() < 2 {
        return vec![whole];
    }
    let empty = WatchResponse { events: Vec::new(), fragment: true, ..whole.clone() };
    let mut parts = vec![empty.clone()];
    for event in whole.events {
        let Some(part) = parts.last_mut() else { break };
        part.events.push(event);
        if part.events.len() > 1 && part.encoded_len() >= MAX_MESSAGE {
            let events = part.events.pop().into_iter().collect();
            parts.push(WatchResponse { events, ..empty.clone() });
        }
    }
    if let Some(last) = parts.last_mut() {
        last.fragment = false;
    }
    parts
}

/// An empty message of a revision.
fn at(revision: i64) -> WatchResponse {
    let header = crate::api::ResponseHeader { revision, ..Default::default() };
    WatchResponse { header: Some(header), ..WatchResponse::default() }
}
