//! The way into the loop: [`MasterHandle`] for everybody outside, [`Input`] for what travels.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use tanist_core::ids::{MasterId, SessionId};
use tanist_core::master::MasterConfig;
use tanist_core::msg::{AppToMaster, ClientReply, ClientRequest, MasterToApp, MasterToWorker, WorkerToMaster};
use tanist_core::time::Wall;
use tanist_store::LeaderElection;

use crate::board::{Board, Leadership, Published};
use crate::commit_loop::LeaveOrder;
use crate::error::RequestError;
use crate::replies::Answer;
use crate::sessions::Link;

/// Most messages that wait for the loop. A request beyond is refused; a session beyond waits, and its peer with it.
pub(crate) const INBOX_CAPACITY: usize = 8_192;

/// How long a request waits for its answer: long enough for an ordinary change of etcd's own leader (up to 3 s), and less
/// than the 5 s after which our clients pass a silent leader over, so that they hear why there is none.
pub(crate) const REQUEST_PATIENCE: Duration = Duration::from_secs(4);

/// What travels to the loop.
#[derive(Debug)]
pub(crate) enum Input {
    /// Something on a worker's session.
    Worker(SessionId, Said<MasterToWorker, WorkerToMaster>),
    /// Something on an application client's session.
    App(SessionId, Said<MasterToApp, AppToMaster>),
    /// A client asks.
    Asked {
        /// What.
        request: ClientRequest,
        /// Where the answer goes.
        answer: Answer,
    },
    /// An operator wants the office to be left.
    Leave(LeaveOrder),
}

/// What happens on a session, in this order: once the first, any number more, once the last.
#[derive(Debug)]
pub(crate) enum Said<Out, In> {
    /// The session begins with this message; answers go by this link.
    First(Link<Out>, In),
    /// Another message.
    More(In),
    /// The peer's side has ended.
    Last,
}

/// A running master, as everybody outside of its loop sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MasterHandle {
    me: Arc<Me>,
    inbox: mpsc::Sender<Input>,
    last_session: Arc<AtomicU64>,
}

/// What does not change as long as the process lives, and what is shared with the loop.
pub(crate) struct Me {
    pub(crate) id: MasterId,
    pub(crate) address: String,
    pub(crate) version: String,
    pub(crate) started_at: Wall,
    pub(crate) config: MasterConfig,
    pub(crate) election: Arc<dyn LeaderElection>,
    pub(crate) board: Arc<Board>,
}

impl fmt::Debug for Me {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Me").field("id", &self.id).field("address", &self.address).finish_non_exhaustive()
    }
}

impl MasterHandle {
    pub(crate) fn new(me: Me, inbox: mpsc::Sender<Input>) -> Self {
        Self { me: Arc::new(me), inbox, last_session: Arc::default() }
    }

    pub(crate) fn me(&self) -> &Me {
        &self.me
    }

    /// Which master this is.
    pub fn id(&self) -> &MasterId {
        &self.me.id
    }

    /// `host:port` by which others reach its gRPC services.
    pub fn address(&self) -> &str {
        &self.me.address
    }

    /// Role and leader, now and as they change. Never enters the loop.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.me.board.leadership()
    }

    /// The published view: it shows everything that was acknowledged before this call, unless the store is out; then
    /// it is the last one that could be published. Never enters the loop.
    pub async fn view(&self) -> Published {
        self.me.board.read().await
    }

    /// Why what is shown may be out of date, and since when: the store takes no changes, or the term is past its local
    /// deadline.
    pub fn degraded(&self) -> Option<String> {
        self.me.board.stale()
    }

    /// Asks the machine, and waits until the answer is durable.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn request(&self, request: ClientRequest) -> Result<ClientReply, RequestError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Input::Asked { request, answer }, answered).await?
    }

    /// Hands something to the loop that is answered, and waits for the answer.
    pub(crate) async fn ask<T>(&self, input: Input, answered: oneshot::Receiver<T>) -> Result<T, RequestError> {
        self.inbox.try_send(input).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RequestError::Busy { capacity: INBOX_CAPACITY },
            mpsc::error::TrySendError::Closed(_) => RequestError::ShuttingDown,
        })?;
        match timeout(REQUEST_PATIENCE, answered).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) => Err(RequestError::ShuttingDown),
            Err(_) => Err(RequestError::NoAnswer { after: REQUEST_PATIENCE, degraded: self.degraded() }),
        }
    }

    pub(crate) fn new_session(&self) -> SessionId {
        SessionId(self.last_session.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Hands something to the loop, waiting while its inbox is full. False: the loop has ended.
    pub(crate) async fn send(&self, input: Input) -> bool {
        self.inbox.send(input).await.is_ok()
    }
}
