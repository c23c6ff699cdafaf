//! The cluster of etcd, as the hosts reach it: calls in, answers out. What it does is `tanist-etcd-sim`'s.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use tanist_etcd_sim::api::{
    AlarmRequest, CompactionRequest, DeleteRangeRequest, LeaseGrantRequest, LeaseKeepAliveRequest, LeaseLeasesRequest,
    LeaseRevokeRequest, LeaseTimeToLiveRequest, MemberListRequest, PutRequest, RangeRequest, StatusRequest, TxnRequest,
    WatchCreateRequest, WatchRequest, WatchResponse, watch_request::RequestUnion,
};
use tanist_etcd_sim::{CallId as Id, Config, Etcd, Failure, Output, Request, Response, StreamId};

use crate::broken::without_guard;
use crate::grpc::{self, Code, Messages};
use crate::port::{CallId, ConnId, Frame, Open};

/// Members of the cluster.
pub const MEMBERS: usize = 3;

/// The stream by which the simulator itself watches a member; calls are numbered far above.
const OBSERVERS: u64 = 1_000;

/// The cluster and the calls under way at it.
pub struct EtcdCluster {
    /// Faults are ordered here.
    pub cluster: Etcd,
    /// It applies what is written in any term ([`crate::broken`]).
    pub without_guards: bool,
    last: u64,
    calls: BTreeMap<(ConnId, CallId), Call>,
    /// Whose each number is.
    asked: BTreeMap<u64, (ConnId, CallId)>,
    observed: i64,
    observing: BTreeSet<usize>,
}

/// A call of a client.
struct Call {
    member: usize,
    method: Method,
    require_leader: bool,
    messages: Messages,
    /// Its stream, if it is a watch.
    stream: Option<StreamId>,
    answered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Range,
    Put,
    DeleteRange,
    Txn,
    Compact,
    Grant,
    Revoke,
    KeepAlive,
    TimeToLive,
    Leases,
    Alarm,
    Status,
    Members,
    Watch,
}

/// What comes out of the cluster.
pub enum Out {
    /// A part of an answer.
    Frame(ConnId, CallId, Frame),
    /// A member is gone, and its connections with it.
    Down(usize),
    /// Something was changed.
    Changes(WatchResponse),
}

impl EtcdCluster {
    /// An empty cluster at a moment.
    pub fn new(seed: u64, now: u64) -> Self {
        let mut cluster = Etcd::new(Config::new(MEMBERS), seed);
        cluster.advance(now);
        let mut new = Self {
            cluster,
            without_guards: false,
            last: OBSERVERS,
            calls: BTreeMap::new(),
            asked: BTreeMap::new(),
            observed: 0,
            observing: BTreeSet::new(),
        };
        new.observe(now);
        new
    }

    /// Watches every member that can be watched.
    pub fn observe(&mut self, now: u64) {
        for member in 0..MEMBERS {
            if self.cluster.is_up(member) && self.observing.insert(member) {
                let stream = StreamId(member as u64);
                self.cluster.open_stream(now, member, stream, false);
                let create = WatchCreateRequest {
                    key: vec![0].into(),
                    range_end: vec![0].into(),
                    start_revision: self.observed + 1,
                    ..Default::default()
                };
                let request = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
                self.cluster.watch(now, member, stream, request);
            }
        }
    }

    /// A request that nobody waits for, of whoever may do anything: an operator, or bad luck.
    pub fn order(&mut self, now: u64, request: impl Into<Request>) {
        self.last += 1;
        let member = self.cluster.leader().unwrap_or(0);
        self.cluster.request(now, member, Id(self.last), request, false);
    }

    /// The lease that a key is under.
    pub fn lease_of(&self, key: &[u8]) -> Option<i64> {
        let member = self.cluster.leader()?;
        self.cluster.peek(member, key, &[]).first().map(|kv| kv.lease)
    }

    /// A part of a call reaches a member.
    pub fn hear(&mut self, now: u64, member: usize, conn: ConnId, id: CallId, frame: Frame) {
        match frame {
            Frame::Open(open) => self.open(now, member, conn, id, &open),
            Frame::Data(data) => {
                if let Some(call) = self.calls.get_mut(&(conn, id)) {
                    call.messages.take_in(&data);
                    self.read(now, conn, id);
                }
            }
            Frame::Reset => self.forget((conn, id)),
            // Streams go on until the client gives them up.
            Frame::End(_) | Frame::Head(_) => {}
        }
    }

    /// A connection is over.
    pub fn broken(&mut self, conn: ConnId) {
        let calls = (conn, CallId(0))..=(conn, CallId(u32::MAX));
        let calls: Vec<_> = self.calls.range(calls).map(|(key, _)| *key).collect();
        for key in calls {
            self.forget(key);
        }
    }

    /// Everything that has come of it until now.
    pub fn advance(&mut self, now: u64) -> Vec<Out> {
        self.cluster.advance(now);
        let mut out = Vec::new();
        while let Some(output) = self.cluster.poll_output() {
            self.sort(output, &mut out);
        }
        out
    }

    fn open(&mut self, now: u64, member: usize, conn: ConnId, id: CallId, open: &Open) {
        let Some(method) = Method::of(&open.path) else { return };
        let require_leader = open.headers.get("hasleader").is_some_and(|value| value.as_bytes() == b"true");
        let mut call =
            Call { member, method, require_leader, messages: Messages::default(), stream: None, answered: false };
        if method == Method::Watch {
            self.last += 1;
            let stream = StreamId(self.last);
            call.stream = Some(stream);
            self.asked.insert(self.last, (conn, id));
            self.calls.insert((conn, id), call);
            self.cluster.open_stream(now, member, stream, require_leader);
        } else {
            self.calls.insert((conn, id), call);
        }
    }

    /// Hands over what a client has said.
    fn read(&mut self, now: u64, conn: ConnId, id: CallId) {
        while let Some(call) = self.calls.get_mut(&(conn, id)) {
            let Call { member, method, require_leader, stream, .. } = *call;
            if let Some(stream) = stream {
                let Some(Ok(request)) = call.messages.take::<WatchRequest>() else { return };
                self.cluster.watch(now, member, stream, request);
                continue;
            }
            let Some(request) = method.request(&mut call.messages) else { return };
            let request = if self.without_guards { without_guard(request) } else { request };
            self.last += 1;
            self.asked.insert(self.last, (conn, id));
            self.cluster.request(now, member, Id(self.last), request, require_leader);
        }
    }

    fn forget(&mut self, key: (ConnId, CallId)) {
        let Some(call) = self.calls.remove(&key) else { return };
        let numbers: Vec<u64> = self.asked.iter().filter(|(_, asked)| **asked == key).map(|(id, _)| *id).collect();
        for number in numbers {
            self.asked.remove(&number);
            self.cluster.forget(Id(number));
        }
        if let Some(stream) = call.stream {
            self.cluster.close_stream(call.member, stream);
        }
    }

    fn sort(&mut self, output: Output, out: &mut Vec<Out>) {
        match output {
            Output::Answer { call: Id(number), result } => {
                let Some(key) = self.asked.remove(&number) else { return };
                let streams = self.calls.get(&key).is_some_and(|call| call.method == Method::KeepAlive);
                match result {
                    Ok(response) => {
                        self.say(key, grpc_of(&response), out);
                        if !streams {
                            self.end(key, Code::OK, "", out);
                        }
                    }
                    Err(failure) => self.fail(key, failure, out),
                }
            }
            Output::Watch { stream: StreamId(number), message } if number < OBSERVERS => {
                let new = message.events.iter().filter_map(|event| event.kv.as_ref()).map(|kv| kv.mod_revision).max();
                if let Some(new) = new.filter(|new| *new > self.observed) {
                    let mut message = message;
                    let seen = self.observed;
                    message.events.retain(|event| event.kv.as_ref().is_some_and(|kv| kv.mod_revision > seen));
                    self.observed = new;
                    out.push(Out::Changes(message));
                }
            }
            Output::Watch { stream: StreamId(number), message } => {
                if let Some(key) = self.asked.get(&number).copied() {
                    self.say(key, grpc::encode(&message), out);
                }
            }
            Output::End { stream: StreamId(number), why } => {
                if let Some(key) = self.asked.remove(&number) {
                    self.fail(key, why, out);
                }
            }
            Output::Down { member } => {
                self.observing.remove(&member);
                self.calls.retain(|_, call| call.member != member);
                let calls = &self.calls;
                self.asked.retain(|_, key| calls.contains_key(key));
                out.push(Out::Down(member));
            }
        }
    }

    fn say(&mut self, key: (ConnId, CallId), message: bytes::Bytes, out: &mut Vec<Out>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if !std::mem::replace(&mut call.answered, true) {
            out.push(Out::Frame(key.0, key.1, Frame::Head(Box::new(grpc::head()))));
        }
        out.push(Out::Frame(key.0, key.1, Frame::Data(message)));
    }

    fn fail(&mut self, key: (ConnId, CallId), failure: Failure, out: &mut Vec<Out>) {
        let (code, message) = failure.status();
        self.end(key, Code(code as i32), message, out);
    }

    fn end(&mut self, key: (ConnId, CallId), code: Code, message: &str, out: &mut Vec<Out>) {
        let Some(call) = self.calls.remove(&key) else { return };
        if !call.answered {
            out.push(Out::Frame(key.0, key.1, Frame::Head(Box::new(grpc::head()))));
        }
        out.push(Out::Frame(key.0, key.1, Frame::End(Box::new(grpc::verdict(code, message)))));
    }
}

impl Method {
    fn of(path: &str) -> Option<Self> {
        Some(match path.rsplit('/').next()? {
            "Range" => Self::Range,
            "Put" => Self::Put,
            "DeleteRange" => Self::DeleteRange,
            "Txn" => Self::Txn,
            "Compact" => Self::Compact,
            "LeaseGrant" => Self::Grant,
            "LeaseRevoke" => Self::Revoke,
            "LeaseKeepAlive" => Self::KeepAlive,
            "LeaseTimeToLive" => Self::TimeToLive,
            "LeaseLeases" => Self::Leases,
            "Alarm" => Self::Alarm,
            "Status" => Self::Status,
            "MemberList" => Self::Members,
            "Watch" => Self::Watch,
            _ => return None,
        })
    }

    /// The next request, once it is there whole.
    fn request(self, messages: &mut Messages) -> Option<Request> {
        fn next<M: Message + Default + Into<Request>>(messages: &mut Messages) -> Option<Request> {
            messages.take::<M>()?.ok().map(Into::into)
        }
        match self {
            Self::Range => next::<RangeRequest>(messages),
            Self::Put => next::<PutRequest>(messages),
            Self::DeleteRange => next::<DeleteRangeRequest>(messages),
            Self::Txn => next::<TxnRequest>(messages),
            Self::Compact => next::<CompactionRequest>(messages),
            Self::Grant => next::<LeaseGrantRequest>(messages),
            Self::Revoke => next::<LeaseRevokeRequest>(messages),
            Self::KeepAlive => next::<LeaseKeepAliveRequest>(messages),
            Self::TimeToLive => next::<LeaseTimeToLiveRequest>(messages),
            Self::Leases => next::<LeaseLeasesRequest>(messages),
            Self::Alarm => next::<AlarmRequest>(messages),
            Self::Status => next::<StatusRequest>(messages),
            Self::Members => next::<MemberListRequest>(messages),
            Self::Watch => None,
        }
    }
}

fn grpc_of(response: &Response) -> bytes::Bytes {
    match response {
        Response::Range(message) => grpc::encode(message),
        Response::Put(message) => grpc::encode(message),
        Response::DeleteRange(message) => grpc::encode(message),
        Response::Txn(message) => grpc::encode(message),
        Response::Compact(message) => grpc::encode(message),
        Response::Grant(message) => grpc::encode(message),
        Response::Revoke(message) => grpc::encode(message),
        Response::KeepAlive(message) => grpc::encode(message),
        Response::TimeToLive(message) => grpc::encode(message),
        Response::Leases(message) => grpc::encode(message),
        Response::Alarm(message) => grpc::encode(message),
        Response::Status(message) => grpc::encode(message),
        Response::Members(message) => grpc::encode(message),
    }
}
