//! Records of the election that cannot be read: said clearly, never guessed, never written over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::time::Duration;

use tokio::time::timeout;

use tanist_store::conformance::{Leader, candidate, eventually, lead, member};
use tanist_store::election::RecoveryFigures;
use tanist_store::etcd::EtcdStore;
use tanist_store::{
    ElectionError, Handover, IntentChange, Journal, LeaderElection, Pause, Resignation, StoreError, Tenure, clock,
};

use support::{Cluster, SOON, is_lost, shared_etcd, stand, standing, won};

const GARBAGE: &[u8] = b"{\"v\":1,\"not\":\"what was written\"}";

fn corrupt(cluster: &Cluster, key: &str) {
    shared_etcd().admin().put(&cluster.key(key), GARBAGE).unwrap();
}

fn raw(cluster: &Cluster, key: &str) -> Option<Vec<u8>> {
    shared_etcd().admin().get(&cluster.key(key)).unwrap().map(|entry| entry.value)
}

/// The error names the record that cannot be read.
fn assert_names<T: std::fmt::Debug>(result: Result<T, ElectionError>, expected: &str) {
    let Err(error @ ElectionError::Store(StoreError::Record { .. })) = result else { panic!("{result:?}") };
    assert!(error.to_string().contains(expected) && !error.retryable(), "{error}");
}

async fn resign(leader: Leader<EtcdStore>) {
    leader.store.resign(&leader.tenure, &Resignation::open("test")).await.unwrap();
}

/// Without them no safe term can begin: nobody leads until an operator has mended them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_term_begins_on_a_record_that_cannot_be_read() {
    for key in ["meta/cluster", "meta/generation", "ha/epoch"] {
        let cluster = Cluster::new(shared_etcd());
        resign(lead(&cluster, "m1").await).await;
        let before = raw(&cluster, key);
        corrupt(&cluster, key);
        let store = cluster.open();
        assert_names(store.campaign(&candidate("m2")).await, key);
        assert!(store.trouble().borrow().as_ref().is_some_and(|trouble| trouble.what.contains(key)), "{key} is shown");
        assert_eq!(raw(&cluster, key).as_deref(), Some(GARBAGE), "{key} is left as it is");
        let admin = shared_etcd().admin();
        match before {
            Some(value) => admin.put(&cluster.key(key), &value).unwrap(),
            None => drop(admin.delete(&cluster.key(key)).unwrap()),
        }
        won(&store, stand(&store, candidate("m2"))).await;
        assert!(store.trouble().borrow().is_none(), "{:?}", store.trouble().borrow());
    }
}

/// What operators want is not guessed: neither changed nor followed, and put aside by the next term.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_that_cannot_be_read_is_put_aside_by_the_next_term() {
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    let standby = cluster.open();
    standby.announce(&member("m2", "STANDBY")).await.unwrap();
    corrupt(&cluster, "ha/intent");
    let pause = Pause { by: "ada".to_owned(), why: "test".to_owned(), until: clock::wall().0 + 60_000 };
    assert_names(standby.change_intent(&IntentChange::Pause(pause)).await, "ha/intent");
    let by = candidate("m2").master;
    assert_names(standby.depose(&by, &leader.tenure.term(), "test").await, "ha/intent");
    let (target, why, until) = (by, "test".to_owned(), clock::wall().0 + 60_000);
    let successor = Some(Handover { target, why: why.clone(), until });
    assert_names(leader.store.resign(&leader.tenure, &Resignation { why, successor }).await, "ha/intent");
    leader.commit(Vec::new()).await.expect("who leads goes on leading");
    assert_eq!(raw(&cluster, "ha/intent").as_deref(), Some(GARBAGE));
    // Leaving without a successor asks for no intent.
    resign(leader).await;

    let next = won(&standby, stand(&standby, candidate("m2"))).await;
    assert_eq!(raw(&cluster, "ha/intent"), None);
    let aside = format!("quarantine/ha/intent~{}", next.tenure.record.epoch);
    assert_eq!(raw(&cluster, &aside).as_deref(), Some(GARBAGE));
    let (_, recovered) = Journal::open(standby.clone(), &next.tenure).await.unwrap();
    assert_eq!(recovered.quarantined, [aside], "and shown");
}

/// The history only tells what happened: one that cannot be read keeps nobody in office, and out of it nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_that_cannot_be_read_stays_as_it_is() {
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    let entry = format!("ha/history/{:020}", leader.tenure.record.epoch.0);
    corrupt(&cluster, &entry);
    let figures = RecoveryFigures::default();
    assert_names(leader.store.record_recovery(&leader.tenure, &figures).await, &entry);
    let epoch = leader.tenure.record.epoch;
    resign(leader).await;
    assert_eq!(raw(&cluster, &entry).as_deref(), Some(GARBAGE));
    let next = lead(&cluster, "m2").await;
    let predecessor = next.tenure.predecessor.clone().unwrap();
    assert_eq!((predecessor.epoch, predecessor.master), (epoch, None), "not guessed");
    assert_eq!(raw(&cluster, &entry).as_deref(), Some(GARBAGE));
    assert_eq!(next.store.history().await.unwrap().len(), 1, "it is left out");
}

/// Somebody has written over the leader's key: its term is over, and nobody leads as long as the key is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_key_that_cannot_be_read_is_still_a_leader_key() {
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    let standby = cluster.open();
    let mut campaign = stand(&standby, candidate("m2"));
    corrupt(&cluster, "ha/leader");
    let by = candidate("m2").master;
    assert_names(standby.depose(&by, &leader.tenure.term(), "test").await, "ha/leader");
    assert!(leader.commit(Vec::new()).await.unwrap_err().leadership_lost());
    standing(&leader.tenure, "lost", is_lost).await;
    assert!(timeout(Duration::from_secs(1), &mut campaign).await.is_err());
    timeout(SOON, standby.leader().wait_for(Option::is_none)).await.expect("nobody is known to lead").unwrap();
    shared_etcd().admin().delete(&cluster.key("ha/leader")).unwrap();
    won(&standby, campaign).await;
}

/// One record in etcd is damaged by hand, byte after byte; each time the journal is opened anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_damaged_in_etcd_goes_to_quarantine_and_the_others_are_served() {
    let cluster = Cluster::new(shared_etcd());
    let leader = lead(&cluster, "m1").await;
    let seal = |record: &str| {
        let (epoch, nonce) = (leader.tenure.record.epoch, &leader.tenure.record.nonce);
        let record: serde_json::Value = serde_json::from_str(record).unwrap();
        tanist_store::envelope::encode(epoch, nonce, &record).unwrap()
    };
    let sound = seal(r#"{"id":"r-1","driver":"driver-1","at":9}"#);
    leader.create("state/requests/r-2", &seal(r#"{"id":"r-2","driver":"driver-2","at":9}"#)).await;
    for at in 0..sound.len() {
        let mut bytes = sound.to_vec();
        bytes[at] ^= 1 << (at % 8);
        shared_etcd().admin().put(&cluster.key("state/requests/r-1"), &bytes).unwrap();
        let now = Tenure { revision: leader.now().await, ..leader.tenure.clone() };
        let (_, recovered) = Journal::open(leader.store.clone(), &now).await.unwrap();
        assert_eq!(recovered.quarantined, ["quarantine/state/requests/r-1"], "byte {at}");
        let served: Vec<&str> = recovered.requests.iter().map(|request| request.id.as_str()).collect();
        assert_eq!(served, ["r-2"], "byte {at}");
    }
}

/// An entry of a member that cannot be read is left out of the list, and the others are shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_cannot_be_read_is_left_out() {
    let cluster = Cluster::new(shared_etcd());
    let store = cluster.open();
    store.announce(&member("m1", "STANDBY")).await.unwrap();
    corrupt(&cluster, "ha/members/m0");
    eventually("the other one is shown", SOON, || async {
        store.members().await.ok().filter(|members| *members == [member("m1", "STANDBY")])
    })
    .await;
}
