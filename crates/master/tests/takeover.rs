//! Changes of leader: by death, by order, and by somebody who has heard of a higher term.

mod support;

use tanist_core::ids::{CommandId, Epoch, Generation, Nonce, Term};
use tanist_core::model::{DriverOnWorker, DriverState, MasterRole, WorkerState};
use tanist_core::msg::{ClientReply, ClientRequest, MasterToWorker, WorkerCommand, WorkerToMaster};
use tanist_master::RequestError;
use tanist_store::LeaderElection as _;

use support::engine::Mode;
use support::peers::{AppSession, WorkerPort, WorkerSession, application, registration};
use support::{Node, Setup, is_ready, submission, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_from_the_dead_and_adopts_what_runs() {
    let directory = tempfile::tempdir().unwrap();
    let first = Node::start(directory.path(), "m1").await;
    let first_epoch = first.alive().await;
    let second = Node::start(directory.path(), "m2").await;
    let mut port = WorkerPort::open("w1").await;
    let mut worker = WorkerSession::registered(&first.address, registration("w1", port.port)).await;
    let running = first.submit().await;
    let WorkerCommand::LaunchDriver { driver, attempt, booking, .. } = worker.ordered().await else {
        panic!("no launch")
    };
    assert_eq!(driver, running);
    worker.say(WorkerToMaster::DriverStarted { driver: driver.clone(), attempt }).await;
    let mut app = AppSession::register(&first.address, application("token-1")).await;
    let app_id = app.registered().await;
    drop(first);

    let leader = port.told().await;
    assert_eq!(leader.address, second.address);
    assert!(leader.term.epoch > first_epoch);
    let mut again = registration("w1", port.port);
    again.heard = Some(leader.term.clone());
    again.cluster = Some(leader.cluster);
    again.inventory.drivers =
        vec![DriverOnWorker { driver: driver.clone(), attempt, state: DriverState::Running, booking }];
    WorkerSession::registered(&second.address, again).await;
    let mut known = application("token-1");
    known.known_as = Some(app_id.clone());
    let mut app = AppSession::register(&second.address, known).await;
    assert_eq!(app.registered().await, app_id, "one token is one application, across leaders too");
    assert_eq!(second.alive().await, leader.term.epoch);

    let found = second.sees("the adopted driver", |view| view.drivers.first().cloned()).await;
    assert_eq!((found.id, found.state, found.attempt), (driver, DriverState::Running, attempt));
    let history = second.store.history().await.unwrap();
    let ended = history.first().and_then(|term| term.ended.clone()).map(|ended| ended.how);
    assert_eq!(ended, Some(tanist_store::election::Ending::Gone), "it died without a word");
    let worker = second.sees("the worker", |view| view.workers.first().cloned()).await;
    assert_eq!(worker.state, WorkerState::Alive);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_driver_outlives_its_leader_and_a_repeated_request_is_one_driver() {
    let (directory, first) = Node::leading().await;
    let second = Node::start(directory.path(), "m2").await;
    let request = ClientRequest::SubmitDriver {
        request: Some(tanist_core::ids::RequestId::new("r-1").unwrap()),
        description: Box::new(support::driver("/bin/true")),
    };
    let reply = first.handle().request(request.clone()).await.unwrap();
    let ClientReply::Submitted { driver } = reply else { panic!("{reply:?}") };
    drop(first);
    second.alive().await;
    let reply = second.handle().request(request).await.unwrap();
    assert_eq!(reply, ClientReply::Submitted { driver: driver.clone() });
    let mut worker = WorkerSession::registered(&second.address, registration("w1", 9)).await;
    let order = worker.ordered().await;
    assert!(matches!(&order, WorkerCommand::LaunchDriver { driver: launched, .. } if *launched == driver), "{order:?}");

    let figures = within("the figures of the recovery", async {
        loop {
            let history = second.store.history().await.unwrap();
            if let Some(figures) = history.last().and_then(|term| term.recovery) {
                return figures;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(figures.await.drivers, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_is_told_to_stop_resigns_and_answers_everybody() {
    let (directory, first) = Node::leading().await;
    let second = Node::start(directory.path(), "m2").await;
    let worker = WorkerSession::registered(&first.address, registration("w1", 9)).await;
    first.engine.set(Mode::Held);
    let before = first.engine.attempts();
    let handle = first.handle().clone();
    let mut under_way = Box::pin(handle.request(submission()));
    assert!(is_ready(&mut under_way).is_none());
    first.engine.attempted_after(before).await;
    let mut behind = Box::pin(handle.request(submission()));
    assert!(is_ready(&mut behind).is_none());

    let engine = first.engine.clone();
    let stopped = tokio::spawn(first.service.stop());
    engine.set(Mode::Open);
    let reply = within("the reply", under_way).await;
    assert!(matches!(reply, Ok(ClientReply::Submitted { .. })), "what was committed is still said: {reply:?}");
    // Whether the second one was stored as well, or looked at, depends on the moment; an answer there is.
    let reply = within("the other reply", behind).await;
    let is_answer =
        matches!(reply, Ok(ClientReply::Submitted { .. }) | Err(RequestError::ShuttingDown | RequestError::Stopped));
    assert!(is_answer, "{reply:?}");
    worker.end().await;
    within("the end of the service", stopped).await.unwrap().unwrap();
    assert_eq!(handle.request(submission()).await, Err(RequestError::ShuttingDown));

    second.role(MasterRole::Alive).await;
    let history = second.store.history().await.unwrap();
    let ended = history.first().and_then(|term| term.ended.clone());
    assert!(format!("{ended:?}").contains("told to stop"), "{ended:?}");
}

/// On one thread, so that the loop does not run between the order to stop and the request.
#[tokio::test]
async fn what_a_stopping_master_has_not_looked_at_is_told_from_what_may_have_taken_effect() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    node.alive().await;
    node.engine.set(Mode::Held);
    let before = node.engine.attempts();
    let handle = node.handle().clone();
    let mut sent = Box::pin(handle.request(submission()));
    assert!(is_ready(&mut sent).is_none());
    node.engine.attempted_after(before).await;

    let mut stopped = Box::pin(node.service.stop());
    assert!(is_ready(&mut stopped).is_none());
    let mut unheard = Box::pin(handle.request(submission()));
    assert!(is_ready(&mut unheard).is_none());
    within("the end of the service", stopped).await.unwrap();
    assert_eq!(within("an answer", sent).await, Err(RequestError::Stopped));
    assert_eq!(within("an answer", unheard).await, Err(RequestError::ShuttingDown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_meets_a_higher_term_steps_down_and_comes_back_above_it() {
    let (_directory, node) = Node::leading().await;
    let worker = WorkerSession::registered(&node.address, registration("w1", 9)).await;
    let heard = Term { generation: Generation(0), epoch: Epoch(40), nonce: Nonce::new("other").unwrap() };
    let of = Term { epoch: Epoch(1), ..heard.clone() };
    worker.say(WorkerToMaster::StaleCommand { command: CommandId(1), of, heard }).await;
    node.role(MasterRole::Standby).await;
    worker.end().await;
    assert_eq!(node.alive().await, Epoch(41));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_announcement_meets_a_higher_term_comes_back_above_it() {
    let (directory, first) = Node::leading().await;
    let heard = Term { generation: Generation(0), epoch: Epoch(40), nonce: Nonce::new("other").unwrap() };
    let port = WorkerPort::having_heard("w1", Some(heard)).await;
    WorkerSession::registered(&first.address, registration("w1", port.port)).await;
    drop(first);
    let second = Node::start(directory.path(), "m2").await;
    let mut leadership = second.handle().leadership();
    let above = leadership.wait_for(|found| found.leader.as_ref().is_some_and(|leader| leader.term.epoch == Epoch(41)));
    within("the term above", above).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_a_new_leader_reads_waits_instead_of_being_sent_away() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::set_up(directory.path(), "m1", Setup { reads_held: true, ..Setup::default() }).await;
    let mut leadership = node.handle().leadership();
    let won = within("the office", leadership.wait_for(|found| found.leader.is_some())).await.unwrap().clone();
    let mut knowing = registration("w1", 9);
    knowing.heard = won.leader.map(|leader| leader.term);
    let mut worker = WorkerSession::register(&node.address, knowing).await;
    let mut submitted = Box::pin(node.handle().request(submission()));
    assert!(is_ready(&mut submitted).is_none());
    assert_eq!(node.handle().doing().0, "reads the records");
    node.engine.hold_reads(false);
    let first = worker.hear().await;
    assert!(matches!(first, MasterToWorker::Registered(_)), "{first:?}");
    let reply = within("the reply", submitted).await;
    assert!(matches!(reply, Ok(ClientReply::Submitted { .. })), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_can_never_be_stored_costs_its_requests_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    let epoch = node.alive().await;
    let kept = node.submit().await;
    let worker = WorkerSession::registered(&node.address, registration("w1", 9)).await;
    node.engine.set(Mode::TooLarge);
    let reply = node.handle().request(submission()).await;
    assert!(matches!(&reply, Err(RequestError::BatchRefused { why }) if why.contains("12345")), "{reply:?}");
    node.engine.set(Mode::Open);
    worker.end().await;

    // The driver that was placed comes back as what is stored of it; the other one never was.
    let mut again = WorkerSession::registered(&node.address, registration("w1", 9)).await;
    let order = again.ordered().await;
    assert!(matches!(&order, WorkerCommand::LaunchDriver { driver, .. } if *driver == kept), "{order:?}");
    assert_eq!(node.alive().await, epoch, "the lead was never lost");
    let drivers = node.sees("the drivers", |view| (view.role.leads()).then_some(view.drivers.len())).await;
    assert_eq!(drivers, 1);
}
