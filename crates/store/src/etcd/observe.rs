//! Watching the cluster's keys: who leads, what operators want, who is a member, and every record for the mirror.
//!
//! A watch makes things fast, and is never trusted: whatever matters is read. Where it breaks off it is resumed behind
//! the last revision that was taken in whole; where it cannot be, or in any doubt, everything is read again.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream};
use tokio::time::{sleep, timeout};

use crate::election::Loss;
use crate::engine::{Revision, Versioned};
use crate::error::{ElectionError, StoreError};
use crate::key::{Family, Key, KeyPrefix, Name};

use super::fault::Fault;
use super::mirror::{Event, Mirror};
use super::office::Office;
use super::pool::{At, Lane, number, revision};
use super::shared::{Shared, lock};
use super::trouble::{Complaints, Subject, in_full};

/// How long a watch may be quiet before it is asked how far it has come.
const QUIET: Duration = Duration::from_secs(1);

/// How long an answer to that may take before another member of etcd is asked for a watch.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Between two tries to read everything, or to watch.
const RETRY: Duration = Duration::from_millis(200);

/// The same where etcd can be reached and has something against it, such as another cluster's store.
const RETRY_REFUSED: Duration = Duration::from_secs(2);

/// How many watches may break off in a row, without any news from one, before that is called trouble.
const BREAKS: u32 = 2;

/// Keys asked for at once when everything is read.
const PAGE_KEYS: NonZeroUsize = match NonZeroUsize::new(500) {
    Some(keys) => keys,
    None => NonZeroUsize::MIN,
};

/// A response of this size, in bytes, may be a fragment with more of its last revision to come. Fragments are made by
/// etcd of what exceeds its limit for requests, which is above our own largest transaction.
const MAYBE_FRAGMENT: usize = 512 << 10;

/// How a watch ended.
enum End {
    /// It can be resumed.
    Broken(Fault),
    /// It cannot, for this reason.
    Canceled(String),
}

/// Observes for as long as the store lives.
pub(super) async fn observe(shared: Arc<Shared>) {
    loop {
        match read_everything(&shared).await {
            Ok(at) => {
                shared.board.clear(Subject::Watch);
                let reason = follow(&shared, at.next()).await;
                tracing::warn!(reason, "watch cannot be resumed, reading everything again");
                sleep(RETRY).await;
            }
            Err(error) => {
                shared.board.report(Subject::Watch, in_full(&error));
                sleep(if error.retryable() { RETRY } else { RETRY_REFUSED }).await;
            }
        }
    }
}

/// Everything as it was at one revision. Nothing is shown of another cluster's store.
async fn read_everything(shared: &Shared) -> Result<Revision, ElectionError> {
    let read = shared.pool.read_now("reading who leads", &[Name::Cluster, Name::Leader, Name::Intent]).await?;
    let at = read.at;
    let mut found = read.found.iter().map(Option::as_ref);
    shared.check_cluster_as_found(found.next().flatten())?;
    let mut records = Vec::new();
    for family in [Family::State, Family::Done] {
        records.extend(read_family(shared, family, at).await?);
    }
    lock(&shared.mirror).reset(records, at);
    shared.mirrored.send_replace(at);
    let (leader, intent) = (found.next().flatten(), found.next().flatten());
    shared.see_intent(intent, at);
    shared.see_leader(leader, at);
    shared.seen.send_modify(|seen| seen.members += 1);
    Ok(at)
}

async fn read_family(shared: &Shared, family: Family, at: Revision) -> Result<Vec<Versioned>, StoreError> {
    let prefix = KeyPrefix::from(family);
    let mut items: Vec<Versioned> = Vec::new();
    loop {
        let after = items.last().map(|last| last.key.clone());
        let page = shared.engine.read_page(&prefix, after.as_ref(), at, PAGE_KEYS).await?;
        items.extend(page.items);
        if !page.more {
            return Ok(items);
        }
    }
}

/// Watches from this revision on, through as many members of etcd as it takes, until that is not possible any more;
/// says why.
async fn follow(shared: &Shared, mut from: Revision) -> String {
    let mut breaks = 0;
    let mut complaints = Complaints::default();
    loop {
        match watch(shared, &mut from, &mut breaks).await {
            End::Canceled(reason) => return reason,
            End::Broken(fault) => {
                tracing::debug!(%fault, revision = %from, "watch broken off, resuming");
                if breaks == 0 {
                    complaints = Complaints::default();
                }
                breaks += 1;
                let complaints = complaints.with(&fault);
                if breaks > BREAKS {
                    shared.board.report(Subject::Watch, format!("watch broken off: {complaints}"));
                }
            }
        }
        sleep(RETRY).await;
    }
}

async fn watch(shared: &Shared, from: &mut Revision, breaks: &mut u32) -> End {
    let (at, mut stream) = match open(shared, *from).await {
        Ok(opened) => opened,
        Err(fault) => return End::Broken(fault),
    };
    loop {
        let message = match next(shared, at, &mut stream).await {
            Ok(Some(message)) => message,
            Ok(None) => return End::Broken(shared.pool.ended(at)),
            Err(fault) => return End::Broken(fault),
        };
        if message.canceled() || message.compact_revision() > 0 {
            return End::Canceled(canceled(&message));
        }
        *breaks = 0;
        shared.board.clear(Subject::Watch);
        if let Some(complete) = take_in(shared, &message) {
            *from = complete.next().max(*from);
        }
    }
}

async fn open(shared: &Shared, from: Revision) -> Result<(At, WatchStream), Fault> {
    let lent = shared.pool.client(Lane::Watch).await?;
    let (start, end) = shared.pool.keys().everything();
    let options = WatchOptions::new().with_range(end).with_start_revision(number(from)).with_fragment();
    let mut client = lent.client.watch_client();
    let stream = shared.pool.ask(lent.at, ANSWER_WITHIN, client.watch(start, Some(options))).await?;
    Ok((lent.at, stream))
}

/// The next message. A watch that stays quiet is asked for a sign of life.
async fn next(shared: &Shared, at: At, stream: &mut WatchStream) -> Result<Option<WatchResponse>, Fault> {
    if let Ok(message) = timeout(QUIET, stream.message()).await {
        return shared.pool.ask(at, ANSWER_WITHIN, std::future::ready(message)).await;
    }
    let asked = async {
        stream.request_progress().await?;
        stream.message().await
    };
    shared.pool.ask(at, ANSWER_WITHIN, asked).await
}

fn canceled(message: &WatchResponse) -> String {
    match message.compact_revision() {
        0 => format!("canceled: {}", message.cancel_reason()),
        compacted => format!("what it is to begin with is compacted away up to revision {compacted}"),
    }
}

/// Takes in what a watch says. The revision up to which that is everything, if it says anything.
fn take_in(shared: &Shared, message: &WatchResponse) -> Option<Revision> {
    let size: usize =
        message.events().iter().filter_map(|event| event.kv()).map(|kv| kv.key().len() + kv.value().len()).sum();
    let mut changes = Changes::default();
    let mut last = None;
    for event in message.events().iter().filter_map(|event| read(shared, event)) {
        last = last.max(Some(event.at()));
        changes.take(event);
    }
    let last = last?;
    let complete = if size < MAYBE_FRAGMENT { last } else { Revision(last.0.saturating_sub(1)) };
    changes.show(shared, complete);
    Some(complete)
}

/// What it says of one of our keys.
fn read(shared: &Shared, event: &etcd_client::Event) -> Option<Event> {
    let found = event.kv()?;
    match event.event_type() {
        EventType::Put => shared.pool.keys().versioned(found.clone()).map(Event::Put),
        EventType::Delete => {
            let (key, at) = (shared.pool.keys().relative(found.key())?, revision(found.mod_revision()));
            Some(Event::Deleted { key, at })
        }
    }
}

/// The changes of one message. Shown together: whoever is woken by an office that has become free must know already
/// who is to follow.
#[derive(Default)]
struct Changes {
    records: Vec<Event>,
    leader: Option<Event>,
    intent: Option<Event>,
    members: bool,
}

impl Changes {
    fn take(&mut self, event: Event) {
        if Mirror::holds(event.key()) {
            self.records.push(event);
        } else if *event.key() == Key::from(Name::Leader) {
            self.leader = Some(event);
        } else if *event.key() == Key::from(Name::Intent) {
            self.intent = Some(event);
        } else if KeyPrefix::from(Family::Members).contains(event.key()) {
            self.members = true;
        }
    }

    fn show(self, shared: &Shared, complete: Revision) {
        let mut mirror = lock(&shared.mirror);
        self.records.into_iter().for_each(|event| mirror.apply(event));
        mirror.complete_up_to(complete);
        drop(mirror);
        shared.mirrored.send_replace(complete);
        let found = |event: &Event| match event {
            Event::Put(found) => Some(found.clone()),
            Event::Deleted { .. } => None,
        };
        if let Some(event) = self.intent {
            shared.see_intent(found(&event).as_ref(), event.at());
        }
        if let Some(event) = self.leader {
            shared.see_leader(found(&event).as_ref(), event.at());
        }
        if self.members {
            shared.seen.send_modify(|seen| seen.members += 1);
        }
    }
}

/// Ends a term of ours once a read has confirmed that its key is gone, for as long as the store lives.
pub(super) async fn confirm_losses(shared: Arc<Shared>) {
    let (mut seen, mut office) = (shared.seen.subscribe(), shared.office.subscribe());
    loop {
        seen.mark_unchanged();
        let current = office.borrow_and_update().clone();
        let doubtful = current.filter(|office| {
            let seen = seen.borrow();
            seen.at >= office.won_at() && seen.leader != Some(office.won_at())
        });
        if let Some(office) = doubtful {
            if let Err(error) = confirm_loss(&shared, &office).await {
                tracing::debug!(%error, "loss of the office not confirmed");
            }
            sleep(RETRY).await;
            continue;
        }
        tokio::select! {
            biased;
            // Either is news; the order does not matter.
            changed = office.changed() => if changed.is_err() { return },
            changed = seen.changed() => if changed.is_err() { return },
        }
    }
}

/// Reads whether a term of ours is still in office, and ends it if it is not. Says whether it is over. What is older
/// than the term says nothing of it: etcd has been known to answer so.
///
/// # Errors
/// If nothing can be read.
pub(super) async fn confirm_loss(shared: &Shared, office: &Arc<Office>) -> Result<bool, StoreError> {
    let read = shared.pool.read_now("reading who leads", &[Name::Leader]).await?;
    if read.at < office.won_at() {
        return Ok(false);
    }
    let leader = read.found.first().and_then(Option::as_ref);
    shared.see_leader(leader, read.at);
    let over = !office.guard.holds(leader);
    if over {
        shared.lose(office, Loss::Expired);
    }
    Ok(over)
}
