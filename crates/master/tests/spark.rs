//! Drivers of an unmodified Spark at the port of a master: who is registered, called back, passed over, refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tanist_master::SparkOptions;
use tanist_spark::auth::{Auth, Cipher, Encryption, EngineVersion, Random, Secret, Side};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use tanist_core::ids::{ExecutorId, ReportId};
use tanist_core::master::MasterView;
use tanist_core::model::{ApplicationState, ExecutorState, MasterRole, Program};
use tanist_core::msg::{WorkerCommand, WorkerToMaster};
use tanist_core::units::Memory;
use tanist_store::Standing;
use tanist_testkit::captured::{
    ACKNOWLEDGEMENT, DRIVER_STATUS, DYNAMIC_REGISTRATION, KILL, NO_EXECUTORS, REGISTRATION, SUBMISSION, UNREGISTRATION,
};

use support::peers::{WorkerSession, registration};
use support::spark::{CAPTURED_DRIVER, Driver, Heard, Line};
use support::{Node, Setup, within};

/// What a program of Spark knows of a cluster with this secret.
fn auth(secret: &str, encryption: Option<Encryption>) -> Arc<Auth> {
    known_by(Side::Application, secret, encryption)
}

fn known_by(side: Side, secret: &str, encryption: Option<Encryption>) -> Arc<Auth> {
    let random = Random::new(|bytes| {
        bytes.fill_with(|| RandomState::new().build_hasher().finish().to_be_bytes()[0]);
        true
    });
    Arc::new(Auth { secret: Secret::new(secret.to_owned()).unwrap(), encryption, side, random })
}

/// The states of executors as Spark counts them.
const RUNNING: i32 = 1;
const EXITED: i32 = 5;

async fn node() -> (tempfile::TempDir, Node) {
    let (directory, node) = Node::leading().await;
    (directory, node)
}

async fn worker(node: &Node) -> WorkerSession {
    WorkerSession::registered(&node.address, registration("w1", 9)).await
}

/// The next launch at a worker: which executor, and with what heap.
async fn launched(worker: &mut WorkerSession) -> (tanist_core::model::ExecutorDescription, Memory, String) {
    match worker.ordered().await {
        WorkerCommand::LaunchExecutor { executor, heap, app, .. } => {
            let Program::Java(java) = &app.command.program else { panic!("{:?}", app.command) };
            (executor, heap, java.spark_family.clone().unwrap())
        }
        other => panic!("{other:?}"),
    }
}

fn report(number: u64, app: &str, id: u32, state: ExecutorState, exit_status: Option<i32>) -> WorkerToMaster {
    let executor = tanist_core::ids::ExecutorRef { app: app.parse().unwrap(), id: ExecutorId(id) };
    WorkerToMaster::ExecutorStateChanged { report: ReportId(number), executor, state, message: None, exit_status }
}

async fn registered(driver: &Driver, node: &Node) -> (Line, String) {
    let mut line = driver.connect(&node.address).await;
    line.registers(REGISTRATION).await;
    let id = line.is_registered().await;
    (line, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_from_its_registration_to_its_end_ap_01_ap_06() {
    let (_directory, node) = node().await;
    let mut worker = worker(&node).await;
    let (driver, name) = (Driver::start().await, "wireproto Pi é");
    let (mut line, id) = registered(&driver, &node).await;
    let (executor, heap, family) = launched(&mut worker).await;
    assert_eq!(
        (executor.executor.id, executor.cores.0),
        (ExecutorId(0), 4),
        "all cores of the worker, as it names none"
    );
    assert_eq!((heap, family.as_str()), (Memory::mib(1024), "4.1,4.2"));
    let added = line.hears("ExecutorAdded").await;
    assert_eq!((added.int("id"), added.int("cores"), added.int("memory")), (0, 4, 1024));
    assert_eq!((added.text("workerId"), added.text("hostPort")), ("w1".to_owned(), "127.0.0.1:9".to_owned()));
    worker.say(report(1, &id, 0, ExecutorState::Running, None)).await;
    assert_eq!(line.hears("ExecutorUpdated").await.state(), RUNNING);
    worker.say(report(2, &id, 0, ExecutorState::Exited, Some(137))).await;
    assert_eq!(line.hears("ExecutorUpdated").await.state(), EXITED);
    assert_eq!(node.handle().view().await.view.apps[0].description.name, name);
    // What is said about somebody else's application is passed over.
    line.say(UNREGISTRATION, "app-of-somebody-else").await;
    line.say(UNREGISTRATION, &id).await;
    let after = line.end().await;
    assert!(
        after.iter().all(|heard| heard.name() == "ExecutorAdded"),
        "its replacement, and nothing of its end: {after:?}"
    );
    let state = node.sees("the end", |view| view.ended_apps.first().map(|app| app.state)).await;
    assert_eq!(state, ApplicationState::Finished);
}

#[tokio::test(flavor = "multi_thread")]
async fn executors_are_asked_for_and_ended_ap_08_ap_09() {
    let (_directory, node) = node().await;
    let mut worker = worker(&node).await;
    let driver = Driver::start().await;
    let mut line = driver.connect(&node.address).await;
    line.registers(DYNAMIC_REGISTRATION).await;
    let id = line.is_registered().await;
    let strange = line.say(NO_EXECUTORS, "app-of-somebody-else").await;
    let own = line.say(NO_EXECUTORS, &id).await;
    for (question, yes) in [(strange, false), (own, true)] {
        let answer = line.hear().await.unwrap();
        assert!(matches!(&answer, Heard::Answer(id, _) if *id == question), "{answer:?}");
        assert_eq!(answer.is_yes(), yes);
    }
    let limit = node.handle().view().await.view.apps[0].executor_limit;
    assert_eq!(limit, Some(0), "as it was asked for");
    line.say(KILL, &id).await;
    assert!(line.hear().await.unwrap().is_yes(), "whether it has them or not");
    assert!(timeout(Duration::from_millis(100), worker.ordered()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_repeats_a_registration_gets_the_same_id() {
    let (_directory, node) = node().await;
    let driver = Driver::start().await;
    let (mut line, id) = registered(&driver, &node).await;
    line.say(REGISTRATION, "").await;
    assert_eq!(line.is_registered().await, id);
    assert_eq!(node.handle().view().await.view.apps.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_made_anew_and_the_application_goes_on_ap_05() {
    let (_directory, node) = node().await;
    let mut worker = worker(&node).await;
    let driver = Driver::start().await;
    let (line, id) = registered(&driver, &node).await;
    launched(&mut worker).await;
    drop(line);
    let mut line = driver.is_called(&id).await;
    assert_eq!(line.hears("ExecutorAdded").await.int("id"), 0);
    worker.say(report(1, &id, 0, ExecutorState::Running, None)).await;
    assert_eq!(line.hears("ExecutorUpdated").await.state(), RUNNING);
    line.say(UNREGISTRATION, &id).await;
    node.sees("the end", |view| view.ended_apps.first().map(|_| ())).await;
}

/// Of several calls it would obey the last one, whose connection nobody may listen to any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_stands_still_is_called_once_and_told_again_after_it_has_answered() {
    let (_directory, node) = node().await;
    let driver = Driver::start().await;
    let (line, id) = registered(&driver, &node).await;
    drop(line);
    let (mut call, _) = driver.takes_a_call().await;
    assert!(driver.is_left_alone_for(Duration::from_secs(3)).await, "longer than an answer of our own peers may take");
    call.say(ACKNOWLEDGEMENT, &id).await;
    // At once, whether the loop has taken it or not.
    let asked = call.say(NO_EXECUTORS, &id).await;
    let answer = call.hear().await.unwrap();
    assert!(matches!(&answer, Heard::Answer(id, _) if *id == asked) && answer.is_yes(), "{answer:?}");
    assert_eq!(call.hears("MasterChanged").await.name(), "MasterChanged");
    call.say(ACKNOWLEDGEMENT, &id).await;
    call.say(UNREGISTRATION, &id).await;
    node.sees("the end", |view| view.ended_apps.first().map(|_| ())).await;
}

/// What the former leader has answered may still wait to be read.
#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_does_not_know_its_id_yet_is_asked_once_more() {
    let (_directory, node) = node().await;
    let driver = Driver::start().await;
    let (line, id) = registered(&driver, &node).await;
    drop(line);
    let (mut call, _) = driver.takes_a_call().await;
    call.knows_no_id().await;
    call.hears("MasterChanged").await;
    call.say(ACKNOWLEDGEMENT, &id).await;
    call.say(UNREGISTRATION, &id).await;
    let state = node.sees("the end", |view| view.ended_apps.first().map(|app| app.state)).await;
    assert_eq!(state, ApplicationState::Finished);

    let (line, id) = registered(&driver, &node).await;
    drop(line);
    let (mut call, _) = driver.takes_a_call().await;
    call.knows_no_id().await;
    call.hears("MasterChanged").await;
    call.knows_no_id().await;
    let ended = |view: &MasterView| view.ended_apps.iter().any(|app| app.id.as_str() == id).then_some(());
    node.sees("the end of the other", ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_past_its_deadline_calls_nobody_whom_it_has_reached_before() {
    let directory = tempfile::tempdir().unwrap();
    let spark = SparkOptions { auth: Some(known_by(Side::Cluster, "hunter2", None)), ..SparkOptions::default() };
    let node = Node::set_up(directory.path(), "m1", Setup { spark, ..Setup::default() }).await;
    node.alive().await;
    let driver = Driver::knowing(auth("hunter2", None)).await;
    let (line, _) = registered(&driver, &node).await;
    drop(line);
    let mut call = driver.is_connected_to().await;
    node.election.set(Standing::Suspended);
    node.role(MasterRole::Suspended).await;
    // Only now it can tell the driver anything.
    assert!(timeout(Duration::from_secs(1), call.hear()).await.is_err(), "it may not act");
    node.election.set(Standing::Held { until: None });
    // By this connection, or by one that the resumed leader makes in its place.
    if call.hear().await.is_none() {
        driver.takes_a_call().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_driver_ends_its_application() {
    let (_directory, node) = node().await;
    let driver = Driver::start().await;
    let (line, id) = registered(&driver, &node).await;
    drop((line, driver));
    let ended = node.sees("the end", |view| view.ended_apps.first().map(|app| app.id.to_string())).await;
    assert_eq!(ended, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_is_submitted_by_sparks_own_protocol_dr_01() {
    let (directory, node) = Node::leading().await;
    let standby = Node::start(directory.path(), "m2").await;
    let mut worker = worker(&node).await;
    let client = Driver::start().await;
    let mut silent = client.connect(&standby.address).await;
    silent.say(SUBMISSION, "").await;
    let mut line = client.connect(&node.address).await;
    line.say(SUBMISSION, "").await;
    let answer = line.hear().await.unwrap();
    let id = answer.answered_text("driverId").unwrap();
    assert_eq!(answer.answered_text("message"), Some(format!("Driver successfully submitted as {id}")));
    let WorkerCommand::LaunchDriver { driver, description, .. } = worker.ordered().await else { panic!("no launch") };
    assert_eq!((driver.as_str(), description.memory, description.cores.0), (id.as_str(), Memory::mib(500), 1));
    let Program::Java(java) = &description.command.program else { panic!("{description:?}") };
    assert_eq!(java.main_class, "org.apache.spark.deploy.worker.DriverWrapper");
    assert_eq!(description.command.arguments, ["{{WORKER_URL}}", "{{USER_JAR}}", "wireproto.Pi", "2"]);
    let foreign = description.command.environment.keys().find(|name| !name.starts_with("SPARK_"));
    assert_eq!(foreign, None, "another host's environment");
    line.say_about(DRIVER_STATUS, CAPTURED_DRIVER, &id).await;
    assert!(matches!(line.hear().await.unwrap(), support::spark::Heard::Answer(..)));
    // A standby lets the leader answer.
    let heard = tokio::time::timeout(std::time::Duration::from_millis(200), silent.hear()).await;
    assert!(heard.is_err(), "{heard:?}");
}

/// A port that was chosen for a driver is that of the next one too.
#[tokio::test(flavor = "multi_thread")]
async fn another_driver_at_the_same_port_inherits_nothing() {
    let (_directory, node) = node().await;
    let driver = Driver::start().await;
    let (former, id) = registered(&driver, &node).await;
    // The former process is gone; its connection still seems open.
    let mut line = driver.connect(&node.address).await;
    line.registers(REGISTRATION).await;
    let (mut call, _) = driver.takes_a_call().await;
    call.say(ACKNOWLEDGEMENT, "app-of-somebody-else").await;
    let other = line.is_registered().await;
    assert_ne!(other, id);
    assert!(call.end().await.is_empty() && former.end().await.is_empty());
    let view = node.handle().view().await.view;
    let apps = [view.apps[0].id.to_string(), view.ended_apps[0].id.to_string()];
    assert_eq!(apps, [other, id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_calls_the_driver_and_a_standby_keeps_silent_t_rc_03() {
    let (directory, node) = Node::leading().await;
    let standby = Node::start(directory.path(), "m2").await;
    let driver = Driver::start().await;
    let mut held = driver.connect(&standby.address).await;
    held.registers(REGISTRATION).await;
    let (line, id) = registered(&driver, &node).await;
    node.service.stop().await.unwrap();
    assert!(line.end().await.is_empty());
    let mut line = driver.is_called(&id).await;
    let mut worker = WorkerSession::registered(&standby.address, registration("w1", 9)).await;
    launched(&mut worker).await;
    assert_eq!(line.hears("ExecutorAdded").await.int("id"), 0);
    assert!(driver.is_left_alone().await, "what the standby has kept of the registration is out of date");
    line.say(UNREGISTRATION, &id).await;
    standby.sees("the end", |view| view.ended_apps.first().map(|_| ())).await;
    let registered = tokio::time::timeout(std::time::Duration::from_secs(1), held.hear()).await;
    assert!(registered.is_err(), "it ends only once");
    assert_eq!(standby.handle().view().await.view.ended_apps.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_becomes_the_leader_takes_who_waits() {
    let (directory, node) = Node::leading().await;
    let standby = Node::start(directory.path(), "m2").await;
    let driver = Driver::start().await;
    let mut line = driver.connect(&standby.address).await;
    line.registers(REGISTRATION).await;
    node.service.stop().await.unwrap();
    line.is_registered().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_another_language_is_cut_and_nobody_else() {
    let (_directory, node) = node().await;
    let driver = Driver::start().await;
    let mut line = driver.connect(&node.address).await;
    line.registers(REGISTRATION).await;
    let strangers: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01",
        // A frame of nine bytes of a type that nobody sends here, and one of 2^40 bytes.
        &[0, 0, 0, 0, 0, 0, 0, 9, 7],
        &[0, 0, 1, 0, 0, 0, 0, 0, 9],
        // A one-way message whose envelope is none.
        &[0, 0, 0, 0, 0, 0, 0, 17, 9, 0, 0, 0, 4, 9, 9, 9, 9],
    ];
    for stranger in strangers {
        let mut stream = TcpStream::connect(&node.address).await.unwrap();
        stream.write_all(stranger).await.unwrap();
        let read = within("the end of the connection", stream.read(&mut [0; 64])).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{stranger:?}: {read:?}");
    }
    line.is_registered().await;
    worker(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn se_01_drivers_and_masters_prove_themselves_to_each_other() {
    let engine = |cipher| Some(Encryption { engine: EngineVersion::One, cipher, sasl_fallback: false });
    for encryption in [None, engine(Cipher::Ctr), engine(Cipher::Gcm)] {
        let directory = tempfile::tempdir().unwrap();
        let spark =
            SparkOptions { auth: Some(known_by(Side::Cluster, "hunter2", encryption)), ..SparkOptions::default() };
        let setup = Setup { spark, ..Setup::default() };
        let node = Node::set_up(directory.path(), "m1", setup.clone()).await;
        node.alive().await;

        let driver = Driver::knowing(auth("hunter3", encryption)).await;
        let why = driver.connect(&node.address).await.refusal().await;
        let wanted = if encryption.is_some() { "Authentication failed." } else { "Mismatched response." };
        assert!(why.ends_with(wanted), "{why}");
        let mut stranger = Driver::start().await.connect(&node.address).await;
        stranger.asks().await;
        assert_eq!(stranger.hear().await.unwrap().name(), "failure");
        assert!(stranger.end().await.is_empty());
        assert!(node.handle().view().await.view.apps.is_empty());

        let driver = Driver::knowing(auth("hunter2", encryption)).await;
        let (line, id) = registered(&driver, &node).await;
        // The next master has to prove itself to the driver.
        let next = Node::set_up(directory.path(), "m2", setup).await;
        node.service.stop().await.unwrap();
        let mut call = driver.is_called(&id).await;
        call.say(UNREGISTRATION, &id).await;
        next.sees("the end", |view| view.ended_apps.first().map(|_| ())).await;
        drop(line);
    }
}
