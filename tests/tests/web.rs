//! Web pages of real masters and workers: they find each other, and what is written about them is true.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tanist_testkit::http::get;
use tanist_testkit::{Cluster, Shape, prometheus};

/// Where something that describes metrics lies.
const DESCRIPTIONS: [&str; 1] = ["deploy/prometheus/tanist.rules.yml"];

/// T-UI-01, as far as it is about JSON: the master knows its workers, and the addresses it gives lead to them.
#[tokio::test]
async fn the_master_s_state_leads_to_the_workers_t_ui_01() {
    let cluster = Cluster::start(Shape { masters: 1, workers: 2, ..Shape::default() }).unwrap();
    let master = get(&cluster.masters[0].web, "/json/").await.unwrap().json();
    let workers = master["workers"].as_array().unwrap();
    assert_eq!((workers.len(), &master["aliveworkers"], &master["cores"]), (2, &2.into(), &8.into()));
    for worker in workers {
        let address = worker["webuiaddress"].as_str().unwrap().strip_prefix("http://").unwrap();
        let own = get(address, "/json/").await.unwrap().json();
        assert_eq!((&own["id"], &own["cores"]), (&worker["id"], &4.into()));
        assert_eq!(own["masterwebuiurl"], format!("http://{}", cluster.masters[0].web));
        assert_eq!(get(address, "/readyz").await.unwrap().status, 200);
    }
}

/// DRN-04: a driver is told where its output can be read, and it can.
#[tokio::test]
async fn programs_are_told_where_their_output_is_drn_04_t_lu_01() {
    let cluster = Cluster::start(Shape { masters: 1, workers: 1, ..Shape::default() }).unwrap();
    let id = cluster.submit(&["--", "sh", "-c", "echo here: $SPARK_DRIVER_LOG_URL_STDOUT"]).unwrap();
    cluster.wait_for_driver(&id, "FINISHED", Duration::from_secs(30));
    let text = get(&cluster.workers[0].web, &format!("/log/?driverId={id}&logType=stdout")).await.unwrap().body;
    let url = text.lines().find_map(|line| line.strip_prefix("here: http://")).unwrap();
    let (address, path) = url.split_once('/').unwrap();
    let page = get(address, &format!("/{path}")).await.unwrap();
    assert!(page.body.contains(&format!("stdout log page for {id}")), "{}", page.body);
    assert!(page.body.contains("here: http://"), "{}", page.body);
}

/// What `docs/openapi.yaml` says about pages is true: each is served, by a master or by a worker.
#[tokio::test]
async fn pages_that_are_described_are_served() {
    let cluster = Cluster::start(Shape { masters: 1, workers: 1, ..Shape::default() }).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/openapi.yaml");
    let text = fs::read_to_string(file).unwrap();
    let paths = text.lines().filter_map(|line| line.strip_prefix("  /")?.strip_suffix(':'));
    let mut pages = 0;
    for path in paths.filter(|path| !path.starts_with("v1/")) {
        let address = format!("/{}?driverId=d&logType=stdout", path.replace("{field}", "status"));
        let master = get(&cluster.masters[0].web, &address).await.unwrap().status;
        let worker = get(&cluster.workers[0].web, &address).await.unwrap().status;
        assert!([master, worker].contains(&200) || path == "standby", "{address}: {master}, {worker}");
        assert!([200, 404, 503].contains(&master) && [200, 404].contains(&worker), "{address}: {master}, {worker}");
        pages += 1;
    }
    assert!(pages > 10, "{pages} pages were found");
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c));
    words.filter(|word| word.starts_with("tanist_") && !word.ends_with('_')).collect()
}

#[tokio::test]
async fn alerts_speak_of_metrics_that_exist() {
    let cluster = Cluster::start(Shape { masters: 1, workers: 1, ..Shape::default() }).unwrap();
    let mut known = BTreeSet::new();
    for web in [&cluster.masters[0].web, &cluster.workers[0].web] {
        let text = get(web, "/metrics/prometheus/").await.unwrap().body;
        known.extend(
            prometheus::read(&text)
                .unwrap()
                .keys()
                .map(|series| series.split('{').next().unwrap_or_default().to_owned()),
        );
    }
    // Of masters on etcd only.
    known.extend(["tanist_lease_failures_total", "tanist_mirror_differences_total"].map(str::to_owned));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for description in DESCRIPTIONS {
        let text = fs::read_to_string(root.join(description)).unwrap();
        let named = names(&text);
        assert!(named.len() > 5, "{description}: {named:?}");
        let unknown: Vec<_> = named.into_iter().filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "{description}: {unknown:?}");
    }
}
