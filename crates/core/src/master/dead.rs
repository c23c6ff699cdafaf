//! Workers that were lost, listed for a while (HB-04), found by id and by place (WR-11).

use std::collections::BTreeMap;

use super::entities::DeadWorker;
use crate::ids::WorkerId;

/// At most one per place: who comes to a place takes the dead one there off the list.
#[derive(Debug, Clone, Default)]
pub(super) struct DeadWorkers {
    listed: BTreeMap<WorkerId, DeadWorker>,
    places: BTreeMap<(String, u16), WorkerId>,
}

impl DeadWorkers {
    pub(super) fn insert(&mut self, dead: DeadWorker) {
        let id = dead.record.id.clone();
        self.forget(&id);
        self.forget_at(&dead.record.host, dead.record.port);
        self.places.insert((dead.record.host.clone(), dead.record.port), id.clone());
        self.listed.insert(id, dead);
    }

    pub(super) fn get(&self, id: &WorkerId) -> Option<&DeadWorker> {
        self.listed.get(id)
    }

    pub(super) fn forget(&mut self, id: &WorkerId) {
        if let Some(dead) = self.listed.remove(id) {
            self.places.remove(&(dead.record.host, dead.record.port));
        }
    }

    pub(super) fn forget_at(&mut self, host: &str, port: u16) {
        if let Some(id) = self.places.remove(&(host.to_owned(), port)) {
            self.listed.remove(&id);
        }
    }

    /// Keeps those of which this is true.
    pub(super) fn retain(&mut self, keep: impl Fn(&DeadWorker) -> bool) {
        self.listed.retain(|_, dead| keep(dead));
        let listed = &self.listed;
        self.places.retain(|_, id| listed.contains_key(id));
    }

    /// By id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &DeadWorker> {
        self.listed.values()
    }

    /// Whether both ways lead to the same.
    pub(super) fn is_whole(&self) -> bool {
        self.places.len() == self.listed.len() && self.places.values().all(|id| self.listed.contains_key(id))
    }
}
