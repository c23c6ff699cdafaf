//! The last act: faults are over, and the cluster has to become whole. What is waited for here is only waited for; whether it
//! came in time is judged later, from the histories.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Stage;
use crate::check::recovery_bound;
use crate::client::Order;
use crate::cluster::{CLIENTS, Clients, Cluster};
use crate::history::{self, HISTORY, Histories, Note, RUN, Recorder, Role};
use crate::net::OBSERVER;
use crate::observer::Observer;
use crate::scenario::{Kind, names};

/// Longer than what is promised by this factor, nothing is waited for.
const WAIT_FACTOR: u32 = 3;
/// What was submitted may take so long to be answered and done, once a leader is there.
const DONE_WITHIN: Duration = Duration::from_secs(60);
/// Peace in which everything that runs shows that it still does.
const PEACE: Duration = Duration::from_millis(2500);

impl Stage<'_> {
    pub(super) fn settle(
        &self,
        (cluster, observer): (&Cluster, &Observer),
        recorder: &Recorder,
        clients: &mut Clients,
    ) -> Result<()> {
        for kind in [Kind::Etcd, Kind::Master, Kind::Worker] {
            for part in cluster.of(kind) {
                part.start().with_context(|| format!("starting {} again", part.name()))?;
            }
            if kind == Kind::Etcd {
                cluster.await_etcd(self.stop)?;
            }
        }
        recorder.note(Note::Calm)?;
        self.story.say("all faults are over");
        let drained = self.drained()?;
        let workers: Vec<String> = names(&self.scenario.cluster)
            .into_iter()
            .filter(|name| Kind::of(name) == Some(Kind::Worker) && !drained.contains(name))
            .collect();
        for worker in &workers {
            clients.order(&Order::Probe { worker: worker.clone() })?;
        }
        let limit = recovery_bound(self.scenario.cluster.lease) * WAIT_FACTOR * self.patience;
        let probed = || self.all_done(observer, &[Role::Probe], workers.len()).ok().filter(|done| *done);
        match self.stop.wait_for(limit, probed)? {
            Some(_) => self.story.say("every worker has got work from the leader"),
            None => self.story.say(&format!("not every worker has got work within {limit:?}")),
        }
        clients.order(&Order::Quiet)?;
        let done = || self.all_done(observer, &[Role::Job, Role::Probe], 0).ok().filter(|done| *done);
        if self.stop.wait_for(DONE_WITHIN * self.patience, done)?.is_none() {
            self.story.say(&format!("not everything that was submitted is done within {DONE_WITHIN:?}"));
        }
        self.stop.sleep(PEACE)?;
        observer.complete(cluster, self.stop)?;
        recorder.note(Note::Finished)
    }

    /// Hosts that were asked to go.
    fn drained(&self) -> Result<BTreeSet<String>> {
        let mut told = Histories::default();
        history::lines(&self.hosts.join(OBSERVER).join(RUN))?.into_iter().for_each(|line| told.take(line));
        let drains = told.faults.into_iter().filter(|fault| fault.verb() == "drain");
        Ok(drains.flat_map(|fault| fault.hosts).collect())
    }

    /// Whether all submissions in these roles, so many at least, have been answered, and what was answered has ended.
    fn all_done(&self, observer: &Observer, roles: &[Role], least: usize) -> Result<bool> {
        let mut told = Histories::default();
        history::lines(&self.hosts.join(CLIENTS).join(HISTORY))?.into_iter().for_each(|line| told.take(line));
        let meant: Vec<_> = told.requests.values().filter(|asked| roles.contains(&asked.role)).collect();
        let settled = meant.iter().all(|asked| asked.answered.is_some() || asked.refused.is_some());
        let drivers = meant.iter().filter_map(|asked| Some(asked.answered.as_ref()?.1.as_str()));
        Ok(meant.len() >= least && settled && observer.have_ended(drivers))
    }
}
