//! Leaving the office by order: what is under way comes to its end, the target takes over at once, and nothing is left
//! where nobody could follow.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use tanist_core::ids::MasterId;
use tanist_core::model::MasterRole;
use tanist_core::msg::{ClientReply, MasterToWorker};
use tanist_proto::v1;
use tanist_proto::v1::switchover_reply::Answer;
use tanist_store::election::Ending;
use tanist_store::{EmbeddedStore, LeaderElection as _, MemberRecord};

use support::election::{Resigning, Shared};
use support::engine::Mode;
use support::peers::{WorkerPort, WorkerSession, registration};
use support::{Node, is_ready, submission, within};

fn master(id: &str) -> MasterId {
    MasterId::new(id).unwrap()
}

async fn switch(node: &Node, target: &str) -> Answer {
    let request = v1::SwitchoverRequest { target: target.to_owned(), why: "update".to_owned() };
    within("an answer", node.ha().switchover(request)).await.unwrap().into_inner().answer.unwrap()
}

#[track_caller]
fn refused(answer: Answer) -> String {
    let Answer::Refused(why) = answer else { panic!("{answer:?}") };
    why
}

/// The first one leads, and both are known.
async fn two(directory: &Path, shared: &Shared) -> (Node, Node) {
    let first = Node::sharing(directory, "m1", shared).await;
    first.alive().await;
    let second = Node::sharing(directory, "m2", shared).await;
    known(&second, "STANDBY").await;
    (first, second)
}

async fn known(node: &Node, role: &str) {
    let mut announced = node.election.announced();
    within("the announcement", announced.wait_for(|roles| roles.iter().any(|known| known == role))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_committed_and_said_before_the_office_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = two(directory.path(), &Shared::store()).await;
    let epoch = first.alive().await;
    let mut port = WorkerPort::open("w1").await;
    let knowing = WorkerSession::knowing(&first.address, registration("w1", port.port)).await;
    first.engine.set(Mode::Held);
    let before = first.engine.attempts();
    let mut submitted = Box::pin(first.handle().request(submission()));
    assert!(is_ready(&mut submitted).is_none());
    first.engine.attempted_after(before).await;
    // Waits for the transaction after that one.
    let mut worker = WorkerSession::register(&first.address, knowing).await;
    worker.beat().await;
    assert_eq!(worker.hear().await, MasterToWorker::HeartbeatSeen);

    let leaving = first.handle().clone();
    let left = tokio::spawn(async move { leaving.leave(Some(master("m2")), "update".to_owned()).await });
    within("the beginning of the end", async {
        while first.handle().doing().0 != "leaves the office" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut late = Box::pin(first.handle().request(submission()));
    assert!(is_ready(&mut late).is_none());
    assert!(is_ready(&mut submitted).is_none(), "and nothing is said before its time");
    first.engine.set(Mode::Open);

    let reply = within("the reply", submitted).await;
    assert!(matches!(reply, Ok(ClientReply::Submitted { .. })), "{reply:?}");
    let (heard, _) = worker.end().await;
    assert!(matches!(&heard[..], [MasterToWorker::Registered(_), MasterToWorker::Command(_)]), "{heard:?}");
    let term = within("the end of the term", left).await.unwrap().unwrap();
    assert_eq!(term.epoch, epoch);
    let reply = within("an answer to what came late", late).await.unwrap();
    assert!(matches!(reply, ClientReply::NotLeading(_)), "{reply:?}");

    let leader = port.told().await;
    assert_eq!(leader.address, second.address, "the named one took over, with what was committed");
    second.sees("the driver", |view| (view.drivers.len() == 1).then_some(())).await;
    let history = second.store.history().await.unwrap();
    let ended = history.iter().find(|entry| entry.leader.epoch == epoch).and_then(|entry| entry.ended.clone());
    assert_eq!(ended.unwrap().how, Ending::Resigned { why: "update".to_owned() });
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_times_there_and_back_without_anybody_holding_off() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = two(directory.path(), &Shared::store()).await;
    let begun = Instant::now();
    for round in 0..20 {
        let (from, to, target) = if round % 2 == 0 { (&first, &second, "m2") } else { (&second, &first, "m1") };
        let answer = switch(from, target).await;
        assert!(matches!(answer, Answer::SteppedDown(_)), "round {round}: {answer:?}");
        to.alive().await;
        from.role(MasterRole::Standby).await;
    }
    // Each hold-off would be ten seconds.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(first.count("terms_won").await + second.count("terms_won").await, 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_steps_down_lets_the_others_go_first_and_then_stands_again() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = two(directory.path(), &Shared::store()).await;
    let epoch = first.alive().await;
    let answer = switch(&first, "").await;
    assert_eq!(answer, Answer::SteppedDown(v1::SteppedDown { generation: 0, epoch: epoch.0 }));
    second.alive().await;
    first.does("waits: m2 leads").await;
    drop(second);
    first.alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_steps_down_and_is_alone_stands_again_soon() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::sharing(directory.path(), "m1", &Shared::store()).await;
    let epoch = node.alive().await;
    known(&node, "ALIVE").await;
    let begun = Instant::now();
    assert!(matches!(switch(&node, "").await, Answer::SteppedDown(_)));
    node.does("has stepped down: lets others go first").await;
    assert_eq!(node.alive().await.0, epoch.0 + 1);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?} is a hold-off", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_off_stands_at_once_when_it_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let shared = Shared::store();
    let node = Node::sharing(directory.path(), "m1", &shared).await;
    node.alive().await;
    // Somebody who is up and never stands.
    let other = EmbeddedStore::open(directory.path()).await.unwrap();
    let member = MemberRecord {
        master: master("m2"),
        rpc: "127.0.0.1:9".to_owned(),
        ui: None,
        version: "0".to_owned(),
        role: "STANDBY".to_owned(),
        started_at: 1,
    };
    other.announce(&member).await.unwrap();
    let why = refused(switch(&node, "m2").await);
    assert!(why.contains("m2 at 127.0.0.1:9 cannot follow now"), "{why}");
    let begun = Instant::now();
    assert!(matches!(switch(&node, "").await, Answer::SteppedDown(_)));
    node.does("has stepped down: lets others go first").await;
    shared.name(master("m1"));
    node.alive().await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?} is a hold-off", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_while_failover_is_paused() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = two(directory.path(), &Shared::store()).await;
    let epoch = first.alive().await;
    let request = v1::PauseFailoverRequest { by: "op".to_owned(), why: "disks".to_owned(), for_ms: 60_000 };
    let pause = second.ha().pause_failover(request).await.unwrap().into_inner().pause.unwrap();
    assert_eq!((pause.by.as_str(), pause.why.as_str()), ("op", "disks"));
    let why = refused(switch(&first, "m2").await);
    assert!(why.contains("failover is paused by op until") && why.contains("disks"), "{why}");
    drop(first);
    let status = second.does("waits: failover is paused by op until").await;
    assert_eq!(status.pause, Some(pause));
    let reply = second.ha().resume_failover(v1::ResumeFailoverRequest {}).await.unwrap().into_inner();
    assert!(reply.was_paused);
    assert!(second.alive().await > epoch);
    let reply = second.ha().resume_failover(v1::ResumeFailoverRequest {}).await.unwrap().into_inner();
    assert!(!reply.was_paused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_cannot_follow_is_refused_and_the_possible_ones_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = two(directory.path(), &Shared::store()).await;
    let epoch = first.alive().await;
    let why = refused(switch(&first, "m1").await);
    assert!(why.contains("m1 leads already") && why.contains("allowed are m2"), "{why}");
    let why = refused(switch(&first, "m9").await);
    assert!(why.contains("no master m9 is up") && why.contains("allowed are m2"), "{why}");
    second.election.set_trouble(Some("etcd cannot be reached"));
    let why = refused(switch(&first, "m2").await);
    assert!(why.contains("m2 at ") && why.contains("etcd cannot be reached"), "{why}");
    first.election.be_silent(true);
    let why = refused(switch(&first, "m2").await);
    assert!(why.contains("the members cannot be read"), "{why}");

    let Answer::NotLeading(answer) = switch(&second, "m1").await else { panic!("a standby left something") };
    assert_eq!(answer.leader.unwrap().address, first.address);
    let too_long = v1::SwitchoverRequest { target: String::new(), why: "x".repeat(1025) };
    let status = first.ha().switchover(too_long).await.unwrap_err();
    assert!(status.message().contains("why: 1025 bytes are too long; at most 1024"), "{status}");
    let blank = v1::SwitchoverRequest { target: "a b".to_owned(), why: String::new() };
    let status = first.ha().switchover(blank).await.unwrap_err();
    assert!(status.message().starts_with("target: "), "{status}");
    assert_eq!(first.alive().await, epoch, "and nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_knows_no_successors_refuses_and_the_term_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (first, _second) = two(directory.path(), &Shared::default()).await;
    let epoch = first.alive().await;
    let why = refused(switch(&first, "m2").await);
    assert!(why.contains("naming a successor"), "{why}");
    first.submit().await;
    assert_eq!(first.alive().await, epoch);
    assert_eq!(first.count("suspensions").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_committed_in_time_keeps_the_office() {
    let directory = tempfile::tempdir().unwrap();
    let (first, _second) = two(directory.path(), &Shared::store()).await;
    let epoch = first.alive().await;
    first.engine.set(Mode::Full);
    let mut submitted = Box::pin(first.handle().request(submission()));
    assert!(is_ready(&mut submitted).is_none());
    let why = refused(switch(&first, "m2").await);
    assert!(why.contains("not committed within 1s") && why.contains("the disk is full"), "{why}");
    first.engine.set(Mode::Open);
    let reply = within("the reply", submitted).await;
    assert!(matches!(reply, Ok(ClientReply::Submitted { .. })), "{reply:?}");
    assert_eq!(first.alive().await, epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_outcome_is_lost_is_settled_by_the_next_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = two(directory.path(), &Shared::store()).await;
    let epoch = first.alive().await;
    first.election.resigning(Resigning::Fails);
    let why = refused(switch(&first, "m2").await);
    assert!(why.contains("the answer is lost"), "{why}");
    assert_eq!(first.alive().await, epoch, "the guard still holds");

    first.election.resigning(Resigning::IsDoneUnheard);
    let answer = switch(&first, "m2").await;
    assert_eq!(answer, Answer::SteppedDown(v1::SteppedDown { generation: 0, epoch: epoch.0 }));
    second.alive().await;
}
