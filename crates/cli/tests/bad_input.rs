//! What is not allowed ends with exit code 2 and a message that names field, value and what is allowed.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail a test like the tests themselves")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Command, Output, Stdio};

fn tanist() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tanist"));
    for (name, _) in std::env::vars_os() {
        if ["TANIST_", "SPARK_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_usage(command: &mut Command, parts: &[&str]) {
    let output = command.output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{command:?}: {part:?} is missing in {said}");
    }
    assert!(output.stdout.is_empty(), "{command:?}: results are for standard output, complaints are not");
}

#[test]
fn flags_of_every_command() {
    let table: [(&[&str], &[&str]); 29] = [
        (
            &["worker", "--masters", "m:1", "--memory", "512"],
            &["worker.memory = \"512\"", "--memory", "at least 1 MiB"],
        ),
        (&["worker", "--masters", "m:1", "--memory", "1023k"], &["worker.memory = \"1023k\"", "at least 1 MiB"]),
        (&["worker", "--masters", "m:1", "--cores", "0"], &["worker.cores = \"0\"", "--cores", "at least 1"]),
        (&["worker", "--masters", "m:1", "--id", ""], &["worker.id = \"\"", "--id", "without white space"]),
        (&["worker", "--masters", "m:1", "--port", "65536"], &["worker.port = \"65536\"", "--port", "0 to 65535"]),
        (&["worker", "--masters", "m:1", "--port", "-1"], &["worker.port = \"-1\"", "--port", "0 to 65535"]),
        (&["worker", "--masters", "m:1", "--id-pattern", "my %s"], &["worker.id_pattern = \"my %s\"", "Whitespace"]),
        (&["worker", "--masters", "m"], &["masters = \"m\"", "--masters", "host1:7077"]),
        (&["worker"], &["masters is not set", "--masters", "TANIST_MASTERS", "host1:7077"]),
        (&["master", "--store", "/tmp", "--id", "a b"], &["master.id = \"a b\"", "--id", "without white space"]),
        (&["master", "--store", "/tmp", "--port", "99999"], &["master.port = \"99999\"", "0 to 65535"]),
        (
            &["master", "--host", "127.0.0.1"],
            &["neither master.store nor master.etcd is set", "--store DIR", "--etcd URL", "TANIST_MASTER_ETCD"],
        ),
        (
            &["master", "--host", "127.0.0.1", "--store", "/tmp", "--etcd", "http://e:2379"],
            &["master.store = \"/tmp\"", "flag --store", "none while master.etcd is set"],
        ),
        (
            &["master", "--etcd", "e:2379"],
            &["master.etcd = \"e:2379\"", "--etcd", "http://host:port or https://host:port"],
        ),
        (
            &["master", "--etcd", "http://e:2379", "--worker-timeout", "10s"],
            &["master.lease_ttl = \"5s\"", "master.worker_timeout is 10s", "worker_timeout of at least 20s"],
        ),
        (
            &["master", "--etcd", "https://e:2379", "--etcd-ca", "/no/such.pem", "--host", "127.0.0.1", "--port", "0"],
            &["master.etcd_ca = \"/no/such.pem\"", "a file that this process can read"],
        ),
        (&["ctl", "history", "--masters", "m:1", "--limit", "0"], &["--limit", "'0'", "1..=10000"]),
        (&["ctl", "pause", "--masters", "m:1", "--for", "8d"], &["--for", "'8d'", "from 1s to 7d"]),
        (&["ctl", "pause", "--masters", "m:1"], &["--for", "required"]),
        (&["ctl", "switchover", "--masters", "m:1", "--to", "a b"], &["--to", "'a b'", "Whitespace"]),
        (
            &["ctl", "step-down", "--masters", "m:1", "--why", "a\nb"],
            &["--why", "at most 512 bytes of text in one line"],
        ),
        (&["ctl", "members"], &["masters is not set", "--masters", "TANIST_MASTERS"]),
        (&["master", "--driver-id-pattern", "my driver"], &["master.driver_id_pattern = \"my driver\"", "Whitespace"]),
        (&["master", "--worker-timeout", "1ms"], &["master.worker_timeout = \"1ms\"", "at least 400ms"]),
        (&["local", "--workers", "0"], &["--workers", "'0'", "from 1 to 100"]),
        (&["status", "--masters", "m:1", "a b"], &["argument ID", "\"a b\"", "Whitespace is not allowed"]),
        (&["status", "--masters", "m:1", "--output", "xml"], &["client.output = \"xml\"", "table or json"]),
        (&["version", "--log", "=[="], &["log = \"=[=\"", "off, error, warn"]),
        (&["pi", "--masters", "m:1", "--executors", "0"], &["--executors", "\"0\"", "at least 1"]),
    ];
    for (arguments, parts) in table {
        assert_usage(tanist().args(arguments), parts);
    }
}

#[test]
fn arguments_that_are_not_utf_8() {
    let raw = OsString::from_vec(b"caf\xe9".to_vec());
    let mut command = tanist();
    command.args(["submit", "--masters", "m:1", "--", "echo"]).arg(raw);
    assert_usage(&mut command, &["argument 6, \"caf\\xe9\", is not allowed", "UTF-8"]);
}

#[test]
fn a_submission_beyond_one_mebibyte() {
    let argument = "x".repeat(120_000);
    let mut command = tanist();
    command.args(["submit", "--masters", "127.0.0.1:1", "--", "echo"]).args(vec![argument; 10]);
    assert_usage(&mut command, &["description", "1048576"]);
}

#[test]
fn a_work_directory_that_cannot_be_used() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let mut command = tanist();
    command.args(["worker", "--masters", "127.0.0.1:1", "--host", "127.0.0.1", "--work-dir", path]);
    assert_usage(&mut command, &[&format!("worker.work_dir = {path:?}"), "flag --work-dir", "can write"]);
}

#[test]
fn resources_that_are_not_there() {
    let base = tempfile::tempdir().unwrap();
    let file = base.path().join("resources.json");
    let work = base.path().join("work");
    let run = |text: &str, parts: &[&str]| {
        fs::write(&file, text).unwrap();
        let mut command = tanist();
        command.args(["worker", "--masters", "127.0.0.1:1", "--host", "127.0.0.1", "--resources", "gpu=2"]);
        command.arg("--work-dir").arg(&work).arg("--resources-file").arg(&file);
        assert_usage(&mut command, parts);
    };
    run("[{", &["worker.resources = \"gpu=2\"", "resources.json"]);
    let one = r#"[{"id":{"componentName":"spark.worker","resourceName":"gpu"},"addresses":["0"]}]"#;
    run(one, &["worker.resources = \"gpu=2\"", "resources.json", "1"]);
}

#[test]
fn keys_and_values_of_the_file() {
    let base = tempfile::tempdir().unwrap();
    let file = base.path().join("tanist.toml");
    fs::write(&file, "[master]\nworker_timout = \"60s\"\n").unwrap();
    let parts = ["tanist.toml:2", "unknown key \"master.worker_timout\"", "did you mean \"master.worker_timeout\"?"];
    assert_usage(tanist().args(["config", "check"]).arg(&file), &parts);
    assert_usage(tanist().args(["version", "--config"]).arg(&file), &parts);
    assert_usage(tanist().arg("version").env("TANIST_CONFIG", &file), &parts);
    fs::write(&file, "[worker]\nmemory = 512\n").unwrap();
    assert_usage(tanist().args(["config", "check"]).arg(&file), &["worker.memory = \"512\"", "tanist.toml:2"]);
    assert_usage(tanist().args(["config", "check", "/no/such.toml"]), &["/no/such.toml"]);
}

#[test]
fn good_configuration_is_checked_and_shown_with_its_sources() {
    let base = tempfile::tempdir().unwrap();
    let file = base.path().join("tanist.toml");
    fs::write(&file, "masters = [\"m1:7077\", \"m2:7077\"]\n[master]\nworker_timeout = \"30s\"\n").unwrap();
    let checked = tanist().args(["config", "check"]).arg(&file).output().unwrap();
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    let mut show = tanist();
    show.args(["config", "show", "--output", "json", "--config"]).arg(&file).env("TANIST_WORKER_CORES", "3");
    let shown = show.output().unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&shown.stdout).unwrap();
    let row = |key: &str| rows.iter().find(|row| row["key"] == key).unwrap().clone();
    assert_eq!(row("masters")["value"], "m1:7077,m2:7077");
    assert_eq!(row("master.worker_timeout")["source"], format!("{}:3", file.display()));
    assert_eq!(row("worker.cores")["source"], "environment variable TANIST_WORKER_CORES");
    assert_eq!(row("worker.retained_drivers")["source"], "default");
}

#[test]
fn nobody_there_is_exit_code_6() {
    let nobody = ["--masters", "127.0.0.1:1", "--timeout", "300ms"];
    let commands: [&[&str]; 7] = [
        &["workers"],
        &["ctl", "history"],
        &["ctl", "switchover", "--to", "m2"],
        &["ctl", "step-down"],
        &["ctl", "pause", "--for", "1min"],
        &["ctl", "resume"],
        &["status"],
    ];
    for command in commands {
        let output = tanist().args(command).args(nobody).output().unwrap();
        assert_eq!(output.status.code(), Some(6), "{command:?}: {}", said(&output));
        assert!(said(&output).contains("127.0.0.1:1"), "{command:?}: {}", said(&output));
    }
    // These show it as a result.
    for command in [["ctl", "explain"], ["ctl", "members"]] {
        let output = tanist().args(command).args(nobody).output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(6), "{command:?}: {shown}");
        assert!(shown.contains("127.0.0.1:1") && shown.contains("connection refused"), "{command:?}: {shown}");
    }
}

#[test]
fn the_example_of_a_configuration_is_a_good_one() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/etc/tanist.toml");
    let checked = tanist().args(["config", "check", example]).output().unwrap();
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
}

#[test]
fn a_local_cluster_that_does_not_start_says_which_log_to_read() {
    let base = tempfile::tempdir().unwrap();
    let mut command = tanist();
    command.args(["local", "--dir"]).arg(base.path()).env("TANIST_MASTER_WORKER_TIMEOUT", "1ms");
    let output = command.output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("master-1 did not start") || said.contains("master-2 did not start"), "{said}");
    let logs = base.path().canonicalize().unwrap().join("logs");
    assert!(said.contains(&format!("{}/master-", logs.display())), "{said}");
    assert!(said.contains("TANIST_MASTER_WORKER_TIMEOUT"), "the end of the log is shown: {said}");
}

#[test]
fn spark_s_own_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("spark-defaults.conf");
    let path = file.to_str().unwrap();
    fs::write(&file, "# ours\nspark.worker.timeout soon\nspark.worker.cleanup.interval never\n").unwrap();
    let worker = ["worker", "--masters", "m:1", "--properties-file", path];
    let origin = format!("{path}:3: spark.worker.cleanup.interval = never");
    assert_usage(tanist().args(worker), &["worker.cleanup_interval = \"never\"", &origin, "allowed: a duration"]);
    let origin = format!("{path}:2: spark.worker.timeout = soon");
    let master = ["master", "--store", "/tmp", "--properties-file", path];
    assert_usage(tanist().args(master), &["master.worker_timeout = \"soon\"", &origin, "allowed: a duration"]);
    let both = ["master.worker_timeout", "worker.cleanup_interval"];
    assert_usage(tanist().args(["config", "from-spark", path]), &both);
    let memory = "environment variable SPARK_WORKER_MEMORY = 50000";
    let worker = ["worker", "--masters", "m:1"];
    assert_usage(
        tanist().args(worker).env("SPARK_WORKER_MEMORY", "50000"),
        &["worker.memory", memory, "with its unit"],
    );
    assert_usage(tanist().args(["config", "from-spark", "/no/such.conf"]), &["/no/such.conf"]);
}

#[test]
fn what_from_spark_prints_is_a_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let (spark, ours) = (directory.path().join("spark-defaults.conf"), directory.path().join("tanist.toml"));
    fs::write(&spark, "spark.worker.timeout 90\nspark.deploy.zookeeper.url zk:2181\nspark.executor.cores 2\n").unwrap();
    let printed = tanist().args(["config", "from-spark"]).arg(&spark).output().unwrap();
    assert!(printed.status.success(), "{}", said(&printed));
    fs::write(&ours, printed.stdout).unwrap();
    let checked = tanist().args(["config", "check"]).arg(&ours).output().unwrap();
    assert!(String::from_utf8_lossy(&checked.stdout).contains("1 settings, all of them good"), "{checked:?}");
}
