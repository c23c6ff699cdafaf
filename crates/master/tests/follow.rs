//! Suspecting a leader: its stream must have ended, and its address must refuse. One without the other is nothing.

mod support;

use tanist_core::model::MasterRole;
use tanist_proto::v1;

use support::election::Shared;
use support::proxy::Proxy;
use support::{Node, Setup, port, within};

/// A leader that is reached through a proxy, and a standby that follows it.
async fn followed(directory: &std::path::Path, shared: &Shared) -> (Proxy, Node, Node) {
    let proxy = Proxy::open().await;
    let setup = Setup { shared: shared.clone(), advertised_port: Some(proxy.port), ..Setup::default() };
    let leader = Node::set_up(directory, "m1", setup).await;
    proxy.lead_to(port(&leader.address));
    leader.alive().await;
    let standby = Node::sharing(directory, "m2", shared).await;
    standby.does("waits: m1 leads in term 0.1").await;
    heard(&standby).await;
    (proxy, leader, standby)
}

async fn heard(standby: &Node) {
    within("the leader is heard", async {
        while standby.status().await.doing != "waits: m1 leads in term 0.1" {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_stream_ends_and_whose_address_refuses_is_deposed_once() {
    let directory = tempfile::tempdir().unwrap();
    let shared = Shared::store();
    let (mut proxy, leader, standby) = followed(directory.path(), &shared).await;
    proxy.refuse();
    standby.does("waits for the lease of the former leader m1 to end").await;
    within("the deposition", async {
        while shared.depositions().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // It is heard again, and gone again: the election allows this once in ten seconds.
    for _ in 0..2 {
        proxy.listen().await;
        heard(&standby).await;
        proxy.refuse();
        standby.does("waits for the lease of the former leader m1 to end").await;
    }
    proxy.listen().await;
    heard(&standby).await;
    let depositions = shared.depositions();
    let [(by, term, evidence)] = &depositions[..] else { panic!("{depositions:?}") };
    assert_eq!(by.as_str(), "m2");
    assert_eq!(Some(term), leader.handle().leadership().borrow().leader.as_ref().map(|leader| &leader.term));
    assert!(evidence.contains("3 fresh connections") && evidence.contains(&proxy.port.to_string()), "{evidence}");
    assert_eq!(standby.count("depositions").await, 1);
    assert_eq!(leader.handle().leadership().borrow().role, MasterRole::Alive, "it was a wrong suspicion");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_stream_only_ends_is_heard_again() {
    let directory = tempfile::tempdir().unwrap();
    let shared = Shared::store();
    let (proxy, _leader, standby) = followed(directory.path(), &shared).await;
    for _ in 0..3 {
        proxy.cut();
        heard(&standby).await;
    }
    assert_eq!(shared.depositions(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_never_heard_is_left_to_its_lease() {
    let directory = tempfile::tempdir().unwrap();
    let shared = Shared::store();
    let mut proxy = Proxy::open().await;
    proxy.refuse();
    let setup = Setup { shared: shared.clone(), advertised_port: Some(proxy.port), ..Setup::default() };
    let leader = Node::set_up(directory.path(), "m1", setup).await;
    leader.alive().await;
    let standby = Node::sharing(directory.path(), "m2", &shared).await;
    standby.does("waits for the lease of the former leader m1 to end").await;
    // Its address may merely be wrong. It is right from here on.
    proxy.lead_to(port(&leader.address));
    proxy.listen().await;
    heard(&standby).await;
    assert_eq!(shared.depositions(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_master_at_the_leaders_address_is_not_the_leader() {
    let directory = tempfile::tempdir().unwrap();
    let shared = Shared::store();
    let mut proxy = Proxy::open().await;
    let setup = Setup { shared: shared.clone(), advertised_port: Some(proxy.port), ..Setup::default() };
    let leader = Node::set_up(directory.path(), "m1", setup).await;
    leader.alive().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Node::start(elsewhere.path(), "m3").await;
    proxy.lead_to(port(&other.address));
    let standby = Node::sharing(directory.path(), "m2", &shared).await;
    standby.does("waits: m1 leads in term 0.1, but is not heard from here").await;
    proxy.refuse();
    standby.does("waits for the lease of the former leader m1 to end").await;
    assert_eq!(shared.depositions(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_leaders_need_no_help_to_be_gone_is_left_alone() {
    let (directory, first) = Node::leading().await;
    let second = Node::start(directory.path(), "m2").await;
    second.does("waits: m1 leads in term 0.1").await;
    heard(&second).await;
    drop(first);
    second.alive().await;
    assert_eq!(second.count("depositions").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_hears_a_beat_at_once_at_every_change_and_again_and_again() {
    let (_directory, node) = Node::leading().await;
    let request = v1::FollowRequest { master_id: "m2".to_owned() };
    let mut beats = node.ha().follow(request).await.unwrap().into_inner();
    let mut beat = async || within("a beat", beats.message()).await.unwrap().unwrap();
    let first = beat().await;
    assert_eq!((first.master_id.as_str(), first.role()), ("m1", v1::MasterRole::Alive));
    beat().await;
    node.election.set(tanist_store::Standing::Suspended);
    while beat().await.role() != v1::MasterRole::Suspended {}

    // Stopping ends the stream instead of waiting for it.
    let stopped = tokio::spawn(node.service.stop());
    while let Some(_beat) = within("the end of the stream", beats.message()).await.unwrap() {}
    within("the end of the service", stopped).await.unwrap().unwrap();
}
