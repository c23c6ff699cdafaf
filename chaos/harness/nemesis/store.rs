//! What is done to the content of etcd behind the masters' backs.

use std::time::Duration;

use anyhow::{Result, bail};

use super::Nemesis;
use crate::cluster::PREFIX;
use crate::scenario::Fault;

/// How long the observer may take to have seen what is to be forgotten.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

/// What keys of records begin with that nobody can read.
pub(crate) const CORRUPT: &str = "state/apps/chaos-corrupt-";

impl Nemesis<'_> {
    pub(super) fn meddle(&self, fault: &Fault) -> Result<()> {
        let admin = self.cluster.admin();
        let key = |rest: &str| format!("{PREFIX}{rest}");
        match fault {
            Fault::RevokeLease => {
                let lease = self.observer.seen().lease;
                self.cluster.observe(|| admin.revoke(lease))?
            }
            Fault::DeleteLeader => self.cluster.observe(|| admin.delete(&key("ha/leader")).map(drop))?,
            Fault::Compact => {
                let revision = self.cluster.observe(|| admin.revision())??;
                let seen = || (self.observer.seen().next > revision).then_some(());
                if self.stop.wait_for(SEEN_WITHIN, seen)?.is_none() {
                    bail!("the observer is behind revision {revision}: what it has not seen must not be forgotten");
                }
                self.cluster.observe(|| admin.compact(revision))?
            }
            _ => {
                let key = key(&format!("{CORRUPT}{}", self.record()));
                self.cluster.observe(|| admin.put(&key, b"this is no record"))?
            }
        }
    }
}
