//! What becomes of a term when etcd, or a part of it, is gone for a while. Each test has an etcd of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use tanist_store::conformance::{candidate, eventually, lead, member};
use tanist_store::etcd::{EtcdOptions, EtcdStore};
use tanist_store::{ElectionError, LeaderElection, Loss, Resignation, Standing, StoreError, clock};
use tanist_testkit::Etcd;

use support::{Cluster, SOON, is_held, stand, standing, trouble, won};

/// Room between the local deadline and etcd's own is one second, whatever the lease.
const LONGER_TTL: Duration = Duration::from_secs(5);

/// A frozen etcd suspends the leader at its local deadline, before its lease could expire; once etcd goes on, the same
/// term goes on, without having been lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_etcd_suspends_a_term_that_goes_on_afterwards() {
    let etcd = Etcd::start(1).unwrap();
    let mut cluster = Cluster::new(&etcd);
    cluster.options.ttl = LONGER_TTL;
    let leader = lead(&cluster, "m1").await;
    etcd.stop(0);
    let frozen = Instant::now();
    standing(&leader.tenure, "suspended", |standing| *standing == Standing::Suspended).await;
    let said = leader.store.trouble().borrow().is_some();
    etcd.cont(0);
    let took = frozen.elapsed();
    assert!(took > Duration::from_secs(3) && took < LONGER_TTL, "at the local deadline: {took:?}");
    assert!(said, "it is said what is wrong");
    standing(&leader.tenure, "held again", is_held).await;
    leader.commit(Vec::new()).await.expect("the guard holds");
    assert!(leader.tenure.standing.borrow().may_act(clock::mono()));
    trouble(&leader.store, "nothing is wrong any more", |what| what.is_none()).await;
}

/// An etcd that is killed and comes back finds its leader where it was; who waits goes on waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_comes_back_has_the_same_leader() {
    let etcd = Etcd::start(1).unwrap();
    let cluster = Cluster::new(&etcd);
    let leader = lead(&cluster, "m1").await;
    leader.store.announce(&member("m1", "ALIVE")).await.unwrap();
    let before = leader.create("state/apps/a", b"1").await;
    let standby = cluster.open();
    let campaign = stand(&standby, candidate("m2"));
    eventually("the standby watches", SOON, || async { (standby.mirror()?.revision >= before).then_some(()) }).await;
    for _ in 0..2 {
        etcd.kill(0);
        trouble(&standby, "it is said what is wrong", |what| what.is_some_and(|what| what.contains("127.0.0.1"))).await;
        etcd.restart(0).unwrap();
        trouble(&standby, "nothing is wrong any more", |what| what.is_none()).await;
    }
    standing(&leader.tenure, "held", is_held).await;
    let after = eventually("writes are possible again", SOON, || async {
        let put = tanist_store::Operation::put(
            tanist_store::Key::raw("state/apps/b"),
            tanist_store::Expect::Absent,
            &b"1"[..],
        );
        leader.commit(vec![put]).await.ok()
    })
    .await;
    eventually("the standby watches again", SOON, || async {
        standby.mirror().filter(|mirror| mirror.revision >= after.revision && mirror.records == 2)
    })
    .await;
    assert!(!campaign.is_finished() && leader.tenure.standing.borrow().may_act(clock::mono()));
    assert_eq!(leader.store.members().await.unwrap(), [member("m1", "ALIVE")]);
    leader.store.resign(&leader.tenure, &Resignation::open("test")).await.unwrap();
    won(&standby, campaign).await;
}

/// What a watch missed was compacted away meanwhile: etcd says so and then stays silent. Everything is read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_fell_behind_a_compaction_reads_again() {
    let etcd = Etcd::start(1).unwrap();
    let cluster = Cluster::new(&etcd);
    let leader = lead(&cluster, "m1").await;
    let first = leader.create("state/apps/a", b"1").await;
    let standby = cluster.open();
    eventually("the standby watches", SOON, || async { (standby.mirror()?.revision >= first).then_some(()) }).await;
    for n in 0..20 {
        etcd.admin().put(&format!("/others/{n}"), b"x").unwrap();
    }
    let compacted = etcd.admin().revision().unwrap();
    etcd.admin().compact(compacted).unwrap();
    assert!(standby.mirror().unwrap().revision.0 < u64::try_from(compacted).unwrap(), "it is behind");
    etcd.restart(0).unwrap();
    eventually("the standby has read everything again", SOON, || async {
        standby.mirror().filter(|mirror| mirror.revision.0 >= u64::try_from(compacted).unwrap())
    })
    .await;
    let next = eventually("writes are possible again", SOON, || async {
        let delete = tanist_store::Operation::delete(tanist_store::Key::raw("state/apps/a"), first);
        leader.commit(vec![delete]).await.ok()
    })
    .await;
    eventually("and watches on", SOON, || async {
        standby.mirror().filter(|mirror| mirror.revision >= next.revision && mirror.records == 0)
    })
    .await;
}

/// A member of etcd fails, whichever it is: the lease, the watch and the writes go on through another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loss_of_one_member_of_etcd_changes_no_leader() {
    let etcd = Etcd::start(3).unwrap();
    let mut cluster = Cluster::new(&etcd);
    cluster.options.ttl = LONGER_TTL;
    let leader = lead(&cluster, "m1").await;
    let standby = cluster.open();
    let campaign = stand(&standby, candidate("m2"));
    for member in 0..3 {
        etcd.kill(member);
        let written = eventually("writes are possible", SOON, || async {
            let key = tanist_store::Key::raw(&format!("state/apps/app-{member}"));
            let put = tanist_store::Operation::put(key, tanist_store::Expect::Absent, &b"1"[..]);
            leader.commit(vec![put]).await.ok()
        })
        .await;
        eventually("the watch goes on", SOON, || async {
            (standby.mirror()?.revision >= written.revision).then_some(())
        })
        .await;
        etcd.restart(member).unwrap();
    }
    // Two leases long nothing is lost.
    let over =
        timeout(LONGER_TTL * 2, leader.tenure.standing.clone().wait_for(|standing| !is_held(standing))).await.map(drop);
    assert!(over.is_err(), "{:?}", leader.tenure.standing.borrow());
    assert!(!campaign.is_finished());
}

/// Without etcd a store can be opened; everything that needs etcd says what is wrong, or waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_opened_without_etcd_and_waits_for_it() {
    let etcd = Etcd::start(1).unwrap();
    etcd.kill(0);
    let cluster = Cluster::new(&etcd);
    let store = cluster.open();
    let mut campaign = stand(&store, candidate("m1"));
    let endpoint = etcd.endpoints().remove(0);
    trouble(&store, "it is said what is wrong", |what| {
        what.is_some_and(|what| what.contains(&endpoint) && what.to_lowercase().contains("refused"))
    })
    .await;
    let begun = Instant::now();
    let refused = store.announce(&member("m1", "STANDBY")).await.unwrap_err();
    assert!(matches!(refused, ElectionError::Store(StoreError::Unreachable { .. })), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(6), "bounded: {:?}", begun.elapsed());
    assert!(store.members().await.is_err() && !campaign.is_finished());
    assert!(timeout(Duration::from_millis(100), &mut campaign).await.is_err());
    etcd.restart(0).unwrap();
    won(&store, campaign).await;
    eventually("what was to be announced is announced", SOON, || async {
        store.members().await.ok().filter(|members| *members == [member("m1", "STANDBY")])
    })
    .await;
    trouble(&store, "nothing is wrong any more", |what| what.is_none()).await;
}

/// An office that cannot be left in order is over all the same, and its lease is given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_office_left_without_etcd_is_over() {
    let etcd = Etcd::start(1).unwrap();
    let cluster = Cluster::new(&etcd);
    let leader = lead(&cluster, "m1").await;
    etcd.kill(0);
    let left = leader.store.resign(&leader.tenure, &Resignation::open("test")).await;
    assert!(left.is_err());
    assert_eq!(*leader.tenure.standing.borrow(), Standing::Lost(Loss::Resigned));
    etcd.restart(0).unwrap();
    let standby = cluster.open();
    won(&standby, stand(&standby, candidate("m2"))).await;
}

/// etcd without room: no lease, no office, and it is said why; with room again everything goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_etcd_is_named() {
    let etcd = Etcd::start(1).unwrap();
    etcd.admin().raise_no_space().unwrap();
    let cluster = Cluster::new(&etcd);
    let store = cluster.open();
    let campaign = stand(&store, candidate("m1"));
    trouble(&store, "it is said what is wrong", |what| what.is_some_and(|what| what.contains("space"))).await;
    etcd.admin().disarm().unwrap();
    won(&store, campaign).await;
}

/// An etcd that wants a password is told to be the one that refuses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_named() {
    let etcd = Etcd::start(1).unwrap();
    let cluster = Cluster::new(&etcd);
    let prefix = cluster.options.prefix.clone();
    etcd.admin().enable_auth("secret", &[("tanist", "word", &prefix)]).unwrap();
    let login = |password: &str| {
        let credentials = tanist_store::etcd::Credentials { user: "tanist".to_owned(), password: password.to_owned() };
        EtcdOptions { credentials: Some(credentials), ..cluster.options.clone() }
    };
    let store = EtcdStore::open(login("wrong")).unwrap();
    let refused = timeout(SOON, store.members()).await.unwrap().unwrap_err();
    assert!(matches!(refused, ElectionError::Store(StoreError::Denied { .. })), "{refused}");
    trouble(&store, "it is said what is wrong", |what| what.is_some_and(|what| what.contains("password"))).await;
    let refused = timeout(SOON, store.campaign(&candidate("m1"))).await.unwrap().unwrap_err();
    assert!(matches!(refused, ElectionError::Store(StoreError::Denied { .. })) && !refused.retryable(), "{refused}");
    let store = std::sync::Arc::new(EtcdStore::open(login("word")).unwrap());
    let leader = won(&store, stand(&store, candidate("m1"))).await;
    leader.create("state/apps/a", b"1").await;
    leader.store.resign(&leader.tenure, &Resignation::open("test")).await.unwrap();
    spawn_blocking(move || drop(etcd)).await.unwrap();
}
