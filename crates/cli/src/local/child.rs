//! One child process: this very program as a master or a worker.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child as Process, ChildStdin, Command};
use tokio::time::timeout;

use crate::daemon::Ready;
use crate::exit::Failure;

/// How long a child may take until it is ready. Its store may wait for a slow disk.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Lines of a log that are shown where a child failed.
const SHOWN_LINES: usize = 5;

/// A running child. Ends with the value, at once; and with this process, however that ends: it watches the pipe that is
/// its standard input.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: String,
    pub(super) ready: Ready,
    pub(super) pid: u32,
    pub(super) log: PathBuf,
    process: Process,
    _lifeline: Option<ChildStdin>,
}

/// A child that has ended.
#[derive(Debug)]
pub(crate) struct ChildEnd {
    /// Its name in this cluster.
    pub(crate) name: String,
    /// How it ended, for people.
    pub(crate) how: String,
    /// Where to read why.
    pub(crate) log: PathBuf,
}

impl Child {
    /// Starts `tanist <arguments>` and waits until it says that it is ready.
    ///
    /// # Errors
    /// If it does not get so far: names its log, with the last lines of it.
    pub(super) async fn start(name: &str, arguments: &[String], log: &Path) -> Result<Self, Failure> {
        let program = std::env::current_exe().context("finding the path of this program")?;
        let errors = File::create(log).with_context(|| format!("making {}", log.display()))?;
        let mut process = Command::new(&program)
            .args(arguments)
            .args(["--announce", "--die-with-parent"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            // Ctrl-C at the terminal is for this process alone; it stops the children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {name}: {}", program.display()))?;
        let lifeline = process.stdin.take();
        let pid = process.id().unwrap_or_default();
        let ready = timeout(READY_WITHIN, hear(&mut process))
            .await
            .unwrap_or_else(|_| Err(anyhow!("it is not ready after {} s", READY_WITHIN.as_secs())));
        let ready = ready.map_err(|error| {
            Failure::Failed(anyhow!(
                "{name} did not start: {error:#}; its log {} ends with:\n{}",
                log.display(),
                last_lines(log)
            ))
        })?;
        Ok(Self { name: name.to_owned(), ready, pid, log: log.to_owned(), process, _lifeline: lifeline })
    }

    /// Waits for its end. Safe to drop and call again.
    pub(super) async fn ended(&mut self) -> ChildEnd {
        let how = describe(&self.process.wait().await);
        ChildEnd { name: self.name.clone(), how, log: self.log.clone() }
    }

    /// Asks it to end in order.
    pub(super) fn terminate(&self) {
        // It still is our child: the number cannot belong to anybody else before it is waited for.
        if let (Some(_), Some(pid)) = (self.process.id(), Pid::from_raw(self.pid.cast_signed()))
            && let Err(error) = kill_process(pid, Signal::TERM)
        {
            tracing::debug!(name = self.name, %error, "child cannot be signalled");
        }
    }

    /// Ends it at once and waits for that.
    pub(super) async fn kill(&mut self) {
        if let Err(error) = self.process.kill().await {
            tracing::warn!(name = self.name, pid = self.pid, %error, "child cannot be killed");
        }
    }
}

/// What it says on its first line.
async fn hear(process: &mut Process) -> anyhow::Result<Ready> {
    let stdout = process.stdout.take().context("its standard output is not ours")?;
    match BufReader::new(stdout).lines().next_line().await.context("reading what it says")? {
        Some(line) => serde_json::from_str(&line).with_context(|| format!("it said {line:?}")),
        None => Err(anyhow!("it {}", describe(&process.wait().await))),
    }
}

fn describe(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("ended ({status})"),
        Err(error) => format!("cannot be waited for ({error})"),
    }
}

fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_end_of_a_log_is_shown() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        for n in 1..=8 {
            writeln!(log, "line {n}").unwrap();
        }
        assert_eq!(last_lines(log.path()), "line 4\nline 5\nline 6\nline 7\nline 8");
        assert_eq!(last_lines(Path::new("/no/such/log")), "");
    }
}
