//! The way into the loop: [`MasterHandle`] for everybody outside, [`Input`] for what travels.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use tanist_core::ids::{MasterId, SessionId};
use tanist_core::msg::{AppToMaster, ClientReply, ClientRequest, MasterToApp, MasterToWorker, WorkerToMaster};

use crate::board::{Board, Leadership, Published};
use crate::error::RequestError;
use crate::replies::Answer;
use crate::sessions::Link;

/// Most messages that wait for the loop. A request beyond is refused; a session beyond waits, and its peer with it.
pub(crate) const INBOX_CAPACITY: usize = 8_192;

/// How long a request waits for its answer: long enough for a store to change its own leader, short enough for a
/// client to hear that something is wrong.
pub(crate) const REQUEST_PATIENCE: Duration = Duration::from_secs(15);

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
    board: Arc<Board>,
    last_session: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Me {
    id: MasterId,
    address: String,
}

impl MasterHandle {
    pub(crate) fn new(id: MasterId, address: String, inbox: mpsc::Sender<Input>, board: Arc<Board>) -> Self {
        Self { me: Arc::new(Me { id, address }), inbox, board, last_session: Arc::default() }
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
        self.board.leadership()
    }

    /// The published view: it shows everything that was acknowledged before this call, unless the store is out; then
    /// it is the last one that could be published. Never enters the loop.
    pub async fn view(&self) -> Published {
        self.board.read().await
    }

    /// Why the store takes no changes at present, if so.
    pub fn degraded(&self) -> Option<String> {
        self.board.degraded()
    }

    /// Asks the machine, and waits until the answer is durable.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn request(&self, request: ClientRequest) -> Result<ClientReply, RequestError> {
        let (answer, answered) = oneshot::channel();
        self.inbox.try_send(Input::Asked { request, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RequestError::Busy { capacity: INBOX_CAPACITY },
            mpsc::error::TrySendError::Closed(_) => RequestError::ShuttingDown,
        })?;
        match timeout(REQUEST_PATIENCE, answered).await {
            Ok(Ok(reply)) => reply,
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
