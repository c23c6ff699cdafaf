//! Masters that are cut off from etcd while others are not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use tanist_store::conformance::{candidate, eventually, lead, member};
use tanist_store::etcd::{EtcdOptions, EtcdStore};
use tanist_store::{LeaderElection, Standing, clock};
use tanist_testkit::{Mode, Modes, Proxy};

use support::{Cluster, SOON, is_lost, shared_etcd, stand, standing, trouble, won};

/// A way of its own to the shared etcd, and a master that uses it.
async fn behind_a_proxy(cluster: &Cluster) -> (Proxy, Arc<EtcdStore>) {
    let target = shared_etcd().endpoints().remove(0);
    // Proxies have a runtime of their own, and wait for it.
    let start = move || Proxy::start(target.strip_prefix("http://").unwrap()).unwrap();
    let proxy = tokio::task::spawn_blocking(start).await.unwrap();
    let endpoints = vec![format!("http://{}", proxy.address)];
    let options = EtcdOptions { endpoints, ..cluster.options.clone() };
    (proxy, Arc::new(EtcdStore::open(options).unwrap()))
}

/// A leader that etcd cannot be reached from stops before its lease ends, is followed, and finds its term over when it
/// is back; whichever direction is cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_stops_before_it_is_followed() {
    let answers_lost = Modes { inwards: Mode::Pass, outwards: Mode::Hold };
    for modes in [Modes::from(Mode::Hold), Modes::from(Mode::Cut), answers_lost] {
        let cluster = Cluster::new(shared_etcd());
        let (proxy, store) = behind_a_proxy(&cluster).await;
        let leader = won(&store, stand(&store, candidate("m1"))).await;
        let standby = cluster.open();
        let campaign = stand(&standby, candidate("m2"));
        proxy.set(modes);
        standing(&leader.tenure, "suspended", |standing| *standing == Standing::Suspended).await;
        assert!(!campaign.is_finished(), "nobody leads before the old leader has stopped");
        assert!(!leader.tenure.standing.borrow().may_act(clock::mono()));
        if modes == answers_lost {
            // What goes out and is not answered renews the lease in etcd, so nobody follows. It may not act all the same.
            proxy.set(Mode::Hold);
        }
        let next = won(&standby, campaign).await;
        next.create("state/apps/a", b"1").await;
        assert_eq!(*leader.tenure.standing.borrow(), Standing::Suspended, "nothing can tell it yet");
        proxy.heal();
        standing(&leader.tenure, "its term is over", is_lost).await;
        assert!(leader.commit(Vec::new()).await.unwrap_err().leadership_lost());
        next.commit(Vec::new()).await.expect("and who follows goes on");
        trouble(&store, "nothing is wrong any more", |what| what.is_none()).await;
    }
}

/// What a watch missed while it was cut off is more than one message takes: it comes in fragments, and nothing of it is
/// lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_missed_much_catches_up() {
    const RECORDS: u64 = 8;
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    let (proxy, standby) = behind_a_proxy(&cluster).await;
    let first = leader.create("state/apps/first", b"x").await;
    eventually("it watches", SOON, || async { (standby.mirror()?.revision >= first).then_some(()) }).await;
    proxy.set(Mode::Cut);
    let mut last = first;
    for n in 0..RECORDS {
        last = leader.create(&format!("state/apps/large-{n}"), &vec![b'x'; 900_000]).await;
    }
    proxy.heal();
    // The last message could be a fragment with more to come, for all that can be told from it.
    eventually("it has caught up", SOON, || async {
        standby.mirror().filter(|mirror| mirror.records == RECORDS + 1 && mirror.revision.0 >= last.0 - 1)
    })
    .await;
    leader.store.announce(&member("m1", "ALIVE")).await.unwrap();
    drop(leader);
    let next = won(&standby, stand(&standby, candidate("m2"))).await;
    assert_eq!(next.list("state/", next.tenure.revision).await.len(), usize::try_from(RECORDS).unwrap() + 1);
    let mirror = standby.mirror().unwrap();
    assert_eq!((mirror.compared, mirror.differences), (RECORDS + 1, 0));
}

/// A candidate that was cut off while the office changed hands twice learns of it, and waits for the right one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_was_cut_off_learns_who_leads() {
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    let (proxy, standby) = behind_a_proxy(&cluster).await;
    let campaign = stand(&standby, candidate("m9"));
    let known = |name: &'static str| {
        let mut leader = standby.leader();
        async move {
            let known = leader.wait_for(|leader| leader.as_ref().is_some_and(|leader| leader.master.as_str() == name));
            tokio::time::timeout(SOON, known).await.map(drop).expect("it learns who leads");
        }
    };
    known("m1").await;
    proxy.set(Mode::Hold);
    let resignation = tanist_store::Resignation::open("test");
    leader.store.resign(&leader.tenure, &resignation).await.unwrap();
    let second = lead(&cluster, "m2").await;
    second.store.resign(&second.tenure, &resignation).await.unwrap();
    let third = lead(&cluster, "m3").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(standby.leader().borrow().as_ref().unwrap().master.as_str(), "m1", "it cannot know");
    proxy.heal();
    known("m3").await;
    assert!(!campaign.is_finished());
    third.store.resign(&third.tenure, &resignation).await.unwrap();
    won(&standby, campaign).await;
}
