//! One process of the cluster: a master or a worker.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

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
    /// Where its log goes.
    pub log: PathBuf,
}

impl Node {
    /// Starts `tanist <arguments>` and waits until it says that it is ready.
    pub fn start(arguments: &[&str], log: &Path) -> Result<Self> {
        let mut child = Command::new(binary())
            .args(arguments)
            .args(["--announce", "--die-with-parent"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .env_remove("TANIST_MASTERS")
            .spawn()
            .with_context(|| format!("starting {} {arguments:?}", binary().display()))?;
        let stdout = child.stdout.take().context("its standard output")?;
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            drop(BufReader::new(stdout).read_line(&mut line));
            drop(send.send(line));
        });
        let line = receive.recv_timeout(READY_WITHIN).map_err(|_| anyhow!("{arguments:?} is not ready in time"))?;
        let Ok(ready) = serde_json::from_str::<serde_json::Value>(&line) else {
            drop(child.kill());
            bail!("{arguments:?} did not start: {}", std::fs::read_to_string(log).unwrap_or_default());
        };
        let field = |name: &str| ready[name].as_str().map(str::to_owned).with_context(|| format!("{name} in {line}"));
        Ok(Self { child, address: field("address")?, id: field("id")?, log: log.to_owned() })
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

impl Drop for Node {
    fn drop(&mut self) {
        self.kill_nine();
    }
}
