//! The REST submission server of real masters: the exchanges captured from the original (in `rest/`, one file each, ids
//! put in place of names in pointed brackets), what the tests of Spark ask of it, and what nobody should send.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::json;

use tanist_core::ids::{DriverId, ReportId};
use tanist_core::model::{DriverOutcome, DriverState, MasterRole};
use tanist_core::msg::{WorkerCommand, WorkerToMaster};
use tanist_store::Standing;
use tanist_testkit::http::{get, tell};

use support::engine::Mode;
use support::http::ask;
use support::peers::{WorkerSession, registration};
use support::{Node, within};

/// Runs all exchanges of a folder in order. Names in pointed brackets stand for their values.
async fn exchange(rest: &str, folder: &str, names: &mut Vec<(&'static str, String)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rest").join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let (request, wanted) = text.split_once("\n=>\n").unwrap();
        let request = names.iter().fold(request.to_owned(), |text, (name, value)| text.replace(name, value));
        let (head, body) = request.split_once("\n\n").unwrap_or((&request, ""));
        let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
        let headers = headers.lines().fold(String::new(), |all, header| all + header + "\r\n");
        let answer = ask(rest, line, &headers, body.as_bytes()).await;
        if let Some(id) = answer.field("submissionId").as_str().filter(|_| line.ends_with("/create")) {
            names.retain(|(name, _)| *name != "<DRIVER>");
            names.push(("<DRIVER>", id.to_owned()));
        }
        let (head, body) = wanted.split_once("\n\n").unwrap();
        let body = names.iter().fold(body.to_owned(), |text, (name, value)| text.replace(name, value));
        let mut head = head.lines();
        assert_eq!(Some(answer.line.as_str()), head.next(), "{}: {answer:?}", file.display());
        assert_eq!(format!("{}\n", answer.body), body, "{}", file.display());
        assert_eq!(answer.header("Content-Length"), Some(answer.body.len().to_string().as_str()), "{}", file.display());
        for header in head {
            let (name, value) = header.split_once(": ").unwrap();
            assert_eq!(answer.header(name), Some(value), "{}: {name}", file.display());
        }
        for unwanted in ["Server", "X-Powered-By"] {
            assert_eq!(answer.header(unwanted), None, "RE-19");
        }
    }
}

fn submission() -> serde_json::Value {
    json!({
        "action": "CreateSubmissionRequest",
        "appResource": "file:/jars/probe.jar",
        "clientSparkVersion": "3.5.9",
        "mainClass": "ProbeDriver",
        "sparkProperties": { "spark.driver.memory": "64m" },
    })
}

async fn create(rest: &str, body: &serde_json::Value) -> DriverId {
    let answer = ask(rest, "POST /v1/submissions/create", "", body.to_string().as_bytes()).await;
    let id = answer.field("submissionId");
    DriverId::new(id.as_str().unwrap_or_else(|| panic!("{answer:?}"))).unwrap()
}

async fn state(rest: &str, driver: &DriverId) -> serde_json::Value {
    ask(rest, &format!("GET /v1/submissions/status/{driver}"), "", b"").await.field("driverState")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_answers_as_the_original_does_t_rs_10_t_rs_11_t_rs_12_t_rs_13_t_pr_08() {
    let (_directory, node) = Node::leading().await;
    exchange(&node.rest, "leader", &mut Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_past_its_deadline_is_not_ready_re_16() {
    let (_directory, node) = Node::leading().await;
    let ready = async || get(&node.rest, "/v1/submissions/readyz").await.unwrap().status;
    assert_eq!(ready().await, 200);
    // The deadline lies behind, and the loop may not have seen it yet.
    node.election.set(Standing::Suspended);
    assert_eq!(ready().await, 503);
    node.role(MasterRole::Suspended).await;
    assert_eq!(ready().await, 503);
    node.election.set(Standing::Held { until: None });
    node.role(MasterRole::Alive).await;
    assert_eq!(ready().await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_sends_clients_on_to_the_next_master_t_rs_14_ss_04() {
    let (directory, _first) = Node::leading().await;
    let second = Node::start(directory.path(), "m2").await;
    let mut leadership = second.handle().leadership();
    within("the leader's name", leadership.wait_for(|now| now.leader.is_some())).await.unwrap();
    exchange(&second.rest, "standby", &mut Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_runs_is_killed_and_tells_why_t_rs_05_t_rs_06_t_rs_07_t_rs_08() {
    let (_directory, node) = Node::leading().await;
    let mut worker = WorkerSession::registered(&node.address, registration("w1", 9)).await;
    let created = create(&node.rest, &submission()).await;
    let WorkerCommand::LaunchDriver { driver, attempt, .. } = worker.ordered().await else { panic!("no launch") };
    assert_eq!(driver, created);
    worker.say(WorkerToMaster::DriverStarted { driver: driver.clone(), attempt }).await;
    let mut names = vec![
        ("<DRIVER>", driver.to_string()),
        ("<WORKER>", "w1".to_owned()),
        ("<WORKER ADDRESS>", "127.0.0.1:9".to_owned()),
    ];
    exchange(&node.rest, "running", &mut names).await;
    let WorkerCommand::KillDriver { driver: killed, .. } = worker.ordered().await else { panic!("no kill") };
    assert_eq!(killed, driver);
    let message = Some("dump of the ship's log".to_owned());
    let outcome = DriverOutcome { state: DriverState::Killed, exit_code: None, message };
    worker.say(WorkerToMaster::DriverEnded { report: ReportId(1), driver: driver.clone(), attempt, outcome }).await;
    node.sees("the end", |view| view.ended_drivers.first().map(|ended| ended.id.clone())).await;
    exchange(&node.rest, "ended", &mut names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_is_killed_and_the_other_runs_on_t_rs_09() {
    let (_directory, node) = Node::leading().await;
    let _worker = WorkerSession::registered(&node.address, registration("w1", 9)).await;
    let running = create(&node.rest, &submission()).await;
    let mut large = submission();
    large["sparkProperties"]["spark.driver.memory"] = json!("900g");
    let queued = create(&node.rest, &large).await;
    let answer = ask(&node.rest, &format!("POST /v1/submissions/kill/{queued}"), "", b"").await;
    assert_eq!(answer.field("success"), true);
    assert_eq!(
        (state(&node.rest, &running).await, state(&node.rest, &queued).await),
        (json!("RUNNING"), json!("KILLED"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_while_nobody_leads_waits_for_the_next_leader() {
    let (directory, first) = Node::leading().await;
    let second = Node::start(directory.path(), "m2").await;
    let mut leadership = second.handle().leadership();
    within("the leader's name", leadership.wait_for(|now| now.leader.is_some())).await.unwrap();
    drop(first);
    within("no leader", leadership.wait_for(|now| now.leader.is_none() || now.role != MasterRole::Standby))
        .await
        .unwrap();
    let driver = create(&second.rest, &submission()).await;
    assert_eq!(state(&second.rest, &driver).await, json!("SUBMITTED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_a_stopping_leader_has_sent_to_the_store_is_not_denied() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    node.alive().await;
    node.engine.set(Mode::Held);
    let before = node.engine.attempts();
    let (rest, body) = (node.rest.clone(), submission().to_string());
    let create = async move { ask(&rest, "POST /v1/submissions/create", "", body.as_bytes()).await };
    let created = tokio::spawn(create);
    node.engine.attempted_after(before).await;
    within("the end of the service", node.service.stop()).await.unwrap();
    let answer = within("an answer", created).await.unwrap();
    assert_eq!(answer.line, "HTTP/1.1 503 Service Unavailable", "{answer:?}");
    let told = answer.field("message");
    assert!(told.as_str().unwrap().contains("may have taken effect"), "{answer:?}");
    assert_eq!(answer.header("Retry-After"), None, "whoever repeats it by itself may make a second driver");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_told_what_is_wrong_and_change_nothing_t_rs_16() {
    let (_directory, node) = Node::leading().await;
    let good = submission().to_string();
    let half = &good[..good.len() / 2];
    let renamed = good.replace("\"action\"", "\"acton\"");
    let deep = format!("{{\"action\":{}", "[".repeat(200_000));
    for body in ["", half, &renamed, "\"hello, world\"", "[1]", "{\"action\":\"FooRequest\"}", &deep, "\u{0}"] {
        let answer = ask(&node.rest, "POST /v1/submissions/create", "", body.as_bytes()).await;
        assert_eq!(answer.line, "HTTP/1.1 400 Bad Request", "{answer:?}");
        assert_eq!(answer.field("action"), "ErrorResponse", "{answer:?}");
        assert!(answer.field("message").as_str().unwrap().starts_with("Malformed request: "), "{answer:?}");
        assert!(answer.field("success").is_null() && answer.field("highestProtocolVersion").is_null(), "{answer:?}");
    }
    let bytes = ask(&node.rest, "POST /v1/submissions/create", "", b"{\"action\":\"\xff\xfe\"}").await;
    assert_eq!(bytes.line, "HTTP/1.1 400 Bad Request", "invalid UTF-8: {bytes:?}");
    let mut huge = submission();
    huge["appArgs"] = json!(["\"".repeat(600_000)]);
    let answer = ask(&node.rest, "POST /v1/submissions/create", "", huge.to_string().as_bytes()).await;
    assert_eq!(answer.line, "HTTP/1.1 413 Payload Too Large", "{answer:?}");
    huge["appArgs"] = json!(["x".repeat(1_000_000)]);
    let answer = ask(&node.rest, "POST /v1/submissions/create", "", huge.to_string().as_bytes()).await;
    assert_eq!(answer.line, "HTTP/1.1 400 Bad Request", "{answer:?}");
    assert!(answer.field("message").as_str().unwrap().contains("at most"), "{answer:?}");
    assert!(node.handle().view().await.view.drivers.is_empty(), "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_no_driver_can_have_are_unknown_ones() {
    let (_directory, node) = Node::leading().await;
    for (path, id) in
        [("..", ".."), ("%2e%2e%2fetc", "../etc"), ("a%20b", "a b"), ("%00", "\u{0}"), ("%ff", "\u{fffd}")]
    {
        let answer = ask(&node.rest, &format!("GET /v1/submissions/status/{path}"), "", b"").await;
        assert_eq!(answer.line, "HTTP/1.1 200 OK", "{answer:?}");
        assert_eq!((answer.field("success"), answer.field("submissionId")), (json!(false), json!(id)));
        let answer = ask(&node.rest, &format!("POST /v1/submissions/kill/{path}"), "", b"").await;
        assert_eq!((answer.field("success"), answer.field("submissionId")), (json!(false), json!(id)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_and_options_are_answered_and_web_pages_are_not() {
    let (_directory, node) = Node::leading().await;
    let get = ask(&node.rest, "GET /v1/submissions/status/driver-nope", "", b"").await;
    let head = ask(&node.rest, "HEAD /v1/submissions/status/driver-nope", "", b"").await;
    assert_eq!((head.body.as_str(), head.header("Content-Length")), ("", get.header("Content-Length")));
    let options = ask(&node.rest, "OPTIONS /v1/submissions/create", "", b"").await;
    assert_eq!((options.line.as_str(), options.header("Allow")), ("HTTP/1.1 200 OK", Some("POST, OPTIONS")));
    let body = submission().to_string();
    let page = ask(&node.rest, "POST /v1/submissions/create", "Origin: http://example.org\r\n", body.as_bytes()).await;
    assert_eq!(page.line, "HTTP/1.1 403 Forbidden", "{page:?}");
    assert!(node.handle().view().await.view.drivers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_spark_submit_sends_on_the_wire_is_taken_ss_07_ss_08() {
    let (_directory, node) = Node::leading().await;
    let body = submission().to_string();
    let java = "User-Agent: Java/17.0.15\r\nAccept: text/html, image/gif, image/jpeg, */*; q=0.2\r\n";
    let request = format!(
        "POST /v1/submissions/create HTTP/1.1\r\nContent-Type: application/json\r\ncharset: utf-8\r\n{java}Host: x\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let created = tell(&node.rest, request.as_bytes()).await.unwrap();
    assert_eq!(created.field("success"), true, "{created:?}");
    let id = created.field("submissionId");
    let line = format!("POST /v1/submissions/kill/{}", id.as_str().unwrap());
    let killed = ask(&node.rest, &line, java, b"").await;
    assert_eq!(killed.field("success"), true, "no body, no Content-Length, no Content-Type: {killed:?}");
}
