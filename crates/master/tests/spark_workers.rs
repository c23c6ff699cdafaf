//! Workers of an unmodified Spark at the port of a master: who is taken, commanded, called back, refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use tanist_core::ids::{DriverId, MasterId};
use tanist_core::master::MasterView;
use tanist_core::model::{
    ApplicationState, Command, DriverDescription, DriverState, ExecutorState, JavaProgram, Program, WorkerState,
};
use tanist_core::msg::{ClientReply, ClientRequest};
use tanist_testkit::captured::REGISTRATION;

use support::election::Shared;
use support::spark::{Driver, Line};
use support::spark_worker::{KILLED, RUNS, Worker, WorkerLine};
use support::{Node, driver, within};

/// An application that no master knows.
const NOBODY: &str = "app-of-nobody";

/// Drivers that no master knows.
const NO_DRIVERS: [&str; 2] = ["driver-x", "driver-y"];

/// A worker that runs nothing any more.
async fn joined(worker: &Worker, node: &Node) -> WorkerLine {
    let mut line = worker.registers(&node.address).await;
    line.is_greeted(NOBODY, 0, NO_DRIVERS).await;
    settled(line, node).await
}

/// What nobody knows is told to end, and ends.
async fn settled(mut line: WorkerLine, node: &Node) -> WorkerLine {
    let killed = line.hears("KillExecutor").await;
    assert_eq!((killed.text("appId").as_str(), killed.int("execId")), (NOBODY, 0));
    for name in NO_DRIVERS {
        line.driver_has_finished(name).await;
    }
    line.reports(KILLED, NOBODY).await;
    node.sees("an idle worker", |view| {
        view.workers.iter().any(|worker| worker.connected && worker.cores_used.0 == 0).then_some(())
    })
    .await;
    line
}

async fn registered(driver: &Driver, node: &Node) -> (Line, String) {
    let mut line = driver.connect(&node.address).await;
    line.registers(REGISTRATION).await;
    let id = line.is_registered().await;
    (line, id)
}

fn main_class(spark_family: Option<&str>) -> DriverDescription {
    let java = JavaProgram {
        main_class: "org.example.Main".to_owned(),
        spark_family: spark_family.map(str::to_owned),
        ..JavaProgram::default()
    };
    let arguments = vec!["{{WORKER_URL}}".to_owned()];
    let command = Command { program: Program::Java(java), arguments, ..Command::default() };
    DriverDescription { artifact: Some("file:/app.jar".to_owned()), command, ..driver("") }
}

async fn submitted(node: &Node, description: DriverDescription) -> DriverId {
    let request = ClientRequest::SubmitDriver { request: None, description: Box::new(description) };
    match node.handle().request(request).await {
        Ok(ClientReply::Submitted { driver }) => driver,
        other => panic!("{other:?}"),
    }
}

async fn ended(node: &Node, id: &DriverId) -> (DriverState, Option<String>) {
    node.sees("the end of a driver", |view| {
        let ended = view.ended_drivers.iter().find(|driver| driver.id == *id)?;
        Some((ended.state, ended.message.clone()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_taken_and_what_nobody_knows_ends_wr_07_wr_13() {
    let (_directory, node) = Node::leading().await;
    let worker = Worker::start().await;
    let mut line = worker.registers(&node.address).await;
    line.is_greeted(NOBODY, 0, NO_DRIVERS).await;
    for name in NO_DRIVERS {
        assert_eq!(line.hears("KillDriver").await.text("driverId"), name);
    }
    let mut line = settled(line, &node).await;
    let shown = node.handle().view().await.view.workers[0].clone();
    assert_eq!((shown.id.as_str(), shown.state), (worker.id.as_str(), WorkerState::Alive));
    assert_eq!((shown.cores.0, shown.memory.as_mib(), shown.host.as_str()), (2, 2048, "127.0.0.1"));
    let before = shown.last_heartbeat;
    line.beats().await;
    node.sees("a heartbeat", |view| (view.workers[0].last_heartbeat > before).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_runs_there_and_outlives_a_broken_connection_ex_01_hb_03() {
    let (_directory, node) = Node::leading().await;
    let worker = Worker::start().await;
    let mut line = joined(&worker, &node).await;
    let client = Driver::start().await;
    let (mut application, id) = registered(&client, &node).await;
    let launch = line.hears("LaunchExecutor").await;
    assert_eq!((launch.text("appId"), launch.int("execId"), launch.int("memory")), (id.clone(), 0, 1024));
    assert_eq!((launch.int("cores"), launch.text("masterUrl")), (2, format!("spark://{}", node.address)));
    line.reports(RUNS, &id).await;
    assert_eq!(application.hears("ExecutorUpdated").await.state(), 1);

    drop(line);
    let mut line = worker.is_called().await;
    line.says_what_it_runs(&id, 0, NO_DRIVERS).await;
    node.sees("the worker again", |view| view.workers[0].connected.then_some(())).await;
    let shown = node.handle().view().await.view.apps[0].clone();
    assert_eq!(shown.executors.iter().map(|e| (e.id.0, e.state)).collect::<Vec<_>>(), [(0, ExecutorState::Running)]);
    line.reports(KILLED, &id).await;
    let told = application.hears("ExecutorUpdated").await;
    assert_eq!((told.int("id"), told.state()), (0, 2));
}

/// What is commanded while a worker is about to say what it runs would be missing in that: nothing is.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_registers_again_says_again_what_it_runs_wr_09() {
    let (_directory, node) = Node::leading().await;
    let worker = Worker::start().await;
    let mut line = joined(&worker, &node).await;
    line.registers_again(&worker).await;
    line.hears("RegisteredWorker").await;
    let client = Driver::start().await;
    let (mut application, id) = registered(&client, &node).await;
    line.says_what_it_runs(NOBODY, 0, NO_DRIVERS).await;
    assert_eq!(line.hears("KillExecutor").await.text("appId"), NOBODY);
    let told = line.reports(KILLED, NOBODY).await;
    let launch = match told.into_iter().find(|told| told.name() == "LaunchExecutor") {
        Some(launch) => launch,
        None => line.hears("LaunchExecutor").await,
    };
    assert_eq!((launch.text("appId"), launch.int("execId")), (id.clone(), 0));
    line.reports(RUNS, &id).await;
    let told = application.hears("ExecutorUpdated").await;
    assert_eq!((told.int("id"), told.state()), (0, 1), "RUNNING");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_leader_calls_it_and_doubles_nothing_rc_07_rc_08() {
    let (directory, shared) = (tempfile::tempdir().unwrap(), Shared::store());
    let former = Node::sharing(directory.path(), "m1", &shared).await;
    former.alive().await;
    let worker = Worker::start().await;
    let mut line = joined(&worker, &former).await;
    let id = submitted(&former, main_class(None)).await;
    assert_eq!(line.hears("LaunchDriver").await.text("driverId"), id.as_str());
    drop(former);
    line.end().await;

    let next = Node::sharing(directory.path(), "m2", &shared).await;
    let mut line = worker.is_called().await;
    line.says_what_it_runs("app-2", 7, [id.as_str(), "driver-x"]).await;
    assert_eq!(line.hears("KillDriver").await.text("driverId"), "driver-x");
    line.hears("KillExecutor").await;
    let adopted = next
        .sees("the driver", |view| view.drivers.first().filter(|driver| driver.state == DriverState::Running).cloned())
        .await;
    assert_eq!((adopted.id.clone(), adopted.attempt.0), (id.clone(), 1));
    line.driver_has_finished(id.as_str()).await;
    assert_eq!(ended(&next, &id).await, (DriverState::Finished, None));
}

/// Two masters, of which the first one leads.
async fn two() -> (tempfile::TempDir, Node, Node) {
    let (directory, shared) = (tempfile::tempdir().unwrap(), Shared::store());
    let first = Node::sharing(directory.path(), "m1", &shared).await;
    first.alive().await;
    let second = Node::sharing(directory.path(), "m2", &shared).await;
    let mut announced = second.election.announced();
    within("the announcement", announced.wait_for(|roles| !roles.is_empty())).await.unwrap();
    (directory, first, second)
}

/// The first master leaves the office to the second one, and lives on.
async fn handed_over(first: &Node) {
    let target = MasterId::new("m2").unwrap();
    within("the end of the term", first.handle().leave(Some(target), "update".to_owned())).await.unwrap();
}

/// It would say to a master that leads no more what nobody hears there, and believe that it is registered.
#[tokio::test(flavor = "multi_thread")]
async fn its_connection_ends_with_the_term_though_its_master_lives_on_protocol_5() {
    let (_directory, first, second) = two().await;
    let worker = Worker::start().await;
    let mut line = joined(&worker, &first).await;
    let id = submitted(&first, main_class(None)).await;
    assert_eq!(line.hears("LaunchDriver").await.text("driverId"), id.as_str());
    handed_over(&first).await;
    assert!(line.end().await.iter().all(|name| name == "MasterChanged"), "the call is repeated once");
    let mut line = worker.is_called().await;
    line.says_what_it_runs(NOBODY, 0, [id.as_str(), "driver-x"]).await;
    let state = |view: &MasterView| view.drivers.first().filter(|d| d.state == DriverState::Running).map(|d| d.attempt);
    assert_eq!(second.sees("the driver", state).await.0, 1);
}

/// The call is repeated, a driver launched, and the worker comes again before it has read either.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_an_earlier_call_is_none_to_the_greeting_i3() {
    let (_directory, node) = Node::leading().await;
    let worker = Worker::start().await;
    let mut line = joined(&worker, &node).await;
    line.hears("MasterChanged").await;
    let id = submitted(&node, main_class(None)).await;
    assert_eq!(line.hears("LaunchDriver").await.text("driverId"), id.as_str());
    line.registers_again(&worker).await;
    line.hears("RegisteredWorker").await;
    line.says_what_it_runs(NOBODY, 0, NO_DRIVERS).await;
    line.says_what_it_runs(NOBODY, 0, [id.as_str(), "driver-y"]).await;
    assert_eq!(line.hears("KillDriver").await.text("driverId"), "driver-y");
    let state = |view: &MasterView| view.drivers.first().filter(|d| d.state == DriverState::Running).map(|d| d.attempt);
    assert_eq!(node.sees("the driver", state).await.0, 1);
}

/// A worker whose network was away would read it once another master has launched the driver elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_arrive_does_not_outlive_the_term_i3() {
    let (_directory, first, _second) = two().await;
    let worker = Worker::start().await;
    let mut line = worker.registers_narrowly(&first.address).await;
    line.is_greeted(NOBODY, 0, NO_DRIVERS).await;
    let line = settled(line, &first).await;
    let mut description = main_class(None);
    description.command.arguments.extend(vec!["a".repeat(1000); 200]);
    submitted(&first, description).await;
    // The commit of this one comes after that of the launch, and the reply after the launch has left.
    submitted(&first, main_class(None)).await;
    handed_over(&first).await;
    assert!(line.end().await.iter().all(|name| name == "MasterChanged"), "and no LaunchDriver");
}

/// What it may not have read yet must not be read once another master leads.
#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_that_is_not_answered_ends_with_its_term_i9() {
    let (_directory, first, _second) = two().await;
    let worker = Worker::start().await;
    let mut line = worker.registers(&first.address).await;
    line.hears("RegisteredWorker").await;
    handed_over(&first).await;
    assert!(line.end().await.iter().all(|name| name == "MasterChanged"), "the call is repeated once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_cannot_run_is_refused_in_its_place() {
    let (_directory, node) = Node::leading().await;
    let worker = Worker::start().await;
    let mut line = worker.registers_as_3_5(&node.address).await;
    line.is_greeted(NOBODY, 0, NO_DRIVERS).await;
    let _line = settled(line, &node).await;
    let id = submitted(&node, main_class(Some("4.0"))).await;
    let (state, message) = ended(&node, &id).await;
    assert_eq!(state, DriverState::Error);
    assert_eq!(message.unwrap(), "it needs Spark 4.0, and this worker is of Spark 3.4,3.5");
    let client = Driver::start().await;
    let (mut application, _) = registered(&client, &node).await;
    let why = application.hears("ApplicationRemoved").await.text("message");
    assert_eq!(why, "no worker can run its executors: it needs Spark 4.1,4.2, and this worker is of Spark 3.4,3.5");
    let state = node.sees("the end", |view| view.ended_apps.first().map(|app| app.state)).await;
    assert_eq!(state, ApplicationState::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_worker_of_one_id_is_refused_and_the_first_one_stays_wr_09() {
    let (_directory, node) = Node::leading().await;
    let worker = Worker::start().await;
    let mut line = joined(&worker, &node).await;
    let other = Worker::named(&worker.id).await;
    let mut refused = other.registers(&node.address).await;
    let why = refused.hears("RegisterWorkerFailed").await.text("message");
    assert!(why.contains("belongs to another worker"), "{why}");
    assert!(refused.end().await.is_empty());
    let id = submitted(&node, main_class(None)).await;
    assert_eq!(line.hears("LaunchDriver").await.text("driverId"), id.as_str());
}

/// So a worker comes to all masters when its leader dies, and what it is told on two connections has no order.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_waits_at_a_standby_is_called_there_and_nowhere_else_rc_02() {
    let (directory, shared) = (tempfile::tempdir().unwrap(), Shared::store());
    let former = Node::sharing(directory.path(), "m1", &shared).await;
    former.alive().await;
    let next = Node::sharing(directory.path(), "m2", &shared).await;
    let worker = Worker::start().await;
    let obeyed = joined(&worker, &former).await;
    let mut waiting = worker.registers(&next.address).await;
    drop(former);
    drop(obeyed);
    waiting.is_greeted(NOBODY, 0, NO_DRIVERS).await;
    let mut line = settled(waiting, &next).await;
    let id = submitted(&next, main_class(None)).await;
    assert_eq!(line.hears("LaunchDriver").await.text("driverId"), id.as_str());
    assert!(tokio::time::timeout(Duration::from_millis(300), worker.is_called()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_connections_of_a_worker_the_later_one_counts_wr_09() {
    let (_directory, node) = Node::leading().await;
    let worker = Worker::start().await;
    let line = joined(&worker, &node).await;
    let id = submitted(&node, main_class(None)).await;
    let mut later = worker.registers(&node.address).await;
    assert!(line.end().await.iter().all(|name| name == "LaunchDriver"));
    later.is_greeted(NOBODY, 0, [id.as_str(), "driver-y"]).await;
    assert_eq!(later.hears("KillDriver").await.text("driverId"), "driver-y");
    let running =
        node.sees("the driver", |view| view.drivers.first().filter(|driver| driver.id == id).map(|d| d.state)).await;
    assert_eq!(running, DriverState::Running);
    later.driver_has_finished(id.as_str()).await;
    assert_eq!(ended(&node, &id).await, (DriverState::Finished, None));
}

/// A worker tells all masters that it comes, and obeys whoever answers.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_lead_keeps_silent() {
    let (directory, shared) = (tempfile::tempdir().unwrap(), Shared::store());
    let leader = Node::sharing(directory.path(), "m1", &shared).await;
    leader.alive().await;
    let standby = Node::sharing(directory.path(), "m2", &shared).await;
    let worker = Worker::start().await;
    let mut unheard = worker.registers(&standby.address).await;
    joined(&worker, &leader).await;
    let moment = Duration::from_millis(300);
    assert!(tokio::time::timeout(moment, unheard.hears("RegisteredWorker")).await.is_err());
}
