//! Dialling workers and application clients at their own endpoints: probing whether a process lives, and announcing a
//! new leader. All of it belongs to one term and ends with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use tanist_core::ids::{SessionId, Term};
use tanist_core::master::{Finding, Peer, Recalled};
use tanist_core::model::LeaderInfo;
use tanist_store::{Standing, clock, failpoint};

use crate::dial::{self, Answer};
use crate::pauses::Pauses;
use crate::spark::Face;

/// Most peers that are dialled at a time: enough to tell ten thousand workers within seconds, few enough for the
/// open-file limit of a plain process (1024).
const DIALLED_AT_A_TIME: usize = 256;

/// Pause after the first announcement without an answer.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause between two announcements.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Who was told of the term when it asked comes by itself; it is dialled only if it has not come within this time.
const TOLD_COMES_WITHIN: Duration = Duration::from_secs(1);

/// A term past its deadline is looked at this often, and at every change of its standing.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// An announcement to be made.
#[derive(Debug)]
pub(crate) struct Call {
    /// Where.
    pub(crate) endpoint: String,
    /// Of whom.
    pub(crate) leader: LeaderInfo,
    /// The peer was told already, when it asked.
    pub(crate) told: bool,
}

/// A foreign peer that is to be called by its face.
#[derive(Debug)]
pub(crate) struct Recall {
    /// The face.
    pub(crate) face: Face,
    /// How its session begins once it has answered.
    pub(crate) registration: Recalled,
    /// Its latest session.
    pub(crate) session: Option<SessionId>,
    /// The pages of this master.
    pub(crate) ui_url: String,
}

/// What dialling has shown.
#[derive(Debug)]
pub(crate) enum Found {
    /// Something about the peer, asked for after this session of it.
    Peer(Peer, Option<SessionId>, Finding),
    /// The peer has heard of a term above ours.
    HigherTerm(Peer, Term),
}

/// Everything that is being dialled in the present term.
#[derive(Debug)]
pub(crate) struct Peers {
    dialling: JoinSet<Found>,
    announcing: BTreeMap<Peer, AbortHandle>,
    permits: Arc<Semaphore>,
}

impl Peers {
    pub(crate) fn new() -> Self {
        Self {
            dialling: JoinSet::new(),
            announcing: BTreeMap::new(),
            permits: Arc::new(Semaphore::new(DIALLED_AT_A_TIME)),
        }
    }

    /// Finds out whether this peer's process lives, after this session of it.
    pub(crate) fn probe(&mut self, peer: Peer, endpoint: String, session: Option<SessionId>) {
        let permits = self.permits.clone();
        self.dialling.spawn(async move {
            let _permit = permits.acquire_owned().await;
            let finding = dial::probe(&peer, &endpoint).await;
            tracing::info!(?peer, endpoint, ?finding, "peer probed");
            Found::Peer(peer, session, finding)
        });
    }

    /// Tells this peer who leads until it answers, is found gone, comes by itself, or the term ends; and nothing while
    /// the standing of the term does not allow it.
    pub(crate) fn announce(&mut self, peer: Peer, call: Call, standing: watch::Receiver<Standing>) {
        let announcing = self.dialling.spawn(announce(peer.clone(), call, standing, self.permits.clone()));
        if let Some(earlier) = self.announcing.insert(peer, announcing) {
            earlier.abort();
        }
    }

    /// Makes this master known to a peer that speaks another protocol, until it is its session, is found gone, comes by
    /// itself, or the term ends; and nothing while the standing of the term does not allow it.
    pub(crate) fn recall(&mut self, call: Recall, standing: watch::Receiver<Standing>) {
        let peer = call.registration.peer();
        let calling = self.dialling.spawn(recall(peer.clone(), call, standing, self.permits.clone()));
        if let Some(earlier) = self.announcing.insert(peer, calling) {
            earlier.abort();
        }
    }

    /// A session of this peer has opened: it needs no announcement any more.
    pub(crate) fn arrived(&mut self, peer: &Peer) {
        if let Some(announcing) = self.announcing.remove(peer) {
            announcing.abort();
        }
    }

    /// The term has ended.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// What was found next; waits for ever while nobody is dialled. Safe to drop.
    pub(crate) async fn found(&mut self) -> Found {
        loop {
            match self.dialling.join_next().await {
                Some(Ok(found)) => {
                    let (Found::Peer(peer, ..) | Found::HigherTerm(peer, _)) = &found;
                    if self.announcing.get(peer).is_some_and(AbortHandle::is_finished) {
                        self.announcing.remove(peer);
                    }
                    return found;
                }
                Some(Err(error)) if error.is_cancelled() => {}
                Some(Err(error)) => tracing::error!(%error, "dialling a peer panicked"),
                None => std::future::pending().await,
            }
        }
    }
}

async fn announce(
    peer: Peer,
    Call { endpoint, leader, told }: Call,
    mut standing: watch::Receiver<Standing>,
    permits: Arc<Semaphore>,
) -> Found {
    if told {
        sleep(TOLD_COMES_WITHIN).await;
    }
    let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let answer = {
            let _permit = permit(&permits, &mut standing).await;
            announce_once(&peer, &endpoint, &leader).await
        };
        match answer {
            Answer::From(heard) if heard.rank() > leader.term.rank() => return Found::HigherTerm(peer, heard),
            Answer::From(_) => return Found::Peer(peer, None, Finding::Alive),
            Answer::Gone => return Found::Peer(peer, None, Finding::Gone),
            Answer::None => tracing::debug!(?peer, endpoint, "no answer to the announcement of the leader yet"),
        }
        pauses.pause().await;
    }
}

async fn recall(
    peer: Peer,
    Recall { face, registration, session, ui_url }: Recall,
    mut standing: watch::Receiver<Standing>,
    permits: Arc<Semaphore>,
) -> Found {
    let calls = async {
        let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let reached = {
                let _permit = permit(&permits, &mut standing).await;
                face.reach(&registration).await
            };
            let answer = match reached {
                // However long it takes to answer, and without a permit, so that nobody else has to wait for it.
                Answer::From(called) => face.call(called, &ui_url, &mut standing).await,
                Answer::Gone => Answer::Gone,
                Answer::None => Answer::None,
            };
            match answer {
                Answer::From(()) => return Finding::Alive,
                Answer::Gone => return Finding::Gone,
                Answer::None => tracing::debug!(?peer, "no answer to the call of the leader yet"),
            }
            pauses.pause().await;
        }
    };
    let finding = tokio::select! {
        biased;
        finding = calls => finding,
        () = face.until_it_has_ended(&peer) => Finding::Gone,
    };
    Found::Peer(peer, session, finding)
}

/// A failure that a test has ordered is a call without an answer.
async fn announce_once(peer: &Peer, endpoint: &str, leader: &LeaderInfo) -> Answer<Term> {
    if failpoint::reach("master.send.announce.before").await.is_err() {
        return Answer::None;
    }
    let answer = dial::announce(peer, endpoint, leader).await;
    if failpoint::reach("master.send.announce.after").await.is_err() {
        return Answer::None;
    }
    answer
}

/// A permit for a term that may act; it is not held by one that may not.
async fn permit<'a>(permits: &'a Semaphore, standing: &mut watch::Receiver<Standing>) -> Option<SemaphorePermit<'a>> {
    loop {
        until_it_may_act(standing).await;
        let permit = permits.acquire().await.ok();
        if standing.borrow().may_act(clock::mono()) {
            return permit;
        }
    }
}

/// Past its local deadline a term says nothing to anybody.
pub(crate) async fn until_it_may_act(standing: &mut watch::Receiver<Standing>) {
    while !standing.borrow_and_update().may_act(clock::mono()) {
        if let Ok(Err(_)) = timeout(LOOK_AGAIN, standing.changed()).await {
            // The keeper of the term is gone; the end of the term ends this task.
            std::future::pending::<()>().await;
        }
    }
}
