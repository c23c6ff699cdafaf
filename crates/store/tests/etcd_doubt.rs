//! Answers of etcd that are lost on the way. Fail points are of the whole process: the tests here take turns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use tanist_core::ids::Epoch;
use tanist_store::conformance::{candidate, eventually, lead, member};
use tanist_store::election::Ending;
use tanist_store::{LeaderElection, Loss, Resignation, Standing};

use support::{Cluster, SOON, TTL, is_held, shared_etcd, stand, standing, won};

/// One test at a time, and no fail point left behind.
struct Turn(#[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

impl Turn {
    async fn take() -> Self {
        static TURNS: Mutex<()> = Mutex::const_new(());
        Self(TURNS.lock().await)
    }
}

/// Only whoever has the turn may order.
fn order(_turn: &Turn, point: &str, action: &str) {
    fail::cfg(point, action).unwrap();
}

impl Drop for Turn {
    fn drop(&mut self) {
        for point in ["etcd.election.before", "etcd.election.after", "etcd.lease.after"] {
            fail::remove(point);
        }
    }
}

/// Whether the victory was made known or not, and however often: there is one term, and its winner knows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_office_won_without_an_answer_is_won_once() {
    let turn = Turn::take().await;
    for (point, action) in [
        ("etcd.election.after", "1*return(error)->off"),
        ("etcd.election.after", "4*return(error)->off"),
        ("etcd.election.before", "1*return(error)->off"),
        ("etcd.election.before", "3*return(error)->off"),
    ] {
        let cluster = Cluster::new(shared_etcd());
        let store = cluster.open();
        order(&turn, point, action);
        let leader = won(&store, stand(&store, candidate("m1"))).await;
        assert_eq!(leader.tenure.record.epoch, Epoch(1), "{point} {action}");
        leader.commit(Vec::new()).await.unwrap();
        let key = leader.get("ha/leader").await.unwrap();
        assert_eq!(leader.tenure.revision, key.create_revision, "{point} {action}");
        assert_eq!(leader.store.history().await.unwrap().len(), 1, "{point} {action}");
        assert!(store.trouble().borrow().is_none());
    }
}

/// A candidacy that is given up while it is not known whether it has won takes no office.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_office_won_by_nobody_is_given_up() {
    let turn = Turn::take().await;
    for action in ["1*return(wait:700)->off", "3*return(error)->off"] {
        let cluster = Cluster::new(shared_etcd());
        let store = cluster.open();
        order(&turn, "etcd.election.after", action);
        let campaign = stand(&store, candidate("m1"));
        let taken = || async { shared_etcd().admin().get(&cluster.key("ha/leader")).unwrap() };
        eventually("the office is taken, without an answer", SOON, taken).await;
        campaign.abort();
        assert!(campaign.await.unwrap_err().is_cancelled());
        let other = cluster.open();
        let next = timeout(TTL, stand(&other, candidate("m2"))).await.expect("at once, not when the lease expires");
        let ending = next.unwrap().unwrap().predecessor.unwrap().ending;
        assert!(matches!(ending, Ending::Resigned { .. }), "{ending:?}");
    }
}

/// Leaving and deposing without an answer is asked for again, and done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_office_left_without_an_answer_is_left() {
    let turn = Turn::take().await;
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    order(&turn, "etcd.election.after", "1*return(error)->off");
    leader.store.resign(&leader.tenure, &Resignation::open("why")).await.unwrap();
    assert_eq!(*leader.tenure.standing.borrow(), Standing::Lost(Loss::Resigned));
    let second = lead(&cluster, "m2").await;
    assert_eq!(second.tenure.predecessor.clone().unwrap().ending, Ending::Resigned { why: "why".to_owned() });

    let standby = cluster.open();
    order(&turn, "etcd.election.after", "1*return(error)->off");
    let by = candidate("m3").master;
    standby.depose(&by, &second.tenure.term(), "evidence").await.unwrap();
    let third = won(&standby, stand(&standby, candidate("m3"))).await;
    let evidence = "evidence".to_owned();
    assert_eq!(third.tenure.predecessor.clone().unwrap().ending, Ending::Deposed { by, evidence });
}

/// An entry that was written without an answer is written once more, and not taken for somebody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_announced_without_an_answer_is_announced() {
    let turn = Turn::take().await;
    let cluster = Cluster::new(shared_etcd());
    let store = cluster.open();
    order(&turn, "etcd.election.after", "1*return(error)->off");
    store.announce(&member("m1", "STANDBY")).await.unwrap();
    assert_eq!(store.members().await.unwrap(), [member("m1", "STANDBY")]);
}

/// A renewal counts when its answer is here, and not before: without answers a term is suspended, although etcd renews
/// its lease; with answers it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewals_without_an_answer_count_for_nothing() {
    let turn = Turn::take().await;
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    order(&turn, "etcd.lease.after", "return(error)");
    standing(&leader.tenure, "suspended", |standing| *standing == Standing::Suspended).await;
    let (longer, mut next) = (TTL + Duration::from_secs(1), leader.tenure.standing.clone());
    let changed = timeout(longer, next.wait_for(|standing| *standing != Standing::Suspended)).await.map(drop);
    assert!(changed.is_err(), "neither lost nor held: {:?}", leader.tenure.standing.borrow());
    fail::remove("etcd.lease.after");
    standing(&leader.tenure, "held again", is_held).await;
    leader.commit(Vec::new()).await.unwrap();
}
