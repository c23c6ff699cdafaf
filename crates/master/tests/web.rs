//! The master's pages for scripts, Prometheus and load balancers, over real HTTP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "whole numbers")]

mod support;

use tanist_core::model::MasterRole;
use tanist_store::Standing;
use tanist_testkit::http::{Answer, ask, get};
use tanist_testkit::prometheus;

use support::engine::Mode;
use support::{Node, is_ready, submission, within};

async fn status(node: &Node, path: &str) -> u16 {
    get(&node.web, path).await.unwrap().status
}

async fn series(node: &Node) -> std::collections::BTreeMap<String, f64> {
    let answer = get(&node.web, "/metrics/prometheus/").await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(tanist_web::prometheus::CONTENT_TYPE)));
    prometheus::read(&answer.body).unwrap()
}

/// Waits until a page answers with a status.
async fn answers(node: &Node, path: &str, status: u16) -> Answer {
    within(path, async {
        loop {
            let answer = get(&node.web, path).await.unwrap();
            if answer.status == status {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
}

#[tokio::test]
async fn scripts_read_the_state_as_they_are_used_to_ui_10_ui_17() {
    let (_directory, node) = Node::leading().await;
    node.submit().await;
    let whole = get(&node.web, "/json/").await.unwrap();
    for (name, value) in [
        ("content-type", "text/json;charset=utf-8"),
        ("cache-control", "no-cache, no-store, must-revalidate"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-xss-protection", "1; mode=block"),
        ("x-content-type-options", "nosniff"),
        ("vary", "Accept-Encoding"),
        ("content-length", &whole.body.len().to_string()),
    ] {
        assert_eq!(whole.header(name), Some(value), "{name}");
    }
    assert_eq!(whole.header("server"), None);
    let json = whole.json();
    assert_eq!((&json["url"], &json["status"]), (&format!("spark://{}", node.address).into(), &"ALIVE".into()));
    assert_eq!(json["activedrivers"][0]["state"], "SUBMITTED");
    assert!(whole.body.starts_with("{\n  \"url\" : \"") && whole.body.ends_with("\n}"), "{}", whole.body);
    assert_eq!(get(&node.web, "/json/clusterutilization").await.unwrap().json()["waitingDrivers"], 1);
    assert_eq!(get(&node.web, "/json/foo/bar?x=y").await.unwrap().body, "{\n  \"foo\" : \"\"\n}");

    let moved = get(&node.web, "/json").await.unwrap();
    let to = format!("http://{}/json/", node.web);
    assert_eq!((moved.status, moved.header("location"), moved.body.as_str()), (302, Some(to.as_str()), ""));
    let head = ask(&node.web, "HEAD", "/json/status").await.unwrap();
    assert_eq!((head.status, head.header("content-length"), head.body.as_str()), (200, Some("24"), ""));
    for method in ["POST", "PUT", "DELETE", "TRACE"] {
        assert_eq!(ask(&node.web, method, "/json/").await.unwrap().status, 405, "{method}, UI-18");
    }
    for path in ["/", "/nothing", "/json/../etc/passwd", "//json/"] {
        let answer = get(&node.web, path).await.unwrap();
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!([200, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
}

#[tokio::test]
async fn the_original_s_gauges_are_there_me_01_me_02_me_04() {
    let (_directory, node) = Node::leading().await;
    let master = get(&node.web, "/metrics/master/json/").await.unwrap();
    let captured = concat!(
        r#"{"version":"4.0.0","gauges":{"master.aliveWorkers":{"value":0},"master.apps":{"value":0},"#,
        r#""master.waitingApps":{"value":0},"master.workers":{"value":0}},"#,
        r#""counters":{},"histograms":{},"meters":{},"timers":{}}"#
    );
    assert_eq!((master.body.as_str(), master.header("content-type")), (captured, Some("text/json;charset=utf-8")));
    let applications = get(&node.web, "/metrics/applications/json/").await.unwrap();
    assert!(applications.body.starts_with(r#"{"version":"4.0.0","gauges":{},"#), "{}", applications.body);
    assert_eq!(status(&node, "/metrics/master/json").await, 302);
    assert_eq!(status(&node, "/metrics/applications/json").await, 302);
}

#[tokio::test]
async fn prometheus_reads_what_a_leader_and_a_standby_say_me_05() {
    let directory = tempfile::tempdir().unwrap();
    let leader = Node::start(directory.path(), "m1").await;
    let epoch = leader.alive().await;
    let standby = Node::start(directory.path(), "m2").await;
    standby.does("waits: m1 leads").await;
    for _ in 0..3 {
        leader.submit().await;
    }
    let of_leader = series(&leader).await;
    for (name, value) in [
        ("metrics_master_aliveWorkers_Number{type=\"gauges\"}", 0.0),
        ("metrics_master_workers_Value{type=\"gauges\"}", 0.0),
        ("tanist_master_role{role=\"ALIVE\"}", 1.0),
        ("tanist_master_role{role=\"STANDBY\"}", 0.0),
        ("tanist_master_may_act", 1.0),
        ("tanist_terms_won_total", 1.0),
        ("tanist_drivers{state=\"SUBMITTED\"}", 3.0),
        ("tanist_store_trouble", 0.0),
        ("tanist_store_degraded", 0.0),
        ("tanist_recovery_missing{kind=\"workers\"}", 0.0),
    ] {
        assert_eq!(of_leader.get(name), Some(&value), "{name}");
    }
    assert_eq!(of_leader["tanist_term_epoch"], epoch.0 as f64);
    let commits = of_leader["tanist_commits_total"];
    assert!(commits >= 1.0 && of_leader["tanist_commit_duration_seconds_sum"] > 0.0);
    let of_standby = series(&standby).await;
    assert_eq!(of_standby["tanist_master_role{role=\"STANDBY\"}"], 1.0);
    assert_eq!(of_standby["tanist_master_may_act"], 0.0);
    assert_eq!(of_standby["tanist_term_epoch"], of_leader["tanist_term_epoch"]);
    let names = |series: &std::collections::BTreeMap<String, f64>| {
        series.keys().filter(|name| !name.contains("build_info")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&of_standby), names(&of_leader), "no series comes or goes with the lead");
}

#[tokio::test]
async fn load_balancers_find_the_leader_and_nobody_else() {
    let (directory, first) = Node::leading().await;
    let second = Node::start(directory.path(), "m2").await;
    second.does("waits: m1 leads").await;
    let asked = async |node: &Node| {
        let mut found = Vec::new();
        for path in ["/livez", "/readyz", "/leader", "/standby"] {
            found.push(status(node, path).await);
            assert_eq!(ask(&node.web, "HEAD", path).await.unwrap().status, *found.last().unwrap(), "{path}");
        }
        found
    };
    assert_eq!(asked(&first).await, [200, 200, 200, 503]);
    assert_eq!(asked(&second).await, [200, 200, 503, 200]);
    let refused = get(&second.web, "/leader").await.unwrap().body;
    assert!(refused.starts_with("no: ") && refused.contains(&format!("leader: m1 at {}", first.address)), "{refused}");
    let shown = get(&second.web, "/json/").await.unwrap().json();
    assert_eq!((&shown["status"], shown["activedrivers"].as_array().unwrap().len()), (&"STANDBY".into(), 0));

    first.service.stop().await.unwrap();
    answers(&second, "/leader", 200).await;
    answers(&second, "/standby", 503).await;
    second.alive().await;
    assert_eq!(get(&second.web, "/json/status").await.unwrap().json()["status"], "ALIVE");
}

/// More readers than have their turn one after the other within the time that a request may take.
const READERS: usize = 100;

#[tokio::test]
async fn readers_wait_for_a_view_together_and_not_one_after_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path(), "m1").await;
    node.alive().await;
    // Nothing becomes durable, so that each of them waits a second for a view of its own time.
    node.engine.set(Mode::Held);
    let before = node.engine.attempts();
    let mut submitted = Box::pin(node.handle().request(submission()));
    assert!(is_ready(&mut submitted).is_none());
    node.engine.attempted_after(before).await;
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let web = node.web.clone();
            tokio::spawn(async move { get(&web, "/json/").await.unwrap() })
        })
        .collect();
    for reader in readers {
        let answer = within("an answer", reader).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_leader_past_its_deadline_is_not_sent_to() {
    let (_directory, node) = Node::leading().await;
    assert_eq!(status(&node, "/leader").await, 200);
    // The deadline lies behind, and the loop may not have seen it yet.
    node.election.set(Standing::Suspended);
    assert_eq!(status(&node, "/leader").await, 503);
    node.role(MasterRole::Suspended).await;
    assert_eq!((status(&node, "/livez").await, status(&node, "/leader").await), (200, 503));
    let ready = answers(&node, "/readyz", 503).await;
    assert!(ready.body.contains("suspended"), "{}", ready.body);
    assert_eq!(get(&node.web, "/json/status").await.unwrap().json()["status"], "RECOVERING");
    node.election.set(Standing::Held { until: None });
    answers(&node, "/leader", 200).await;
    answers(&node, "/readyz", 200).await;
}
