//! What a worker does with its host: starting there, cleaning up, disk space, decommissioning.

use std::fs;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use tanist_core::model::{DriverState, ExecutorState};
use tanist_core::msg::WorkerToMaster;
use tanist_core::units::Memory;
use tanist_worker::WorkerError;
use tanist_worker::runner::resources::ResourceRequest;

use crate::fake_master::{FakeMaster, command, executor, script};
use crate::rig::{TestWorker, options, refusal, until};

#[tokio::test]
async fn wr_02_what_cannot_work_is_said_at_the_start() {
    let master = FakeMaster::start(1).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();

    let mut no_dir = options(dir.path(), &[&master]);
    no_dir.work_dir = file.join("work");
    let error = refusal(no_dir).await;
    assert!(matches!(error, WorkerError::WorkDir { .. }), "{error}");
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");

    let mut no_gpu = options(dir.path(), &[&master]);
    no_gpu.offer.resources =
        vec![ResourceRequest { name: "gpu".to_owned(), amount: 1, discovery_script: Some(dir.path().join("none")) }];
    let error = refusal(no_gpu).await;
    let WorkerError::Resources(cause) = &error else { panic!("{error}") };
    assert!(cause.to_string().contains("gpu"), "{cause}");

    let mut no_masters = options(dir.path(), &[]);
    no_masters.tracking.masters.clear();
    assert!(matches!(refusal(no_masters).await, WorkerError::Invalid { field: "masters", .. }));

    let worker = TestWorker::start(&[&master]).await;
    let mut taken = options(worker.dir.path(), &[&master]);
    taken.work_dir = worker.work();
    let error = refusal(taken).await;
    assert!(matches!(error, WorkerError::WorkDirTaken { .. }), "{error}");
}

#[tokio::test]
async fn dir_02_only_old_directories_of_our_own_go() {
    let (mut master, worker, mut session) = TestWorker::with_a_master().await;
    session.launch_driver("driver-old", script("exit 0")).await;
    assert_eq!(session.outcome("driver-old").await.state, DriverState::Finished);
    let of = executor("app-old", 0);
    session.launch_executor("app-old", 0, command("sh", &["-c", "exit 0"])).await;
    assert_eq!(session.executor_state(&of).await.0, ExecutorState::Running);
    assert_eq!(session.executor_state(&of).await.0, ExecutorState::Exited);
    let (work, local) = (worker.work(), worker.dir.path().join("local"));
    let foreign = [work.join("holiday"), local.join("executor-of-somebody")];
    for dir in &foreign {
        fs::create_dir(dir).unwrap();
        fs::write(dir.join("photo"), "").unwrap();
    }
    let dir = worker.die().await;

    // The same worker again, which considers everything old after a second.
    let worker = TestWorker::start_in(dir, &[&master], |options| {
        options.behaviour.cleanup_interval = Duration::from_millis(200);
        options.behaviour.cleanup_ttl = Duration::from_secs(1);
    })
    .await;
    let (mut session, _) = master.registered().await;
    session.launch_driver("driver-runs", script("exec sleep 600")).await;
    session.driver_started("driver-runs").await;
    until("old directories are gone", || {
        let scratch = fs::read_dir(&local).unwrap().count();
        !work.join("driver-old").exists() && !work.join("app-old").exists() && scratch == 1
    })
    .await;
    // What runs is as old by now, or will be; foreign directories were so from the beginning.
    session.launch_driver("driver-last", script("exit 0")).await;
    assert_eq!(session.outcome("driver-last").await.state, DriverState::Finished);
    until("that one is gone too", || !work.join("driver-last").exists()).await;
    assert!(work.join("driver-runs/stdout").exists());
    assert!(foreign.iter().all(|dir| dir.join("photo").exists()));
    assert!(work.join(".tanist/term.json").exists());
    drop(worker);
}

#[tokio::test]
async fn scratch_directories_of_another_worker_are_not_ours_to_delete() {
    let mut master = FakeMaster::start(1).await;
    let shared = tempfile::tempdir().unwrap();
    let local = |options: &mut tanist_worker::WorkerOptions| options.local_dirs = vec![shared.path().to_owned()];
    let _idle = TestWorker::start_with(&[&master], local).await;
    let (mut idle_session, _) = master.registered().await;
    idle_session.launch_executor("app-1", 0, command("sh", &["-c", "exec sleep 600"])).await;
    assert_eq!(idle_session.executor_state(&executor("app-1", 0)).await.0, ExecutorState::Running);
    let theirs = fs::read_dir(shared.path()).unwrap().next().unwrap().unwrap().path();

    let cleaning = TestWorker::start_with(&[&master], |options| {
        local(options);
        options.behaviour.cleanup_interval = Duration::from_millis(100);
        options.behaviour.cleanup_ttl = Duration::from_millis(1);
    })
    .await;
    let (mut session, _) = master.registered().await;
    session.launch_executor("app-2", 0, command("sh", &["-c", "exit 0"])).await;
    let of = executor("app-2", 0);
    assert_eq!(session.executor_state(&of).await.0, ExecutorState::Running);
    assert_eq!(session.executor_state(&of).await.0, ExecutorState::Exited);
    until("its own is gone", || fs::read_dir(shared.path()).unwrap().count() == 1).await;
    assert!(theirs.exists());
    drop(cleaning);
}

#[tokio::test]
async fn a_disk_below_the_floor_takes_no_work() {
    let mut master = FakeMaster::start(1).await;
    let _worker = TestWorker::start_with(&[&master], |options| {
        options.behaviour.disk_floor = Memory::mib(u64::MAX / 2);
    })
    .await;
    let (mut session, registration) = master.registered().await;
    let mut accepts = registration.accepts_work;
    while accepts {
        if let Some(WorkerToMaster::Heartbeat { accepts_work, .. }) = session.next_or_end().await {
            accepts = accepts_work;
        }
    }
}

#[tokio::test]
async fn dc_01_dc_03_sigpwr_takes_the_worker_out_of_service() {
    let mut master = FakeMaster::start(1).await;
    let worker = TestWorker::start_with(&[&master], |options| options.behaviour.decommission_enabled = true).await;
    let (mut session, _) = master.registered().await;
    session.launch_executor("app-1", 0, command("sh", &["-c", "exec sleep 600"])).await;
    assert_eq!(session.executor_state(&executor("app-1", 0)).await.0, ExecutorState::Running);
    kill_process(getpid(), Signal::POWER).unwrap();
    assert_eq!(session.next().await, WorkerToMaster::Decommissioning);
    session.launch_executor("app-1", 1, command("sh", &["-c", "exit 0"])).await;
    let (state, message, _) = session.executor_state(&executor("app-1", 1)).await;
    assert_eq!(state, ExecutorState::Failed);
    assert!(message.unwrap().contains("decommissioned"));
    drop(session);
    let (_session, registration) = master.registered().await;
    assert!(registration.decommissioned);
    let running = &registration.inventory.executors[0];
    assert_eq!((running.executor.id.0, running.state), (0, ExecutorState::Running), "what runs goes on");
    drop(worker);
}
