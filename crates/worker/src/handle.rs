//! The way into the loop: [`WorkerHandle`] for everybody outside, [`Input`] for what travels.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use tanist_core::address::host_port;
use tanist_core::ids::{Incarnation, Term, WorkerId};
use tanist_core::model::LeaderInfo;
use tanist_core::worker::{Event, WorkerIdentity};
use tanist_proto::convert::endpoint::Identity;

/// Most things that wait for the loop. Beyond, whoever brings more waits, and a master on a session with it.
pub(crate) const INBOX_CAPACITY: usize = 8_192;

/// What travels to the loop.
#[derive(Debug)]
pub(crate) enum Input {
    /// Something has happened.
    Event(Event),
    /// A leader announces itself at the endpoint; the answer is the highest term heard of, this one included.
    Notice {
        /// Who leads.
        leader: LeaderInfo,
        /// Where the answer goes, once everything that follows from the announcement is carried out.
        answer: oneshot::Sender<Option<Term>>,
    },
}

/// A running worker, as everybody outside of its loop sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WorkerHandle {
    identity: Arc<WorkerIdentity>,
    address: String,
    inbox: mpsc::Sender<Input>,
    stops: watch::Sender<u32>,
}

impl WorkerHandle {
    /// The handle, and the ends that belong to the loop: what happens, and how often it was told to stop.
    pub(crate) fn new(identity: WorkerIdentity) -> (Self, mpsc::Receiver<Input>, watch::Receiver<u32>) {
        let (inbox, received) = mpsc::channel(INBOX_CAPACITY);
        let (stops, stopped) = watch::channel(0);
        let address = host_port(&identity.host, identity.port);
        (Self { identity: Arc::new(identity), address, inbox, stops }, received, stopped)
    }

    /// Which worker this is.
    pub fn id(&self) -> &WorkerId {
        &self.identity.id
    }

    /// Which process under this id.
    pub fn incarnation(&self) -> Incarnation {
        self.identity.incarnation
    }

    /// How it says who it is.
    pub(crate) fn identity(&self) -> Identity {
        Identity::Worker { id: self.id().clone(), incarnation: self.incarnation() }
    }

    /// `host:port` by which others reach its endpoint.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends everything that runs here, and then the worker (WL-10). Asked again, it does not wait for time-outs.
    pub fn stop(&self) {
        self.stops.send_modify(|stops| *stops = stops.saturating_add(1));
    }

    /// Takes no new executors from now on, and tells the master (DC-02). Only warns where that is not enabled.
    pub async fn decommission(&self) {
        self.tell(Event::Decommission).await;
    }

    /// Hands something to the loop, waiting while its inbox is full. False: the loop has ended.
    pub(crate) async fn tell(&self, event: Event) -> bool {
        self.send(Input::Event(event)).await
    }

    /// The same for any input.
    pub(crate) async fn send(&self, input: Input) -> bool {
        self.inbox.send(input).await.is_ok()
    }
}
