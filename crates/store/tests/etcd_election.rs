//! Terms in etcd: how they are lost, what stands in the way of a new one, how fast they follow each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use tokio::time::timeout;

use tanist_core::ids::Epoch;
use tanist_store::conformance::{Harness, candidate, eventually, lead, member, refusal};
use tanist_store::{Candidate, ElectionError, Handover, LeaderElection, MemberRecord, Resignation, Standing, clock};

use support::{Cluster, SOON, TTL, is_held, is_lost, shared_etcd, stand, standing, trouble, won};

/// How long it is watched that nothing happens that must not.
const A_WHILE: Duration = Duration::from_millis(1500);

fn open_resignation() -> Resignation {
    Resignation::open("test")
}

/// etcd says that the lease is gone: the term is over, and a new one is won on a new lease. The member is announced
/// again by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_lease_ends_the_term() {
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    leader.store.announce(&member("m1", "ALIVE")).await.unwrap();
    let key = shared_etcd().admin().get(&cluster.key("ha/leader")).unwrap().unwrap();
    shared_etcd().admin().revoke(key.lease).unwrap();
    standing(&leader.tenure, "the loss is noticed", is_lost).await;
    assert!(refusal(leader.commit(Vec::new()).await).leadership_lost);
    let again = won(&leader.store, stand(&leader.store, candidate("m1"))).await;
    assert_eq!(again.tenure.record.epoch, Epoch(leader.tenure.record.epoch.0 + 1));
    let members = eventually("the member is back", SOON, || async {
        again.store.members().await.ok().filter(|members| !members.is_empty())
    });
    assert_eq!(members.await, [member("m1", "ALIVE")]);
}

/// Who is deposed by mistake hears of it by its next renewal at the latest, whatever its watch says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_of_a_deposed_leader_ends_with_its_term() {
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    let lease = shared_etcd().admin().get(&cluster.key("ha/leader")).unwrap().unwrap().lease;
    let by = candidate("m2").master;
    cluster.open().depose(&by, &leader.tenure.term(), "mistaken for dead").await.unwrap();
    assert!(!shared_etcd().admin().leases().unwrap().contains(&lease));
    standing(&leader.tenure, "the loss is noticed", is_lost).await;
}

/// The same for a master that only waits: it stays a member.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_lease_is_revoked_is_announced_again() {
    let cluster = Cluster::new(shared_etcd());
    let store = cluster.open();
    store.announce(&member("m1", "STANDBY")).await.unwrap();
    let admin = shared_etcd().admin();
    let before = admin.get(&cluster.key("ha/members/m1")).unwrap().unwrap();
    admin.revoke(before.lease).unwrap();
    let after = eventually("it is back", SOON, || async { admin.get(&cluster.key("ha/members/m1")).unwrap() }).await;
    assert_ne!(after.lease, before.lease);
    admin.delete(&cluster.key("ha/members/m1")).unwrap();
    eventually("it is back again", SOON, || async { admin.get(&cluster.key("ha/members/m1")).unwrap() }).await;
}

/// The key is gone although the lease lives: a read confirms it, the term is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_key_deleted_by_hand_ends_the_term() {
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    assert!(shared_etcd().admin().delete(&cluster.key("ha/leader")).unwrap());
    standing(&leader.tenure, "the loss is noticed", is_lost).await;
    let again = won(&leader.store, stand(&leader.store, candidate("m1"))).await;
    assert!(again.tenure.record.epoch > leader.tenure.record.epoch);
}

/// A leader whose core loop hangs renews no more, is suspended, and loses the office to whoever stands for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_core_loop_hangs_loses_the_office() {
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    let store = cluster.open();
    let campaign = stand(&store, candidate("m2"));
    tokio::time::sleep(TTL + A_WHILE).await;
    assert!(is_held(&leader.tenure.standing.borrow()), "while the loop comes round the lease is renewed");
    leader.hang();
    let hung = Instant::now();
    standing(&leader.tenure, "suspended", |standing| *standing == Standing::Suspended).await;
    standing(&leader.tenure, "lost", is_lost).await;
    let next = won(&store, campaign).await;
    let most = TTL + Duration::from_secs(4);
    assert!(hung.elapsed() < most, "followed after {:?}", hung.elapsed());
    assert!(next.tenure.record.epoch > leader.tenure.record.epoch);
    // What hung stands again as soon as it comes round.
    next.store.resign(&next.tenure, &open_resignation()).await.unwrap();
    won(&leader.store, stand(&leader.store, candidate("m1"))).await;
}

/// Dropping a store is a crash: what its lease keeps stays until that expires.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_store_says_nothing() {
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    leader.store.announce(&member("m1", "ALIVE")).await.unwrap();
    let term = leader.tenure.record.clone();
    cluster.crash(leader.store).await;
    let standby = cluster.open();
    assert_eq!(standby.members().await.unwrap().len(), 1);
    let known = timeout(SOON, standby.leader().wait_for(|leader| leader.as_ref() == Some(&term))).await.map(drop);
    known.expect("the key is still there");
    eventually("both keys go with the lease", SOON, || async { standby.members().await.ok().filter(Vec::is_empty) })
        .await;
    assert_eq!(shared_etcd().admin().get(&cluster.key("ha/leader")).unwrap(), None);
}

fn at(name: &str, rpc: &str) -> (Candidate, MemberRecord) {
    let rpc = rpc.to_owned();
    (Candidate { rpc: rpc.clone(), ..candidate(name) }, MemberRecord { rpc, ..member(name, "STANDBY") })
}

/// Of two processes with one id the second one does not lead while the first one lives, and says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_with_one_id_only_the_first_leads() {
    let cluster = Cluster::new(shared_etcd());
    let (one, two) = (cluster.open(), cluster.open());
    let ((_, first), (second_candidate, second)) = (at("m1", "one:7077"), at("m1", "two:7077"));
    one.announce(&first).await.unwrap();
    // Even if it never announces itself.
    let mut campaign = stand(&two, second_candidate);
    trouble(&two, "it is told", |what| what.is_some_and(|what| what.contains("m1") && what.contains("one:7077"))).await;
    let refused = two.announce(&second).await.unwrap_err();
    assert!(matches!(refused, ElectionError::MemberTaken { .. }), "{refused}");
    assert!(timeout(A_WHILE, &mut campaign).await.is_err(), "it does not take the office, although it is free");
    cluster.crash(one).await;
    let leader = won(&two, campaign).await;
    eventually("it is announced by itself", SOON, || async {
        leader.store.members().await.ok().filter(|members| *members == [second.clone()])
    })
    .await;
    trouble(&two, "nothing is wrong any more", |what| what.is_none()).await;
}

/// Our own address in another process's entry: that process must be dead, since we have its port.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_entry_of_an_earlier_process_of_ours_is_taken_over_at_once() {
    let mut cluster = Cluster::new(shared_etcd());
    // Longer than anything here may take: nobody can have waited for it.
    cluster.options.ttl = 2 * SOON;
    let (one, two) = (cluster.open(), cluster.open());
    let (second_candidate, entry) = at("m1", "one:7077");
    one.announce(&entry).await.unwrap();
    let old = shared_etcd().admin().get(&cluster.key("ha/members/m1")).unwrap().unwrap().lease;
    cluster.crash(one).await;
    let again = MemberRecord { started_at: 2, ..entry };
    timeout(SOON, two.announce(&again)).await.expect("at once").unwrap();
    assert_eq!(two.members().await.unwrap(), std::slice::from_ref(&again));
    won(&two, stand(&two, second_candidate)).await;
    // The old lease ends, and takes nothing of the new process with it.
    shared_etcd().admin().revoke(old).unwrap();
    assert_eq!(two.members().await.unwrap(), [again]);
}

/// Who has left the office lets others go first, until one of them has led; alone it need not wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stepped_down_lets_others_go_first() {
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    leader.store.resign(&leader.tenure, &open_resignation()).await.unwrap();
    let begun = Instant::now();
    let leader = won(&leader.store, stand(&leader.store, candidate("m1"))).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "alone: {:?}", begun.elapsed());

    let other = cluster.open();
    for (store, name) in [(&leader.store, "m1"), (&other, "m2")] {
        store.announce(&member(name, "STANDBY")).await.unwrap();
    }
    leader.store.resign(&leader.tenure, &open_resignation()).await.unwrap();
    let mut campaign = stand(&leader.store, candidate("m1"));
    assert!(timeout(A_WHILE, &mut campaign).await.is_err(), "the other one goes first");
    let second = won(&other, stand(&other, candidate("m2"))).await;
    let begun = Instant::now();
    second.store.resign(&second.tenure, &open_resignation()).await.unwrap();
    won(&leader.store, campaign).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "somebody else has led: {:?}", begun.elapsed());
}

/// A prefix with another cluster's store in it is not led, and the message says whose it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_another_cluster_is_refused() {
    let cluster = Cluster::new(shared_etcd());
    let ours = lead(&cluster, "m1").await;
    let mut options = cluster.options.clone();
    options.cluster = "other".to_owned();
    let foreign = Cluster { options }.open();
    let refused = timeout(SOON, foreign.campaign(&candidate("m2"))).await.unwrap().unwrap_err();
    assert!(matches!(refused, ElectionError::OtherCluster { .. }) && !refused.retryable(), "{refused}");
    for part in ["'test'", "'other'", &cluster.options.prefix] {
        assert!(refused.to_string().contains(part), "{part} in {refused}");
    }
    trouble(&foreign, "it is shown", |what| what.is_some_and(|what| what.contains("'other'"))).await;
    let refused = foreign.announce(&member("m2", "STANDBY")).await.unwrap_err();
    assert!(matches!(refused, ElectionError::OtherCluster { .. }), "{refused}");
    assert_eq!(*foreign.leader().borrow(), None, "nothing is shown of another cluster");
    assert!(foreign.members().await.unwrap().is_empty());

    // A restored or exchanged store: the same name, another id.
    let other = Cluster::new(shared_etcd());
    let _theirs = lead(&other, "m1").await;
    ours.store.resign(&ours.tenure, &open_resignation()).await.unwrap();
    let admin = shared_etcd().admin();
    let theirs = admin.get(&other.key("meta/cluster")).unwrap().unwrap().value;
    admin.put(&cluster.key("meta/cluster"), &theirs).unwrap();
    let refused = timeout(SOON, ours.store.campaign(&candidate("m1"))).await.unwrap().unwrap_err();
    let ElectionError::ForeignCluster { place, expected, found } = &refused else { panic!("{refused}") };
    assert_eq!(*expected, ours.tenure.record.cluster);
    assert!(found.is_some() && place.contains(&cluster.options.prefix), "{refused}");
    admin.delete(&cluster.key("meta/cluster")).unwrap();
    let refused = timeout(SOON, ours.store.campaign(&candidate("m1"))).await.unwrap().unwrap_err();
    assert!(matches!(refused, ElectionError::ForeignCluster { found: None, .. }), "wiped: {refused}");
}

/// A leader is known to the others with what it said of itself, and the copy of the records agrees with the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_over_compares_the_mirror_with_the_store() {
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    let standby = cluster.open();
    for n in 0..30 {
        leader.create(&format!("state/apps/app-{n:02}"), b"x").await;
    }
    let last = leader.create("done/apps/app-31", b"x").await;
    eventually("the copy is complete", SOON, || async {
        standby.mirror().filter(|mirror| mirror.revision >= last && mirror.records == 31)
    })
    .await;
    leader.store.resign(&leader.tenure, &open_resignation()).await.unwrap();
    let next = won(&standby, stand(&standby, candidate("m2"))).await;
    assert_eq!(next.list("state/", next.tenure.revision).await.len(), 30);
    assert_eq!(next.list("done/", next.tenure.revision).await.len(), 1);
    let mirror = standby.mirror().unwrap();
    assert_eq!((mirror.compared, mirror.differences), (31, 0));
}

/// How long it takes from leaving the office in order to the next victory, and to the next term's first write.
async fn hand_over_times(named: bool) -> Vec<Duration> {
    const ROUNDS: usize = 60;
    let cluster = Cluster::new(shared_etcd());
    let mut leader = lead(&cluster, "m0").await;
    let mut standby = cluster.open();
    for (store, name) in [(&leader.store, "m0"), (&standby, "m1")] {
        if named {
            store.announce(&member(name, "STANDBY")).await.unwrap();
        }
    }
    let mut took = Vec::with_capacity(ROUNDS);
    for round in 1..=ROUNDS {
        let next = candidate(&format!("m{}", round % 2));
        let (why, until) = ("test".to_owned(), clock::wall().0 + 60_000);
        let successor = named.then(|| Handover { target: next.master.clone(), why: why.clone(), until });
        let campaign = stand(&standby, next);
        let known = Some(leader.tenure.record.clone());
        let waits = timeout(SOON, standby.leader().wait_for(|leader| *leader == known)).await.map(drop);
        waits.expect("the candidate knows whom it waits for");
        // Long enough for the candidate to have read, and to sit in its watch.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let begun = Instant::now();
        leader.store.resign(&leader.tenure, &Resignation { why, successor }).await.unwrap();
        let next = won(&standby, campaign).await;
        took.push(begun.elapsed());
        standby = std::mem::replace(&mut leader, next).store;
    }
    took.sort_unstable();
    took
}

/// An office that is left in order is not empty for long, with a successor named and without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_office_left_in_order_is_taken_at_once() {
    const MOST: Duration = Duration::from_millis(50);
    for named in [true, false] {
        let took = hand_over_times(named).await;
        let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
        println!("office left and taken, successor named {named}, {} times: p50 {p50:?}, p99 {p99:?}", took.len());
        assert!(p50 <= MOST, "p50 {p50:?}");
    }
}
