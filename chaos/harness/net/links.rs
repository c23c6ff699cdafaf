//! What becomes of what one host says to another. Every fault that lasts adds rules; what holds is the worst of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tanist_testkit::{Mode, Modes, Proxy, Whose};

use super::Kind;
use super::host::{Host, Service};
use super::namespaces::command;

/// What becomes of what is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flow {
    /// It arrives.
    #[default]
    Passes,
    /// It arrives so much later.
    Slow(Duration),
    /// It never arrives, and nobody is told.
    Lost,
    /// Who says it is told that nobody listens.
    Refused,
}

impl Flow {
    fn mode(self) -> Mode {
        match self {
            Self::Passes => Mode::Pass,
            Self::Slow(by) => Mode::Delay(by),
            Self::Lost => Mode::Hold,
            Self::Refused => Mode::Cut,
        }
    }
}

/// What becomes of what `from` says to `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) flow: Flow,
}

/// All rules that hold, and the proxies that follow them.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// By fault.
    rules: BTreeMap<usize, Vec<Rule>>,
    /// By host.
    proxies: BTreeMap<String, Vec<Proxy>>,
    /// Of hosts that have one, by host.
    processes: BTreeMap<String, i32>,
    /// What packet filters were told last, by host.
    filters: BTreeMap<String, BTreeSet<IpAddr>>,
}

impl Links {
    pub(super) fn put_before(&mut self, host: &Arc<Host>, services: &[Service]) -> Result<()> {
        let runtime = host.runtime()?;
        for service in services {
            let proxy = Proxy::within(&runtime, service.address, service.bind)?;
            // Nobody is there yet.
            proxy.set(Mode::Cut);
            self.proxies.entry(host.name.clone()).or_default().push(proxy);
        }
        Ok(())
    }

    pub(super) fn add(&mut self, fault: usize, rules: Vec<Rule>) {
        self.rules.insert(fault, rules);
    }

    pub(super) fn remove(&mut self, fault: usize) {
        self.rules.remove(&fault);
    }

    pub(super) fn set_process(&mut self, host: &str, process: Option<i32>) {
        match process {
            Some(process) => self.processes.insert(host.to_owned(), process),
            None => self.processes.remove(host),
        };
    }

    fn flow(&self, from: &str, to: &str) -> Flow {
        let all = self.rules.values().flatten().filter(|rule| rule.from == from && rule.to == to);
        all.map(|rule| rule.flow).max().unwrap_or_default()
    }

    /// Tells packet filters what is lost. Each drops what arrives from those that it shall not hear.
    pub(super) fn filter(&mut self, hosts: &[Arc<Host>]) -> Result<()> {
        for host in hosts.iter().filter(|host| host.has_namespace()) {
            let lost = hosts.iter().filter(|from| self.flow(&from.name, &host.name) == Flow::Lost);
            let lost: BTreeSet<IpAddr> = lost.map(|from| IpAddr::V4(from.ip)).collect();
            if self.filters.get(&host.name).is_none_or(BTreeSet::is_empty) && lost.is_empty()
                || self.filters.get(&host.name) == Some(&lost)
            {
                continue;
            }
            let mut table = "*filter\n:INPUT ACCEPT\n".to_owned();
            for ip in &lost {
                let _ = writeln!(table, "-A INPUT -s {ip} -j DROP");
            }
            table.push_str("COMMIT\n");
            host.inside(|| command("iptables-restore", &["-w", "5"], &table))??;
            self.filters.insert(host.name.clone(), lost);
        }
        Ok(())
    }

    /// Tells proxies what is late, and where no packet filter is, what is lost.
    pub(super) fn steer(&mut self, kind: Kind, hosts: &[Arc<Host>]) {
        for (to, proxies) in &self.proxies {
            let here = if self.processes.contains_key(to) { Mode::Pass } else { Mode::Cut };
            let single = hosts.iter().filter(|from| from.name != *to).filter_map(|from| {
                let modes =
                    Modes { inwards: self.flow(&from.name, to).mode(), outwards: self.flow(to, &from.name).mode() };
                (modes != Modes::default()).then_some((self.whose(kind, from)?, modes))
            });
            let single: BTreeMap<Whose, Modes> = single.collect();
            for proxy in proxies {
                proxy.set(here);
                // Who is gone refuses everybody.
                proxy.replace(if here == Mode::Cut { BTreeMap::new() } else { single.clone() });
            }
        }
    }

    /// See [`super::Network::silence`].
    pub(super) fn silence(&self, kind: Kind, pairs: &[(Arc<Host>, Arc<Host>)], then: Flow) {
        let both = pairs.iter().flat_map(|(a, b)| [(a, b), (b, a)]);
        for (from, to) in both {
            let Some(whose) = self.whose(kind, from) else { continue };
            for proxy in self.proxies.get(&to.name).into_iter().flatten() {
                proxy.set_standing(whose, then.mode());
            }
        }
    }

    /// How proxies know who has connected. On loopback all addresses are the same, but not all processes; clients are in
    /// this one.
    fn whose(&self, kind: Kind, host: &Host) -> Option<Whose> {
        match kind {
            Kind::Namespaces => Some(Whose::Address(IpAddr::V4(host.ip))),
            Kind::Loopback => self.processes.get(&host.name).copied().map(Whose::Process),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(from: &str, to: &str, flow: Flow) -> Rule {
        Rule { from: from.to_owned(), to: to.to_owned(), flow }
    }

    #[test]
    fn the_worst_of_all_rules_holds_until_its_fault_is_over() {
        let mut links = Links::default();
        let slow = Flow::Slow(Duration::from_millis(5));
        links.add(1, vec![rule("m1", "e1", Flow::Lost)]);
        links.add(2, vec![rule("m1", "e1", slow), rule("e1", "m1", slow)]);
        assert_eq!((links.flow("m1", "e1"), links.flow("e1", "m1")), (Flow::Lost, slow));
        links.remove(1);
        assert_eq!(links.flow("m1", "e1"), slow);
        links.remove(2);
        assert_eq!(links.flow("m1", "e1"), Flow::Passes);
    }
}
