//! Whom a fault meets: words of a scenario become hosts at the moment when it happens.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::Nemesis;
use crate::net::{Flow, Host, OBSERVER, Rule};
use crate::scenario::{Crowd, Fault, Kind, Way, Who};

/// How long an election of etcd is waited for where its leader is meant.
const ETCD_ELECTS_WITHIN: Duration = Duration::from_secs(10);

/// The hosts of a fault.
#[derive(Debug, Clone, Default)]
pub(super) struct Targets {
    pub(super) first: Vec<Arc<Host>>,
    /// At the other end, where there is one.
    pub(super) second: Vec<Arc<Host>>,
}

impl Targets {
    /// All of them.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.first.iter().chain(&self.second).map(|host| host.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Each of one end with each of the other.
    pub(super) fn pairs(&self) -> Vec<(Arc<Host>, Arc<Host>)> {
        let with = |a: &Arc<Host>| {
            let a = a.clone();
            self.second.iter().filter(move |b| b.name != a.name).cloned().collect::<Vec<_>>()
        };
        self.first.iter().flat_map(|a| with(a).into_iter().map(|b| (a.clone(), b))).collect()
    }

    pub(super) fn rules(&self, flow: Flow, way: Way) -> Vec<Rule> {
        let rule = |from: &Host, to: &Host| Rule { from: from.name.clone(), to: to.name.clone(), flow };
        let pairs = self.pairs();
        let forth = pairs.iter().map(|(a, b)| rule(a, b));
        let back = pairs.iter().filter(|_| way == Way::Both).map(|(a, b)| rule(b, a));
        forth.chain(back).collect()
    }
}

impl Nemesis<'_> {
    /// # Errors
    /// If there is nobody of that kind now.
    pub(super) fn targets(&self, fault: &Fault) -> Result<Targets> {
        let (first, second) = match fault {
            Fault::Kill { who, .. }
            | Fault::Term { who, .. }
            | Fault::Stop { who, .. }
            | Fault::Restart { who }
            | Fault::Fill { who, .. }
            | Fault::Drain { who } => (Some(who), None),
            Fault::Cut { from, to, .. } | Fault::Slow { from, to, .. } | Fault::HalfOpen { from, to, .. } => {
                (Some(from), Some(to))
            }
            Fault::Switchover { to } => (to.as_ref(), None),
            Fault::StepDown
            | Fault::Pause { .. }
            | Fault::Resume
            | Fault::RevokeLease
            | Fault::DeleteLeader
            | Fault::Compact
            | Fault::Corrupt => (None, None),
        };
        let hosts = |who: Option<&Who>, other: &[Arc<Host>]| who.map_or(Ok(Vec::new()), |who| self.hosts(who, other));
        // Who is meant by "others" is known once the other side is.
        if first.is_some_and(|who| who.0.contains(&Crowd::Others)) {
            let second = hosts(second, &[])?;
            return Ok(Targets { first: hosts(first, &second)?, second });
        }
        let first = hosts(first, &[])?;
        Ok(Targets { second: hosts(second, &first)?, first })
    }

    fn hosts(&self, who: &Who, other: &[Arc<Host>]) -> Result<Vec<Arc<Host>>> {
        let mut found: Vec<Arc<Host>> = Vec::new();
        for crowd in &who.0 {
            for host in self.crowd(crowd, other)? {
                if !found.iter().any(|known| known.name == host.name) {
                    found.push(host);
                }
            }
        }
        ensure!(!found.is_empty(), "{who} is nobody now");
        Ok(found)
    }

    fn crowd(&self, crowd: &Crowd, other: &[Arc<Host>]) -> Result<Vec<Arc<Host>>> {
        let network = &self.cluster.network;
        let of = |kind: Kind| {
            let hosts = network.hosts.iter().filter(|host| host.name != OBSERVER);
            hosts.filter(move |host| Kind::of(&host.name) == Some(kind)).cloned()
        };
        let one = |name: &str| network.host(name).map(|host| vec![host.clone()]);
        let leader = || self.observer.seen().leader.context("nobody has ever led");
        Ok(match crowd {
            Crowd::Leader => one(&leader()?)?,
            Crowd::Standbys | Crowd::AStandby => {
                let leader = leader()?;
                let standbys = of(Kind::Master).filter(|host| host.name != leader);
                // One that is up, if there is one.
                let up = |host: &Arc<Host>| self.cluster.part(&host.name).is_some_and(|part| part.runs());
                if *crowd == Crowd::AStandby { standbys.filter(up).take(1).collect() } else { standbys.collect() }
            }
            Crowd::Masters => of(Kind::Master).collect(),
            Crowd::Workers => of(Kind::Worker).collect(),
            Crowd::Etcd => of(Kind::Etcd).collect(),
            Crowd::EtcdLeader => one(&self.etcd_leader()?)?,
            Crowd::EtcdFollowers => {
                let leader = self.etcd_leader()?;
                of(Kind::Etcd).filter(|host| host.name != leader).collect()
            }
            Crowd::Clients => of(Kind::Client).collect(),
            Crowd::Others => {
                let meant = |host: &&Arc<Host>| host.name != OBSERVER && !other.iter().any(|one| one.name == host.name);
                network.hosts.iter().filter(meant).cloned().collect()
            }
            Crowd::Host(name) => one(name)?,
        })
    }

    fn etcd_leader(&self) -> Result<String> {
        let leader = self.stop.wait_for(ETCD_ELECTS_WITHIN, || self.cluster.etcd_leader())?;
        leader.context("no member leads etcd now")
    }
}
