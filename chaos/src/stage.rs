//! Three masters on three members of etcd, and four workers with work.

use tanist_testkit::{Cluster, Etcd, Shape, Store, wait_for};

use crate::office::Office;
use crate::slot::Slot;
use crate::work::Work;

/// A cluster in full swing. Its parts end in the order in which they stand here.
#[derive(Debug)]
pub struct Stage {
    /// The cluster.
    pub cluster: Cluster,
    /// Its store.
    pub etcd: Etcd,
    _slot: Slot,
}

impl Stage {
    /// The usual one.
    pub fn new() -> Self {
        Self::shaped(|shape| shape)
    }

    /// The usual one, but for some things.
    pub fn shaped(change: impl FnOnce(Shape) -> Shape) -> Self {
        let slot = Slot::take();
        let etcd = Etcd::start(3).unwrap();
        let shape = Shape { masters: 3, workers: 4, cores: 3, store: Store::etcd(&etcd), ..Shape::default() };
        let cluster = Cluster::start(change(shape)).unwrap();
        // An office is handed over to members only.
        wait_for("all masters are members", crate::SOON, || {
            let members = cluster.json(&["ctl", "members"])?;
            (members.as_array()?.len() == cluster.masters.len()).then_some(())
        });
        Self { cluster, etcd, _slot: slot }
    }

    /// Gives it work.
    pub fn work(&self) -> Work {
        Work::start(&self.cluster)
    }

    /// Who leads.
    #[track_caller]
    pub fn office(&self) -> Office {
        Office::wait(&self.cluster, crate::SOON)
    }

    /// A key of the cluster in etcd.
    pub fn key(&self, key: &str) -> String {
        format!("/tanist/test/v1/{key}")
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}
