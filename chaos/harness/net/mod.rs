//! The hosts of a cluster and the network between them: namespaces of the kernel where they are allowed, else processes on
//! loopback with proxies before them.

mod host;
mod leftovers;
mod links;
mod namespaces;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};

use crate::scenario::{Scenario, names};

pub(crate) use host::{Host, Service};
pub(crate) use leftovers::{RUN_VARIABLE, Run, clean_all, janitor};
pub(crate) use links::{Flow, Links, Rule};
pub(crate) use namespaces::allowed;

/// How hosts are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Each has a network namespace of its own; a packet filter loses packets.
    Namespaces,
    /// All are on loopback; proxies hold bytes back.
    Loopback,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Namespaces => "network namespaces, veth pairs on a bridge, iptables",
            Self::Loopback => "processes on loopback, user-space proxies between them",
        })
    }
}

/// Name of the host from which the harness looks; no fault can name it.
pub(crate) const OBSERVER: &str = "observer";

/// Addresses of hosts on loopback.
const LOOPBACK: [u8; 3] = [127, 77, 0];
/// Last part of the first host's address, on any network.
const FIRST_HOST: u8 = 11;

fn on_loopback(names: &[String]) -> Vec<Host> {
    let [a, b, c] = LOOPBACK;
    names.iter().zip(FIRST_HOST..).map(|(name, last)| Host::on_loopback(name, Ipv4Addr::new(a, b, c, last))).collect()
}

/// All hosts, and what becomes of what they say to each other.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) kind: Kind,
    /// Whether links go through proxies.
    pub(crate) proxied: bool,
    pub(crate) hosts: Vec<Arc<Host>>,
    links: Mutex<Links>,
}

impl Network {
    /// Makes hosts for a scenario.
    ///
    /// # Errors
    /// Which command of the system was refused, and why.
    pub(crate) fn make(kind: Kind, run: &Run, scenario: &Scenario) -> Result<Self> {
        let names: Vec<String> = names(&scenario.cluster).into_iter().chain([OBSERVER.to_owned()]).collect();
        let proxied = kind == Kind::Loopback || scenario.needs_proxies();
        let hosts = match kind {
            Kind::Namespaces => namespaces::make(&run.id, &names).context("making network namespaces")?,
            Kind::Loopback => on_loopback(&names),
        };
        let hosts = hosts.into_iter().map(Arc::new).collect();
        Ok(Self { kind, proxied, hosts, links: Mutex::default() })
    }

    /// A host by its name.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn host(&self, name: &str) -> Result<&Arc<Host>> {
        self.hosts.iter().find(|host| host.name == name).with_context(|| format!("no host {name}"))
    }

    /// Puts proxies before the services of a host, if links go through them.
    ///
    /// # Errors
    /// If a port cannot be had.
    pub(crate) fn serve(&self, host: &Arc<Host>, services: &[Service]) -> Result<()> {
        if self.proxied { self.links().put_before(host, services) } else { Ok(()) }
    }

    /// From now on these rules hold, until [`Network::heal`] with the same number.
    ///
    /// # Errors
    /// If the packet filter refuses.
    pub(crate) fn inflict(&self, fault: usize, rules: Vec<Rule>) -> Result<()> {
        let mut links = self.links();
        links.add(fault, rules);
        self.apply(&mut links)
    }

    /// The rules of this fault hold no more.
    ///
    /// # Errors
    /// As [`Network::inflict`].
    pub(crate) fn heal(&self, fault: usize) -> Result<()> {
        let mut links = self.links();
        links.remove(fault);
        self.apply(&mut links)
    }

    /// The process of a host is another one, or gone: who connects to it then hears so, as from a real host.
    ///
    /// # Errors
    /// As [`Network::inflict`].
    pub(crate) fn process(&self, host: &Host, process: Option<i32>) -> Result<()> {
        let mut links = self.links();
        links.set_process(&host.name, process);
        if self.proxied { self.apply(&mut links) } else { Ok(()) }
    }

    /// Connections that stand between these hosts fall silent, or are reset.
    pub(crate) fn silence(&self, pairs: &[(Arc<Host>, Arc<Host>)], then: Flow) {
        self.links().silence(self.kind, pairs, then);
    }

    fn apply(&self, links: &mut Links) -> Result<()> {
        if self.kind == Kind::Namespaces {
            links.filter(&self.hosts)?;
        }
        links.steer(self.kind, &self.hosts);
        Ok(())
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
