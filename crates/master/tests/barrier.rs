//! The barrier of protocol 3: nothing that changes anybody's belief leaves before the commit it rests on.

mod support;

use tanist_core::model::MasterRole;
use tanist_core::msg::{ClientReply, MasterToWorker, WorkerCommand};
use tanist_master::RequestError;
use tonic::Code;

use support::engine::Mode;
use support::peers::{WorkerSession, registration};
use support::{Node, is_ready, submission, within};

/// A heartbeat there and back: everything that was said before it has been handled, and whatever could leave is here.
async fn round_trip(worker: &mut WorkerSession) {
    worker.beat().await;
    assert_eq!(worker.hear().await, MasterToWorker::HeartbeatSeen, "only heartbeat answers may pass the barrier");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_before_its_own_commit_but_heartbeat_answers_do() {
    let (_directory, node) = Node::leading().await;
    let registration = WorkerSession::knowing(&node.address, registration("w1", 9)).await;
    node.engine.set(Mode::Held);
    let before = node.engine.attempts();

    let mut worker = WorkerSession::register(&node.address, registration).await;
    node.engine.attempted_after(before).await;
    round_trip(&mut worker).await;

    // While the registration's commit is under way, a submission is handled: it rests on the commit after that.
    let mut submitted = Box::pin(node.handle().request(submission()));
    assert!(is_ready(&mut submitted).is_none());
    round_trip(&mut worker).await;
    assert!(is_ready(&mut submitted).is_none());

    node.engine.let_one_pass();
    let first = worker.hear().await;
    assert!(matches!(first, MasterToWorker::Registered(_)), "{first:?}");
    node.engine.attempted_after(before + 1).await;
    round_trip(&mut worker).await;
    assert!(is_ready(&mut submitted).is_none(), "the submission's own commit has not happened");

    node.engine.let_one_pass();
    let reply = within("the reply", &mut submitted).await.unwrap();
    let ClientReply::Submitted { driver } = reply else { panic!("{reply:?}") };
    let order = worker.ordered().await;
    assert!(matches!(&order, WorkerCommand::LaunchDriver { driver: launched, .. } if *launched == driver), "{order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_during_a_commit_shares_the_next_one() {
    let (_directory, node) = Node::leading().await;
    node.engine.set(Mode::Held);
    let before = node.engine.attempts();
    let mut submitted: Vec<_> = (0..500).map(|_| Box::pin(node.handle().request(submission()))).collect();
    for request in &mut submitted {
        assert!(is_ready(request).is_none());
    }
    node.engine.attempted_after(before).await;
    node.engine.set(Mode::Open);
    for request in submitted {
        within("a reply", request).await.unwrap();
    }
    let transactions = node.engine.attempts() - before;
    assert!(transactions <= 12, "500 submissions took {transactions} transactions of up to 120 records");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_refusal_nothing_of_the_term_ever_leaves_and_the_node_stands_again() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    let first_term = node.alive().await;
    let knowing = WorkerSession::knowing(&node.address, registration("w1", 9)).await;
    node.engine.set(Mode::Held);
    let before = node.engine.attempts();

    let mut worker = WorkerSession::register(&node.address, knowing).await;
    node.engine.attempted_after(before).await;
    let mut client = node.submissions();
    let request = tanist_proto::v1::SubmitDriverRequest {
        request_id: None,
        description: Some((&support::driver("/bin/true")).into()),
    };
    let submitted = tokio::spawn(async move { client.submit_driver(request).await });
    let mut also = Box::pin(node.handle().request(submission()));
    assert!(is_ready(&mut also).is_none());
    round_trip(&mut worker).await;

    node.engine.set(Mode::Refusing);
    node.role(MasterRole::Standby).await;
    node.engine.set(Mode::Open);
    assert_eq!(within("an answer", also).await, Err(RequestError::TermEnded));
    let status = match within("an answer", submitted).await.unwrap() {
        Err(status) => status,
        // It may have come in only after the end of the term.
        Ok(reply) => {
            let reply = ClientReply::try_from(reply.into_inner()).unwrap();
            assert!(matches!(reply, ClientReply::NotLeading(_)), "{reply:?}");
            tonic::Status::unavailable("lost the lead")
        }
    };
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("lost the lead"), "{status}");
    let (heard, status) = worker.end().await;
    assert_eq!(heard, [], "neither the registration nor the launch was ever true");
    assert!(status.is_none(), "{status:?}");

    let second_term = node.alive().await;
    assert!(second_term > first_term, "{second_term} after {first_term}");
    let forgotten = node.sees("an empty view", |view| view.workers.is_empty().then_some(view.drivers.len())).await;
    assert_eq!(forgotten, 0);
    WorkerSession::registered(&node.address, registration("w1", 9)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_view_shows_nothing_that_is_not_durable() {
    let (_directory, node) = Node::leading().await;
    node.sees("the leader's view", |view| view.role.leads().then_some(())).await;
    node.engine.set(Mode::Held);
    let before = node.engine.attempts();

    let mut under_way = Box::pin(node.handle().request(submission()));
    assert!(is_ready(&mut under_way).is_none());
    node.engine.attempted_after(before).await;
    let mut behind = Box::pin(node.handle().request(submission()));
    assert!(is_ready(&mut behind).is_none());
    let mut operators = node.operators();
    let state = operators.get_state(tanist_proto::v1::GetStateRequest {}).await.unwrap().into_inner();
    assert!(state.drivers.is_empty(), "no driver is durable yet: {:?}", state.drivers);

    node.engine.let_one_pass();
    within("the first reply", under_way).await.unwrap();
    let shown = node.handle().view().await.view.drivers.len();
    assert!(shown < 2, "the second driver is not durable yet");
    assert!(is_ready(&mut behind).is_none());

    node.engine.set(Mode::Open);
    within("the second reply", behind).await.unwrap();
    let shown = node.handle().view().await.view.drivers.len();
    assert_eq!(shown, 2, "a reader sees all that was acknowledged before it asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_is_an_outage_and_not_the_loss_of_the_lead() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    let term = node.alive().await;
    node.engine.set(Mode::Full);
    let mut submitted = Box::pin(node.handle().request(submission()));
    assert!(is_ready(&mut submitted).is_none());
    let why = within("the degraded mark", async {
        loop {
            if let Some(why) = node.handle().degraded() {
                return why;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(why.contains("no room") && why.contains("the disk is full"), "{why}");
    assert!(is_ready(&mut submitted).is_none());
    let state = node.operators().get_state(tanist_proto::v1::GetStateRequest {}).await.unwrap().into_inner();
    assert_eq!(state.degraded, Some(why), "whoever looks at the picture is told why it stays as it is");

    node.engine.set(Mode::Open);
    let reply = within("the reply", submitted).await.unwrap();
    assert!(matches!(reply, ClientReply::Submitted { .. }), "{reply:?}");
    assert_eq!(node.handle().degraded(), None);
    let state = node.operators().get_state(tanist_proto::v1::GetStateRequest {}).await.unwrap().into_inner();
    assert_eq!((state.degraded, state.drivers.len()), (None, 1));
    assert_eq!(node.alive().await, term);
}
