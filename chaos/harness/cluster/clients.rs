//! The process on the clients' host, as the harness drives it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::Cluster;
use crate::client::Order;
use crate::net::RUN_VARIABLE;
use crate::scenario::{Work, time};

/// Host of the clients.
pub(crate) const CLIENTS: &str = "c1";

/// It ends with the value.
#[derive(Debug)]
pub(crate) struct Clients {
    child: Child,
    orders: ChildStdin,
}

impl Clients {
    /// Starts it: its application registers at once, everything else is ordered.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn start(cluster: &Cluster, run: &str, history: &Path, work: &Work) -> Result<Self> {
        let host = cluster.network.host(CLIENTS)?;
        let this = std::env::current_exe().context("the path of this program")?;
        let mut child = host.inside(|| {
            Command::new(this)
                .args(["client", "--masters", &cluster.masters, "--host", &host.ip.to_string()])
                .args(["--every", &time(work.submit_every), "--executors", &work.executors.to_string()])
                .arg("--history")
                .arg(history)
                .env(RUN_VARIABLE, run)
                .stdin(Stdio::piped())
                .spawn()
                .context("starting the clients")
        })??;
        let orders = child.stdin.take().context("the clients' standard input")?;
        let pid = i32::try_from(child.id()).ok();
        let clients = Self { child, orders };
        cluster.network.process(host, pid)?;
        Ok(clients)
    }

    /// Orders something.
    ///
    /// # Errors
    /// If it has ended.
    pub(crate) fn order(&mut self, order: &Order) -> Result<()> {
        ensure!(matches!(self.child.try_wait(), Ok(None)), "the clients have ended before their time: see above");
        let line = serde_json::to_string(order)? + "\n";
        self.orders.write_all(line.as_bytes()).with_context(|| format!("ordering {order:?}"))
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
