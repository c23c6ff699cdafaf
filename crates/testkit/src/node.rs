//! One process of the cluster: a master or a worker.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait::wait_for;

/// How long a process may take to say that it is ready. Generous: machines that build are slow.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The binary under test: `TANIST_BIN`, or `tanist` beside the test's own directory.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("TANIST_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap_or_default();
    let target = test.ancestors().nth(2).unwrap_or_else(|| Path::new("."));
    target.join("tanist")
}

/// A master or a worker as a real process. It ends with the value.
#[derive(Debug)]
pub struct Node {
    child: Child,
    /// `host:port` of its gRPC endpoint.
    pub address: String,
    /// Its id.
    pub id: String,
    /// `host:port` of its web pages; empty if it has none.
    pub web: String,
    /// Where its log goes.
    pub log: PathBuf,
}

impl Node {
    /// Starts `tanist <arguments>` and waits until it says that it is ready.
    pub fn start(arguments: &[&str], log: &Path) -> Result<Self> {
        Self::start_with(arguments, &[], log)
    }

    /// As [`Node::start`], with these variables in its environment, such as `FAILPOINTS`. An existing log goes on.
    pub fn start_with(arguments: &[&str], environment: &[(&str, &str)], log: &Path) -> Result<Self> {
        let mut command = Command::new(binary());
        // What Spark is told on this machine would be told to the node, too.
        let of_spark =
            std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("SPARK_"));
        for name in of_spark {
            command.env_remove(name);
        }
        let mut child = command
            .args(arguments)
            .args(["--announce", "--die-with-parent"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(OpenOptions::new().create(true).append(true).open(log)?)
            .env_remove("TANIST_MASTERS")
            // Tests run beside each other.
            .envs([("TANIST_MASTER_WEB_PORT", "0"), ("TANIST_WORKER_WEB_PORT", "0")])
            .envs(environment.iter().copied())
            .spawn()
            .with_context(|| format!("starting {} {arguments:?}", binary().display()))?;
        match ready(&mut child) {
            Ok((address, id, web)) => Ok(Self { child, address, id, web, log: log.to_owned() }),
            Err(error) => {
                drop(child.kill());
                drop(child.wait());
                let said = std::fs::read_to_string(log).unwrap_or_default();
                Err(error.context(format!("{arguments:?} did not start; its log: {said}")))
            }
        }
    }

    /// Port of its gRPC endpoint.
    pub fn port(&self) -> Result<u16> {
        let port = self.address.rsplit(':').next().and_then(|port| port.parse().ok());
        port.with_context(|| format!("a port in {}", self.address))
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or_default()
    }

    /// `kill -9`, and waits until the kernel has done it.
    pub fn kill_nine(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Waits until it has ended by itself; its exit code, −1 where a signal ended it.
    ///
    /// # Panics
    /// If it has not ended after `limit`.
    #[track_caller]
    pub fn wait_for_end(&mut self, limit: Duration) -> i32 {
        let status = wait_for(&format!("the end of {}", self.id), limit, || self.child.try_wait().ok().flatten());
        status.code().unwrap_or(-1)
    }

    /// What it has logged so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends any signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid()) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

/// Waits until a node says who it is.
fn ready(child: &mut Child) -> Result<(String, String, String)> {
    let stdout = child.stdout.take().context("its standard output")?;
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        drop(BufReader::new(stdout).read_line(&mut line));
        drop(send.send(line));
    });
    let line = receive.recv_timeout(READY_WITHIN).context("waiting for its first word")?;
    let ready: serde_json::Value = serde_json::from_str(&line).with_context(|| format!("it said {line:?}"))?;
    let field = |name: &str| ready[name].as_str().map(str::to_owned).with_context(|| format!("{name} in {line}"));
    let web = ready["web"].as_str().and_then(|url| url.strip_prefix("http://")).unwrap_or_default().to_owned();
    Ok((field("address")?, field("id")?, web))
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill_nine();
    }
}
