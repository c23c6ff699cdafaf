//! Executors (ERN-*, WL-02, WL-03, DIR-03).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tanist_core::ids::AppId;
use tanist_core::model::{Command, ExecutorState, JavaProgram, Program};
use tanist_core::msg::WorkerCommand;

use crate::fake_master::{FakeMaster, command, executor};
use crate::rig::{FAMILY, TestWorker, family, is_alive, until};

#[tokio::test]
async fn ern_01_to_ern_05_an_executor_runs_and_ends() {
    let (_master, worker, mut session) = TestWorker::with_a_master().await;
    let of = executor("app-1", 0);
    let script = "env; echo arguments: \"$@\"; ls -d $SPARK_EXECUTOR_DIRS; exit 5";
    let arguments = ["-c", script, "name", "{{EXECUTOR_ID}}", "{{HOSTNAME}}", "{{CORES}}", "{{APP_ID}}"];
    session.launch_executor("app-1", 0, command("sh", &arguments)).await;
    assert_eq!(session.executor_state(&of).await, (ExecutorState::Running, None, None));
    let message = Some("Command exited with code 5".to_owned());
    assert_eq!(session.executor_state(&of).await, (ExecutorState::Exited, message, Some(5)));

    let out = worker.text("app-1/0/stdout");
    let scratch = out.lines().find_map(|line| line.strip_prefix("SPARK_EXECUTOR_DIRS=")).unwrap();
    assert!(scratch.starts_with(worker.dir.path().join("local/executor-").to_str().unwrap()), "WL-03: {scratch}");
    assert_eq!(fs::metadata(scratch).unwrap().permissions().mode() & 0o777, 0o700);
    for line in [
        "arguments: 0 127.0.0.1 2 app-1",
        "SPARK_LAUNCH_WITH_SCALA=0",
        "TANIST_APP_ID=app-1",
        "TANIST_EXECUTOR_ID=0",
        scratch,
    ] {
        assert!(out.lines().any(|found| found == line), "{line} in {out}");
    }
    assert!(worker.text("app-1/0/stderr").starts_with("Spark Executor Command: \"sh\" \"-c\" "), "ERN-05");

    // DIR-03: shared by the executors of the application, and gone with it; its logs stay.
    let scratch = scratch.to_owned();
    session.launch_executor("app-1", 1, command("sh", &["-c", "echo $SPARK_EXECUTOR_DIRS; sleep 600"])).await;
    let second = executor("app-1", 1);
    assert_eq!(session.executor_state(&second).await.0, ExecutorState::Running);
    until("it has written", || worker.text("app-1/1/stdout").trim() == scratch).await;
    session.command(WorkerCommand::ApplicationFinished { app: AppId::new("app-1").unwrap() }).await;
    session.command(WorkerCommand::KillExecutor { executor: second.clone() }).await;
    assert_eq!(session.executor_state(&second).await.0, ExecutorState::Killed);
    until("scratch is gone", || !fs::exists(&scratch).unwrap()).await;
    assert!(worker.work().join("app-1/0/stdout").exists());
}

#[tokio::test]
async fn wl_02_a_directory_that_is_there_already_is_a_failure() {
    let (_master, worker, mut session) = TestWorker::with_a_master().await;
    fs::create_dir_all(worker.work().join("app-1/0")).unwrap();
    session.launch_executor("app-1", 0, command("sh", &["-c", "exit 0"])).await;
    let (state, message, status) = session.executor_state(&executor("app-1", 0)).await;
    assert_eq!((state, status), (ExecutorState::Failed, None));
    let message = message.unwrap();
    assert!(message.starts_with("Error running executor: ") && message.contains("app-1/0"), "ERN-07: {message}");
}

#[tokio::test]
async fn wl_03_no_usable_local_directory_is_a_failure() {
    let (_master, worker, mut session) = TestWorker::with_a_master().await;
    fs::write(worker.dir.path().join("local"), "a file").unwrap();
    session.launch_executor("app-1", 0, command("sh", &["-c", "exit 0"])).await;
    let (state, message, _) = session.executor_state(&executor("app-1", 0)).await;
    assert_eq!(state, ExecutorState::Failed);
    assert!(message.unwrap().contains("no usable local directory"));
}

#[tokio::test]
async fn ern_06_nothing_is_left_of_an_executor_that_ignores_sigterm() {
    let (_master, worker, mut session) = TestWorker::with_a_master().await;
    let of = executor("app-1", 3);
    session.launch_executor("app-1", 3, command("sh", &["-c", FAMILY])).await;
    assert_eq!(session.executor_state(&of).await.0, ExecutorState::Running);
    let pids = family(&worker.work().join("app-1/3")).await;
    session.command(WorkerCommand::KillExecutor { executor: of.clone() }).await;
    let (state, _, status) = session.executor_state(&of).await;
    assert_eq!((state, status), (ExecutorState::Killed, Some(137)));
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "{pids:?}");
}

/// An executor of an application of Spark.
fn of_spark(main_class: &str, family: &str, java: &Path) -> Command {
    let (main_class, spark_family) = (main_class.to_owned(), Some(family.to_owned()));
    let program = Program::Java(JavaProgram { main_class, spark_family, ..JavaProgram::default() });
    let environment = [("JAVA_HOME".to_owned(), java.display().to_string())];
    Command { program, arguments: vec!["{{RESOURCE_PROFILE_ID}}".to_owned()], environment: environment.into() }
}

#[tokio::test]
async fn an_executor_of_another_spark_is_refused_for_good_in_one_line_ern_07() {
    let mut master = FakeMaster::start(1).await;
    let host = tempfile::tempdir().unwrap();
    let (java, spark) = (host.path().join("java"), host.path().join("spark"));
    for file in [java.join("bin/java"), spark.join("jars/spark-core_2.13-4.1.4.jar")] {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "#!/bin/sh\necho \"$@\"\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let worker = TestWorker::start_with(&[&master], |options| options.homes.usual = Some(spark.clone())).await;
    let (mut session, _) = master.registered().await;
    let backend = "org.apache.spark.executor.CoarseGrainedExecutorBackend";
    let cases = [
        (
            of_spark(backend, "3.4,3.5", &java),
            format!("with Spark 3.4 or 3.5, and this worker's host has 4.1 in {}", spark.display()),
        ),
        (
            of_spark("com.example.Miner", "4.1", &java),
            format!("com.example.Miner as an executor of Spark: only {backend} is"),
        ),
    ];
    for (id, (command, expected)) in (0..).zip(cases) {
        session.launch_executor("app-1", id, command).await;
        let why = session.refusal(&executor("app-1", id)).await;
        assert!(why.contains(&expected) && why.starts_with("refused by worker ") && why.lines().count() == 1, "{why}");
    }
    session.launch_executor("app-1", 2, of_spark(backend, "4.1", &host.path().join("none"))).await;
    let (state, message, _) = session.executor_state(&executor("app-1", 2)).await;
    assert_eq!(state, ExecutorState::Failed, "what may be there again in a moment is no refusal");
    assert!(message.unwrap().contains("no Java, tried"));
    session.launch_executor("app-1", 3, of_spark(backend, "4.0,4.1", &java)).await;
    let of = executor("app-1", 3);
    assert_eq!(session.executor_state(&of).await.0, ExecutorState::Running);
    assert_eq!(session.executor_state(&of).await.2, Some(0));
    let out = worker.text("app-1/3/stdout");
    assert!(out.contains(&format!("{}/jars/* -Xmx64M {backend} 0", spark.display())), "{out}");
}
