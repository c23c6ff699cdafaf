use std::{os::unix::fs::PermissionsExt as _, time::Instant};

use tempfile::TempDir;

use super::*;

/// Long enough for a shell on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn gpus(amount: usize, script: Option<PathBuf>) -> Vec<ResourceRequest> {
    vec![ResourceRequest { name: "gpu".to_owned(), amount, discovery_script: script }]
}

fn file(dir: &TempDir, text: &str) -> PathBuf {
    let path = dir.path().join("resources.json");
    fs::write(&path, text).unwrap();
    path
}

/// The interpreter reads the file, so nothing is executed that this process may still hold open for writing.
fn script(dir: &TempDir, body: &str) -> PathBuf {
    let path = dir.path().join("discover.sh");
    let unfinished = dir.path().join("unfinished");
    fs::write(&unfinished, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(unfinished, &path).unwrap();
    path
}

async fn failure(requests: &[ResourceRequest], file: Option<&Path>) -> String {
    discover(requests, file, PATIENCE).await.unwrap_err().to_string()
}

const TWO_GPUS: &str = r#"[
    {"id":{"componentName":"spark.worker","resourceName":"gpu"},"addresses":["7","3"]},
    {"id":{"componentName":"spark.driver","resourceName":"gpu"},"addresses":["9"]}]"#;

#[tokio::test]
async fn rs_01_file_first_script_for_the_rest_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let file = file(&dir, TWO_GPUS);
    let script = script(&dir, r#"echo '{"name":"fpga","addresses":["a","b","c"]}'"#);
    let mut requests = gpus(2, Some(PathBuf::from("/never/run")));
    requests.push(ResourceRequest { name: "fpga".to_owned(), amount: 2, discovery_script: Some(script) });
    requests.push(ResourceRequest { name: "none".to_owned(), amount: 0, discovery_script: None });
    let found = discover(&requests, Some(&file), PATIENCE).await.unwrap();
    let expected = [("fpga", vec!["a", "b"]), ("gpu", vec!["7", "3"])];
    let found: Vec<_> =
        found.iter().map(|(name, list)| (name.as_str(), list.iter().map(String::as_str).collect())).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn rs_01_too_few_names_resource_wanted_and_found() {
    let dir = tempfile::tempdir().unwrap();
    let file = file(&dir, TWO_GPUS);
    let error = failure(&gpus(3, None), Some(&file)).await;
    assert!(error.contains("\"gpu\": 3 wanted, only 2 found") && error.contains(file.to_str().unwrap()), "{error}");
    let error = failure(&gpus(1, None), None).await;
    assert!(error.contains("\"gpu\"") && error.contains("no resources file"), "{error}");
}

#[tokio::test]
async fn file_that_does_not_parse_or_exist_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for text in ["", "{}", r#"[{"id":{"resourceName":"gpu"},"addresses":["0"]}]"#, r#"[{"id":3}]"#] {
        let file = file(&dir, text);
        let error = failure(&gpus(1, None), Some(&file)).await;
        assert!(error.contains(file.to_str().unwrap()) && error.contains("line"), "{error}");
    }
    let error = failure(&gpus(1, None), Some(&dir.path().join("missing"))).await;
    assert!(error.contains("missing") && error.contains("No such file"), "{error}");
}

#[tokio::test]
async fn an_address_listed_twice_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text = r#"[{"id":{"componentName":"spark.worker","resourceName":"gpu"},"addresses":["0","0"]}]"#;
    let error = failure(&gpus(1, None), Some(&file(&dir, text))).await;
    assert!(error.contains("\"0\" is listed twice"), "{error}");
}

#[tokio::test]
async fn scripts_that_fail_are_explained() {
    let dir = tempfile::tempdir().unwrap();
    for (body, expected) in [
        ("echo broken >&2; exit 3", "exit status: 3, with this on standard error: \"broken\""),
        ("echo nonsense", "printed something else"),
        (r#"echo '{"name":"fpga","addresses":["0"]}'"#, "answered for resource \"fpga\""),
        (r#"echo '{"name":"gpu","addresses":[]}'"#, "1 wanted, only 0 found"),
    ] {
        let script = script(&dir, body);
        let error = failure(&gpus(1, Some(script.clone())), None).await;
        assert!(error.contains(expected) && error.contains(script.to_str().unwrap()), "{error}");
    }
    let error = failure(&gpus(1, Some(dir.path().join("missing"))), None).await;
    assert!(error.contains("cannot be started"), "{error}");
}

#[tokio::test]
async fn a_script_that_hangs_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("pid");
    let script = script(&dir, &format!("sleep 600 & echo $! > {}; wait", pid_file.display()));
    // The time-out must not strike before the script has left its trace.
    let error = discover(&gpus(1, Some(script)), None, Duration::from_secs(3)).await.unwrap_err().to_string();
    assert!(error.contains("no answer within 3s"), "{error}");
    let pid = fs::read_to_string(pid_file).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let alive = || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "));
    while alive() {
        assert!(Instant::now() < deadline, "child {pid} of the script survives");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn rs_03_file_for_driver_and_executor() {
    let dir = tempfile::tempdir().unwrap();
    let resources = BTreeMap::from([("gpu".to_owned(), vec!["0".to_owned()])]);
    let path = write_file(dir.path(), ResourceUser::Driver, "1", &resources).unwrap().unwrap();
    assert_eq!(path, dir.path().join("resource-driver-1.json"));
    assert_eq!(
        fs::read_to_string(path).unwrap(),
        r#"[{"id":{"componentName":"spark.driver","resourceName":"gpu"},"addresses":["0"]}]"#,
    );
    let path = write_file(dir.path(), ResourceUser::Executor, "x", &resources).unwrap().unwrap();
    assert!(path.ends_with("resource-executor-x.json"));
    assert!(fs::read_to_string(path).unwrap().contains("spark.executor"));
    assert_eq!(write_file(dir.path(), ResourceUser::Driver, "2", &BTreeMap::new()).unwrap(), None);
    assert!(write_file(dir.path(), ResourceUser::Driver, "../2", &resources).is_err());
}
