//! The stage that becomes the program: arms the death signal, then `exec`s.
//!
//! Its instructions come over a socket on standard input rather than by argument or environment: arguments are
//! readable by every user through `ps`, and an environment given to this stage already would let the program's
//! `LD_PRELOAD` or `LD_LIBRARY_PATH` act on our own binary. The same socket carries a failed `exec` back, so that it
//! can never be mistaken for an exit code of the program; it is closed by a successful `exec`.

use std::{
    env,
    io::{self, BufRead as _, BufReader, Write as _},
    os::{
        fd::AsFd as _,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Command, ExitCode, Stdio},
};

use rustix::{
    io::fcntl_dupfd_cloexec,
    process::{Pid, Signal, getppid, set_parent_process_death_signal},
};

use super::wire::{Launch, LauncherSpec, READY, StartFailure};

/// Lowest number for the copy of the channel: standard input, output and error belong to the program.
const FIRST_FREE_FD: i32 = 3;
/// What the C library searches when there is no PATH at all.
const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// Exit code when the program was not reached; only seen by the keeper, which has the reason from the channel.
const NOT_STARTED: u8 = 127;

/// The hidden subcommand [`super::wire::EXEC_SUBCOMMAND`]. Returns only if the program could not be started.
pub fn main_exec() -> ExitCode {
    // Without a channel there is nobody to tell: whoever typed this by hand sees the exit code.
    if let Ok(copy) = fcntl_dupfd_cloexec(io::stdin().as_fd(), FIRST_FREE_FD) {
        let mut channel = UnixStream::from(copy);
        let failure = launch(&mut channel);
        if let Ok(line) = serde_json::to_vec(&failure) {
            // A keeper that is gone needs no answer.
            let _ = channel.write_all(&line);
        }
    }
    ExitCode::from(NOT_STARTED)
}

fn launch(channel: &mut UnixStream) -> StartFailure {
    match prepare(channel) {
        Ok(launch) => exec(&launch),
        Err(failure) => failure,
    }
}

fn prepare(channel: &mut UnixStream) -> Result<Launch, StartFailure> {
    let mut line = String::new();
    BufReader::new(&*channel).read_line(&mut line).map_err(StartFailure::step("read the launch order"))?;
    let spec: LauncherSpec = serde_json::from_str(&line).map_err(StartFailure::step("parse the launch order"))?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(StartFailure::step("arm the parent death signal"))?;
    // A keeper that died before the line above sends no signal any more.
    if Pid::as_raw(getppid()) != spec.keeper {
        return Err(StartFailure::step("find its keeper")("it has died"));
    }
    let launch = spec.launch;
    env::set_current_dir(&launch.cwd).map_err(|error| StartFailure::Directory {
        program: launch.program.clone(),
        cwd: launch.cwd.clone(),
        error: error.to_string(),
    })?;
    channel.write_all(READY.as_bytes()).map_err(StartFailure::step("answer"))?;
    Ok(launch)
}

fn exec(launch: &Launch) -> StartFailure {
    let mut command = Command::new(&launch.program);
    if launch.clear_env {
        command.env_clear();
    }
    let error = command.args(&launch.args).envs(&launch.env).stdin(Stdio::null()).exec();
    StartFailure::Program { program: launch.program.clone(), tried: tried(launch, &error), error: error.to_string() }
}

fn tried(launch: &Launch, error: &io::Error) -> String {
    if launch.program.contains('/') {
        let path = launch.cwd.join(&launch.program);
        if error.kind() == io::ErrorKind::NotFound && path.exists() {
            return format!("tried {}, which exists: the interpreter it names is missing", path.display());
        }
        return format!("tried {}", path.display());
    }
    let inherited = || if launch.clear_env { None } else { env::var("PATH").ok() };
    let path = launch.env.get("PATH").cloned().or_else(inherited);
    format!("searched PATH={}", path.as_deref().unwrap_or(DEFAULT_PATH))
}
