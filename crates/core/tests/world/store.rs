//! The store as a journal shows it: records, one lead, and transactions that the lead's guard lets through or not.

use std::collections::{BTreeMap, BTreeSet};

use tanist_core::ids::{AppId, DriverId, Epoch, Generation, Nonce, Term, WorkerId};
use tanist_core::record::{Change, DriverRecord, Recovered, WorkerRecord};

/// Who holds the lead, and in which term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lead {
    pub(crate) master: usize,
    pub(crate) term: Term,
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) lead: Option<Lead>,
    last_epoch: u64,
    content: BTreeMap<String, Change>,
    /// What has ever ended, forgotten or not.
    ended: BTreeSet<String>,
}

impl Store {
    /// A new term, if the lead is free. It begins from what its predecessors have left.
    pub(crate) fn acquire(&mut self, master: usize) -> Option<(Term, Recovered)> {
        if self.lead.is_some() {
            return None;
        }
        self.last_epoch += 1;
        let nonce = Nonce::new(&format!("nonce-{}", self.last_epoch)).unwrap();
        let term = Term { generation: Generation(0), epoch: Epoch(self.last_epoch), nonce };
        self.lead = Some(Lead { master, term: term.clone() });
        Some((term, self.recovered()))
    }

    /// One transaction under the guard of a term: all of it, or nothing because the term is over.
    pub(crate) fn commit(&mut self, term: &Term, changes: &[Change]) -> bool {
        let leads = self.lead.as_ref().is_some_and(|lead| lead.term == *term);
        if leads {
            for change in changes {
                self.apply(change);
            }
        }
        leads
    }

    /// Ended work never comes back (I7): nothing is written about a driver or an application that has ended.
    fn apply(&mut self, change: &Change) {
        let (put, removed, tomb) = match change {
            Change::PutWorker(r) => (Some(format!("w/{}", r.id)), None, None),
            Change::RemoveWorker(id) => (None, Some(format!("w/{id}")), None),
            Change::PutApp(r) => (Some(format!("a/{}", r.id)), None, Some(format!("da/{}", r.id))),
            Change::FinishApp(r) => {
                let done = format!("da/{}", r.id);
                (Some(done.clone()), Some(format!("a/{}", r.id)), Some(done))
            }
            Change::ForgetApp(id) => (None, Some(format!("da/{id}")), None),
            Change::PutDriver(r) => (Some(format!("d/{}", r.id)), None, Some(format!("dd/{}", r.id))),
            Change::FinishDriver(r) => {
                let done = format!("dd/{}", r.id);
                (Some(done.clone()), Some(format!("d/{}", r.id)), Some(done))
            }
            Change::ForgetDriver(id) => (None, Some(format!("dd/{id}")), None),
            Change::PutRequest(r) => (Some(format!("r/{}", r.id)), None, None),
            Change::ForgetRequest(id) => (None, Some(format!("r/{id}")), None),
        };
        if let Some(tomb) = tomb {
            assert!(!self.ended.contains(&tomb), "I7: {tomb} has ended, and now {change:?}");
            if put.as_ref() == Some(&tomb) {
                self.ended.insert(tomb);
            }
        }
        if let Some(key) = removed {
            self.content.remove(&key);
        }
        if let Some(key) = put {
            self.content.insert(key, change.clone());
        }
    }

    fn recovered(&self) -> Recovered {
        let mut all = Recovered::default();
        for change in self.content.values().cloned() {
            match change {
                Change::PutWorker(r) => all.workers.push(r),
                Change::PutApp(r) => all.apps.push(r),
                Change::PutDriver(r) => all.drivers.push(r),
                Change::PutRequest(r) => all.requests.push(r),
                Change::FinishApp(r) => all.done_apps.push(r),
                Change::FinishDriver(r) => all.done_drivers.push(r),
                removal => panic!("{removal:?} is kept as content"),
            }
        }
        all
    }

    pub(crate) fn worker(&self, id: &WorkerId) -> Option<&WorkerRecord> {
        match self.content.get(&format!("w/{id}")) {
            Some(Change::PutWorker(record)) => Some(record),
            _ => None,
        }
    }

    pub(crate) fn driver(&self, id: &DriverId) -> Option<&DriverRecord> {
        match self.content.get(&format!("d/{id}")) {
            Some(Change::PutDriver(record)) => Some(record),
            _ => None,
        }
    }

    pub(crate) fn driver_has_ended(&self, id: &DriverId) -> bool {
        self.ended.contains(&format!("dd/{id}"))
    }

    /// It has ended, and nobody wants to know how any more (DR-10).
    pub(crate) fn is_forgotten(&self, id: &DriverId) -> bool {
        self.driver_has_ended(id) && !self.content.contains_key(&format!("dd/{id}"))
    }

    /// Whether an application is known and has not ended.
    pub(crate) fn app_lives(&self, id: &AppId) -> bool {
        self.content.contains_key(&format!("a/{id}"))
    }
}
