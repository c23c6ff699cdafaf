//! Real programs under real keepers: nothing may survive its end, whoever dies first (DRN-08, WL-10).

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too: they stop at the first surprise")]

mod family;
mod limits;

use std::{
    fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};
use tanist_worker::runner::{
    RunnerError, StartFailure,
    logs::{LogFiles, LogMode, RollWhen, Rolling},
    process::{KeeperProgram, Process, ProcessSpec},
    redact::{HeaderOf, header},
};

use crate::family::{
    FAMILY, exit, family, hold, is_alive, keeper, parent, shell, signal, sink, spec, survivors, text, until,
};

/// Zero for a session of another pid namespace, such as the one a test run in a container was started from.
fn session(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap().parse().unwrap()
}

/// What the descriptors point at, in order of their numbers.
fn open_files(pid: u32) -> Vec<PathBuf> {
    let numbers = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let mut numbers: Vec<u32> = numbers.map(|entry| entry.file_name().to_str().unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers.iter().filter_map(|number| fs::read_link(format!("/proc/{pid}/fd/{number}")).ok()).collect()
}

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    for (script, code, signal) in [
        ("exit 0", 0, None),
        ("exit 3", 3, None),
        ("exit 127", 127, None),
        ("exit 143", 143, None),
        ("kill -TERM $$", 143, Some(15)),
        ("kill -KILL $$", 137, Some(9)),
    ] {
        let mut process = Process::start(&shell(dir.path(), script), &keeper()).await.unwrap();
        assert_eq!(process.wait().await, exit(code, signal), "{script}");
        assert_eq!(process.wait().await, exit(code, signal), "asked again");
    }
}

#[tokio::test]
async fn ern_06_terminate_is_sigterm_to_the_whole_group() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap 'echo trapped; exit 5' TERM; echo ready; sleep 600 & wait";
    let mut process = Process::start(&shell(dir.path(), script), &keeper()).await.unwrap();
    until("the trap is set", || text(&dir, "stdout").contains("ready")).await;
    process.terminate();
    assert_eq!(process.wait().await, exit(5, None));
    assert_eq!(text(&dir, "stdout"), "ready\ntrapped\n");
    process.terminate();
    process.kill();
}

#[tokio::test]
async fn drn_08_nothing_survives_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(&shell(dir.path(), FAMILY), &keeper()).await.unwrap();
    let pids = family(&dir).await;
    assert_eq!(pids[0], process.pid());
    process.terminate();
    let ended = tokio::time::timeout(Duration::from_millis(300), process.wait()).await;
    assert!(ended.is_err(), "it ignores SIGTERM");
    process.kill();
    assert_eq!(process.wait().await, exit(137, Some(9)));
    assert_eq!(survivors(&pids), [0; 0]);
}

#[tokio::test]
async fn nothing_survives_the_end_of_the_main_program() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"setsid sleep 600 & echo $! > "$DIR/daemon.pid"; sleep 600 & echo $! > "$DIR/child.pid"; exit 7"#;
    let mut process = Process::start(&shell(dir.path(), script), &keeper()).await.unwrap();
    assert_eq!(process.wait().await.code, 7);
    let pids = ["daemon.pid", "child.pid"].map(|name| text(&dir, name).trim().parse().unwrap());
    assert_eq!(survivors(&pids), [0; 0]);
}

#[tokio::test]
async fn kill_finds_a_program_that_left_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let script = "setpgrp(0, getppid()); open(F, '>', \"$ENV{DIR}/left\"); close(F); sleep 600";
    let mut process = Process::start(&spec(dir.path(), "perl", &["-e", script]), &keeper()).await.unwrap();
    until("it has left", || dir.path().join("left").exists()).await;
    let group = rustix::process::getpgid(Pid::from_raw(process.pid().cast_signed())).unwrap();
    assert_eq!(group.as_raw_pid().cast_unsigned(), parent(process.pid()));
    process.kill();
    assert_eq!(process.wait().await, exit(137, Some(9)));
}

#[tokio::test]
async fn dropping_the_handle_kills_everything() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(&shell(dir.path(), FAMILY), &keeper()).await.unwrap();
    let pids = family(&dir).await;
    let keeper = parent(process.pid());
    drop(process);
    until("all are gone", || survivors(&pids).is_empty() && !is_alive(keeper)).await;
}

#[tokio::test]
async fn kill_9_of_the_worker_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (worker, pid) = hold(&dir, FAMILY, None);
    let pids = family(&dir).await;
    assert_eq!(pids[0], pid);
    let keeper = parent(pids[0]);
    signal(worker.0.id(), Signal::KILL);
    until("all are gone", || survivors(&pids).is_empty() && !is_alive(keeper)).await;
}

#[tokio::test]
async fn kill_9_of_the_keeper_takes_the_program_and_its_family() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(&shell(dir.path(), FAMILY), &keeper()).await.unwrap();
    let pids = family(&dir).await;
    signal(parent(process.pid()), Signal::KILL);
    assert_eq!(process.wait().await, exit(137, Some(9)));
    until("all are gone", || survivors(&pids).is_empty()).await;
}

#[tokio::test]
async fn signals_meant_for_the_worker_leave_keeper_and_program_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut process =
        Process::start(&shell(dir.path(), "echo up; read x < /dev/tty; sleep 600"), &keeper()).await.unwrap();
    until("it runs", || text(&dir, "stdout").contains("up")).await;
    let keeper = parent(process.pid());
    for number in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        signal(keeper, number);
    }
    let ended = tokio::time::timeout(Duration::from_millis(300), process.wait()).await;
    assert!(ended.is_err(), "the keeper was to stay");
    assert_eq!(session(keeper), session(process.pid()));
    assert_ne!(session(keeper), session(std::process::id()));
    // The program itself reacts to signals as ever: nothing ignored is inherited.
    process.terminate();
    assert_eq!(process.wait().await, exit(143, Some(15)));
}

#[tokio::test]
async fn the_kernel_alone_takes_the_program_with_its_keeper() {
    let dir = tempfile::tempdir().unwrap();
    let (worker, pid) = hold(&dir, "exec sleep 600", None);
    // The worker is there but cannot do anything, so it is not its sweeping that is seen here.
    signal(worker.0.id(), Signal::STOP);
    signal(parent(pid), Signal::KILL);
    until("the program is gone", || !is_alive(pid)).await;
}

#[tokio::test]
async fn drn_04_passwords_of_the_worker_are_not_inherited() {
    let dir = tempfile::tempdir().unwrap();
    let script = "cat /proc/$PPID/environ > $DIR/keeper; env > $DIR/own; echo done; exec sleep 600";
    let (_worker, _) = hold(&dir, script, None);
    until("it has told", || text(&dir, "stdout").contains("done")).await;
    assert!(text(&dir, "own").contains("DIR=") && text(&dir, "keeper").contains("PATH="));
    for whose in ["own", "keeper"] {
        assert!(!text(&dir, whose).contains("s3cr3t"), "{}", text(&dir, whose));
    }
}

async fn start_failure(spec: &ProcessSpec) -> (StartFailure, String) {
    match Process::start(spec, &keeper()).await {
        Err(RunnerError::Start(failure)) => (failure.clone(), failure.to_string()),
        other => panic!("unexpected {other:?}"),
    }
}

#[tokio::test]
async fn a_command_that_does_not_exist_says_what_was_tried() {
    let dir = tempfile::tempdir().unwrap();
    let (_, message) = start_failure(&spec(dir.path(), "/no/such/program", &[])).await;
    assert!(
        message.contains("\"/no/such/program\"")
            && message.contains("No such file")
            && message.contains("tried /no/such/program"),
        "{message}"
    );

    let mut by_name = spec(dir.path(), "no-such-program", &[]);
    by_name.env.insert("PATH".to_owned(), "/only/here:/bin".to_owned());
    let (_, message) = start_failure(&by_name).await;
    assert!(message.contains("searched PATH=/only/here:/bin"), "{message}");
    by_name.env.remove("PATH");
    by_name.clear_env = true;
    let (_, message) = start_failure(&by_name).await;
    assert!(message.contains("searched PATH=/bin:/usr/bin"), "{message}");

    let (_, message) = start_failure(&spec(dir.path(), "./relative", &[])).await;
    assert!(message.contains(&format!("tried {}/./relative", dir.path().display())), "{message}");

    fs::write(dir.path().join("not-executable"), "").unwrap();
    let (_, message) = start_failure(&spec(dir.path(), "./not-executable", &[])).await;
    assert!(message.contains("Permission denied"), "{message}");
}

#[tokio::test]
async fn missing_directory_log_and_keeper_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone");
    let mut no_dir = shell(dir.path(), "exit 0");
    no_dir.cwd.clone_from(&gone);
    let (failure, message) = start_failure(&no_dir).await;
    assert!(matches!(failure, StartFailure::Directory { .. }) && message.contains(gone.to_str().unwrap()), "{message}");

    let mut no_log = shell(dir.path(), "exit 0");
    no_log.stdout.path = gone.join("stdout");
    let (failure, message) = start_failure(&no_log).await;
    assert!(matches!(failure, StartFailure::Log { .. }) && message.contains("gone/stdout"), "{message}");

    let nobody = KeeperProgram { binary: gone.clone(), args: Vec::new() };
    let error = Process::start(&shell(dir.path(), "exit 0"), &nobody).await.unwrap_err().to_string();
    assert!(error.contains("keeper") && error.contains(gone.to_str().unwrap()), "{error}");
    let stranger = KeeperProgram { binary: PathBuf::from("/bin/true"), args: Vec::new() };
    let error = Process::start(&shell(dir.path(), "exit 0"), &stranger).await.unwrap_err();
    assert!(matches!(error, RunnerError::KeeperLost { .. }), "{error}");
}

#[tokio::test]
async fn drn_04_environment_is_laid_over_or_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let mut overlay = shell(dir.path(), "echo ${HOME:-none} $COLOUR; pwd; cat");
    overlay.env.insert("COLOUR".to_owned(), "green".to_owned());
    Process::start(&overlay, &keeper()).await.unwrap().wait().await;
    let home = std::env::var("HOME").unwrap_or_else(|_| "none".to_owned());
    let cwd = fs::canonicalize(dir.path()).unwrap();
    assert_eq!(text(&dir, "stdout"), format!("{home} green\n{}\n", cwd.display()));

    let mut alone = spec(dir.path(), "/usr/bin/env", &[]);
    alone.clear_env = true;
    alone.stdout = sink(dir.path(), "stdout", LogMode::Truncate);
    Process::start(&alone, &keeper()).await.unwrap().wait().await;
    let names: Vec<_> = text(&dir, "stdout").lines().map(|line| line.split('=').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["DIR", "TANIST_PROCESS"]);
}

#[tokio::test]
async fn the_environment_is_not_in_any_argument_list() {
    let dir = tempfile::tempdir().unwrap();
    let mut secret = shell(dir.path(), "echo up; sleep 600 & wait");
    secret.env.insert("API_TOKEN".to_owned(), "s3cr3t".to_owned());
    let mut process = Process::start(&secret, &keeper()).await.unwrap();
    until("it runs", || text(&dir, "stdout").contains("up")).await;
    let arguments = |pid| String::from_utf8(fs::read(format!("/proc/{pid}/cmdline")).unwrap()).unwrap();
    assert_eq!(arguments(parent(process.pid())), "tanist-keeper\0__keep\0");
    assert!(!arguments(process.pid()).contains("s3cr3t"));
    // Whoever ran this test may have left files open for everybody; those are not ours to judge.
    let ours = open_files(std::process::id());
    let leaked: Vec<_> = open_files(process.pid()).into_iter().skip(3).filter(|file| !ours.contains(file)).collect();
    assert!(leaked.is_empty(), "{leaked:?}");
    process.kill();
    process.wait().await;
}

#[tokio::test]
async fn drn_05_ern_05_header_append_and_truncate() {
    let dir = tempfile::tempdir().unwrap();
    let command = ["sh", "-c", "echo out; echo err >&2", "--password=x"].map(str::to_owned);
    for (of, mode, runs, word) in [
        (HeaderOf::Driver, LogMode::Append, 2, "Launch Command"),
        (HeaderOf::Executor, LogMode::Truncate, 1, "Spark Executor Command"),
    ] {
        let mut spec = shell(dir.path(), &command[2]);
        spec.stdout = sink(dir.path(), word, mode);
        spec.stderr = sink(dir.path(), &format!("{word}.err"), mode);
        spec.header = Some(header(of, &command));
        for _ in 0..2 {
            Process::start(&spec, &keeper()).await.unwrap().wait().await;
        }
        let once = format!(
            "{word}: \"sh\" \"-c\" \"echo out; echo err >&2\" \"--password=*********(redacted)\"\n{}\n\nerr\n",
            "=".repeat(40)
        );
        assert_eq!(text(&dir, &format!("{word}.err")), once.repeat(runs));
        assert_eq!(text(&dir, word), "out\n".repeat(runs));
    }
}

#[tokio::test]
async fn log_01_output_rolls_through_the_keeper() {
    let dir = tempfile::tempdir().unwrap();
    let mut rolled = shell(dir.path(), "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo last >&2");
    let rolling =
        Rolling { when: RollWhen::Size(NonZeroU64::new(10_000).unwrap()), max_files: Some(2), compress: true };
    rolled.stdout.rolling = Some(rolling.clone());
    rolled.stderr.rolling = Some(rolling);
    rolled.header = Some(header(HeaderOf::Executor, &["sh".to_owned()]));
    Process::start(&rolled, &keeper()).await.unwrap().wait().await;
    let files = LogFiles::find(dir.path(), "stdout").unwrap();
    let kept = String::from_utf8(files.read(0, u64::MAX).unwrap()).unwrap();
    let whole = (0..3000).map(|i| format!("line {i}")).collect::<Vec<_>>().join("\n") + "\n";
    assert!(whole.ends_with(&kept), "what is kept is the end, complete");
    assert!((10_000..=30_000).contains(&kept.len()), "{}", kept.len());
    let names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(
        names
            .iter()
            .filter(|name| name.starts_with("stdout--") && Path::new(name).extension().is_some_and(|end| end == "gz"))
            .count(),
        2,
        "{names:?}"
    );
    assert!(text(&dir, "stderr").ends_with("=\n\nlast\n"));
}

#[tokio::test]
async fn a_daemon_that_holds_a_rolling_log_open_does_not_delay_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = shell(dir.path(), "setsid sleep 600 & exit 4");
    spec.stdout.rolling = Some(Rolling { when: RollWhen::Size(NonZeroU64::MAX), max_files: None, compress: false });
    let mut process = Process::start(&spec, &keeper()).await.unwrap();
    let begin = Instant::now();
    assert_eq!(process.wait().await.code, 4);
    assert!(begin.elapsed() < Duration::from_secs(9));
}
