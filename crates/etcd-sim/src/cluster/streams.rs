//! Streams: of watches, and of renewals as far as a member ends them by itself.

use crate::api::{WatchCreateRequest, WatchRequest, WatchResponse, watch_request::RequestUnion};
use crate::failure::Failure;
use crate::watch::Watches;

use super::member::{Heard, Stream};
use super::{Etcd, Output, StreamId, Timer};

/// A member lets its watches catch up every so many milliseconds.
const ROUND_MS: u64 = 100;

/// What is said on a stream of watches.
#[derive(Debug, Clone)]
pub(super) enum StreamRequest {
    Create(WatchCreateRequest),
    Cancel(i64),
    Progress,
}

impl Etcd {
    /// Opens a stream at a member. Its watches speak as [`Output::Watch`], its end as [`Output::End`].
    pub fn open_stream(&mut self, now: u64, member: usize, stream: StreamId, require_leader: bool) {
        self.advance(now);
        self.hear(member, Heard::Open { stream, require_leader });
    }

    /// Says something on a stream of watches.
    pub fn watch(&mut self, now: u64, member: usize, stream: StreamId, request: WatchRequest) {
        self.advance(now);
        let request = match request.request_union {
            Some(RequestUnion::CreateRequest(create)) => StreamRequest::Create(create),
            Some(RequestUnion::CancelRequest(cancel)) => StreamRequest::Cancel(cancel.watch_id),
            Some(RequestUnion::ProgressRequest(_)) => StreamRequest::Progress,
            None => return,
        };
        self.hear(member, Heard::Stream { stream, request });
    }

    /// The client has left a stream.
    pub fn close_stream(&mut self, member: usize, stream: StreamId) {
        self.members[member].streams.remove(&stream);
    }

    pub(super) fn open(&mut self, place: usize, stream: StreamId, require_leader: bool) {
        if require_leader && self.members[place].knows_no_leader(self.now) {
            self.say(place, Output::End { stream, why: Failure::NoLeader });
            return;
        }
        let opened = Stream { require_leader, watches: Watches::default() };
        self.members[place].streams.insert(stream, opened);
    }

    pub(super) fn stream_request(&mut self, place: usize, stream: StreamId, request: &StreamRequest) {
        let member = &mut self.members[place];
        let store = &member.replica.store;
        let Some(Stream { watches, .. }) = member.streams.get_mut(&stream) else { return };
        let message = match request {
            StreamRequest::Create(create) => Some(watches.create(store, create)),
            StreamRequest::Cancel(id) => watches.cancel(store, *id),
            StreamRequest::Progress => Some(Watches::progress(store)),
        };
        if let Some(message) = message {
            self.say_watch(place, stream, message);
        }
        let delay = self.rng.within(&(0..ROUND_MS));
        self.order_round(place, delay);
    }

    fn order_round(&mut self, place: usize, delay: u64) {
        let member = &mut self.members[place];
        if !member.round && member.streams.values().any(|stream| stream.watches.is_behind()) {
            member.round = true;
            self.after(delay, Timer::CatchUp(place));
        }
    }

    pub(super) fn catch_up(&mut self, place: usize) {
        self.members[place].round = false;
        if !self.members[place].is_up() {
            return;
        }
        self.with_watches(place, Watches::catch_up);
        self.order_round(place, ROUND_MS);
    }

    /// What the newest revision of a member means to its watches.
    pub(super) fn tell_watches(&mut self, place: usize) {
        let store = &self.members[place].replica.store;
        let events =
            store.changes_since(store.revision()).next().map(|(_, events)| events.to_vec()).unwrap_or_default();
        self.with_watches(place, |watches, store, messages| watches.happened(store, &events, messages));
    }

    fn with_watches(
        &mut self,
        place: usize,
        mut what: impl FnMut(&mut Watches, &crate::store::Store, &mut Vec<WatchResponse>),
    ) {
        let member = &mut self.members[place];
        let mut said = Vec::new();
        for (id, stream) in &mut member.streams {
            let mut messages = Vec::new();
            what(&mut stream.watches, &member.replica.store, &mut messages);
            said.extend(messages.into_iter().map(|message| (*id, message)));
        }
        for (stream, message) in said {
            self.say_watch(place, stream, message);
        }
    }

    fn say_watch(&mut self, place: usize, stream: StreamId, mut message: WatchResponse) {
        let header = message.header.get_or_insert_default();
        let revision = header.revision;
        self.sign(place, header);
        // A watch may speak of no revision at all.
        header.revision = revision;
        self.say(place, Output::Watch { stream, message });
    }

    /// Ends the streams that want a leader, if the member has missed one all the time.
    pub(super) fn cut_streams(&mut self, place: usize, since: u64) {
        let member = &mut self.members[place];
        if member.headless.is_none_or(|headless| headless.since != since) {
            return;
        }
        let cut: Vec<StreamId> =
            member.streams.iter().filter(|(_, stream)| stream.require_leader).map(|(id, _)| *id).collect();
        for stream in cut {
            self.members[place].streams.remove(&stream);
            self.say(place, Output::End { stream, why: Failure::NoLeader });
        }
    }
}
