//! A worker in this process, with the real keeper, in directories of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tanist_core::units::{Cores, Memory};
use tanist_worker::runner::process::KeeperProgram;
use tanist_worker::{Exit, Listeners, WorkerError, WorkerHandle, WorkerOptions, run};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::fake_master::{FakeMaster, Session};

/// Long enough for a few processes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running worker. Ends at once with the value.
pub(crate) struct TestWorker {
    pub(crate) handle: WorkerHandle,
    pub(crate) dir: TempDir,
    /// `host:port` of its web pages.
    pub(crate) web: String,
    shutdown: Option<oneshot::Sender<()>>,
    running: AbortOnDropHandle<Result<Exit, WorkerError>>,
}

/// Settings for a worker in `dir` that knows these masters.
pub(crate) fn options(dir: &Path, masters: &[&FakeMaster]) -> WorkerOptions {
    let masters = masters.iter().map(|master| master.address.clone()).collect();
    let mut options = WorkerOptions::new("127.0.0.1", masters, dir.join("work"));
    options.local_dirs = vec![dir.join("local")];
    options.offer.cores = Some(Cores(8));
    options.offer.memory = Some(Memory::mib(4096));
    options.keeper = keeper();
    options.behaviour.driver_terminate_timeout = Duration::from_millis(500);
    options.behaviour.executor_terminate_timeout = Duration::from_millis(500);
    options
}

pub(crate) fn keeper() -> KeeperProgram {
    KeeperProgram { binary: PathBuf::from(env!("CARGO_BIN_EXE_tanist-test-keeper")), args: Vec::new() }
}

impl TestWorker {
    /// A worker with the usual settings.
    pub(crate) async fn start(masters: &[&FakeMaster]) -> Self {
        Self::start_with(masters, |_| {}).await
    }

    /// A worker that has registered with a master of its own.
    pub(crate) async fn with_a_master() -> (FakeMaster, Self, Session) {
        let mut master = FakeMaster::start(1).await;
        let worker = Self::start(&[&master]).await;
        let (session, _) = master.registered().await;
        (master, worker, session)
    }

    /// A worker with some settings changed.
    pub(crate) async fn start_with(masters: &[&FakeMaster], change: impl FnOnce(&mut WorkerOptions)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), masters, change).await
    }

    /// A worker in a directory that may have been used before.
    pub(crate) async fn start_in(
        dir: TempDir,
        masters: &[&FakeMaster],
        change: impl FnOnce(&mut WorkerOptions),
    ) -> Self {
        let mut options = options(dir.path(), masters);
        change(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pages = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let web = pages.local_addr().unwrap().to_string();
        let listeners = Listeners { web: Some(pages), ..Listeners::from(listener) };
        let (ready, is_ready) = oneshot::channel();
        let (shutdown, shut) = oneshot::channel();
        let running = run(options, listeners, |handle| assert!(ready.send(handle.clone()).is_ok()), async {
            // Dropped: it ends like a process that is killed, not by this.
            if shut.await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        let mut running = AbortOnDropHandle::new(tokio::spawn(running));
        let handle = tokio::select! {
            biased;
            // A start that failed says why.
            ended = &mut running => panic!("the worker did not start: {ended:?}"),
            handle = is_ready => handle.unwrap(),
        };
        Self { handle, dir, web, shutdown: Some(shutdown), running }
    }

    /// The work directory.
    pub(crate) fn work(&self) -> PathBuf {
        fs::canonicalize(self.dir.path().join("work")).unwrap()
    }

    /// A file in the work directory; empty if it is not there.
    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.work().join(path)).unwrap_or_default()
    }

    /// Asks it to stop.
    pub(crate) fn shut_down(&mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
    }

    /// Waits for its end, and returns the directory for the next one.
    pub(crate) async fn ended(mut self) -> (Result<Exit, WorkerError>, TempDir) {
        let ended = timeout(PATIENCE, &mut self.running).await.unwrap().unwrap();
        (ended, self.dir)
    }

    /// Ends it as `kill -9` would, as far as one process can.
    pub(crate) async fn die(mut self) -> TempDir {
        self.running.abort();
        let _ = (&mut self.running).await;
        self.dir
    }
}

/// Why a worker with these settings does not start.
pub(crate) async fn refusal(options: WorkerOptions) -> WorkerError {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = run(options, listener, |_| panic!("it was not to start"), std::future::pending());
    timeout(PATIENCE, running).await.unwrap().unwrap_err()
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "timed out waiting until {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Zombies are gone: somebody else has to reap them.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z")
}

/// A program that ignores SIGTERM, with a child and one that made itself a daemon, which ignore it too. Their process
/// ids are in the file `pids` once all run.
pub(crate) const FAMILY: &str = r"
    trap '' TERM
    sleep 600 & child=$!
    setsid sh -c 'echo $$ > daemon; exec sleep 600' &
    while [ ! -s daemon ]; do sleep 0.01; done
    echo $$ $child $(cat daemon) > pids.tmp
    mv pids.tmp pids
    while :; do sleep 1; done
";

/// The processes of [`FAMILY`], once all run.
pub(crate) async fn family(run_dir: &Path) -> Vec<u32> {
    let file = run_dir.join("pids");
    until("the family runs", || file.exists()).await;
    let pids: Vec<u32> = fs::read_to_string(file).unwrap().split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 3);
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    pids
}
