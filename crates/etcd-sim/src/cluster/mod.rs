//! The members together: who leads, what is agreed, who has carried it out. Time comes in with every call, in
//! milliseconds; what is to happen later waits in one queue.

mod calls;
mod consensus;
mod faults;
mod log;
mod member;
mod streams;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use crate::api::{KeyValue, ResponseHeader, WatchResponse};
use crate::failure::Failure;
use crate::lessor::Lessor;
use crate::message::Response;
use crate::rng::Rng;
use crate::store::{End, Span};

pub use faults::{Effect, Mishap, Snapshot, Told};

use calls::Call;
use log::Log;
use member::Member;

/// What a cluster is like.
#[derive(Debug, Clone)]
pub struct Config {
    /// How many members it has.
    pub members: usize,
    /// How long it takes a quorum to agree, in milliseconds.
    pub agreement_ms: Range<u64>,
    /// How long a member does without its leader before it stands for election, in milliseconds.
    pub election_ms: Range<u64>,
    /// What the members say of themselves.
    pub version: String,
}

impl Config {
    /// So many members on one fast network, with etcd's own defaults.
    pub fn new(members: usize) -> Self {
        Self { members, agreement_ms: 1..3, election_ms: 1000..2000, version: "3.5.28".to_owned() }
    }
}

/// A call under way; named by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// A stream of watches or renewals; named by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// What comes of it all.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A call is over.
    Answer {
        /// Which.
        call: CallId,
        /// How.
        result: Result<Response, Failure>,
    },
    /// A stream of watches has a message.
    Watch {
        /// Which.
        stream: StreamId,
        /// The message.
        message: WatchResponse,
    },
    /// A member ends a stream.
    End {
        /// Which.
        stream: StreamId,
        /// Why.
        why: Failure,
    },
    /// A member is gone, and with it its connections, calls and streams.
    Down {
        /// Which.
        member: usize,
    },
}

/// The moment, and a number that tells timers of one moment apart, in the order in which they were made.
type TimerKey = (u64, u64);

/// What happens at a later moment.
#[derive(Debug, Clone)]
enum Timer {
    /// A quorum has a proposal.
    Commit(log::Proposal),
    /// A quorum has confirmed that a read is not too early.
    Confirm(CallId),
    /// A renewal, or the question for the life of a lease, arrives at the leader.
    AtLeader(CallId),
    /// A member carries out what is due.
    Apply(usize),
    /// A member's patience with a call is over.
    TimeOut(CallId),
    /// A member has missed its leader since that moment, and stands for election.
    Campaign(usize, u64),
    /// A member has missed its leader since that moment, and ends the streams that want one.
    CutStreams(usize, u64),
    /// A member lets its watches catch up.
    CatchUp(usize),
}

/// A cluster of etcd.
#[derive(Debug)]
pub struct Etcd {
    config: Config,
    rng: Rng,
    now: u64,
    cluster: u64,
    members: Vec<Member>,
    /// Raft's.
    term: u64,
    /// The last one elected. It leads as long as it is in touch with a quorum.
    leader: Option<usize>,
    elected_at: u64,
    lessor: Lessor,
    log: Log,
    calls: BTreeMap<CallId, Call>,
    mishaps: VecDeque<Mishap>,
    timers: BTreeMap<TimerKey, Timer>,
    timers_made: u64,
    outputs: VecDeque<Output>,
}

impl Etcd {
    /// An empty cluster, whose members are up and have a leader.
    pub fn new(config: Config, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let cluster = rng.bits();
        let members: Vec<Member> = (0..config.members).map(|_| Member::new(rng.bits())).collect();
        let first = usize::try_from(rng.within(&(0..config.members as u64))).unwrap_or(0);
        let mut etcd = Self {
            config,
            rng,
            now: 0,
            cluster,
            members,
            term: 1,
            leader: None,
            elected_at: 0,
            lessor: Lessor::default(),
            log: Log::default(),
            calls: BTreeMap::new(),
            mishaps: VecDeque::new(),
            timers: BTreeMap::new(),
            timers_made: 0,
            outputs: VecDeque::new(),
        };
        etcd.elect(first);
        etcd
    }

    /// When [`Self::advance`] is wanted next.
    pub fn next_deadline(&self) -> Option<u64> {
        let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
        let scan = self.leading().and_then(|_| self.lessor.next_scan()).map(|at| at.max(self.now));
        [timer, scan].into_iter().flatten().min()
    }

    /// Lets everything happen that is due.
    pub fn advance(&mut self, now: u64) {
        while let Some(at) = self.next_deadline().filter(|at| *at <= now) {
            self.now = self.now.max(at);
            match self.timers.first_key_value().map(|(key, _)| *key).filter(|(due, _)| *due <= at) {
                Some(key) => {
                    if let Some(timer) = self.timers.remove(&key) {
                        self.fire(timer);
                    }
                }
                None => self.scan_leases(),
            }
        }
        self.now = self.now.max(now);
    }

    /// What has come of everything so far, one by one.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many members there are.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// The member that leads, if one does.
    pub fn leader(&self) -> Option<usize> {
        self.leading()
    }

    /// The revision that a member has.
    pub fn revision(&self, member: usize) -> i64 {
        self.members[member].replica.store.revision()
    }

    /// The keys from `start` up to `end` at a member, without asking the cluster; with an empty `end` one key.
    pub fn peek(&self, member: usize, start: &[u8], end: &[u8]) -> Vec<KeyValue> {
        let (start, end) = (bytes::Bytes::copy_from_slice(start), bytes::Bytes::copy_from_slice(end));
        let end = if end.is_empty() { End::Alone } else { End::Before(end) };
        self.members[member].replica.store.span(&Span { start, end }, i64::MAX).cloned().collect()
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Commit(proposal) => self.commit_or_stall(proposal),
            Timer::Confirm(call) => self.confirm(call),
            Timer::AtLeader(call) => self.at_leader(call),
            Timer::Apply(member) => self.apply_due(member),
            Timer::TimeOut(call) => self.time_out(call),
            Timer::Campaign(member, since) => self.campaign(member, since),
            Timer::CutStreams(member, since) => self.cut_streams(member, since),
            Timer::CatchUp(member) => self.catch_up(member),
        }
    }

    fn after(&mut self, delay: u64, timer: Timer) -> TimerKey {
        self.timers_made += 1;
        let key = (self.now + delay, self.timers_made);
        self.timers.insert(key, timer);
        key
    }

    fn agreement(&mut self) -> u64 {
        self.rng.within(&self.config.agreement_ms.clone())
    }

    /// Writes who says something, and when: the revision only where none is known.
    fn sign(&self, member: usize, header: &mut ResponseHeader) {
        let Member { id, replica, .. } = &self.members[member];
        (header.cluster_id, header.member_id, header.raft_term) = (self.cluster, *id, self.term);
        if header.revision == 0 {
            header.revision = replica.store.revision();
        }
    }

    /// Says something to the world, unless the member is frozen: then it says it later.
    fn say(&mut self, member: usize, output: Output) {
        match self.members[member].frozen_mut() {
            Some(frozen) => frozen.said.push(output),
            None => self.outputs.push_back(output),
        }
    }
}
