//! One of the two, seen through the client library: every answer as a text with all of its fields, but for those that
//! say who gave it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use etcd_client::{
    AlarmAction, AlarmOptions, AlarmType, Client, CompactionOptions, EventType, KeyValue, LeaseGrantOptions,
    LeaseTimeToLiveOptions, PutOptions, Txn, WatchOptions, WatchResponse, WatchStream,
};
use tokio::time::timeout;

/// How long an answer may take that must come.
const SOON: Duration = Duration::from_secs(20);

/// A key that sorts before all others: every stream watches it.
pub(crate) const SENTINEL: &[u8] = b"\x01";

/// What is asked, word for word.
#[derive(Clone)]
pub(crate) enum Request {
    Get(&'static [u8], etcd_client::GetOptions),
    Put(&'static [u8], Vec<u8>, PutOptions),
    Delete(&'static [u8], etcd_client::DeleteOptions),
    Txn(Txn),
    Compact(i64),
    Grant { id: i64, ttl: i64 },
    Revoke(i64),
    KeepAlive(i64),
    TimeToLive { id: i64, keys: bool },
    Leases,
    Alarm(AlarmAction),
}

/// One etcd.
pub(crate) struct Side {
    client: Client,
    streams: BTreeMap<usize, Stream>,
}

/// A stream of watches, and what each of them said.
struct Stream {
    stream: WatchStream,
    said: BTreeMap<i64, Vec<Said>>,
}

/// A thing that a watch said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// The revision of an event; 0 for all else.
    at: i64,
    pub(crate) text: String,
}

impl Side {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, streams: BTreeMap::new() }
    }

    /// Asks, and tells the answer.
    pub(crate) async fn ask(&mut self, request: Request) -> String {
        let client = &mut self.client;
        let answer = async {
            match request {
                Request::Get(key, options) => tell(client.get(key, Some(options)).await),
                Request::Put(key, value, options) => tell(client.put(key, value, Some(options)).await),
                Request::Delete(key, options) => tell(client.delete(key, Some(options)).await),
                Request::Txn(txn) => tell(client.txn(txn).await),
                Request::Compact(at) => tell(client.compact(at, Some(CompactionOptions::new().with_physical())).await),
                Request::Grant { id, ttl } => {
                    tell(client.lease_grant(ttl, Some(LeaseGrantOptions::new().with_id(id))).await)
                }
                Request::Revoke(id) => tell(client.lease_revoke(id).await),
                Request::KeepAlive(id) => keep_alive(client, id).await,
                Request::TimeToLive { id, keys } => time_to_live(client, id, keys).await,
                Request::Leases => {
                    let answer = client.leases().await.unwrap();
                    let mut ids: Vec<i64> = answer.leases().iter().map(etcd_client::LeaseStatus::id).collect();
                    ids.sort_unstable();
                    format!("{:?} at {}", ids, answer.header().unwrap().revision())
                }
                Request::Alarm(action) => {
                    let mut member = AlarmOptions::new();
                    member.with_member(7);
                    tell(client.alarm(action, AlarmType::Nospace, Some(member)).await)
                }
            }
        };
        timeout(SOON, answer).await.unwrap_or_else(|_| "no answer".to_owned())
    }

    /// Opens a watch; on the first of a stream also that of the sentinel. Tells the answer.
    pub(crate) async fn watch(&mut self, stream: usize, key: &'static [u8], options: WatchOptions) -> String {
        if !self.streams.contains_key(&stream) {
            let opened = self.client.watch(SENTINEL, None).await.unwrap();
            self.streams.insert(stream, Stream { stream: opened, said: BTreeMap::new() });
            self.created(stream).await;
        }
        self.streams.get_mut(&stream).unwrap().stream.watch(key, Some(options)).await.unwrap();
        let created = self.created(stream).await;
        format!("{} {} {:?}", created.watch_id(), created.canceled(), created)
    }

    async fn created(&mut self, stream: usize) -> WatchResponse {
        self.read_until(stream, WatchResponse::created).await
    }

    pub(crate) fn has(&self, stream: usize) -> bool {
        self.streams.contains_key(&stream)
    }

    /// Cancels a watch that is there.
    pub(crate) async fn cancel(&mut self, stream: usize, id: i64) -> String {
        self.streams.get_mut(&stream).unwrap().stream.cancel(id).await.unwrap();
        format!("{:?}", self.read_until(stream, |said| said.canceled() && said.watch_id() == id).await)
    }

    pub(crate) async fn progress(&mut self, stream: usize) -> String {
        self.streams.get_mut(&stream).unwrap().stream.request_progress().await.unwrap();
        format!("{:?}", self.read_until(stream, |said| said.watch_id() == -1).await)
    }

    /// Reads until a watch has said something of this revision, or that it is over.
    pub(crate) async fn await_event(&mut self, stream: usize, id: i64, at: i64) {
        let is_there = |said: &[Said]| said.iter().any(|said| said.at >= at || said.text.contains("canceled"));
        while !is_there(self.said(stream, id)) {
            self.read_until(stream, |_| true).await;
        }
    }

    /// Reads everything that was to be said before the sentinel was written at this revision.
    pub(crate) async fn drain(&mut self, at: i64) {
        for stream in self.streams.keys().copied().collect::<Vec<_>>() {
            self.await_event(stream, 0, at).await;
        }
    }

    fn said(&self, stream: usize, id: i64) -> &[Said] {
        self.streams[&stream].said.get(&id).map_or(&[], Vec::as_slice)
    }

    /// What all watches said since they were asked last.
    pub(crate) fn take_said(&mut self) -> Vec<(usize, i64, Vec<String>)> {
        let mut all = Vec::new();
        for (place, stream) in &mut self.streams {
            for (id, said) in std::mem::take(&mut stream.said) {
                all.push((*place, id, said.into_iter().map(|said| said.text).collect()));
            }
        }
        all
    }

    async fn read_until(&mut self, stream: usize, wanted: impl Fn(&WatchResponse) -> bool) -> WatchResponse {
        loop {
            let Stream { stream, said } = self.streams.get_mut(&stream).unwrap();
            let message = timeout(SOON, stream.message()).await.expect("a watch says something in time");
            let message = message.unwrap().expect("a stream of watches stays open");
            record(said.entry(message.watch_id()).or_default(), &message);
            if wanted(&message) {
                return message;
            }
        }
    }
}

/// Takes down events one by one: how they come together in messages is a matter of time.
fn record(said: &mut Vec<Said>, message: &WatchResponse) {
    if message.canceled() && !message.created() {
        let text = format!(
            "canceled at {} because of {} {:?}",
            message.header().unwrap().revision(),
            message.compact_revision(),
            message.cancel_reason()
        );
        said.push(Said { at: 0, text });
    }
    for event in message.events() {
        let kv = event.kv().unwrap();
        assert!(message.header().unwrap().revision() >= kv.mod_revision(), "events are not older than they say");
        let kind = if event.event_type() == EventType::Put { "put" } else { "delete" };
        let text = format!("{kind} {} before: {}", show(kv), event.prev_kv().map_or_else(String::new, show));
        said.push(Said { at: kv.mod_revision(), text });
    }
}

fn show(item: &KeyValue) -> String {
    let value = if item.value().len() > 100 { &item.value()[..100] } else { item.value() };
    format!(
        "{:?} = {value:?} ({}) made {} changed {} version {} lease {}",
        item.key(),
        item.value().len(),
        item.create_revision(),
        item.mod_revision(),
        item.version(),
        item.lease()
    )
}

async fn keep_alive(client: &mut Client, id: i64) -> String {
    let (mut keeper, mut answers) = match client.lease_keep_alive(id).await {
        Ok(opened) => opened,
        Err(error) => return format!("{error}"),
    };
    keeper.keep_alive().await.unwrap();
    tell(answers.message().await)
}

/// The time that is left depends on the moment; that there is some does not.
async fn time_to_live(client: &mut Client, id: i64, keys: bool) -> String {
    let options = keys.then(|| LeaseTimeToLiveOptions::new().with_keys());
    let answer = client.lease_time_to_live(id, options).await.unwrap();
    let mut keys = answer.keys().to_vec();
    keys.sort_unstable();
    format!(
        "lives {} of {} with {keys:?} at {}",
        answer.ttl().signum(),
        answer.granted_ttl(),
        answer.header().unwrap().revision()
    )
}

fn tell<T: Debug>(answer: Result<T, etcd_client::Error>) -> String {
    match answer {
        Ok(answer) => impersonal(&format!("{answer:?}")),
        Err(etcd_client::Error::GRpcStatus(status)) => format!("refused: {:?} {:?}", status.code(), status.message()),
        Err(error) => format!("failed: {error}"),
    }
}

/// Without the numbers of cluster, member and term.
pub(crate) fn impersonal(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(at) = ["cluster_id: ", "member_id: ", "raft_term: "]
        .iter()
        .filter_map(|field| rest.find(field).map(|at| at + field.len()))
        .min()
    {
        kept.push_str(&rest[..at]);
        rest = rest[at..].trim_start_matches(|digit: char| digit.is_ascii_digit());
    }
    kept + rest
}
