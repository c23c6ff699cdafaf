//! The worker's pages, over real HTTP, while real programs write.

use tanist_core::model::ExecutorState;
use tanist_testkit::http::{Answer, ask, get};
use tanist_testkit::prometheus;
use tokio::time::{Duration, sleep, timeout};

use crate::fake_master::{FakeMaster, command, executor, script};
use crate::rig::{PATIENCE, TestWorker};

async fn page(worker: &TestWorker, path: &str) -> Answer {
    get(&worker.web, path).await.unwrap()
}

/// Waits until a page is as wanted.
async fn shows(worker: &TestWorker, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let looked = async {
        loop {
            let answer = page(worker, path).await;
            if wanted(&answer) {
                return answer;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, looked).await.unwrap()
}

#[tokio::test]
async fn the_state_is_shown_as_it_is_ui_15_me_03_me_04() {
    let (master, worker, mut session) = TestWorker::with_a_master().await;
    session.launch_executor("app-1", 0, command("sleep", &["60"])).await;
    assert_eq!(session.executor_state(&executor("app-1", 0)).await.0, ExecutorState::Running);
    session.launch_executor("app-1", 1, command("true", &[])).await;
    while session.executor_state(&executor("app-1", 1)).await.0 != ExecutorState::Exited {}
    let shown = shows(&worker, "/json/", |answer| !answer.json()["finishedexecutors"][0].is_null()).await;
    assert_eq!(shown.header("content-type"), Some("text/json;charset=utf-8"));
    assert_eq!(shown.header("x-frame-options"), Some("SAMEORIGIN"), "UI-17");
    let json = shown.json();
    assert_eq!(json["id"], worker.handle.id().as_str());
    assert_eq!(json["masterurl"], format!("spark://{}", master.address));
    assert_eq!((&json["cores"], &json["memory"]), (&8.into(), &4096.into()));
    assert_eq!((&json["executors"][0]["id"], &json["executors"][0]["appid"]), (&0.into(), &"app-1".into()));
    assert_eq!(json["finishedexecutors"][0]["id"], 1);

    let gauges = page(&worker, "/metrics/json/").await.json();
    assert_eq!((&gauges["version"], &gauges["gauges"]["worker.executors"]["value"]), (&"4.0.0".into(), &1.into()));
    let series = prometheus::read(&page(&worker, "/metrics/prometheus/").await.body).unwrap();
    assert!((series["metrics_worker_executors_Number{type=\"gauges\"}"] - 1.0).abs() < 1e-9);
    for path in ["/json", "/metrics/json", "/log?driverId=d", "/logPage?driverId=d"] {
        let moved = page(&worker, path).await;
        let (bare, query) = path.split_once('?').map_or((path, ""), |(bare, _)| (bare, "?driverId=d"));
        let to = format!("http://{}{bare}/{query}", worker.web);
        assert_eq!((moved.status, moved.header("location")), (302, Some(to.as_str())), "UI-10");
    }
    for path in ["/json/", "/log/?driverId=d"] {
        assert_eq!(ask(&worker.web, "POST", path).await.unwrap().status, 405, "UI-10");
    }
    assert_eq!(page(&worker, "/nothing").await.status, 404);
}

#[tokio::test]
async fn output_is_read_by_ranges_and_on_a_page_lg_01_lg_03_t_lu_01() {
    let (_master, worker, mut session) = TestWorker::with_a_master().await;
    session.launch_driver("driver-1", script("printf '<script>alert(1)</script>&'")).await;
    session.outcome("driver-1").await;
    let of = "driverId=driver-1&logType=stdout";
    let file = worker.work().join("driver-1/stdout");
    let text = page(&worker, &format!("/log/?{of}")).await;
    let expected = format!("==== Bytes 0-26 of 26 of {} ====\n<script>alert(1)</script>&", file.display());
    assert_eq!((text.body, text.status), (expected, 200));
    let part = page(&worker, &format!("/log/?{of}&offset=1&byteLength=6")).await;
    assert!(part.body.ends_with("====\nscript"), "{}", part.body);

    let whole = page(&worker, &format!("/logPage/?{of}&byteLength=5")).await;
    assert_eq!(whole.header("content-type"), Some("text/html;charset=utf-8"));
    assert!(whole.body.contains("<title>stdout log page for driver-1</title>"), "{}", whole.body);
    assert!(whole.body.contains("Showing 5 Bytes: 21 - 26 of 26"), "{}", whole.body);
    assert!(whole.body.contains("&amp;offset=16&amp;byteLength=5\">Load More"), "{}", whole.body);
    let all = page(&worker, &format!("/logPage/?{of}")).await;
    assert!(all.body.contains("<pre>&lt;script&gt;alert(1)&lt;/script&gt;&amp;</pre>"), "CVE-2022-31777: {}", all.body);
    let hostile = page(&worker, "/logPage/?driverId=%22%3E%3Cscript%3E%0a&logType=%3Cb%3E").await;
    assert!(!hostile.body.contains("<script>") && !hostile.body.contains("<b>"), "{}", hostile.body);
    for query in ["", "?logType=stdout", "?driverId=d&offset=x", "?driverId=%ff&byteLength=-1"] {
        for face in ["/log/", "/logPage/"] {
            assert_eq!(page(&worker, &format!("{face}{query}")).await.status, 400, "{face}{query}");
        }
    }
    let out = page(&worker, "/log/?driverId=..%2F..&logType=stdout").await;
    assert!(out.body.contains("Error: invalid log directory"), "{}", out.body);
}

#[tokio::test]
async fn a_worker_is_ready_while_a_leader_takes_it() {
    let mut master = FakeMaster::start(1).await;
    let worker = TestWorker::start(&[&master]).await;
    let alone = page(&worker, "/readyz").await;
    assert_eq!((alone.status, page(&worker, "/livez").await.status), (503, 200));
    assert!(alone.body.starts_with("no: no leader takes it"), "{}", alone.body);
    let (session, _) = master.registered().await;
    let ready = shows(&worker, "/readyz", |answer| answer.status == 200).await;
    assert!(ready.body.contains(&format!("leader: master-1 at {}", master.address)), "{}", ready.body);
    drop(session);
    master.stop_listening().await;
    let lost = shows(&worker, "/readyz", |answer| answer.status == 503).await;
    assert!(lost.body.contains("leader: lost; the last one was master-1"), "{}", lost.body);
    assert_eq!(page(&worker, "/livez").await.status, 200, "a restart would end what runs");
}
