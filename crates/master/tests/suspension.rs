//! The local deadline (protocol 2): past it nothing leaves, and it takes a renewal and a proof to come back.

mod support;

use std::time::Duration;

use tanist_core::model::MasterRole;
use tanist_core::msg::{ClientReply, MasterToWorker, WorkerCommand};
use tanist_master::RequestError;
use tanist_store::{Loss, Standing, clock};

use support::engine::Mode;
use support::peers::{WorkerSession, registration};
use support::{Node, is_ready, submission, within};

/// A leader past its deadline answers a heartbeat, and not as one that is sure of its lead.
fn assert_not_sure(answer: &MasterToWorker, why: &str) {
    assert!(matches!(answer, MasterToWorker::Standby { .. }), "{why}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_past_the_deadline_leaves_only_after_a_new_proof() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    let term = node.alive().await;
    let mut worker = WorkerSession::registered(&node.address, registration("w1", 9)).await;
    node.engine.set(Mode::Held);
    let before = node.engine.attempts();
    let mut submitted = Box::pin(node.handle().request(submission()));
    assert!(is_ready(&mut submitted).is_none());
    node.engine.attempted_after(before).await;

    node.election.set(Standing::Suspended);
    node.role(MasterRole::Suspended).await;
    node.engine.let_one_pass();
    // Readers are shown what is durable even now, and so tell that the loop has heard of the commit.
    node.sees("the durable driver", |view| (view.drivers.len() == 1).then_some(())).await;
    worker.beat().await;
    assert_not_sure(&worker.hear().await, "the launch stays behind the gate");
    assert!(is_ready(&mut submitted).is_none(), "and so does the reply");
    let reply = node.handle().request(submission()).await.unwrap();
    let ClientReply::NotLeading(answer) = reply else { panic!("{reply:?}") };
    assert_eq!(answer.role, MasterRole::Suspended);
    assert_eq!(node.count("effects_withheld").await, 2, "launch and reply, each counted once");
    let state = node.operators().get_state(tanist_proto::v1::GetStateRequest {}).await.unwrap().into_inner();
    let stale = state.degraded.unwrap();
    assert!(stale.starts_with("suspended since ") && stale.ends_with("may be out of date"), "{stale}");

    // Renewed, but not proven yet.
    let before = node.engine.attempts();
    node.election.set(Standing::Held { until: None });
    node.engine.attempted_after(before).await;
    worker.beat().await;
    assert_not_sure(&worker.hear().await, "the renewal alone proves nothing");
    assert!(is_ready(&mut submitted).is_none());
    node.engine.set(Mode::Open);
    let reply = within("the reply", submitted).await.unwrap();
    assert!(matches!(reply, ClientReply::Submitted { .. }), "{reply:?}");
    assert!(matches!(worker.ordered().await, WorkerCommand::LaunchDriver { .. }));
    assert_eq!(node.alive().await, term, "no recovery, the same term");
    assert_eq!((node.count("effects_withheld").await, node.count("suspensions").await), (2, 1));
    assert_eq!(node.handle().degraded(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_answer_that_the_end_of_the_process_keeps_back_is_not_denied() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    node.alive().await;
    node.engine.set(Mode::Held);
    let before = node.engine.attempts();
    let handle = node.handle().clone();
    let mut submitted = Box::pin(handle.request(submission()));
    assert!(is_ready(&mut submitted).is_none());
    node.engine.attempted_after(before).await;
    node.election.set(Standing::Suspended);
    node.role(MasterRole::Suspended).await;
    node.engine.let_one_pass();
    node.sees("the durable driver", |view| (view.drivers.len() == 1).then_some(())).await;
    within("the end of the service", node.service.stop()).await.unwrap();
    assert_eq!(within("an answer", submitted).await, Err(RequestError::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_from_before_the_suspension_proves_nothing_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    let term = node.alive().await;
    let mut worker = WorkerSession::registered(&node.address, registration("w1", 9)).await;
    node.engine.set(Mode::Held);
    let before = node.engine.attempts();
    let mut submitted = Box::pin(node.handle().request(submission()));
    assert!(is_ready(&mut submitted).is_none());
    node.engine.attempted_after(before).await;
    node.election.set(Standing::Suspended);
    node.role(MasterRole::Suspended).await;
    node.election.set(Standing::Held { until: None });

    // It ends while the term is renewed, and was begun before.
    node.engine.let_one_pass();
    node.engine.attempted_after(before + 1).await;
    worker.beat().await;
    assert_not_sure(&worker.hear().await, "the proof is under way");
    assert!(is_ready(&mut submitted).is_none());
    node.engine.let_one_pass();
    within("the reply", submitted).await.unwrap();
    assert!(matches!(worker.ordered().await, WorkerCommand::LaunchDriver { .. }));
    node.engine.set(Mode::Open);
    assert_eq!(node.alive().await, term);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_term_whose_guard_is_refused_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    let term = node.alive().await;
    node.election.set(Standing::Suspended);
    node.role(MasterRole::Suspended).await;
    node.engine.set(Mode::Refusing);
    node.election.set(Standing::Held { until: None });
    node.role(MasterRole::Standby).await;
    node.engine.set(Mode::Open);
    assert!(node.alive().await > term);
}

/// Shorter than the pause between two announcements after the first few, longer than a connection takes.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// Longer than the pause between two early announcements, twice.
const NOTHING_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_leader_announces_itself_to_nobody() {
    let (directory, first) = Node::leading().await;
    // It takes connections and drops them: who announces something tries again.
    let endpoint = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = endpoint.local_addr().unwrap().port();
    drop(WorkerSession::registered(&first.address, registration("w1", port)).await);
    drop(first);
    let second = Node::start(directory.path(), "m2").await;
    let dialled = async || drop(endpoint.accept().await.unwrap());
    // Whoever dialled before that may have been the former leader, who looked after its worker.
    second.role(MasterRole::Recovering).await;
    within("an announcement", dialled()).await;
    second.election.set(Standing::Suspended);
    second.role(MasterRole::Suspended).await;
    // What was on its way before, from either of the two, is here by now or within a moment.
    while tokio::time::timeout(ON_ITS_WAY, dialled()).await.is_ok() {}
    let silence = tokio::time::timeout(NOTHING_WITHIN, dialled()).await;
    assert!(silence.is_err(), "announced by a master that is not sure to lead");
    second.election.set(Standing::Held { until: None });
    within("an announcement", dialled()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passes_unrenewed_suspends_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    let term = node.alive().await;
    node.election.set(Standing::Held { until: Some(clock::mono() + Duration::from_millis(50)) });
    node.role(MasterRole::Suspended).await;
    node.election.set(Standing::Held { until: Some(clock::mono() + support::PATIENCE) });
    assert_eq!(node.alive().await, term);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_term_that_is_over_is_dropped_and_the_node_stands_again() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    let term = node.alive().await;
    let worker = WorkerSession::registered(&node.address, registration("w1", 9)).await;
    node.election.set(Standing::Lost(Loss::Expired));
    worker.end().await;
    within("another term", async {
        let mut leadership = node.handle().leadership();
        leadership
            .wait_for(|found| found.role.leads() && found.leader.as_ref().is_some_and(|l| l.term.epoch > term))
            .await
            .map(|_| ())
    })
    .await
    .unwrap();
}
