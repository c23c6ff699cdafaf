//! Several masters on one store, several workers, and the network between them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::etcd::free_port;
use crate::node::Node;
use crate::proxy::{BEHIND, Modes, Proxy};
use crate::shape::Shape;
use crate::wait::wait_for;

/// How long a cluster may take to reach a state that it reaches in milliseconds on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// How much of each log a failed test shows.
const SHOWN_LINES: usize = 40;
/// With this in the environment, directories of failed tests stay.
const KEEP: &str = "KEEP_FAILED_TESTS";
/// How often another port is tried where somebody else was faster.
const PORT_TRIES: u32 = 5;

/// A running cluster. Everything in it ends when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// Its masters; a killed one stays in the list.
    pub masters: Vec<Node>,
    /// Its workers; a killed one stays in the list.
    pub workers: Vec<Node>,
    /// `host:port` of each master's REST, by their places, if the shape asks for it.
    pub rest: Vec<String>,
    /// In front of the masters, by their places, if the shape asks for it.
    pub before_masters: Vec<Proxy>,
    /// In front of the workers, by their places, if the shape asks for it.
    pub before_workers: Vec<Proxy>,
    shape: Shape,
    directory: TempDir,
}

impl Cluster {
    /// Starts the processes and waits until one master leads and all workers are registered.
    pub fn start(shape: Shape) -> Result<Self> {
        let cluster = Self::start_unready(shape)?;
        let wanted = cluster.shape.workers;
        if wanted > 0 {
            wait_for("all workers registered", SOON, || (cluster.alive_workers().len() == wanted).then_some(()));
        }
        Ok(cluster)
    }

    /// Starts the processes and does not wait until they agree.
    pub fn start_unready(shape: Shape) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("tanist-e2e-").tempdir()?;
        let (masters, workers, before_masters, before_workers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let rest = Vec::new();
        let mut cluster = Self { masters, workers, rest, before_masters, before_workers, shape, directory };
        for n in 1..=cluster.shape.masters {
            cluster.add_master(&format!("m{n}"))?;
        }
        for _ in 0..cluster.shape.workers {
            cluster.add_worker()?;
        }
        Ok(cluster)
    }

    /// Where everything of it lies.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// The work directory of a worker.
    pub fn work_dir(&self, worker: usize) -> PathBuf {
        self.directory.path().join(format!("worker{}", worker + 1))
    }

    /// Starts one more master.
    pub fn add_master(&mut self, id: &str) -> Result<()> {
        let ((node, rest), proxy) = self.on_free_port(|port| {
            let rest = self.shape.rest.then(free_port).transpose()?;
            Ok((self.start_master(id, port, rest, &[])?, rest))
        })?;
        self.masters.push(node);
        self.rest.extend(rest.map(|port| format!("127.0.0.1:{port}")));
        self.before_masters.extend(proxy);
        Ok(())
    }

    /// Starts one more worker.
    pub fn add_worker(&mut self) -> Result<()> {
        let place = self.workers.len();
        let (node, proxy) = self.on_free_port(|port| self.start_worker(place, port, None))?;
        self.workers.push(node);
        self.before_workers.extend(proxy);
        Ok(())
    }

    /// Kills a master unless it is down, and starts it again: same id, same port, these variables in its environment.
    pub fn restart_master(&mut self, master: usize, environment: &[(&str, &str)]) -> Result<()> {
        self.masters[master].kill_nine();
        let (id, port) = (self.masters[master].id.clone(), self.masters[master].port()?);
        let rest = self.rest.get(master).and_then(|address| address.rsplit(':').next()?.parse().ok());
        self.masters[master] = self.start_master(&id, port, rest, environment)?;
        Ok(())
    }

    /// Kills a worker unless it is down, and starts it again: same id, same port, same work directory.
    pub fn restart_worker(&mut self, worker: usize) -> Result<()> {
        self.workers[worker].kill_nine();
        let (id, port) = (self.workers[worker].id.clone(), self.workers[worker].port()?);
        self.workers[worker] = self.start_worker(worker, port, Some(&id))?;
        Ok(())
    }

    /// What becomes of what a worker's process and all masters say to each other, whoever has connected to whom: `inwards`
    /// is towards the masters. Programs on the worker still reach everybody.
    pub fn between_masters_and_worker(&self, worker: usize, modes: impl Into<Modes>) {
        let (process, modes) = (self.workers[worker].pid(), modes.into());
        self.before_masters.iter().for_each(|proxy| proxy.set_for(process, modes));
        // Seen from the worker, who asks there is the other side.
        self.before_workers[worker].set(Modes { inwards: modes.outwards, outwards: modes.inwards });
    }

    /// All masters as clients are given them.
    pub fn addresses(&self) -> String {
        self.masters.iter().map(|master| master.address.as_str()).collect::<Vec<_>>().join(",")
    }

    fn start_master(&self, id: &str, port: u16, rest: Option<u16>, environment: &[(&str, &str)]) -> Result<Node> {
        let store = self.directory.path().join("store");
        let mut arguments = self.place("master", port);
        arguments.extend(["--id".to_owned(), id.to_owned()]);
        arguments.extend(self.shape.store.flags(&store.to_string_lossy()));
        if let Some(port) = rest {
            arguments.extend(["--rest-enabled", "true", "--rest-port", &port.to_string()].map(str::to_owned));
        }
        arguments.extend(self.shape.master_flags.iter().map(|&flag| flag.to_owned()));
        self.start_node(id, &arguments, environment)
    }

    fn start_worker(&self, place: usize, port: u16, id: Option<&str>) -> Result<Node> {
        let work = self.work_dir(place);
        let mut arguments = self.place("worker", port);
        let (masters, cores) = (self.addresses(), self.shape.cores.to_string());
        let words = ["--masters", &masters, "--cores", &cores, "--memory", self.shape.memory];
        arguments.extend(words.map(str::to_owned));
        arguments.extend(["--work-dir".to_owned(), work.to_string_lossy().into_owned()]);
        // Not in the system's directory for temporary files, where a worker that is killed leaves it behind.
        let scratch = self.directory.path().join("scratch");
        arguments.extend(["--local-dirs".to_owned(), scratch.to_string_lossy().into_owned()]);
        if let Some(home) = &self.shape.spark_home {
            arguments.extend(["--spark-home".to_owned(), home.to_string_lossy().into_owned()]);
        }
        let own_id = self.shape.worker_flags.contains(&"--id");
        arguments.extend(id.filter(|_| !own_id).into_iter().flat_map(|id| ["--id".to_owned(), id.to_owned()]));
        arguments.extend(self.shape.worker_flags.iter().map(|&flag| flag.to_owned()));
        self.start_node(&format!("worker{}", place + 1), &arguments, &[])
    }

    /// Where a node listens, and where others reach it.
    fn place(&self, kind: &str, port: u16) -> Vec<String> {
        let port = port.to_string();
        let mut words = vec![kind, "--host", "127.0.0.1", "--port", &port];
        let behind = BEHIND.to_string();
        if self.shape.proxied {
            words.extend(["--bind", &behind]);
        }
        words.into_iter().map(str::to_owned).collect()
    }

    fn start_node(&self, name: &str, arguments: &[String], environment: &[(&str, &str)]) -> Result<Node> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Node::start_with(&arguments, environment, &self.directory.path().join(format!("{name}.log")))
    }

    /// A node keeps its port when it is started again, so it is chosen here; together with a proxy before it.
    fn on_free_port<T>(&self, start: impl Fn(u16) -> Result<T>) -> Result<(T, Option<Proxy>)> {
        let mut tries = 0;
        loop {
            tries += 1;
            let started = free_port().and_then(|port| {
                let proxy = self.shape.proxied.then(|| Proxy::before(port)).transpose()?;
                Ok((start(port)?, proxy))
            });
            match started {
                Err(error) if tries < PORT_TRIES && format!("{error:#}").contains("in use") => {}
                outcome => return outcome.context("starting a node"),
            }
        }
    }
}

impl Drop for Cluster {
    /// A test that fails tells what its processes said last: nobody can look later.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for node in self.masters.iter().chain(&self.workers) {
            let said = node.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n");
            eprintln!("--- {} at {} said last:\n{last}", node.id, node.address);
        }
        if std::env::var_os(KEEP).is_some() {
            self.directory.disable_cleanup(true);
            eprintln!("--- kept: {}", self.directory.path().display());
        }
    }
}
