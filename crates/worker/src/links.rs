//! All sessions with masters, and the standing questions who leads. Nobody is waited for: a master whose outbox is
//! full is disconnected.

use std::collections::BTreeMap;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use tanist_core::ids::Term;
use tanist_core::model::LeaderInfo;
use tanist_core::msg::WorkerToMaster;
use tanist_core::tracking::LinkId;
use tanist_core::worker::Event;
use tanist_proto::convert::endpoint::LeaderQuestion;
use tanist_proto::v1;
use tanist_proto::v1::operator_service_client::OperatorServiceClient;

use crate::handle::WorkerHandle;
use crate::lines::Lines;
use crate::session::{self, LINGER, Session};

/// Most messages that wait for one master: above what a worker has to say after a long absence.
const OUTBOX_CAPACITY: usize = 16_384;

/// The sending end of a session. Its end closes the session once everything said has left.
#[derive(Debug)]
struct Link {
    outbox: mpsc::Sender<WorkerToMaster>,
    _closed: DropGuard,
}

/// All open or opening sessions.
#[derive(Debug)]
pub(crate) struct Links {
    handle: WorkerHandle,
    lines: Lines,
    open: BTreeMap<LinkId, Link>,
    /// Sessions, also those that are closed and have not ended yet.
    sessions: JoinSet<()>,
    /// Open questions, by address.
    questions: BTreeMap<String, AbortOnDropHandle<()>>,
}

impl Links {
    pub(crate) fn new(handle: WorkerHandle) -> Self {
        let (lines, open) = (Lines::default(), BTreeMap::new());
        Self { handle, lines, open, sessions: JoinSet::new(), questions: BTreeMap::new() }
    }

    /// Begins to open a session.
    pub(crate) fn connect(&mut self, link: LinkId, address: String) {
        while self.sessions.try_join_next().is_some() {}
        let (outbox, received) = mpsc::channel(OUTBOX_CAPACITY);
        let closed = CancellationToken::new();
        let (lines, handle) = (self.lines.clone(), self.handle.clone());
        let session = Session { link, address, outbox: received, closed: closed.clone(), lines, handle };
        self.sessions.spawn(session.run());
        self.open.insert(link, Link { outbox, _closed: closed.drop_guard() });
    }

    /// Closes a session once what was said on it has left, or stops opening it.
    pub(crate) fn disconnect(&mut self, link: LinkId) {
        self.open.remove(&link);
    }

    /// Says something, without ever waiting. False: the session is over because of it.
    pub(crate) fn say(&mut self, link: LinkId, message: WorkerToMaster) -> bool {
        let Some(known) = self.open.get(&link) else { return true };
        match known.outbox.try_send(message) {
            // Where the session has ended, the loop is about to hear of it.
            Ok(()) | Err(TrySendError::Closed(_)) => true,
            Err(TrySendError::Full(_)) => {
                tracing::warn!(%link, waiting = OUTBOX_CAPACITY, "master is too slow: disconnected");
                self.disconnect(link);
                false
            }
        }
    }

    /// Asks a master who leads above this term. A question to it that is still open stands for this one.
    pub(crate) fn ask_leader(&mut self, address: String, above: Option<Term>) {
        self.questions.retain(|_, question| !question.is_finished());
        if !self.questions.contains_key(&address) {
            let question = tokio::spawn(ask(address.clone(), above, self.lines.clone(), self.handle.clone()));
            self.questions.insert(address, AbortOnDropHandle::new(question));
        }
    }

    /// Closes all sessions, and waits a moment for the last words to leave.
    pub(crate) async fn finish(mut self) {
        self.open.clear();
        let ended = async { while self.sessions.join_next().await.is_some() {} };
        if timeout(LINGER, ended).await.is_err() {
            tracing::debug!("sessions with masters did not end in time: cut");
        }
    }
}

/// Waits for the answer as long as the connection stands.
async fn ask(address: String, above: Option<Term>, lines: Lines, handle: WorkerHandle) {
    let asked = async {
        let mut client = OperatorServiceClient::new(lines.to(&address)?);
        let question = LeaderQuestion { above, asker: handle.identity() };
        let reply = client.await_leader(v1::AwaitLeaderRequest::from(&question)).await;
        let leader = reply.map_err(|status| session::reason(&status))?.into_inner();
        LeaderInfo::try_from(leader).map_err(|error| error.to_string())
    };
    match asked.await {
        Ok(leader) => drop(handle.tell(Event::LeaderAnswer(leader)).await),
        Err(reason) => tracing::debug!(master = address, reason, "asked who leads: no answer"),
    }
}
