//! One member: a process, and the shell that watches over it.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::free_port;

/// Reads a pipe whose other end only the test process holds: its end is the test's end, however that came.
const WATCH: &str = r#"read -r _; kill -9 "$1"; rm -rf "$2""#;

/// How much of a log is shown where something failed.
const SHOWN_LINES: usize = 10;

/// Where a member listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    client: u16,
    peer: u16,
    /// A second client port without TLS, where the first one has it.
    plain: Option<u16>,
}

impl Addresses {
    pub(super) fn free(tls: bool) -> Result<Self> {
        Ok(Self { client: free_port()?, peer: free_port()?, plain: tls.then(free_port).transpose()? })
    }

    /// For the product.
    pub(super) fn client(self) -> String {
        let scheme = if self.plain.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.client)
    }

    pub(super) fn peer(self) -> String {
        format!("http://127.0.0.1:{}", self.peer)
    }

    /// For the test's own requests, as `host:port`.
    pub(super) fn admin(self) -> String {
        format!("127.0.0.1:{}", self.plain.unwrap_or(self.client))
    }
}

/// A member, up or down.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) addresses: Addresses,
    log: PathBuf,
    program: PathBuf,
    arguments: Vec<String>,
    directory: PathBuf,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    etcd: Child,
    watch: Child,
}

impl Member {
    pub(super) fn new(
        program: &Path,
        name: &str,
        addresses: Addresses,
        directory: &Path,
        peers: &str,
        flags: &[&str],
    ) -> Self {
        let data = directory.join(name);
        let listen = match addresses.plain {
            Some(_) => format!("{},http://{}", addresses.client(), addresses.admin()),
            None => addresses.client(),
        };
        let mut arguments: Vec<String> = [
            ("--name", name),
            ("--data-dir", &data.to_string_lossy()),
            ("--listen-client-urls", &listen),
            ("--advertise-client-urls", &addresses.client()),
            ("--listen-peer-urls", &addresses.peer()),
            ("--initial-advertise-peer-urls", &addresses.peer()),
            ("--initial-cluster", peers),
        ]
        .iter()
        .map(|(flag, value)| format!("{flag}={value}"))
        .collect();
        arguments.extend(flags.iter().map(|&flag| flag.to_owned()));
        let log = directory.join(format!("{name}.log"));
        let (name, program) = (name.to_owned(), program.to_owned());
        Self { name, addresses, log, program, arguments, directory: directory.to_owned(), running: Mutex::new(None) }
    }

    /// Starts it, unless it runs.
    pub(super) fn start(&self) -> Result<()> {
        let mut running = self.running();
        if running.is_some() {
            return Ok(());
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut etcd = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        let watch = Command::new("sh")
            .args(["-c", WATCH, "sh", &etcd.id().to_string()])
            .arg(&self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match watch {
            Ok(watch) => *running = Some(Running { etcd, watch }),
            Err(error) => {
                drop(etcd.kill());
                drop(etcd.wait());
                return Err(error).context("starting the shell that watches over etcd");
            }
        }
        Ok(())
    }

    /// `kill -9`, and waits until the kernel has done it.
    pub(super) fn kill(&self) {
        if let Some(Running { mut etcd, mut watch }) = self.running().take() {
            // First the watch: once etcd is waited for, its number may belong to somebody else.
            drop(watch.kill());
            drop(watch.wait());
            drop(etcd.kill());
            drop(etcd.wait());
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.running().as_ref().and_then(|running| Pid::from_raw(running.etcd.id().cast_signed())) {
            let _ = kill_process(pid, signal);
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.running().as_mut().is_some_and(|running| matches!(running.etcd.try_wait(), Ok(None)))
    }

    /// The end of its log.
    pub(super) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n")
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}
