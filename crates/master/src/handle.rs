//! The way into the loop: [`MasterHandle`] for everybody outside, [`Input`] for what travels.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use tanist_core::ids::{DriverId, MasterId, SessionId};
use tanist_core::master::MasterConfig;
use tanist_core::model::{LeaderInfo, MasterRole};
use tanist_core::msg::{
    AppToMaster, ClientReply, ClientRequest, MasterToApp, MasterToWorker, NotLeading, WorkerToMaster,
};
use tanist_core::time::Wall;
use tanist_core::tracking::is_answer;
use tanist_proto::convert::endpoint::LeaderQuestion;
use tanist_proto::convert::status::{DriverReport, StatusAnswer};
use tanist_store::{LeaderElection, clock};

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

impl Input {
    /// Tells whoever waits for an answer that the process ends and has not looked at this.
    pub(crate) fn refuse(self) {
        let is_told = match self {
            Self::Asked { answer, .. } => answer.send(Err(RequestError::ShuttingDown)).is_ok(),
            Self::Leave(order) => order.answer.send(Err(RequestError::ShuttingDown.into())).is_ok(),
            Self::Worker(..) | Self::App(..) => return,
        };
        if !is_told {
            tracing::debug!("a client went away before its refusal");
        }
    }
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

    /// The leader, once this master knows of one that answers the question. Whoever is told that this master leads needs no
    /// announcement.
    ///
    /// # Errors
    /// If this master is shutting down.
    pub(crate) async fn await_leader(&self, question: &LeaderQuestion) -> Result<LeaderInfo, RequestError> {
        let mut leadership = self.leadership();
        loop {
            let Leadership { role, leader } = leadership.borrow_and_update().clone();
            let own = |leader: &LeaderInfo| (leader.master == self.me.id).then_some(role);
            let is_answer = |leader: &LeaderInfo| is_answer(leader, own(leader), question.above.as_ref());
            if let Some(leader) = leader.filter(is_answer) {
                if leader.master == self.me.id {
                    self.me.board.told.note(&leader.term, &question.asker);
                }
                return Ok(leader);
            }
            tokio::select! {
                biased;
                () = self.me.board.ended.cancelled() => return Err(RequestError::ShuttingDown),
                changed = leadership.changed() => changed.map_err(|_| RequestError::ShuttingDown)?,
            }
        }
    }

    /// The published view: it shows everything that was acknowledged before this call, unless the store is out; then
    /// it is the last one that could be published. Never enters the loop.
    pub async fn view(&self) -> Published {
        self.me.board.read().await
    }

    /// Where a driver stands, as the published view of a leader shows it. Never enters the loop.
    ///
    /// # Errors
    /// If the view is from before this call and does not show the driver: it may have been accepted since.
    pub async fn driver_status(&self, driver: &DriverId) -> Result<StatusAnswer, RequestError> {
        let Leadership { role, leader } = self.leadership().borrow().clone();
        if role == MasterRole::Standby {
            return Ok(StatusAnswer::NotLeading(NotLeading { role, leader }));
        }
        let asked = clock::mono();
        let published = self.view().await;
        let (status, age, degraded) = (published.view.driver_status(driver), published.age(), self.degraded());
        if status.is_none() && published.taken < asked {
            return Err(RequestError::NotShown { age, degraded });
        }
        Ok(StatusAnswer::Report(DriverReport { status, age, degraded }))
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
            // Whoever is not looked at is told so: this one went down with the loop.
            Ok(Err(_)) => Err(RequestError::Stopped),
            Err(_) => Err(RequestError::NoAnswer { after: REQUEST_PATIENCE, degraded: self.degraded() }),
        }
    }

    /// How much waits for the loop.
    pub(crate) fn waiting(&self) -> usize {
        INBOX_CAPACITY - self.inbox.capacity()
    }

    pub(crate) fn new_session(&self) -> SessionId {
        SessionId(self.last_session.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Hands something to the loop, waiting while its inbox is full. False: the loop has ended.
    pub(crate) async fn send(&self, input: Input) -> bool {
        self.inbox.send(input).await.is_ok()
    }
}
