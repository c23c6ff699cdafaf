//! A session of a program of Spark with the loop: what a session of gRPC is to one of our own.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use tanist_core::ids::SessionId;
use tanist_core::master::Peer;
use tanist_core::msg::{AppToMaster, MasterToApp, MasterToWorker, RegisterApplication, RegisterWorker, WorkerToMaster};

use crate::handle::{Input, MasterHandle, Said};
use crate::sessions::{Link, OUTBOX_CAPACITY, Outgoing};

/// One session, a driver's unless it is said to be a worker's. Whoever drops it ends it first.
pub(super) struct Session<Out = MasterToApp, In = AppToMaster> {
    handle: MasterHandle,
    id: SessionId,
    told: mpsc::Receiver<Outgoing<Out>>,
    ended: CancellationToken,
    input: fn(SessionId, Said<Out, In>) -> Input,
}

/// One session of a worker.
pub(super) type WorkerSession = Session<MasterToWorker, WorkerToMaster>;

impl Session {
    /// Begins with a registration. `cut` is cancelled to get rid of a driver that does not read.
    pub(super) async fn open(handle: &MasterHandle, cut: CancellationToken, registration: RegisterApplication) -> Self {
        let peer = registration.known_as.clone().map(Peer::App);
        Self::begin(handle, cut, peer, AppToMaster::Register(Box::new(registration)), Input::App).await
    }
}

impl WorkerSession {
    /// Begins with a registration; `peer` is who comes, unless he only asks whether he would be taken.
    pub(super) async fn of_worker(
        handle: &MasterHandle,
        cut: CancellationToken,
        peer: Option<Peer>,
        registration: RegisterWorker,
    ) -> Self {
        Self::begin(handle, cut, peer, WorkerToMaster::Register(Box::new(registration)), Input::Worker).await
    }
}

impl<Out, In> Session<Out, In> {
    async fn begin(
        handle: &MasterHandle,
        cut: CancellationToken,
        peer: Option<Peer>,
        first: In,
        input: fn(SessionId, Said<Out, In>) -> Input,
    ) -> Self {
        let (outbox, told) = mpsc::channel(OUTBOX_CAPACITY);
        let id = handle.new_session();
        let ended = CancellationToken::new();
        let link = Link::new(outbox, ended.clone(), cut, peer);
        // Refused only by a loop that has ended, and then nothing is told either.
        handle.send(input(id, Said::First(link, first))).await;
        Self { handle: handle.clone(), id, told, ended, input }
    }

    /// What the loop says next; `None` = it has ended the session. Safe to drop.
    pub(super) async fn told(&mut self) -> Option<Out> {
        self.told.recv().await?.ok()
    }

    /// Waits until the loop has ended it, whatever it has said before. Safe to drop.
    pub(super) async fn until_ended(&self) {
        self.ended.cancelled().await;
    }

    pub(super) async fn say(&self, message: In) {
        self.handle.send((self.input)(self.id, Said::More(message))).await;
    }

    /// The other side has ended.
    pub(super) async fn end(self) {
        self.handle.send((self.input)(self.id, Said::Last)).await;
    }
}
