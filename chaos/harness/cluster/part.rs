//! One process on its host: started, killed, stopped, started again.

use std::fs::{self, OpenOptions};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tanist_testkit::Node;

use super::disk;
use super::recipe::Recipe;
use crate::net::{Host, Network};
use crate::scenario::Kind;
use crate::stop::Stop;

/// How long a process may take to end by SIGTERM: a worker gives what it runs 10 s.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// Lines of a log that are shown where something failed.
const SHOWN_LINES: usize = 10;

/// A process that can be killed and comes back.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) host: Arc<Host>,
    pub(crate) kind: Kind,
    network: Arc<Network>,
    recipe: Recipe,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
enum Running {
    /// A process of the system's own kind.
    Plain(Child),
    /// One of ours, which says when it is ready and ends with its parent.
    Node(Node),
}

impl Running {
    fn pid(&self) -> i32 {
        match self {
            Self::Plain(child) => i32::try_from(child.id()).unwrap_or_default(),
            Self::Node(node) => node.pid(),
        }
    }

    fn runs(&mut self) -> bool {
        match self {
            Self::Plain(child) => matches!(child.try_wait(), Ok(None)),
            Self::Node(node) => node.runs(),
        }
    }

    fn kill(&mut self) {
        match self {
            Self::Plain(child) => {
                drop(child.kill());
                drop(child.wait());
            }
            Self::Node(node) => node.kill_nine(),
        }
    }
}

impl Part {
    pub(super) fn new(network: Arc<Network>, recipe: Recipe) -> Result<Self> {
        network.serve(&recipe.host, &recipe.services).with_context(|| format!("ports of {}", recipe.host.name))?;
        Ok(Self { host: recipe.host.clone(), kind: recipe.kind, network, recipe, running: Mutex::default() })
    }

    /// The name of its host.
    pub(crate) fn name(&self) -> &str {
        &self.host.name
    }

    /// `host:port` for its clients.
    pub(crate) fn address(&self) -> Option<String> {
        self.recipe.services.first().map(|service| service.address.to_string())
    }

    /// Starts it, unless it runs. One of ours is waited for until it says that it is ready.
    ///
    /// # Errors
    /// If it does not start, with what it said.
    pub(crate) fn start(&self) -> Result<()> {
        let mut running = self.running();
        if running.as_mut().is_some_and(Running::runs) {
            return Ok(());
        }
        let started = self.host.inside(|| match self.kind {
            Kind::Etcd => self.spawn().map(Running::Plain),
            _ => self.start_node().map(Running::Node),
        })??;
        self.network.process(&self.host, Some(started.pid()))?;
        *running = Some(started);
        Ok(())
    }

    fn spawn(&self) -> Result<Child> {
        let Recipe { program, arguments, environment, log, .. } = &self.recipe;
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        Command::new(program)
            .args(arguments)
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))
    }

    fn start_node(&self) -> Result<Node> {
        let arguments: Vec<&str> = self.recipe.arguments.iter().map(String::as_str).collect();
        let environment: Vec<(&str, &str)> =
            self.recipe.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Node::start_with(&arguments, &environment, &self.recipe.log)
    }

    /// `kill -9`, and waits until the kernel has done it.
    ///
    /// # Errors
    /// If the network cannot be told.
    pub(crate) fn kill(&self) -> Result<()> {
        if let Some(mut running) = self.running().take() {
            running.kill();
        }
        self.network.process(&self.host, None)
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// If it does not end; it is killed then.
    pub(crate) fn term(&self, stop: &Stop) -> Result<()> {
        self.signal(Signal::TERM);
        let ended = stop.wait_for(ENDS_WITHIN, || (!self.runs()).then_some(()))?;
        self.kill()?;
        if ended.is_none() {
            bail!("{} has not ended {ENDS_WITHIN:?} after SIGTERM", self.name());
        }
        Ok(())
    }

    /// Any other signal, if it runs.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.running().as_ref().and_then(|running| Pid::from_raw(running.pid())) {
            // Gone already: then there is nobody to tell.
            let _ = kill_process(pid, signal);
        }
    }

    /// Whether its process is there.
    pub(crate) fn runs(&self) -> bool {
        self.running().as_mut().is_some_and(Running::runs)
    }

    /// Takes all space on its disk.
    ///
    /// # Errors
    /// If it has no disk of its own.
    pub(crate) fn fill(&self) -> Result<()> {
        disk::fill(self.recipe.disk.as_deref().with_context(|| format!("{} has no disk of its own", self.name()))?)
    }

    /// Gives the space back.
    ///
    /// # Errors
    /// As [`Part::fill`].
    pub(crate) fn free(&self) -> Result<()> {
        disk::free(self.recipe.disk.as_deref().with_context(|| format!("{} has no disk of its own", self.name()))?)
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.recipe.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n")
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(mut running) = self.running().take() {
            running.kill();
        }
    }
}
