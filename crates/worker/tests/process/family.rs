//! A program with a family, a stand-in for a worker, and what the tests ask of them.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tanist_worker::runner::{
    logs::{LogMode, LogSink},
    process::{Exit, KEPT_BACK, KeeperProgram, Limit, ProcessSpec},
};
use tempfile::TempDir;

/// Long enough for a few processes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A program that ignores SIGTERM, with a child, a grandchild, and one that made itself a daemon; all write their
/// process ids, and all ignore SIGTERM too.
pub(crate) const FAMILY: &str = r#"
    trap '' TERM
    echo $$ > "$DIR/main.tmp"
    (sleep 600 & echo $! > "$DIR/grandchild.tmp"; mv "$DIR/grandchild.tmp" "$DIR/grandchild.pid"; wait) &
    setsid sh -c 'echo $$ > "$DIR/daemon.tmp"; (sleep 600 & echo $! > "$DIR/orphan.tmp"; mv "$DIR/orphan.tmp" "$DIR/orphan.pid"); mv "$DIR/daemon.tmp" "$DIR/daemon.pid"; exec sleep 600' &
    mv "$DIR/main.tmp" "$DIR/main.pid"
    while :; do sleep 1; done
"#;
const MEMBERS: [&str; 4] = ["main", "grandchild", "daemon", "orphan"];

pub(crate) fn keeper() -> KeeperProgram {
    KeeperProgram { binary: PathBuf::from(env!("CARGO_BIN_EXE_tanist-test-keeper")), args: Vec::new() }
}

pub(crate) fn sink(dir: &Path, name: &str, mode: LogMode) -> LogSink {
    LogSink { path: dir.join(name), mode, rolling: None }
}

pub(crate) fn spec(dir: &Path, program: &str, args: &[&str]) -> ProcessSpec {
    ProcessSpec {
        program: program.to_owned(),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        env: [("DIR".to_owned(), dir.display().to_string())].into(),
        clear_env: false,
        cwd: dir.to_owned(),
        stdout: sink(dir, "stdout", LogMode::Append),
        stderr: sink(dir, "stderr", LogMode::Append),
        header: None,
        limit: None,
    }
}

pub(crate) fn shell(dir: &Path, script: &str) -> ProcessSpec {
    spec(dir, "sh", &["-c", script])
}

pub(crate) fn text(dir: &TempDir, name: &str) -> String {
    fs::read_to_string(dir.path().join(name)).unwrap()
}

pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "timed out waiting until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Zombies are gone: somebody else has to reap them.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z")
}

pub(crate) fn parent(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Waits until the whole of [`FAMILY`] runs.
pub(crate) async fn family(dir: &TempDir) -> Vec<u32> {
    let file = |member: &str| dir.path().join(format!("{member}.pid"));
    until("the family runs", || MEMBERS.iter().all(|member| file(member).exists())).await;
    let pids: Vec<u32> = MEMBERS.iter().map(|m| fs::read_to_string(file(m)).unwrap().trim().parse().unwrap()).collect();
    assert!(pids.iter().all(|&pid| is_alive(pid)));
    pids
}

pub(crate) fn survivors(pids: &[u32]) -> Vec<u32> {
    pids.iter().copied().filter(|&pid| is_alive(pid)).collect()
}

/// An end that no limit had to do with.
pub(crate) fn exit(code: i32, signal: Option<i32>) -> Exit {
    Exit { code, signal, at_limit: false }
}

pub(crate) struct Holder(pub(crate) Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A stand-in for a worker that runs `script`, and the program's process id.
pub(crate) fn hold(dir: &TempDir, script: &str, limit: Option<Limit>) -> (Holder, u32) {
    let mut command = Command::new(keeper().binary);
    command.args(["hold", dir.path().to_str().unwrap(), script]).stdout(Stdio::piped());
    for name in KEPT_BACK {
        command.env(name, "keyPassword=s3cr3t");
    }
    command.args(limit.iter().flat_map(|limit| [limit.terminate_at, limit.kill_at]).map(|at| at.to_string()));
    let mut worker = Holder(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(worker.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (worker, line.trim().parse().unwrap())
}
