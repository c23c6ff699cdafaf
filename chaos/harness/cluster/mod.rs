//! The cluster under test: members of etcd, masters and workers, each process on its own host.

mod clients;
mod disk;
mod part;
mod recipe;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tanist_testkit::Admin;

use crate::net::{Network, OBSERVER};
use crate::scenario::{Kind, Scenario};
use crate::stop::Stop;

pub(crate) use clients::{CLIENTS, Clients};
pub(crate) use part::Part;
pub(crate) use recipe::{CORES, HOST_VARIABLE, PREFIX};

/// How long all members of etcd may take to answer.
const ETCD_WITHIN: Duration = Duration::from_secs(60);

/// All processes. They end with the value.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) network: Arc<Network>,
    pub(crate) parts: Vec<Arc<Part>>,
    /// `host:port` of all masters, with commas.
    pub(crate) masters: String,
}

impl Cluster {
    /// Starts everything: etcd first, then masters, then workers, each without waiting for the next to find it.
    ///
    /// # Errors
    /// What did not start, with what it said last.
    pub(crate) fn start(
        network: Arc<Network>,
        run: &str,
        hosts: &Path,
        scenario: &Scenario,
        stop: &Stop,
    ) -> Result<Self> {
        let recipes = recipe::all(&network, run, hosts, scenario)?;
        let make = |recipe| Part::new(network.clone(), recipe).map(Arc::new);
        let parts = recipes.parts.into_iter().map(make).collect::<Result<Vec<_>>>()?;
        let cluster = Self { network, parts, masters: recipes.masters };
        for kind in [Kind::Etcd, Kind::Master, Kind::Worker] {
            for part in cluster.of(kind) {
                part.start().with_context(|| format!("starting {}", part.name()))?;
                stop.sleep(Duration::ZERO)?;
            }
            if kind == Kind::Etcd {
                cluster.await_etcd(stop)?;
            }
        }
        Ok(cluster)
    }

    /// All parts of a kind.
    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Arc<Part>> {
        self.parts.iter().filter(move |part| part.kind == kind)
    }

    /// A part by the name of its host; none for hosts without one.
    pub(crate) fn part(&self, name: &str) -> Option<&Arc<Part>> {
        self.parts.iter().find(|part| part.name() == name)
    }

    /// Waits until every member of etcd answers with the word of a majority.
    ///
    /// # Errors
    /// Which one does not.
    pub(crate) fn await_etcd(&self, stop: &Stop) -> Result<()> {
        for part in self.of(Kind::Etcd) {
            let answers = || admin_of(part).and_then(|admin| self.observe(|| admin.get("health"))?).ok();
            if stop.wait_for(ETCD_WITHIN, answers)?.is_none() {
                bail!(
                    "etcd on {} does not answer after {ETCD_WITHIN:?}; its log ends with:\n{}",
                    part.name(),
                    part.last_words()
                );
            }
        }
        Ok(())
    }

    /// Hands in all members of etcd; to be used [inside](Self::observe) the observer's network.
    pub(crate) fn admin(&self) -> Admin {
        Admin::new(self.of(Kind::Etcd).filter_map(|part| part.address()).collect())
    }

    /// Does something where the observer is.
    ///
    /// # Errors
    /// If its network cannot be entered.
    pub(crate) fn observe<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        self.network.host(OBSERVER)?.inside(act)
    }

    /// The member that leads etcd; none while they elect one.
    pub(crate) fn etcd_leader(&self) -> Option<String> {
        let leads = |part: &&Arc<Part>| {
            let ask = |admin: Admin| self.observe(|| admin.call("maintenance/status", &serde_json::json!({})));
            let status = admin_of(part).and_then(ask).and_then(|answer| answer);
            status.is_ok_and(|status| status["leader"].is_string() && status["leader"] == status["header"]["member_id"])
        };
        self.of(Kind::Etcd).find(leads).map(|part| part.name().to_owned())
    }
}

/// Hands in one member.
fn admin_of(part: &Part) -> Result<Admin> {
    Ok(Admin::new(vec![part.address().context("an address of etcd")?]))
}
