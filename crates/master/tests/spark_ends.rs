//! How conversations with programs of Spark end, and what is said before.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use tanist_core::master::MasterView;
use tanist_core::model::{ApplicationState, DriverState};
use tanist_core::msg::{ClientReply, ClientRequest, WorkerCommand};
use tanist_testkit::captured::{REGISTRATION, SUBMISSION};

use support::peers::{WorkerSession, registration};
use support::spark::{Driver, Line};
use support::{Node, within};

async fn registered(driver: &Driver, node: &Node) -> (Line, String) {
    let mut line = driver.connect(&node.address).await;
    line.registers(REGISTRATION).await;
    let id = line.is_registered().await;
    (line, id)
}

async fn kill(node: &Node, app: &str) {
    let request = ClientRequest::KillApplication { app: app.parse().unwrap() };
    let reply = node.handle().request(request).await.unwrap();
    assert!(matches!(reply, ClientReply::KillRequested { found: true, .. }), "{reply:?}");
}

#[tokio::test]
async fn what_was_said_last_leaves_before_a_master_that_is_stopped_ends() {
    let (_directory, node) = Node::leading().await;
    let mut lines = Vec::new();
    let mut drivers = Vec::new();
    for _ in 0..20 {
        let driver = Driver::start().await;
        lines.push(registered(&driver, &node).await);
        drivers.push(driver);
    }
    for (_, app) in &lines {
        kill(&node, app).await;
    }
    within("its end", node.service.stop()).await.unwrap();
    for (line, app) in lines {
        let heard = line.end().await;
        let names: Vec<&str> = heard.iter().map(support::spark::Heard::name).collect();
        assert_eq!(names, ["ApplicationRemoved"], "{app}");
    }
}

/// A driver that stands still is waited for, but not for an application that is no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_with_the_application_that_it_is_about() {
    let (_directory, node) = Node::leading().await;
    let driver = Driver::start().await;
    let (line, app) = registered(&driver, &node).await;
    drop(line);
    let (call, _) = driver.takes_a_call().await;
    kill(&node, &app).await;
    assert!(call.end().await.is_empty());
    assert!(driver.is_left_alone().await);
    let state = node.sees("the end", |view| view.ended_apps.first().map(|app| app.state)).await;
    assert_eq!(state, ApplicationState::Killed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_is_ended_by_sparks_own_protocol_dr_04() {
    let (_directory, node) = Node::leading().await;
    let client = Driver::start().await;
    let mut line = client.connect(&node.address).await;
    // One that waits for a place ends at once.
    let waiting = node.submit().await;
    line.asks_for_the_end_of(waiting.as_str()).await;
    assert!(line.hear().await.unwrap().answered_flag("success"));
    let ended = |view: &MasterView| view.ended_drivers.first().map(|driver| (driver.id.clone(), driver.state));
    assert_eq!(node.sees("its end", ended).await, (waiting, DriverState::Killed));

    let mut worker = WorkerSession::registered(&node.address, registration("w1", 9)).await;
    line.say(SUBMISSION, "").await;
    let id = line.hear().await.unwrap().answered_text("driverId").unwrap();
    let WorkerCommand::LaunchDriver { driver, .. } = worker.ordered().await else { panic!("no launch") };
    assert_eq!(driver.as_str(), id);
    line.asks_for_the_end_of(&id).await;
    let answer = line.hear().await.unwrap();
    assert_eq!((answer.answered_text("driverId"), answer.answered_flag("success")), (Some(id.clone()), true));
    let WorkerCommand::KillDriver { driver, .. } = worker.ordered().await else { panic!("no order to end it") };
    assert_eq!(driver.as_str(), id);

    for unknown in ["driver-20261120120732-9999", "not an id of a driver\n"] {
        line.asks_for_the_end_of(unknown).await;
        let answer = line.hear().await.unwrap();
        let why = answer.answered_text("message").unwrap();
        assert!(!answer.answered_flag("success") && why.contains("does not exist"), "{why}");
    }
}
