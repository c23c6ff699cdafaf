//! One connection for each worker of Spark. What is said on two of them has no order, and a launch on the one would be
//! missing in what the worker says on the other that it runs. So the last connection that it has opened is the one that counts, and
//! it is called only if there is none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use tanist_core::ids::{Term, WorkerId};
use tanist_core::msg::RegisterWorker;

/// Of each worker, the connection that counts. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(in crate::spark) struct Lines(Arc<Mutex<BTreeMap<Place, Arc<Line>>>>);

/// Which worker, and where it listens: another one under its id takes nothing from it.
type Place = (WorkerId, String, u16);

/// One of them, for whoever has to do with its conversation.
#[derive(Debug)]
pub(crate) struct Line {
    calls: mpsc::Sender<Call>,
    cut: CancellationToken,
    ended: CancellationToken,
}

/// A call of the leader, to be made on a connection that stands.
#[derive(Debug)]
pub(super) struct Call {
    /// Of which term.
    pub(super) term: Term,
    /// Its pages.
    pub(super) ui_url: String,
    /// Hears that the loop has taken the worker; dropped if nothing comes of the call.
    pub(super) taken: oneshot::Sender<()>,
}

/// The line of a conversation, for as long as that holds it.
#[derive(Debug)]
pub(super) struct Held {
    lines: Lines,
    place: Place,
    line: Arc<Line>,
    calls: mpsc::Receiver<Call>,
    _ended: DropGuard,
}

impl Lines {
    /// The connection of this worker.
    pub(super) fn of(&self, worker: &RegisterWorker) -> Option<Arc<Line>> {
        self.map().get(&place(worker)).cloned()
    }

    /// Takes the place of the connection that counted, which is cut and has ended then.
    pub(super) async fn replace(&self, worker: &RegisterWorker, cut: &CancellationToken) -> Held {
        let (held, former) = {
            let mut map = self.map();
            let held = self.held(worker, cut);
            let former = map.insert(held.place.clone(), held.line.clone());
            (held, former)
        };
        if let Some(former) = former {
            former.cut.cancel();
            former.ended.cancelled().await;
        }
        held
    }

    /// Takes the place if nobody has it.
    pub(super) fn take(&self, worker: &RegisterWorker, cut: &CancellationToken) -> Option<Held> {
        let mut map = self.map();
        if map.contains_key(&place(worker)) {
            return None;
        }
        let held = self.held(worker, cut);
        map.insert(held.place.clone(), held.line.clone());
        Some(held)
    }

    fn held(&self, worker: &RegisterWorker, cut: &CancellationToken) -> Held {
        let (sender, calls) = mpsc::channel(1);
        let ended = CancellationToken::new();
        let line = Arc::new(Line { calls: sender, cut: cut.clone(), ended: ended.clone() });
        Held { lines: self.clone(), place: place(worker), line, calls, _ended: ended.drop_guard() }
    }

    fn map(&self) -> MutexGuard<'_, BTreeMap<Place, Arc<Line>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(worker: &RegisterWorker) -> Place {
    (worker.id.clone(), worker.host.clone(), worker.port)
}

impl Line {
    /// Has the call made on this connection. False = it has ended, or nothing has come of it.
    pub(in crate::spark) async fn call(&self, term: Term, ui_url: &str) -> bool {
        let (taken, was_taken) = oneshot::channel();
        let call = Call { term, ui_url: ui_url.to_owned(), taken };
        self.calls.send(call).await.is_ok() && was_taken.await.is_ok()
    }
}

impl Held {
    /// The next call. Safe to drop.
    pub(super) async fn call(&mut self) -> Call {
        match self.calls.recv().await {
            Some(call) => call,
            // This end holds a sender, too.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut map = self.lines.map();
        if map.get(&self.place).is_some_and(|line| Arc::ptr_eq(line, &self.line)) {
            map.remove(&self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tanist_core::ids::Incarnation;
    use tanist_core::model::{Addresses, Inventory, WorkerKind};
    use tanist_core::units::{Cores, Memory};

    use super::*;

    fn worker(port: u16) -> RegisterWorker {
        RegisterWorker {
            id: WorkerId::new("worker-1").unwrap(),
            incarnation: Incarnation(0),
            number: 0,
            host: "h".to_owned(),
            port,
            kind: WorkerKind::Own,
            ui_url: String::new(),
            cores: Cores(1),
            memory: Memory::mib(1),
            resources: Addresses::default(),
            master_address: String::new(),
            cluster: None,
            protocol: 0,
            heard: None,
            decommissioned: false,
            accepts_work: true,
            refused_commands: 0,
            inventory: Inventory::default(),
        }
    }

    #[tokio::test]
    async fn who_comes_later_counts_once_the_former_has_ended() {
        let (lines, cut) = (Lines::default(), CancellationToken::new());
        let (worker, later_cut) = (worker(1), CancellationToken::new());
        let first = lines.replace(&worker, &cut).await;
        assert!(lines.take(&worker, &cut).is_none(), "nobody is called who has come");
        let elsewhere = super::tests::worker(2);
        assert!(lines.take(&elsewhere, &later_cut).is_some() && !cut.is_cancelled(), "another one under its id");
        let mut later = std::pin::pin!(lines.replace(&worker, &later_cut));
        assert!(later.as_mut().now_or_never().is_none() && cut.is_cancelled() && !later_cut.is_cancelled());
        drop(first);
        let held = later.await;
        assert!(Arc::ptr_eq(&lines.of(&worker).unwrap(), &held.line), "the end of the former took nothing away");
        drop(held);
        assert!(lines.of(&worker).is_none() && lines.take(&worker, &later_cut).is_some());
    }
}
