//! What a test may do to the simulated etcd, and what comes of it: without I/O, in virtual milliseconds.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use bytes::Bytes;

use tanist_etcd_sim::api::watch_request::RequestUnion;
use tanist_etcd_sim::api::{
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseTimeToLiveRequest, PutRequest, RangeRequest, WatchCreateRequest,
    WatchRequest, WatchResponse,
};
use tanist_etcd_sim::{
    CallId, Config, Effect, Etcd, Failure, Mishap, Output, Request, Response, Snapshot, StreamId, Told,
};

/// What a leader needs for a change, at most.
const AGREED: u64 = 3;

/// One cluster, its clock, and all that it said.
struct World {
    etcd: Etcd,
    now: u64,
    calls: u64,
    said: Vec<(u64, Output)>,
}

impl World {
    fn new(members: usize, seed: u64) -> Self {
        Self { etcd: Etcd::new(Config::new(members), seed), now: 0, calls: 0, said: Vec::new() }
    }

    fn collect(&mut self) {
        while let Some(output) = self.etcd.poll_output() {
            self.said.push((self.now, output));
        }
    }

    fn run_until(&mut self, end: u64) {
        while let Some(next) = self.etcd.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.etcd.advance(self.now);
            self.collect();
        }
        self.now = end;
        self.etcd.advance(end);
        self.collect();
    }

    fn run_for(&mut self, time: u64) {
        self.run_until(self.now + time);
    }

    fn begin(&mut self, member: usize, request: impl Into<Request>) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        self.etcd.request(self.now, member, call, request, false);
        self.collect();
        call
    }

    fn answer(&self, wanted: CallId) -> Option<(u64, Result<Response, Failure>)> {
        self.said.iter().find_map(|(at, output)| match output {
            Output::Answer { call, result } if *call == wanted => Some((*at, result.clone())),
            _ => None,
        })
    }

    /// Asks, and waits for the answer as long as a member does.
    fn ask(&mut self, member: usize, request: impl Into<Request>) -> Result<Response, Failure> {
        let call = self.begin(member, request);
        while self.answer(call).is_none() {
            let next = self.etcd.next_deadline().expect("something is still to come");
            self.run_until(next);
        }
        self.answer(call).unwrap().1
    }

    fn put(&mut self, member: usize, key: &'static str, value: &'static str) -> Result<Response, Failure> {
        self.ask(member, put(key, value))
    }

    /// Grants a lease, and binds a key to it.
    fn lease(&mut self, member: usize, key: &'static str, ttl: i64) -> i64 {
        let granted = self.ask(member, LeaseGrantRequest { ttl, id: 0 }).unwrap();
        let Response::Grant(granted) = granted else { panic!("{granted:?}") };
        self.ask(member, PutRequest { lease: granted.id, ..put(key, "leased") }).unwrap();
        granted.id
    }

    fn get(&mut self, member: usize, key: &'static str) -> Result<Option<Bytes>, Failure> {
        self.ask(member, get(key)).map(value)
    }

    fn get_there(&mut self, member: usize, key: &'static str) -> Option<Bytes> {
        value(self.ask(member, RangeRequest { serializable: true, ..get(key) }).unwrap())
    }

    fn exists(&self, key: &str) -> bool {
        let mut up = (0..self.etcd.members()).filter(|member| self.etcd.is_up(*member));
        up.any(|member| !self.etcd.peek(member, key.as_bytes(), b"").is_empty())
    }

    /// When a key is gone at every member that is up.
    fn gone_at(&mut self, key: &str) -> u64 {
        while self.exists(key) {
            let next = self.etcd.next_deadline().expect("something is still to come");
            self.run_until(next);
        }
        self.now
    }

    fn leader(&self) -> usize {
        self.etcd.leader().unwrap()
    }

    fn other(&self) -> usize {
        (self.leader() + 1) % self.etcd.members()
    }

    fn watched(&self, wanted: StreamId) -> Vec<WatchResponse> {
        let messages = self.said.iter().filter_map(|(_, output)| match output {
            Output::Watch { stream, message } if *stream == wanted => Some(message.clone()),
            _ => None,
        });
        messages.collect()
    }
}

fn put(key: &'static str, value: &'static str) -> PutRequest {
    PutRequest { key: Bytes::from_static(key.as_bytes()), value: value.into(), ..PutRequest::default() }
}

fn get(key: &'static str) -> RangeRequest {
    RangeRequest { key: Bytes::from_static(key.as_bytes()), ..RangeRequest::default() }
}

fn value(response: Response) -> Option<Bytes> {
    let Response::Range(mut found) = response else { panic!("{response:?}") };
    found.kvs.pop().map(|item| item.value)
}

fn watch(key: &'static str, start_revision: i64) -> WatchRequest {
    let key = Bytes::from_static(key.as_bytes());
    let create = WatchCreateRequest { key, start_revision, ..WatchCreateRequest::default() };
    WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
}

#[test]
fn a_lease_ends_within_a_scan_of_its_time() {
    for seed in 0..50 {
        for ttl in [2, 3, 5] {
            let mut world = World::new(3, seed);
            let member = world.other();
            let before = world.now;
            world.lease(member, "key", ttl);
            let bound = world.now;
            let gone = world.gone_at("key");
            let ttl = u64::try_from(ttl).unwrap() * 1000;
            assert!(gone >= before + ttl, "seed {seed}: {gone}");
            assert!(gone <= bound + ttl + 500 + AGREED, "seed {seed}: {gone}");
        }
    }
}

#[test]
fn a_renewal_restarts_the_clock_and_one_that_is_late_waits_for_the_end() {
    let mut world = World::new(3, 1);
    let member = world.other();
    let lease = world.lease(member, "key", 2);
    world.run_for(1900);
    let renewed = world.ask(member, LeaseKeepAliveRequest { id: lease }).unwrap();
    assert!(matches!(renewed, Response::KeepAlive(renewed) if renewed.ttl == 2));
    world.run_for(1990);
    assert!(world.exists("key"));
    // The time is over, the scan has not come yet, unless it comes just then.
    world.run_for(11);
    let late = world.ask(member, LeaseKeepAliveRequest { id: lease }).unwrap();
    assert!(matches!(late, Response::KeepAlive(late) if late.ttl == 0));
    world.run_for(AGREED);
    assert!(!world.exists("key"));
}

#[test]
fn a_lost_leader_is_replaced_and_all_leases_begin_anew() {
    for seed in 0..50 {
        let mut world = World::new(3, seed);
        let (lost, member) = (world.leader(), world.other());
        world.lease(member, "key", 3);
        world.run_for(1000);
        let killed = world.now;
        world.etcd.stop(killed, lost);
        while world.etcd.leader().is_none() {
            let next = world.etcd.next_deadline().unwrap();
            world.run_until(next);
        }
        let elected = world.now;
        assert!((killed + 1000..killed + 2000).contains(&elected), "seed {seed}: {elected}");
        let gone = world.gone_at("key");
        assert!((elected + 4000..=elected + 4500 + AGREED).contains(&gone), "seed {seed}: {gone}");
    }
}

#[test]
fn without_a_quorum_nothing_is_agreed_upon_and_no_lease_ends() {
    let mut world = World::new(3, 3);
    let member = world.other();
    let lease = world.lease(member, "key", 3);
    let made = world.etcd.peek(member, b"key", b"");
    for stopped in (0..3).filter(|stopped| *stopped != member) {
        world.etcd.stop(world.now, stopped);
    }
    let stream = StreamId(1);
    world.etcd.open_stream(world.now, member, stream, true);
    let began = world.now;
    let (write, read) = (world.begin(member, put("other", "1")), world.begin(member, get("key")));
    let renewal = world.begin(member, LeaseKeepAliveRequest { id: lease });
    world.run_for(600_000);
    assert_eq!(world.answer(write), Some((began + 7000, Err(Failure::TimedOut))));
    assert_eq!(world.answer(read), Some((began + 7000, Err(Failure::TimedOut))));
    assert_eq!(world.answer(renewal), Some((began + 7000, Err(Failure::NoLeader))));
    let end = world.said.iter().find(|(_, output)| matches!(output, Output::End { .. })).unwrap();
    assert_eq!(end.1, Output::End { stream, why: Failure::NoLeader });
    assert!((began + 3000..began + 5000).contains(&end.0), "{end:?}");
    let picky = CallId(1000);
    world.etcd.request(world.now, member, picky, put("other", "1"), true);
    world.collect();
    assert_eq!(world.answer(picky), Some((world.now, Err(Failure::NoLeader))));
    assert_eq!(world.get_there(member, "key"), Some("leased".into()));

    for stopped in (0..3).filter(|stopped| *stopped != member) {
        world.etcd.start(world.now, stopped);
    }
    let waiting = world.begin(member, put("later", "1"));
    world.run_for(2500);
    assert!(matches!(world.answer(waiting), Some((_, Ok(_)))), "it was kept until there was a leader");
    assert_eq!(world.etcd.peek(member, b"key", b""), made);
    assert!(matches!(
        world.ask(member, LeaseTimeToLiveRequest { id: lease, keys: false }),
        Ok(Response::TimeToLive(life)) if life.ttl > 0
    ));
}

#[test]
fn a_write_under_way_to_a_lost_leader_is_carried_out_or_lost() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..40 {
        let mut world = World::new(3, seed);
        let (lost, member) = (world.leader(), world.other());
        let write = world.begin(member, put("key", "1"));
        world.etcd.stop(world.now, lost);
        world.run_for(20_000);
        let (at, result) = world.answer(write).unwrap();
        assert_eq!(result.is_ok(), world.exists("key"), "seed {seed}: {result:?}");
        if let Err(failure) = result {
            assert_eq!((at, failure), (7000, Failure::TimedOutByLeaderFailure), "seed {seed}");
        }
        outcomes.insert(world.exists("key"));
    }
    assert_eq!(outcomes.len(), 2, "both happen");
}

#[test]
fn reads_that_wait_for_a_leader_hear_that_it_is_another() {
    let mut world = World::new(3, 5);
    let (lost, member) = (world.leader(), world.other());
    world.etcd.stop(world.now, lost);
    assert_eq!(world.get(member, "key"), Err(Failure::LeaderChanged));
    assert_eq!(world.get(member, "key"), Ok(None));
}

#[test]
fn a_member_that_lags_answers_alone_with_what_it_has() {
    let mut world = World::new(3, 7);
    let (leader, member) = (world.leader(), world.other());
    world.put(leader, "key", "old").unwrap();
    world.etcd.lag(world.now, member, 500);
    world.put(leader, "key", "new").unwrap();
    let asked = world.now;
    assert_eq!(world.get_there(member, "key"), Some("old".into()));
    world.etcd.stale_reads(member, true);
    assert_eq!(world.get(member, "key"), Ok(Some("old".into())));
    world.etcd.stale_reads(member, false);
    assert_eq!(world.get(member, "key"), Ok(Some("new".into())));
    assert!(world.now >= asked + 500 - AGREED, "it had to wait for its own content");
}

#[test]
fn writes_go_wrong_as_ordered() {
    let mut world = World::new(3, 9);
    let member = world.other();
    let order = |world: &mut World, effect, told| world.etcd.mishap(Mishap { effect, told });
    order(&mut world, Effect::Applied, Told::TimedOut);
    assert_eq!(world.put(member, "applied", "1"), Err(Failure::TimedOut));
    order(&mut world, Effect::Late(5000), Told::TimedOut);
    assert_eq!(world.put(member, "late", "1"), Err(Failure::TimedOut));
    order(&mut world, Effect::Never, Told::TimedOut);
    assert_eq!(world.put(member, "never", "1"), Err(Failure::TimedOut));
    order(&mut world, Effect::Applied, Told::Silence);
    let silent = world.begin(member, put("silent", "1"));
    world.run_for(4900);
    assert_eq!(["applied", "late", "never", "silent"].map(|key| world.exists(key)), [true, false, false, true]);
    world.run_for(200);
    assert_eq!(["late", "never"].map(|key| world.exists(key)), [true, false]);
    world.run_for(60_000);
    assert_eq!(world.answer(silent), None);
    world.put(member, "never", "1").unwrap();
}

#[test]
fn a_restored_cluster_has_its_old_revisions_and_its_old_leases() {
    let mut world = World::new(3, 11);
    let member = world.other();
    let lease = world.lease(member, "key", 5);
    world.run_for(AGREED);
    let snapshot: Snapshot = world.etcd.snapshot(member);
    let then = world.etcd.revision(member);
    world.put(member, "more", "1").unwrap();
    world.run_for(20_000);
    assert!(!world.exists("key"));
    let identity = |world: &mut World| {
        let Ok(Response::Range(found)) = world.ask(member, get("more")) else { panic!("an answer") };
        found.header.unwrap().cluster_id
    };
    let cluster = identity(&mut world);
    for other in [false, true] {
        world.etcd.restore(world.now, &snapshot, other);
        world.collect();
        let down = world.said.iter().rev().take(3).all(|(_, output)| matches!(output, Output::Down { .. }));
        assert!(down, "all connections break");
        let began = world.now;
        world.run_for(2500);
        assert_eq!(world.etcd.revision(member), then);
        assert!(!world.exists("more"));
        assert_eq!(identity(&mut world) != cluster, other);
        let left = world.ask(member, LeaseTimeToLiveRequest { id: lease, keys: false });
        assert!(matches!(&left, Ok(Response::TimeToLive(left)) if left.granted_ttl == 5 && left.ttl >= 4), "{left:?}");
        assert!(world.gone_at("key") > began + 6000, "the whole life again, and an election");
    }
}

#[test]
fn a_frozen_leader_is_replaced_and_hears_later_what_it_was_told() {
    let mut world = World::new(3, 13);
    let (frozen, member) = (world.leader(), world.other());
    world.put(member, "key", "1").unwrap();
    world.etcd.freeze(world.now, frozen);
    let unheard = world.begin(frozen, put("unheard", "1"));
    world.run_for(2500);
    assert_ne!(world.leader(), frozen);
    world.put(member, "key", "2").unwrap();
    assert_eq!(world.answer(unheard), None);
    assert!(world.etcd.peek(frozen, b"key", b"")[0].value == "1");
    world.etcd.thaw(world.now, frozen);
    world.run_for(AGREED);
    assert!(matches!(world.answer(unheard), Some((_, Ok(_)))));
    assert!(world.etcd.peek(frozen, b"key", b"")[0].value == "2");
}

#[test]
fn a_short_freeze_of_all_changes_nothing_but_the_time() {
    let mut world = World::new(3, 15);
    let (leader, member) = (world.leader(), world.other());
    world.lease(member, "key", 3);
    (0..3).for_each(|frozen| world.etcd.freeze(world.now, frozen));
    world.run_for(10_000);
    assert!(world.exists("key"));
    (0..3).for_each(|frozen| world.etcd.thaw(world.now, frozen));
    assert_eq!(world.leader(), leader);
    world.run_for(500 + AGREED);
    assert!(!world.exists("key"), "its time has passed meanwhile");
}

#[test]
fn a_member_that_is_cut_off_knows_nothing_new() {
    let mut world = World::new(3, 17);
    let cut = world.leader();
    let lease = world.lease(cut, "key", 60);
    world.etcd.cut_off(world.now, cut);
    let renewed = world.ask(cut, LeaseKeepAliveRequest { id: lease });
    assert!(renewed.is_ok(), "it takes itself for the leader still: {renewed:?}");
    let lost = world.begin(cut, put("lost", "1"));
    world.run_for(3000);
    let member = world.other();
    assert_ne!(world.leader(), cut);
    world.put(member, "key", "1").unwrap();
    assert_eq!(world.get_there(cut, "key"), Some("leased".into()));
    world.run_for(7000);
    assert!(matches!(world.answer(lost), Some((_, Err(_)))));
    world.etcd.reconnect(world.now, cut);
    assert_eq!(world.get(cut, "key"), Ok(Some("1".into())));
    assert!(!world.exists("lost"));
}

#[test]
fn a_watch_from_a_compacted_revision_begins_is_cancelled_and_leaves_the_stream_open() {
    let mut world = World::new(1, 19);
    for value in ["1", "2", "3"] {
        world.put(0, "key", value).unwrap();
    }
    let compact = tanist_etcd_sim::api::CompactionRequest { revision: 3, physical: true };
    world.ask(0, compact).unwrap();
    let stream = StreamId(1);
    world.etcd.open_stream(world.now, 0, stream, false);
    world.etcd.watch(world.now, 0, stream, watch("key", 2));
    world.run_for(60_000);
    let said = world.watched(stream);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].created && !said[0].canceled);
    assert!(said[1].canceled && said[1].compact_revision == 3 && said[1].cancel_reason.is_empty());
    assert_eq!(said[1].header.unwrap().revision, 0);
    assert!(!world.said.iter().any(|(_, output)| matches!(output, Output::End { .. })));
}

#[test]
fn without_space_nothing_is_written_and_leases_live_on() {
    let mut world = World::new(3, 21);
    let member = world.other();
    let lease = world.lease(member, "key", 5);
    assert!(world.etcd.no_space(world.now, 0, true));
    world.run_for(AGREED);
    assert_eq!(world.put(member, "key", "1"), Err(Failure::NoSpace));
    assert!(matches!(
        world.ask(member, LeaseKeepAliveRequest { id: lease }),
        Ok(Response::KeepAlive(renewed)) if renewed.ttl == 5
    ));
    assert!(world.etcd.no_space(world.now, 0, false));
    world.run_for(AGREED);
    world.put(member, "key", "1").unwrap();
}
