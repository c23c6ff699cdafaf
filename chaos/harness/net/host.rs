//! One host: a name, an address, and a way to act in its network.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::sync::OnceLock;
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tanist_testkit::{BEHIND, free_port};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// How many ports are tried where hosts share a network.
const PORT_TRIES: usize = 50;

/// A port of a host, as others reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Service {
    /// Where others reach it.
    pub(crate) address: SocketAddr,
    /// Where the process itself listens.
    pub(crate) bind: SocketAddr,
}

impl Service {
    /// This port, behind a proxy or not. Where hosts share a network, and so all ports, any port that is free.
    ///
    /// # Errors
    /// If none is free.
    pub(crate) fn new(host: &Host, port: u16, proxied: bool) -> Result<Self> {
        let on = |port: u16| {
            let address = SocketAddr::from((host.ip, port));
            Self { address, bind: if proxied { SocketAddr::from((BEHIND, port)) } else { address } }
        };
        if host.has_namespace() {
            return Ok(on(port));
        }
        for _ in 0..PORT_TRIES {
            let service = on(free_port()?);
            if [service.address, service.bind].iter().all(|address| TcpListener::bind(address).is_ok()) {
                return Ok(service);
            }
        }
        bail!("no port is free on {} and {BEHIND}: {PORT_TRIES} were tried", host.ip)
    }
}

/// A host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) ip: Ipv4Addr,
    /// Its network; none = the one of this process.
    namespace: Option<File>,
    runtime: OnceLock<Runtime>,
}

/// A thread in the network of a host that runs tasks. It ends with the value.
#[derive(Debug)]
struct Runtime {
    handle: Handle,
    _until: oneshot::Sender<()>,
}

impl Host {
    /// One that has the network of this process, and an address of loopback, all of which is there without asking.
    pub(crate) fn on_loopback(name: &str, ip: Ipv4Addr) -> Self {
        Self { name: name.to_owned(), ip, namespace: None, runtime: OnceLock::new() }
    }

    /// One with a network of its own.
    pub(crate) fn in_namespace(name: &str, ip: Ipv4Addr, namespace: File) -> Self {
        Self { name: name.to_owned(), ip, namespace: Some(namespace), runtime: OnceLock::new() }
    }

    /// Whether it has a network of its own.
    pub(crate) fn has_namespace(&self) -> bool {
        self.namespace.is_some()
    }

    /// Does something in its network: what is connected, listened on or started there belongs to it.
    ///
    /// # Errors
    /// If the network cannot be entered.
    pub(crate) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.enter()?;
                Ok(act())
            });
            thread.join().map_err(|_| anyhow!("what was done on {} has panicked", self.name))?
        })
    }

    /// A runtime with one thread in its network.
    ///
    /// # Errors
    /// If it cannot be had.
    pub(crate) fn runtime(&self) -> Result<Handle> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime.handle.clone());
        }
        // A thread enters the network before it runs anything, and no other thread runs these tasks.
        let namespace = self.namespace.as_ref().map(File::try_clone).transpose()?;
        let runtime = Builder::new_current_thread().enable_all().build().context("building a runtime")?;
        let (handle, (until, ended)) = (runtime.handle().clone(), oneshot::channel());
        let (entered, outcome) = std::sync::mpsc::channel();
        thread::Builder::new().name(format!("host-{}", self.name)).spawn(move || {
            let outcome = enter(namespace.as_ref());
            let fine = outcome.is_ok();
            let _: Result<(), _> = entered.send(outcome);
            if fine {
                let _: Result<(), _> = runtime.block_on(ended);
            }
            runtime.shutdown_background();
        })?;
        outcome.recv().context("the thread has ended")?.with_context(|| self.cannot())?;
        Ok(self.runtime.get_or_init(|| Runtime { handle, _until: until }).handle.clone())
    }

    fn enter(&self) -> Result<()> {
        enter(self.namespace.as_ref()).with_context(|| self.cannot())
    }

    fn cannot(&self) -> String {
        format!("entering the network of {}", self.name)
    }
}

fn enter(namespace: Option<&File>) -> rustix::io::Result<()> {
    let Some(namespace) = namespace else { return Ok(()) };
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
}
