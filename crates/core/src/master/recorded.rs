//! Executors in the record of an application whose client does not say which it has (ADR 14).
//!
//! The record lists by worker all that were launched: one write for each round of the scheduler that launches some. In
//! memory the list follows every end, so it shrinks with whatever is written next. What is on a worker that has not spoken
//! since the change of leader stays listed, and the application gets nothing new, until that worker speaks or is lost.

use std::collections::{BTreeMap, BTreeSet};

use super::entities::App;
use super::executors::ExecutorChange;
use super::leader::{Ctx, Leader};
use crate::ids::{AppId, ExecutorId, ExecutorRef, WorkerId};
use crate::record::AppRecord;

/// Room for the list in an application's record, in bytes: some thousand executors on some hundred workers. What cannot be
/// stored would end the term.
const ROOM_FOR_LIST: usize = 32 << 10;

impl App {
    /// It may have executors from before this term, and nobody has written down where: any silent worker may have some.
    pub(super) fn is_unrecorded(&self) -> bool {
        self.is_foreign() && self.record.executors.is_none()
    }

    /// Once all workers have spoken, what lives is all that it has.
    pub(super) fn record_if_due(&mut self) {
        if self.is_unrecorded() {
            self.record.executors = Some(self.live_by_worker());
        }
    }

    /// The record as it is stored: without a list that has outgrown its room, and then the next leader waits for all workers.
    pub(super) fn stored(&self) -> AppRecord {
        let mut record = self.record.clone();
        record.executors = record.executors.filter(|list| stored_bytes(list) <= ROOM_FOR_LIST);
        record
    }

    /// Whether its record has this executor on another worker than this one.
    pub(super) fn is_listed_elsewhere(&self, id: ExecutorId, worker: &WorkerId) -> bool {
        let list = self.record.executors.iter().flatten();
        list.filter(|(other, _)| *other != worker).any(|(_, there)| there.contains(&id))
    }

    pub(super) fn live_by_worker(&self) -> BTreeMap<WorkerId, BTreeSet<ExecutorId>> {
        let mut list: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (id, executor) in &self.executors {
            list.entry(executor.worker.clone()).or_default().insert(*id);
        }
        list
    }

    /// Puts an executor on the list, if there is one. True: it was not there.
    pub(super) fn list(&mut self, id: ExecutorId, worker: &WorkerId) -> bool {
        let list = self.record.executors.as_mut();
        list.is_some_and(|list| list.entry(worker.clone()).or_default().insert(id))
    }

    /// Takes it off.
    pub(super) fn strike(&mut self, id: ExecutorId, worker: &WorkerId) {
        let Some(list) = &mut self.record.executors else { return };
        if list.get_mut(worker).is_some_and(|there| there.remove(&id) && there.is_empty()) {
            list.remove(worker);
        }
    }
}

impl Leader {
    /// An application from before this term waits for the workers on its list. Those that are in the books no more were
    /// lost in a former term, and that was told.
    pub(super) fn await_workers(&mut self, id: &AppId) {
        let Some(app) = self.apps.get_mut(id) else { return };
        let Some(list) = &mut app.record.executors else { return };
        list.retain(|worker, _| self.workers.contains_key(worker));
        app.awaits = list.keys().cloned().collect();
        for worker in &app.awaits {
            if let Some(worker) = self.workers.get_mut(worker) {
                worker.awaited_by.insert(id.clone());
            }
        }
    }

    /// It has ended.
    pub(super) fn await_no_more(&mut self, id: &AppId) {
        let awaited = self.apps.get_mut(id).map(|app| std::mem::take(&mut app.awaits));
        for worker in awaited.unwrap_or_default() {
            if let Some(worker) = self.workers.get_mut(&worker) {
                worker.awaited_by.remove(id);
            }
        }
    }

    /// A worker has said what it runs, or is lost: nobody waits for it any more. Returns what is listed there and was not
    /// reported.
    pub(super) fn settle_awaited(&mut self, id: &WorkerId) -> Vec<ExecutorRef> {
        let Some(worker) = self.workers.get_mut(id) else { return Vec::new() };
        let mut unreported = Vec::new();
        for name in std::mem::take(&mut worker.awaited_by) {
            let Some(app) = self.apps.get_mut(&name) else { continue };
            app.awaits.remove(id);
            let listed = app.record.executors.as_mut().and_then(|list| list.remove(id)).unwrap_or_default();
            for executor in listed {
                match app.executors.get(&executor) {
                    Some(known) if known.worker == *id => _ = app.list(executor, id),
                    Some(_) => {}
                    None => unreported.push(ExecutorRef { app: name.clone(), id: executor }),
                }
            }
            self.pause_app_if_due(&name);
        }
        unreported
    }

    /// HB-05: a worker is lost that has not said what it runs.
    pub(super) fn lose_awaited(&mut self, id: &WorkerId, why: &str, host: &str, ctx: &mut Ctx<'_>) {
        for executor in self.settle_awaited(id) {
            if let Some(app) = self.apps.get_mut(&executor.app) {
                app.ended.insert(executor.id);
            }
            self.tell_executor_change(&executor, ExecutorChange::lost_with_worker(why), Some(host.to_owned()), ctx);
        }
    }
}

/// At most so many bytes has a list in its stored form.
fn stored_bytes(list: &BTreeMap<WorkerId, BTreeSet<ExecutorId>>) -> usize {
    const AROUND_A_WORKER: usize = 6;
    // Quotes and backslashes take two places.
    let worker = |id: &WorkerId| AROUND_A_WORKER + 2 * id.as_str().len();
    let number = |id: &ExecutorId| id.0.checked_ilog10().map_or(1, |tens| tens as usize + 1) + 1;
    list.iter().map(|(id, there)| worker(id) + there.iter().map(number).sum::<usize>()).sum()
}
