//! Sessions and requests of one master: who is served, who is refused, who is cut.

mod support;

use std::sync::Arc;

use tanist_core::ids::{ReportId, WorkerId};
use tanist_core::model::{Addresses, ApplicationDescription, Command, MasterRole, Program, WorkerState};
use tanist_core::msg::{AppToMaster, ClientReply, MasterToApp, MasterToWorker, WorkerCommand, WorkerToMaster};
use tanist_proto::convert::status::StatusAnswer;
use tanist_proto::limits::{MAX_MESSAGE_BYTES, MAX_SUBMISSION_BYTES};
use tanist_proto::v1;
use tonic::Code;
use tonic::transport::Endpoint;

use support::peers::{AppSession, WorkerPort, WorkerSession, application, registration};
use support::{Node, driver, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_registers_gets_a_driver_and_an_executor_and_its_reports_are_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    let epoch = node.alive().await;
    let registration = WorkerSession::knowing(&node.address, registration("w1", 9)).await;
    let mut worker = WorkerSession::register(&node.address, registration).await;
    let MasterToWorker::Registered(registered) = worker.hear().await else { panic!("not registered") };
    assert_eq!((registered.leader.term.epoch, &registered.leader.address), (epoch, &node.address));

    let submitted = node.submit().await;
    let WorkerCommand::LaunchDriver { driver, attempt, .. } = worker.ordered().await else { panic!("no launch") };
    assert_eq!(driver, submitted);
    worker.say(WorkerToMaster::DriverStarted { driver: driver.clone(), attempt }).await;
    let outcome = tanist_core::model::DriverOutcome {
        state: tanist_core::model::DriverState::Failed,
        exit_code: Some(3),
        message: None,
    };
    let ended = WorkerToMaster::DriverEnded { report: ReportId(1), driver: driver.clone(), attempt, outcome };
    worker.say(ended).await;
    worker
        .hear_until("the acknowledgement", |m| matches!(m, MasterToWorker::Acknowledged { report: ReportId(1) }))
        .await;
    let answer = node.handle().driver_status(&driver).await.unwrap();
    let StatusAnswer::Report(report) = answer else { panic!("{answer:?}") };
    assert_eq!(report.status.unwrap().exit_code, Some(3));

    let mut app = AppSession::register(&node.address, application("token-1")).await;
    let id = app.registered().await;
    let order = worker.ordered().await;
    assert!(
        matches!(&order, WorkerCommand::LaunchExecutor { executor, .. } if executor.executor.app == id),
        "{order:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_does_not_read_is_disconnected_and_others_are_served() {
    let (_directory, node) = Node::leading().await;
    let mut good = WorkerSession::registered(&node.address, registration("good", 9)).await;
    let narrow = Endpoint::from_shared(format!("http://{}", node.address)).unwrap();
    let narrow = narrow.initial_stream_window_size(65_535).connect_lazy();
    let slow_port = WorkerPort::open("slow").await;
    let knowing = WorkerSession::knowing(&node.address, registration("slow", slow_port.port)).await;
    let mut slow = WorkerSession::connect(narrow).await;
    slow.say(WorkerToMaster::Register(Box::new(knowing))).await;
    slow.hear_until("Registered", |m| matches!(m, MasterToWorker::Registered(_))).await;

    // From here on it asks and does not listen, until the connection is cut under it.
    let beat = v1::WorkerToMaster::from(&WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 });
    within("the cut", async { while slow.out.send(beat.clone()).await.is_ok() {} }).await;
    let disconnected = |view: &tanist_core::master::MasterView| {
        let slow = view.workers.iter().find(|worker| worker.id == WorkerId::new("slow").unwrap())?;
        (!slow.connected).then_some(slow.state)
    };
    let state = node.sees("the end of the slow session", disconnected).await;
    assert_eq!(state, WorkerState::Alive, "a disconnect is not a death (HB-03): its own endpoint answers");
    good.beat().await;
    assert_eq!(good.hear().await, MasterToWorker::HeartbeatSeen);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_end_their_session_with_the_name_of_the_field() {
    let (_directory, node) = Node::leading().await;
    let mut good = WorkerSession::registered(&node.address, registration("good", 9)).await;

    let first_is_no_registration = WorkerSession::connect(node.channel()).await;
    first_is_no_registration.beat().await;
    let (heard, status) = first_is_no_registration.end().await;
    let status = status.unwrap();
    assert_eq!((heard, status.code()), (Vec::new(), Code::FailedPrecondition), "{status}");
    assert!(status.message().contains("register"), "{status}");

    let mut wrong = v1::RegisterWorker::from(&registration("w1", 9));
    wrong.worker_id = "a b".to_owned();
    let session = WorkerSession::connect(node.channel()).await;
    let body = Some(v1::worker_to_master::Body::Register(wrong));
    session.out.send(v1::WorkerToMaster { body }).await.unwrap();
    let (_, status) = session.end().await;
    let status = status.unwrap();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(status.message().contains("register.worker_id") && status.message().contains("Whitespace"), "{status}");

    let later = WorkerSession::registered(&node.address, registration("w2", 10)).await;
    later.out.send(v1::WorkerToMaster { body: None }).await.unwrap();
    let (_, status) = later.end().await;
    assert_eq!(status.unwrap().code(), Code::InvalidArgument);

    good.beat().await;
    assert_eq!(good.hear().await, MasterToWorker::HeartbeatSeen, "others are served on");
}

#[tokio::test(flavor = "multi_thread")]
async fn submissions_that_are_too_large_are_refused_with_size_and_limit() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    let epoch = node.alive().await;
    let worker = WorkerSession::registered(&node.address, registration("w1", 9)).await;
    let submit = async |argument: String| {
        let mut description = driver("/bin/true");
        description.command.arguments.push(argument);
        let request = v1::SubmitDriverRequest { request_id: None, description: Some((&description).into()) };
        node.submissions().submit_driver(request).await.unwrap_err()
    };
    let over = submit("x".repeat(MAX_SUBMISSION_BYTES)).await;
    assert_eq!(over.code(), Code::InvalidArgument, "{over}");
    assert!(over.message().contains("description") && over.message().contains("1048576"), "{over}");
    // What is stored is text: a control character takes six bytes there.
    let escaped = submit("\u{1}".repeat(MAX_SUBMISSION_BYTES / 4)).await;
    assert_eq!(escaped.code(), Code::InvalidArgument, "{escaped}");
    assert!(escaped.message().contains("description"), "{escaped}");
    let far_over = submit("x".repeat(MAX_MESSAGE_BYTES)).await;
    assert_eq!(far_over.code(), Code::OutOfRange, "{far_over}");
    assert!(far_over.message().contains(&MAX_MESSAGE_BYTES.to_string()), "{far_over}");

    node.submit().await;
    assert_eq!(node.alive().await, epoch);
    worker.beat().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_cannot_be_stored_is_refused_before_it_is_believed() {
    let (_directory, node) = Node::leading().await;
    let mut wanted = application("token-1");
    let command = Command {
        program: Program::Executable("/bin/true".to_owned()),
        arguments: vec!["\u{1}".repeat(MAX_SUBMISSION_BYTES / 4)],
        ..Command::default()
    };
    wanted.description = Arc::new(ApplicationDescription { command, ..(*wanted.description).clone() });
    let mut app = AppSession::register(&node.address, wanted).await;
    let status = app.hear().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(status.message().contains("description"), "{status}");
    let view = node.sees("a view", |view| view.role.leads().then(|| view.clone())).await;
    assert_eq!(view.apps, []);
}

/// A term that cannot write a record ends, and so would each one after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_be_stored_is_refused_before_it_is_believed() {
    let (_directory, node) = Node::leading().await;
    let mut wanted = WorkerSession::knowing(&node.address, registration("w1", 9)).await;
    let addresses = |name: usize| (0..1_000).map(|n| format!("{name}-{n:0200}")).collect();
    wanted.resources = Addresses::new((0..10).map(|name| (format!("r{name}"), addresses(name))));
    let (_, status) = WorkerSession::register(&node.address, wanted).await.end().await;
    let status = status.unwrap();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(status.message().contains("resources of the worker"), "{status}");
    let view = node.sees("a view", |view| view.role.leads().then(|| view.clone())).await;
    assert_eq!(view.workers, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_names_the_leader_to_everybody() {
    let (directory, leader) = Node::leading().await;
    let standby = Node::start(directory.path(), "m2").await;
    let mut leadership = standby.handle().leadership();
    within("the leader's name", leadership.wait_for(|found| found.leader.is_some())).await.unwrap();

    let mut worker = WorkerSession::register(&standby.address, registration("w1", 9)).await;
    let MasterToWorker::Standby { leader: Some(named) } = worker.hear().await else { panic!("not sent on") };
    assert_eq!(named.address, leader.address);

    let mut app = AppSession::register(&standby.address, application("token-1")).await;
    let Some(MasterToApp::Standby { leader: Some(named) }) = app.hear().await.unwrap() else { panic!("not sent on") };
    assert_eq!(named.address, leader.address);

    let ClientReply::NotLeading(answer) = standby.handle().request(support::submission()).await.unwrap() else {
        panic!("a standby took a submission")
    };
    assert_eq!((answer.role, answer.leader.unwrap().address), (MasterRole::Standby, leader.address.clone()));

    let mut operators = standby.operators();
    let said = operators.get_leader(v1::GetLeaderRequest {}).await.unwrap().into_inner();
    assert_eq!((said.role(), said.master_id.as_str()), (v1::MasterRole::Standby, "m2"));
    assert_eq!((said.address, said.leader.unwrap().address), (standby.address.clone(), leader.address.clone()));
    let state = operators.get_state(v1::GetStateRequest {}).await.unwrap().into_inner();
    assert_eq!((state.role(), state.leader.unwrap().address), (v1::MasterRole::Standby, leader.address.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_endpoint_refuses_is_lost_at_once_when_its_session_breaks() {
    let (_directory, node) = Node::leading().await;
    let port = WorkerPort::open("w1").await;
    let alive = WorkerSession::registered(&node.address, registration("w1", port.port)).await;
    let other_port = WorkerPort::open("somebody-else").await;
    let replaced = WorkerSession::registered(&node.address, registration("w2", other_port.port)).await;
    let gone_port = WorkerPort::open("w3").await.port;
    let gone = WorkerSession::registered(&node.address, registration("w3", gone_port)).await;
    drop((alive, replaced, gone));

    let states = |view: &tanist_core::master::MasterView| {
        let connected = view.workers.iter().any(|worker| worker.connected);
        let state = |id: &str| Some(view.workers.iter().find(|worker| worker.id.as_str() == id)?.state);
        let dead = [state("w2")?, state("w3")?] == [WorkerState::Dead, WorkerState::Dead];
        (!connected && dead).then(|| state("w1"))?
    };
    let state = node.sees("the loss of the two", states).await;
    assert_eq!(state, WorkerState::Alive, "it answers for itself and is merely disconnected");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_ends_by_its_own_word() {
    let (_directory, node) = Node::leading().await;
    let mut app = AppSession::register(&node.address, application("token-1")).await;
    let id = app.registered().await;
    app.say(AppToMaster::Heartbeat).await;
    assert_eq!(app.hear().await.unwrap(), Some(MasterToApp::HeartbeatSeen));
    app.say(AppToMaster::Unregister).await;
    node.sees("its end", |view| view.ended_apps.iter().find(|app| app.id == id).map(|_| ())).await;
}
