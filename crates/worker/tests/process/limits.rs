//! A program ends at its limit, whoever stands still.

use std::{fs, path::PathBuf, time::Duration};

use rustix::process::Signal;
use tanist_worker::runner::{
    RunnerError, StartFailure,
    host::boottime_ms,
    process::{Exit, KeeperProgram, Limit, Process, ProcessSpec},
};
use tempfile::TempDir;

use crate::family::{FAMILY, PATIENCE, family, hold, is_alive, keeper, parent, shell, signal, survivors, text, until};

/// Later than any of these tests lasts.
const FAR_MS: u64 = 600_000;

fn limit(terminate_in_ms: u64, kill_in_ms: u64) -> Limit {
    let now = boottime_ms();
    Limit { terminate_at: now + terminate_in_ms, kill_at: now + kill_in_ms }
}

fn limited(spec: ProcessSpec, limit: Limit) -> ProcessSpec {
    ProcessSpec { limit: Some(limit), ..spec }
}

async fn until_passed(limit: Limit) {
    until("the limit has passed", || boottime_ms() > limit.kill_at).await;
}

async fn ended(process: &mut Process) -> Exit {
    tokio::time::timeout(PATIENCE, process.wait()).await.unwrap()
}

#[tokio::test]
async fn a_limit_is_sigterm_and_then_sigkill() {
    let dir = tempfile::tempdir().unwrap();
    let orderly = shell(dir.path(), "trap 'exit 5' TERM; echo ready; sleep 600 & wait");
    let mut process = Process::start(&limited(orderly, limit(1000, FAR_MS)), &keeper()).await.unwrap();
    assert_eq!(ended(&mut process).await, Exit { code: 5, signal: None, at_limit: true });

    let dir = tempfile::tempdir().unwrap();
    let deaf = limited(shell(dir.path(), FAMILY), limit(FAR_MS, FAR_MS));
    let mut process = Process::start(&deaf, &keeper()).await.unwrap();
    let pids = family(&dir).await;
    process.limit(limit(100, 300));
    assert_eq!(ended(&mut process).await, Exit { code: 137, signal: Some(9), at_limit: true });
    assert_eq!(survivors(&pids), [0; 0]);
}

#[tokio::test]
async fn a_limit_can_be_put_off_and_sigterm_comes_once() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap 'echo term' TERM; echo ready; while :; do sleep 0.05; done";
    let first = limit(2000, 2000);
    let mut process = Process::start(&limited(shell(dir.path(), script), first), &keeper()).await.unwrap();
    until("the trap is set", || text(&dir, "stdout").contains("ready")).await;
    process.limit(limit(FAR_MS, FAR_MS));
    until_passed(first).await;
    process.terminate();
    until("it has heard", || text(&dir, "stdout").contains("term")).await;
    process.limit(limit(0, 400));
    assert_eq!(ended(&mut process).await.signal, Some(9));
    assert_eq!(text(&dir, "stdout"), "ready\nterm\n", "a second SIGTERM would say that there is no time");
}

#[tokio::test]
async fn a_worker_that_stands_still_does_not_keep_its_program_alive() {
    let dir = tempfile::tempdir().unwrap();
    let (worker, _) = hold(&dir, FAMILY, Some(limit(4000, 4500)));
    let pids = family(&dir).await;
    let keeper = parent(pids[0]);
    signal(worker.0.id(), Signal::STOP);
    until("all are gone", || survivors(&pids).is_empty() && !is_alive(keeper)).await;
}

#[tokio::test]
async fn a_keeper_that_stood_still_hears_what_has_waited_before_it_acts() {
    let dir = tempfile::tempdir().unwrap();
    let first = limit(2000, 2000);
    let script = "echo up; sleep 600";
    let mut process = Process::start(&limited(shell(dir.path(), script), first), &keeper()).await.unwrap();
    signal(parent(process.pid()), Signal::STOP);
    process.limit(limit(FAR_MS, FAR_MS));
    until_passed(first).await;
    signal(parent(process.pid()), Signal::CONT);
    let too_soon = tokio::time::timeout(Duration::from_millis(300), process.wait()).await;
    assert!(too_soon.is_err(), "{too_soon:?}");
    process.kill();
    assert!(!ended(&mut process).await.at_limit);
}

#[tokio::test]
async fn a_keeper_that_stands_still_is_killed_with_its_program() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(&shell(dir.path(), FAMILY), &keeper()).await.unwrap();
    let pids = family(&dir).await;
    signal(parent(process.pid()), Signal::STOP);
    // However often it is told something, nobody waits for it.
    for _ in 0..5000 {
        process.limit(limit(FAR_MS, FAR_MS));
    }
    process.kill();
    assert_eq!(ended(&mut process).await.signal, Some(9));
    assert_eq!(survivors(&pids), [0; 0]);
}

#[tokio::test]
async fn a_program_whose_limit_has_passed_is_not_started() {
    let dir = tempfile::tempdir().unwrap();
    let late = limited(shell(dir.path(), "echo up"), limit(0, FAR_MS));
    match Process::start(&late, &keeper()).await {
        Err(RunnerError::Start(failure @ StartFailure::TooLate { .. })) => {
            assert!(failure.to_string().contains("has passed"), "{failure}");
        }
        other => panic!("unexpected {other:?}"),
    }
    assert_eq!(text(&dir, "stdout"), "");
}

/// A keeper that is a shell script. Its first line of input is the order; what it says is what a keeper says.
fn scripted(dir: &TempDir, script: &str) -> KeeperProgram {
    let file = dir.path().join("keeper.sh");
    fs::write(&file, format!("read order\n{script}")).unwrap();
    KeeperProgram { binary: PathBuf::from("/bin/sh"), args: vec![file.display().to_string()] }
}

/// The kernel takes a second to take back 10 GiB, and as long a driver of a device may need.
#[tokio::test]
async fn a_keeper_that_has_killed_is_given_time_until_the_program_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"
        echo '{"event":"started","pid":'$$'}'
        read control
        echo '{"event":"killing"}'
        sleep 1
        echo '{"event":"exited","code":9,"signal":null,"survivors":0,"at_limit":false}'
    "#;
    let mut process = Process::start(&shell(dir.path(), ""), &scripted(&dir, script)).await.unwrap();
    process.kill();
    assert_eq!(ended(&mut process).await.code, 9, "what it has said at last counts");
}

#[tokio::test]
async fn a_program_has_not_ended_before_it_is_gone_even_if_its_keeper_is() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"
        sleep 600 > /dev/null &
        echo '{"event":"started","pid":'$!'}'
        read control
    "#;
    let mut process = Process::start(&shell(dir.path(), ""), &scripted(&dir, script)).await.unwrap();
    process.kill();
    let too_soon = tokio::time::timeout(Duration::from_millis(500), process.wait()).await;
    assert!(too_soon.is_err() && is_alive(process.pid()), "{too_soon:?}");
    signal(process.pid(), Signal::KILL);
    assert_eq!(ended(&mut process).await.signal, Some(9));
}
