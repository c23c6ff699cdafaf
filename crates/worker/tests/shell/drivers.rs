//! Drivers, from the launch to the acknowledged end (DRN-*).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tanist_core::ids::{Attempt, DriverId};
use tanist_core::model::{Addresses, Booking, Command, DriverDescription, DriverState, JavaProgram, Program};
use tanist_core::msg::{WorkerCommand, WorkerToMaster};
use tanist_core::units::{Cores, Memory};
use tanist_worker::runner::resources::ResourceRequest;

use crate::fake_master::{FakeMaster, command, driver, script};
use crate::rig::{FAMILY, TestWorker, family, is_alive, until};

#[tokio::test]
async fn wl_08_an_end_is_reported_until_it_is_acknowledged() {
    let mut master = FakeMaster::start(1).await;
    let worker = TestWorker::start(&[&master]).await;
    let (mut session, registration) = master.registered().await;
    assert_eq!(registration.id, *worker.handle.id());
    assert_eq!((registration.host.as_str(), registration.cores), ("127.0.0.1", Cores(8)));
    assert_eq!(format!("127.0.0.1:{}", registration.port), worker.handle.address());
    assert!(registration.id.as_str().starts_with("worker-20"), "{registration:?}");
    assert!(registration.accepts_work && registration.inventory.drivers.is_empty());

    session.launch_driver("driver-1", script("echo out; pwd; echo err >&2; exit 3")).await;
    session.driver_started("driver-1").await;
    let (report, outcome) = session.driver_ended("driver-1").await;
    assert_eq!((outcome.state, outcome.exit_code), (DriverState::Failed, Some(3)), "DRN-07");
    let again = session.driver_ended("driver-1").await;
    assert_eq!(again, (report, outcome), "the same report, since nobody has acknowledged it");

    // A new session says it again, beside the inventory; an acknowledged one is not said any more.
    drop(session);
    let (mut session, registration) = master.registered().await;
    assert_eq!(registration.inventory.drivers[0].state, DriverState::Failed);
    assert_eq!(session.driver_ended("driver-1").await.0, report);
    session.acknowledge(report).await;
    session.launch_driver("driver-2", script("exit 0")).await;
    assert_eq!(session.outcome("driver-2").await.state, DriverState::Finished);
    drop(session);
    let (_session, registration) = master.registered().await;
    assert!(registration.inventory.drivers.is_empty(), "{registration:?}");

    let dir = worker.work().join("driver-1");
    assert_eq!(worker.text("driver-1/stdout"), format!("out\n{}\n", dir.display()));
    let rule = "=".repeat(40);
    let header = format!("Launch Command: \"sh\" \"-c\" \"echo out; pwd; echo err >&2; exit 3\"\n{rule}\n\n");
    assert_eq!(worker.text("driver-1/stderr"), format!("{header}err\n"), "DRN-05");
}

#[tokio::test]
async fn drn_06_a_supervised_driver_waits_one_and_two_seconds_and_succeeds() {
    let (_master, worker, mut session) = TestWorker::with_a_master().await;
    let mut supervised = script("cut -d ' ' -f 1 /proc/uptime >> starts; [ $(wc -l < starts) -eq 3 ]");
    supervised.supervise = true;
    session.launch_driver("driver-1", supervised).await;
    session.driver_started("driver-1").await;
    let (_, outcome) = session.driver_ended("driver-1").await;
    assert_eq!((outcome.state, outcome.exit_code), (DriverState::Finished, Some(0)), "restarts are not told");
    let starts: Vec<f64> = worker.text("driver-1/starts").lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(starts.len(), 3);
    let waits = [starts[1] - starts[0], starts[2] - starts[1]];
    // Hundredths are cut off.
    assert!(waits[0] >= 0.98 && waits[1] >= 1.98, "{waits:?}");
    assert_eq!(worker.text("driver-1/stderr").matches("Launch Command").count(), 3, "DRN-05: appended");
}

#[tokio::test]
async fn drn_07_a_command_that_does_not_exist_is_an_error_with_the_path_tried() {
    let (_master, worker, mut session) = TestWorker::with_a_master().await;
    let relative = format!("tried {}/driver-2/./program", worker.work().display());
    for (id, program, tried) in [
        ("driver-1", "/no/such/program", "tried /no/such/program"),
        ("driver-2", "./program", relative.as_str()),
        ("driver-3", "no-such-program", "searched PATH="),
    ] {
        let mut description = driver(command(program, &[]));
        description.supervise = true;
        session.launch_driver(id, description).await;
        let outcome = session.outcome(id).await;
        let message = outcome.message.unwrap();
        assert_eq!((outcome.state, outcome.exit_code), (DriverState::Error, None), "{message}");
        assert!(message.contains(program) && message.contains(tried), "{message}");
        assert!(message.contains("No such file"), "{message}");
    }
    let mut description = script("exit 0");
    description.artifact = Some("/no/such/file.jar".to_owned());
    session.launch_driver("driver-4", description).await;
    let outcome = session.outcome("driver-4").await;
    assert_eq!(outcome.state, DriverState::Error);
    assert!(outcome.message.unwrap().contains("/no/such/file.jar"), "EX-06 for drivers");
    assert!(!worker.work().join("driver-4").exists(), "nothing is left of it");
}

#[tokio::test]
async fn drn_08_nothing_is_left_of_a_driver_that_ignores_sigterm() {
    let (_master, worker, mut session) = TestWorker::with_a_master().await;
    session.launch_driver("driver-1", script(FAMILY)).await;
    session.driver_started("driver-1").await;
    let pids = family(&worker.work().join("driver-1")).await;
    session.kill_driver("driver-1").await;
    let (_, outcome) = session.driver_ended("driver-1").await;
    assert_eq!((outcome.state, outcome.exit_code), (DriverState::Killed, Some(137)));
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "{pids:?}");
}

#[tokio::test]
async fn drn_03_drn_04_a_driver_is_told_where_it_is() {
    let mut master = FakeMaster::start(1).await;
    let worker = TestWorker::start_with(&[&master], |options| options.ui_url = "http://w:8081".to_owned()).await;
    let (mut session, _) = master.registered().await;
    let file = worker.dir.path().join("program.sh");
    fs::write(&file, "#!/bin/sh\nenv; echo arguments: \"$@\"\n").unwrap();
    let mut described = driver(command("./program.sh", &["{{WORKER_URL}}", "{{USER_JAR}}", "x{{USER_JAR}}"]));
    described.artifact = Some(format!("file:{}", file.display()));
    described.command.environment = BTreeMap::from([("COLOUR".to_owned(), "green".to_owned())]);
    session.launch_driver("driver-1", described).await;
    assert_eq!(session.outcome("driver-1").await.state, DriverState::Finished);
    let fetched = worker.work().join("driver-1/program.sh");
    assert_eq!(fs::metadata(&fetched).unwrap().permissions().mode() & 0o777, 0o755, "DRN-02");
    let url = format!("spark://Worker@{}", worker.handle.address());
    let out = worker.text("driver-1/stdout");
    for line in [
        format!("arguments: {url} {} x{{{{USER_JAR}}}}", fetched.display()),
        "COLOUR=green".to_owned(),
        "TANIST_DRIVER_ID=driver-1".to_owned(),
        "TANIST_DRIVER_ATTEMPT=1".to_owned(),
        format!("TANIST_MASTERS={}", master.address),
        format!("TANIST_WORKER_URL={url}"),
        "SPARK_DRIVER_LOG_URL_STDERR=http://w:8081/logPage/?driverId=driver-1&logType=stderr".to_owned(),
        format!("PATH={}", std::env::var("PATH").unwrap()),
    ] {
        assert!(out.lines().any(|found| found == line), "{line} in {out}");
    }
}

/// A driver with a main class, whose `JAVA_HOME` is this.
fn java_driver(home: &Path) -> DriverDescription {
    let program = JavaProgram {
        main_class: "com.example.Main".to_owned(),
        class_path: vec!["a.jar".to_owned(), "b.jar".to_owned()],
        library_path: vec!["/native".to_owned()],
        java_options: vec!["-Dx=y".to_owned(), "-Dmy.password=s3cr3t".to_owned()],
        spark_family: None,
    };
    let environment = [
        ("JAVA_HOME".to_owned(), home.display().to_string()),
        ("LD_LIBRARY_PATH".to_owned(), "/own".to_owned()),
        ("HADOOP_CONF_DIR".to_owned(), "/hadoop".to_owned()),
    ];
    let arguments = vec!["{{WORKER_URL}}".to_owned(), "$(touch shell)".to_owned()];
    driver(Command { program: Program::Java(program), arguments, environment: environment.into() })
}

#[tokio::test]
async fn cmd_01_drn_05_java_programs_get_a_java_command_line() {
    let mut master = FakeMaster::start(1).await;
    let homes = tempfile::tempdir().unwrap();
    let (java_home, spark) = (homes.path().join("java"), homes.path().join("spark"));
    let worker = TestWorker::start_with(&[&master], |options| options.homes.usual = Some(spark.clone())).await;
    let (mut session, _) = master.registered().await;

    session.launch_driver("driver-1", java_driver(&java_home)).await;
    let outcome = session.outcome("driver-1").await;
    assert_eq!(outcome.state, DriverState::Error);
    assert!(outcome.message.unwrap().contains("set JAVA_HOME"), "no Java");

    fs::create_dir_all(java_home.join("bin")).unwrap();
    let java = java_home.join("bin/java");
    fs::write(&java, "#!/bin/sh\nfor word; do echo \"$word\"; done; echo $LD_LIBRARY_PATH; echo $SPARK_HOME\n")
        .unwrap();
    fs::set_permissions(&java, fs::Permissions::from_mode(0o755)).unwrap();
    session.launch_driver("driver-2", java_driver(&java_home)).await;
    let outcome = session.outcome("driver-2").await;
    assert_eq!(outcome.state, DriverState::Error);
    assert!(outcome.message.unwrap().contains("worker.spark_home"), "no Spark");

    fs::create_dir_all(spark.join("jars")).unwrap();
    session.launch_driver("driver-3", java_driver(&java_home)).await;
    assert_eq!(session.outcome("driver-3").await.state, DriverState::Finished);
    let class_path = format!("a.jar:b.jar:{0}/conf:{0}/jars/*:/hadoop", spark.display());
    let url = format!("spark://Worker@{}", worker.handle.address());
    let words =
        ["-cp", &class_path, "-Xmx64M", "-Dx=y", "-Dmy.password=s3cr3t", "com.example.Main", &url, "$(touch shell)"];
    let out = worker.text("driver-3/stdout");
    let lines: Vec<&str> = out.lines().collect();
    let (told, libraries, home) = (&lines[..words.len()], lines[words.len()], lines[words.len() + 1]);
    assert_eq!(told, words);
    assert!(libraries.starts_with("/native:/own"), "CMD-02: {libraries}");
    assert_eq!(home, spark.display().to_string());
    let shown: Vec<String> =
        std::iter::once(java.to_str().unwrap()).chain(words).map(|word| format!("\"{word}\"")).collect();
    let shown = shown.join(" ").replace("s3cr3t", "*********(redacted)");
    let header = format!("Launch Command: {shown}\n{}\n\n", "=".repeat(40));
    assert_eq!(worker.text("driver-3/stderr"), header, "DRN-05");
    assert!(!worker.work().join("driver-3/shell").exists(), "nothing is run through a shell");
}

#[tokio::test]
async fn rs_03_resources_are_found_and_handed_on() {
    let mut master = FakeMaster::start(1).await;
    let worker = TestWorker::start_with(&[&master], |options| {
        let gpus = options.work_dir.parent().unwrap().join("gpus.sh");
        fs::write(&gpus, "#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": [\"0\", \"1\"]}'\n").unwrap();
        fs::set_permissions(&gpus, fs::Permissions::from_mode(0o755)).unwrap();
        let request = ResourceRequest { name: "gpu".to_owned(), amount: 2, discovery_script: Some(gpus) };
        options.offer.resources = vec![request];
    })
    .await;
    let (mut session, registration) = master.registered().await;
    assert_eq!(registration.resources.of("gpu"), ["0", "1"], "RS-01");
    let description = Arc::new(script("cat $TANIST_RESOURCES_FILE"));
    let resources = Addresses::new([("gpu".to_owned(), vec!["1".to_owned()])]);
    let booking = Booking { cores: Cores(1), memory: Memory::mib(64), resources };
    let driver = DriverId::new("driver-1").unwrap();
    session.command(WorkerCommand::LaunchDriver { driver, attempt: Attempt(1), description, booking }).await;
    assert_eq!(session.outcome("driver-1").await.state, DriverState::Finished);
    assert_eq!(
        worker.text("driver-1/stdout"),
        r#"[{"id":{"componentName":"spark.driver","resourceName":"gpu"},"addresses":["1"]}]"#
    );
}

#[tokio::test]
async fn drn_08_a_kill_before_the_start_prevents_it() {
    let (_master, worker, mut session) = TestWorker::with_a_master().await;
    // A server that never answers keeps the driver in preparation.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut description = script("touch ran");
    description.artifact = Some(format!("http://{}/file.jar", silent.local_addr().unwrap()));
    session.launch_driver("driver-1", description).await;
    let (_connection, _) = silent.accept().await.unwrap();
    session.kill_driver("driver-1").await;
    let (_, outcome) = session.driver_ended("driver-1").await;
    assert_eq!((outcome.state, outcome.exit_code), (DriverState::Killed, None));
    let left = || fs::read_dir(worker.work().join("driver-1")).unwrap().flatten();
    until("the download is broken off", || {
        !left().any(|file| file.file_name().to_string_lossy().starts_with(".fetch"))
    })
    .await;
    assert!(!worker.work().join("driver-1/ran").exists());
}

/// Processes that have this file open.
fn users(file: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("fd"));
    let uses = |files: &Path| {
        let mut files = fs::read_dir(files).into_iter().flatten().flatten();
        files.any(|open| fs::read_link(open.path()).is_ok_and(|path| path == file))
    };
    processes.filter(|files| uses(files)).map(|files| files.display().to_string()).collect()
}

#[tokio::test]
async fn drn_08_a_kill_ends_a_start_that_hangs() {
    let mut master = FakeMaster::start(1).await;
    let worker = TestWorker::start(&[&master]).await;
    let (mut session, _) = master.registered().await;
    // Who opens a pipe that nobody reads waits for ever.
    session.launch_driver("driver-1", script("rm stdout stderr; mkfifo stderr")).await;
    assert_eq!(session.outcome("driver-1").await.state, DriverState::Finished);
    let log = worker.work().join("driver-1/stdout");
    assert!(!log.exists());
    let description = script("touch ran");
    let booking = Booking { cores: Cores(1), memory: Memory::mib(64), resources: Addresses::default() };
    let (driver, attempt) = (DriverId::new("driver-1").unwrap(), Attempt(2));
    let launch =
        WorkerCommand::LaunchDriver { driver: driver.clone(), attempt, description: Arc::new(description), booking };
    session.command(launch).await;
    until("its keeper opens its logs", || users(&log).len() == 1).await;
    session.command(WorkerCommand::KillDriver { driver, attempt }).await;
    let (_, outcome) = session.driver_ended("driver-1").await;
    assert_eq!((outcome.state, outcome.exit_code), (DriverState::Killed, None));
    assert_eq!(users(&log), [] as [String; 0], "nothing of it is left");
    assert!(!worker.work().join("driver-1/ran").exists());
}

#[tokio::test]
async fn wl_10_drn_09_a_worker_that_stops_ends_everything_first() {
    let (_master, mut worker, mut session) = TestWorker::with_a_master().await;
    session.launch_driver("driver-1", script(FAMILY)).await;
    session.launch_executor("app-1", 0, command("sh", &["-c", FAMILY])).await;
    let mut pids = family(&worker.work().join("driver-1")).await;
    pids.extend(family(&worker.work().join("app-1/0")).await);
    worker.shut_down();
    let address = worker.handle.address().to_owned();
    let local = worker.dir.path().join("local");
    assert_eq!(fs::read_dir(&local).unwrap().count(), 1);
    let mut accepts = true;
    while let Some(message) = session.next_or_end().await {
        match message {
            WorkerToMaster::Heartbeat { accepts_work, .. } => accepts = accepts_work,
            WorkerToMaster::ExecutorStateChanged { report, .. } => session.acknowledge(report).await,
            WorkerToMaster::DriverEnded { .. } => panic!("its loss is for the master to judge"),
            _ => {}
        }
    }
    assert!(!accepts, "the master was told to place nothing here any more");
    let (exit, _dir) = worker.ended().await;
    assert_eq!(exit.unwrap().code, 0);
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "{pids:?}");
    let error = tokio::net::TcpStream::connect(address).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused, "a master sees at once that it is gone");
    assert_eq!(fs::read_dir(&local).unwrap().count(), 0, "scratch space ends with those who use it");
}

#[tokio::test]
async fn a_worker_that_dies_takes_its_programs_with_it() {
    let (_master, worker, mut session) = TestWorker::with_a_master().await;
    session.launch_driver("driver-1", script(FAMILY)).await;
    let pids = family(&worker.work().join("driver-1")).await;
    let _dir = worker.die().await;
    until("all are gone", || !pids.iter().any(|pid| is_alive(*pid))).await;
}

#[tokio::test]
async fn a_second_wish_to_stop_does_not_wait() {
    let mut master = FakeMaster::start(1).await;
    let worker = TestWorker::start_with(&[&master], |options| {
        options.behaviour.driver_terminate_timeout = Duration::from_secs(3600);
    })
    .await;
    let (mut session, _) = master.registered().await;
    session.launch_driver("driver-1", script(FAMILY)).await;
    let pids = family(&worker.work().join("driver-1")).await;
    worker.handle.stop();
    worker.handle.stop();
    let (exit, _dir) = worker.ended().await;
    assert_eq!(exit.unwrap().code, 0);
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "{pids:?}");
}
