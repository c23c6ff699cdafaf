//! The keeper: a small process between the worker and one program, so that nothing of the program outlives either.
//!
//! It reads its order as the first line of standard input; the rest of that pipe is control (`control.rs`): it signals
//! the program, names until when it may run, and its end means that the worker died or let go, and kills everything at
//! once. The keeper is a child subreaper, so that even a descendant that made itself a daemon becomes its child and is
//! found. If the keeper itself is killed, the kernel kills the program (the launcher armed the death signal; it follows
//! the *thread* that forked, which is the keeper's main thread and lives as long as the keeper).
//!
//! Synchronous on purpose: two threads that wait and, with rolling logs, one more per stream.

use std::{
    io::{self, Read as _, Write as _},
    os::{
        fd::OwnedFd,
        unix::{
            net::UnixStream,
            process::{CommandExt as _, ExitStatusExt as _},
        },
    },
    process::{Command, ExitCode, ExitStatus, Stdio},
    sync::atomic::Ordering,
    thread,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, getpid, set_child_subreaper, setsid, wait},
};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    control::{Ear, Progress, Warden},
    descendants::clear_descendants,
    host::boottime_ms,
    output::{Output, Pump},
    wire::{KeeperSpec, LauncherSpec, READY, Report, SELF_EXE, StartFailure},
};

pub use super::{
    launcher::main_exec,
    wire::{EXEC_SUBCOMMAND, KEEP_SUBCOMMAND},
};

/// The shell's convention for "ended by a signal": 128 + its number.
pub(super) const SIGNAL_BASE: i32 = 128;

/// The hidden subcommand [`KEEP_SUBCOMMAND`]. Call it before any runtime or thread is started.
pub fn main_keep() -> ExitCode {
    match start() {
        Ok(running) => running.see_it_out(),
        Err(failure) => {
            clear_descendants();
            report(&Report::StartFailed { failure });
        }
    }
    ExitCode::SUCCESS
}

/// A worker that is gone cannot be told; the end of its control pipe is handled elsewhere.
pub(super) fn report(report: &Report) {
    if let Ok(mut line) = serde_json::to_vec(report) {
        line.push(b'\n');
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
    }
}

struct Running {
    main: Pid,
    progress: Progress,
    pumps: Vec<Pump>,
}

fn start() -> Result<Running, StartFailure> {
    // A session of its own: neither Ctrl-C nor a closing terminal of the worker reaches keeper or program.
    setsid().map_err(StartFailure::step("make a session"))?;
    set_child_subreaper(Some(getpid())).map_err(StartFailure::step("become subreaper"))?;
    survive_signals().map_err(StartFailure::step("handle signals"))?;
    let mut ear = Ear::new();
    let line = ear.order().map_err(StartFailure::step("read its order"))?;
    let spec: KeeperSpec = serde_json::from_str(&line).map_err(StartFailure::step("parse its order"))?;
    let (stdout, stdout_pump) = Output::open(&spec.stdout, None)?.into_parts();
    let (stderr, stderr_pump) = Output::open(&spec.stderr, spec.header.as_deref())?.into_parts();

    // A worker that stood still may have given the order long ago.
    if spec.limit.is_some_and(|limit| limit.has_passed(boottime_ms())) {
        return Err(StartFailure::TooLate { program: spec.launch.program });
    }
    let (channel, main) = spawn_launcher(&spec, stdout, stderr)?;
    let progress = Progress::default();
    let warden = Warden::new(main, progress.clone(), spec.limit);
    // Before the handshake: a launcher stuck on a dead file system must still be killable.
    thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || warden.watch(ear))
        .map_err(StartFailure::step("start its control thread"))?;
    handshake(channel, spec)?;
    report(&Report::Started { pid: main.as_raw_pid() });
    Ok(Running { main, progress, pumps: [stdout_pump, stderr_pump].into_iter().flatten().collect() })
}

/// Installs handlers that do nothing. A service manager that signals the whole control group asks the *worker* to
/// stop; the keeper acts when the worker says so or is gone. Handlers, unlike ignored signals, are not inherited by
/// the program. They stay installed after this runtime, which exists only because it offers them without `unsafe`.
fn survive_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _guard = runtime.enter();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()] {
        drop(signal(kind)?);
    }
    Ok(())
}

#[allow(clippy::zombie_processes, reason = "all children, known and adopted, are reaped in one place by `wait`")]
fn spawn_launcher(spec: &KeeperSpec, stdout: Stdio, stderr: Stdio) -> Result<(UnixStream, Pid), StartFailure> {
    let (channel, theirs) = UnixStream::pair().map_err(StartFailure::step("make a channel"))?;
    let child = Command::new(SELF_EXE)
        .arg0("tanist-launcher")
        .args(&spec.launcher)
        .stdin(OwnedFd::from(theirs))
        .stdout(stdout)
        .stderr(stderr)
        .process_group(0)
        .spawn()
        .map_err(StartFailure::step("start the launcher"))?;
    Ok((channel, Pid::from_child(&child)))
}

/// Hands the order over and waits until the launcher became the program, which closes the channel.
fn handshake(mut channel: UnixStream, spec: KeeperSpec) -> Result<(), StartFailure> {
    let order = LauncherSpec { keeper: getpid().as_raw_pid(), launch: spec.launch };
    let mut line = serde_json::to_vec(&order).map_err(StartFailure::step("write the launch order"))?;
    line.push(b'\n');
    channel.write_all(&line).map_err(StartFailure::step("send the launch order"))?;
    let mut answer = String::new();
    channel.read_to_string(&mut answer).map_err(StartFailure::step("hear from the launcher"))?;
    match answer.strip_prefix(READY).unwrap_or(&answer) {
        "" if answer.is_empty() => Err(StartFailure::step("hear from the launcher")("it ended before the program")),
        "" => Ok(()),
        failure => Err(serde_json::from_str(failure).unwrap_or_else(StartFailure::step("understand the launcher"))),
    }
}

impl Running {
    fn see_it_out(self) {
        let status = wait_for(self.main);
        self.progress.ended.store(true, Ordering::Release);
        let survivors = clear_descendants();
        // Nobody holds the other ends any more, so the pumps run dry.
        for pump in self.pumps {
            pump.finish();
        }
        let signal = status.signal();
        let code = signal.map(|number| SIGNAL_BASE + number).or(status.code()).unwrap_or(SIGNAL_BASE);
        let at_limit = self.progress.at_limit.load(Ordering::Acquire);
        report(&Report::Exited { code, signal, survivors, at_limit });
    }
}

/// Reaps every child that ends, adopted ones included, until `main` has ended.
fn wait_for(main: Pid) -> ExitStatus {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == main => return ExitStatus::from_raw(status.as_raw()),
            Ok(_) | Err(Errno::INTR) => {}
            // Impossible while `main` is unreaped; then it is gone, by a signal as far as anybody can tell.
            Err(_) => return ExitStatus::from_raw(Signal::KILL.as_raw()),
        }
    }
}
