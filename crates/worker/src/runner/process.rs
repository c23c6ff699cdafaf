//! The worker's handle of one program: start, signal, wait. Dropping it kills the program and all it started.

use std::{collections::BTreeMap, future::pending, os::fd::OwnedFd, path::PathBuf, process::Stdio, time::Duration};

use rustix::{
    fs::{OFlags, fcntl_setfl},
    io::write,
    process::{Pid, PidfdFlags, pidfd_open},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::spawn_blocking,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    RunnerError,
    descendants::{MARK_VARIABLE, clear_marked, has_ended},
    keeper::SIGNAL_BASE,
    logs::LogSink,
    wire::{Control, EXEC_SUBCOMMAND, KEEP_SUBCOMMAND, KeeperSpec, Launch, Report, SELF_EXE},
};

pub use super::wire::Limit;

/// A keeper that has not sent SIGKILL this long after it was told to stands still. Short, because somebody may count on the
/// end; long enough for a loaded host.
const KEEPER_PATIENCE: Duration = Duration::from_millis(500);

/// A keeper that has sent it waits until the kernel has taken back the program's memory and devices, which is the end that
/// is told. One that does not come to that end for so long may stand still, too.
const DEATH_PATIENCE: Duration = Duration::from_secs(300);

/// How often it is looked whether a program is gone that its keeper does not wait for any more.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Settings of the worker with secrets in them, which no program inherits: ours, and those of Spark that are understood and
/// may have them in an option.
pub const KEPT_BACK: [&str; 5] = [
    "TANIST_WORKER_SSL_SETTINGS",
    "TANIST_AUTH_SECRET",
    "SPARK_MASTER_OPTS",
    "SPARK_WORKER_OPTS",
    "SPARK_DAEMON_JAVA_OPTS",
];

/// SIGKILL on Linux.
const KILL_NUMBER: i32 = 9;

/// The program that is run as keeper and launcher: normally this very binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeeperProgram {
    /// A binary that calls [`super::keeper::main_keep`] for [`KEEP_SUBCOMMAND`] and [`super::keeper::main_exec`] for
    /// [`EXEC_SUBCOMMAND`].
    pub binary: PathBuf,
    /// Arguments before the subcommand.
    pub args: Vec<String>,
}

impl KeeperProgram {
    /// The running binary, also when its file has been replaced by an upgrade since.
    pub fn this_binary() -> Self {
        Self { binary: PathBuf::from(SELF_EXE), args: Vec::new() }
    }
}

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct ProcessSpec {
    /// A path, or a name to be searched in the program's own PATH.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables set for it; `TANIST_PROCESS` is added, by which its descendants are recognised.
    pub env: BTreeMap<String, String>,
    /// Whether `env` is all it gets; otherwise it is laid over the worker's own environment (DRN-04, ERN-03), in which
    /// [`KEPT_BACK`] are left out.
    pub clear_env: bool,
    /// Its working directory, which must exist.
    pub cwd: PathBuf,
    /// Where its standard output goes.
    pub stdout: LogSink,
    /// Where its standard error goes.
    pub stderr: LogSink,
    /// Written to standard error's log before the start; see [`super::redact::header`].
    pub header: Option<String>,
    /// Until when it may run unless a later limit comes in time; none = without end.
    pub limit: Option<Limit>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code, or 128 + the number of the signal that ended it.
    pub code: i32,
    /// The signal, if one ended it.
    pub signal: Option<i32>,
    /// Its keeper had told it to end, because its limit had passed.
    pub at_limit: bool,
}

/// A running program and its keeper.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    program: String,
    mark: String,
    control: OwnedFd,
    reports: Lines<BufReader<ChildStdout>>,
    keeper: Child,
    /// Tells when the program is gone with all it has; none where the kernel has no such thing, or it is gone already.
    witness: Option<OwnedFd>,
    /// When the keeper counts as one that stands still.
    patience_ends: Option<Instant>,
    exit: Option<Exit>,
}

impl Process {
    /// Starts the program under a keeper and returns when it runs. Dropping the future half-way kills what there is.
    ///
    /// The keeper may be forked from any thread: it follows the end of its control pipe, not a parent-death signal.
    ///
    /// # Errors
    /// [`RunnerError::Start`] when the program, its directory or its logs cannot be used; the others when the keeper
    /// itself cannot.
    pub async fn start(spec: &ProcessSpec, keeper: &KeeperProgram) -> Result<Self, RunnerError> {
        Self::start_unless(spec, keeper, pending()).await
    }

    /// As [`Self::start`], unless `given_up` is done before the program runs. A start may wait for ever where a log or a
    /// directory is on a disk that is gone.
    ///
    /// # Errors
    /// As of [`Self::start`]; [`RunnerError::GivenUp`] once nothing is left of a start that was given up.
    pub async fn start_unless(
        spec: &ProcessSpec,
        keeper: &KeeperProgram,
        given_up: impl Future<Output = ()>,
    ) -> Result<Self, RunnerError> {
        let mut starting = Starting::begin(spec, keeper)?;
        let pid = tokio::select! {
            biased;
            () = given_up => {
                starting.leave_nothing().await;
                return Err(RunnerError::GivenUp);
            }
            pid = starting.pid() => pid?,
        };
        let Starting { program, mark, control, reports, keeper: child, .. } = starting;
        let failed = |source| RunnerError::Keeper { binary: keeper.binary.clone(), source };
        let control = control.into_owned_fd().map_err(failed)?;
        // A keeper that stands still must not make this process stand still, too.
        fcntl_setfl(&control, OFlags::NONBLOCK).map_err(|error| failed(error.into()))?;
        let witness = Pid::from_raw(pid.cast_signed()).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        Ok(Self { pid, program, mark, control, reports, keeper: child, witness, patience_ends: None, exit: None })
    }

    /// The program's process id; also its group's.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// SIGTERM to the program's process group, once. Without effect once it has ended.
    pub fn terminate(&self) {
        self.say(Control::Terminate);
    }

    /// SIGKILL to the program and everything it started, wherever that went. Without effect once it has ended. A keeper
    /// that does not do it in time is killed itself, as long as somebody [waits](Self::wait).
    pub fn kill(&mut self) {
        self.patience_ends.get_or_insert_with(|| Instant::now() + KEEPER_PATIENCE);
        self.say(Control::Kill);
    }

    /// Until when the program may run from now on.
    pub fn limit(&self, limit: Limit) {
        self.say(Control::Limit(limit));
    }

    /// Waits until the program has ended and nothing it started is left. May be cancelled and called again, also
    /// after the end.
    pub async fn wait(&mut self) -> Exit {
        if let Some(exit) = self.exit {
            return exit;
        }
        let exit = match self.last_report().await {
            Some(Report::Exited { code, signal, survivors, at_limit }) => {
                if survivors > 0 {
                    tracing::warn!(pid = self.pid, program = %self.program, survivors, "processes survive SIGKILL");
                }
                Exit { code, signal, at_limit }
            }
            _ => self.after_keeper_lost().await,
        };
        self.exit = Some(exit);
        // Only collects the keeper's own end; tokio does it in the background if this is cancelled.
        let _ = self.keeper.wait().await;
        exit
    }

    async fn last_report(&mut self) -> Option<Report> {
        loop {
            let report = next_report(&mut self.reports);
            let report = match self.patience_ends {
                None => Ok(report.await),
                Some(end) => timeout_at(end, report).await,
            };
            match report {
                Ok(Some(Report::Killing)) => self.patience_ends = Some(Instant::now() + DEATH_PATIENCE),
                Ok(report) => return report,
                Err(_) => {
                    tracing::warn!(pid = self.pid, program = %self.program, "keeper does not kill its program: killing both");
                    // It may have ended in this very moment, so its last word is still heard.
                    let _ = self.keeper.start_kill();
                    self.patience_ends = None;
                }
            }
        }
    }

    /// Somebody killed the keeper. The kernel killed the program with it; what the program had started is found by
    /// the mark it inherited.
    async fn after_keeper_lost(&mut self) -> Exit {
        // Not before the keeper is gone for good: only then the kernel sends the program's death signal.
        let _ = self.keeper.wait().await;
        let mark = self.mark.clone();
        let survivors = spawn_blocking(move || clear_marked(&mark)).await;
        self.gone().await;
        tracing::warn!(
            pid = self.pid,
            program = %self.program,
            survivors = survivors.unwrap_or_default(),
            "keeper was killed, and the program with it"
        );
        Exit { code: SIGNAL_BASE + KILL_NUMBER, signal: Some(KILL_NUMBER), at_limit: false }
    }

    /// Waits until the program has nothing any more, which is some time after it was killed.
    async fn gone(&self) {
        while self.witness.as_ref().is_some_and(|witness| !has_ended(witness)) {
            sleep(LOOK_EVERY).await;
        }
    }

    fn say(&self, what: Control) {
        let Ok(mut line) = serde_json::to_vec(&what) else { return };
        line.push(b'\n');
        // Broken pipe: it has ended. Full pipe: the keeper stands still. It then hears an older limit and keeps to that, and
        // is killed if it was to kill.
        let _ = write(&self.control, &line);
    }
}

/// A keeper whose program does not run yet.
struct Starting {
    program: String,
    mark: String,
    order: Vec<u8>,
    control: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
    keeper: Child,
}

impl Starting {
    fn begin(spec: &ProcessSpec, keeper: &KeeperProgram) -> Result<Self, RunnerError> {
        let program = spec.program.clone();
        let mark = uuid::Uuid::new_v4().to_string();
        let mut order = serde_json::to_vec(&keeper_spec(spec, keeper, &mark))
            .map_err(|source| RunnerError::Order { program: program.clone(), source })?;
        order.push(b'\n');
        let mut command = Command::new(&keeper.binary);
        for name in KEPT_BACK {
            command.env_remove(name);
        }
        let mut child = command
            .arg0("tanist-keeper")
            .args(&keeper.args)
            .arg(KEEP_SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| RunnerError::Keeper { binary: keeper.binary.clone(), source })?;
        let (Some(control), Some(reports)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(RunnerError::KeeperLost { program });
        };
        Ok(Self { program, mark, order, control, reports: BufReader::new(reports).lines(), keeper: child })
    }

    /// Gives the order, and waits until the program runs.
    async fn pid(&mut self) -> Result<u32, RunnerError> {
        // A keeper that cannot take its order also ends its reports, which is noticed below.
        let _ = self.control.write_all(&self.order).await;
        match next_report(&mut self.reports).await {
            Some(Report::Started { pid }) => Ok(pid.unsigned_abs()),
            Some(Report::StartFailed { failure }) => Err(failure.into()),
            Some(Report::Killing | Report::Exited { .. }) | None => {
                Err(RunnerError::KeeperLost { program: self.program.clone() })
            }
        }
    }

    /// Returns once neither the keeper is there nor anything that it has started.
    async fn leave_nothing(self) {
        let Self { program, mark, control, mut keeper, .. } = self;
        // This is the keeper's sign to kill what there is, if it can see it.
        drop(control);
        if timeout(KEEPER_PATIENCE, keeper.wait()).await.is_err() {
            tracing::warn!(%program, "keeper cannot start its program: killing it");
            let _ = keeper.start_kill();
            let _ = keeper.wait().await;
            let _ = spawn_blocking(move || clear_marked(&mark)).await;
        }
    }
}

fn keeper_spec(spec: &ProcessSpec, keeper: &KeeperProgram, mark: &str) -> KeeperSpec {
    let mut env = spec.env.clone();
    env.insert(MARK_VARIABLE.to_owned(), mark.to_owned());
    let mut launcher = keeper.args.clone();
    launcher.push(EXEC_SUBCOMMAND.to_owned());
    KeeperSpec {
        launch: Launch {
            program: spec.program.clone(),
            args: spec.args.clone(),
            env,
            clear_env: spec.clear_env,
            cwd: spec.cwd.clone(),
        },
        launcher,
        stdout: spec.stdout.clone(),
        stderr: spec.stderr.clone(),
        header: spec.header.clone(),
        limit: spec.limit,
    }
}

/// `None` when the keeper is gone or does not speak our language.
async fn next_report(reports: &mut Lines<BufReader<ChildStdout>>) -> Option<Report> {
    let line = reports.next_line().await.ok().flatten()?;
    serde_json::from_str(&line).ok()
}
