//! Standing for the next office, and reading what was left there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use tanist_core::ids::{Epoch, MasterId};
use tanist_core::record::Recovered;
use tanist_store::{
    Candidate, ElectionError, Intent, Journal, Key, LeaderElection, LeaderRecord, Name, PersistenceEngine, Resignation,
    StoreError, Tenure, clock,
};

use super::Records;
use super::leave::{self, Leaving};
use crate::board::Board;
use crate::doing::Campaign;
use crate::error::with_causes;
use crate::options::{Backend, Unusable};
use crate::pauses::Pauses;

/// Who stepped down lets the others go first for this long (protocol 2).
const HOLD_OFF: Duration = Duration::from_secs(10);

/// Who stepped down and is alone stands again after this pause, so that a lasting fault does not become a busy loop.
const ALONE_PAUSE: Duration = Duration::from_millis(500);

/// Deadline of looking who else is there.
const MEMBERS_DEADLINE: Duration = Duration::from_secs(1);

/// Pause after the first failure of the store while standing or reading.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A candidacy that has lasted so long is a good one; what failed before is over.
const FAILS_WITHIN: Duration = Duration::from_secs(3);

/// Everything needed to stand for office.
#[derive(Debug, Clone)]
pub(crate) struct Candidacy {
    pub(crate) backend: Backend,
    pub(crate) candidate: Arc<Candidate>,
    pub(crate) board: Arc<Board>,
}

/// Leaves the former office, if there was one, and stands until the next one is won.
///
/// # Errors
/// Only on the first candidacy of a process whose store is files of its own host ([`Unusable::Ends`]), and only if no
/// repetition can help. This is the one rule about what ends a master for what its store does.
pub(crate) async fn stand(candidacy: Candidacy, leaving: Option<Leaving>) -> Result<Tenure, ElectionError> {
    let has_led = leaving.is_some();
    if let Some(leaving) = leaving {
        leave_behind(&candidacy, leaving).await;
    }
    let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut told = None;
    loop {
        let error = match campaign(&candidacy).await {
            Ok(tenure) => return Ok(tenure),
            Err(error) => error,
        };
        let passing = can_pass(&error);
        if !passing && !has_led && candidacy.backend.unusable == Unusable::Ends {
            return Err(error);
        }
        let why = with_causes(&error);
        if told.as_ref() != Some(&why) {
            tracing::warn!(error = why, "standing for election failed, trying again");
            told = Some(why.clone());
        }
        candidacy.board.campaign.send_replace(Campaign::Failed { why, passing });
        pauses.pause().await;
    }
}

async fn campaign(candidacy: &Candidacy) -> Result<Tenure, ElectionError> {
    let Candidacy { backend, candidate, board } = candidacy;
    tracing::debug!(master = %candidate.master, "standing for election");
    let mut campaign = backend.election.campaign(candidate);
    tokio::select! {
        biased;
        ended = &mut campaign => return ended,
        () = sleep(FAILS_WITHIN) => {}
    }
    board.campaign.send_replace(Campaign::Waiting);
    campaign.await
}

/// Ends what is left of a former office, and lets the others go first if that is due.
async fn leave_behind(candidacy: &Candidacy, leaving: Leaving) {
    let Candidacy { backend, candidate, board } = candidacy;
    let election = &*backend.election;
    if let Some(why) = leaving.resign_because {
        board.campaign.send_replace(Campaign::Leaving);
        if let Err(error) = leave::resign(election, &leaving.tenure, &Resignation::open(why)).await {
            tracing::warn!(epoch = %leaving.tenure.record.epoch, %error, "leaving the office failed: the term ends by itself");
        }
    }
    if leaving.hold_off {
        let until = clock::wall() + HOLD_OFF;
        board.campaign.send_replace(Campaign::HoldsOff { until });
        hold_off(election, &candidate.master, leaving.tenure.record.epoch).await;
    }
    board.campaign.send_replace(Campaign::Waiting);
}

/// Lets the others go first, for as long as there are others who have not.
async fn hold_off(election: &dyn LeaderElection, me: &MasterId, left: Epoch) {
    tokio::select! {
        biased;
        // An operator wants this one.
        () = named(election.intent(), me) => {}
        // Another one went first.
        () = followed(election.leader(), me, left) => {}
        () = alone(election, me) => {}
        () = sleep(HOLD_OFF) => {}
    }
}

async fn named(mut intent: watch::Receiver<Intent>, me: &MasterId) {
    if intent.wait_for(|intent| intent.is_target(me, clock::wall())).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn followed(mut leader: watch::Receiver<Option<LeaderRecord>>, me: &MasterId, left: Epoch) {
    let follows = |leader: &LeaderRecord| leader.master != *me && leader.epoch > left;
    if leader.wait_for(|leader| leader.as_ref().is_some_and(follows)).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn alone(election: &dyn LeaderElection, me: &MasterId) {
    loop {
        sleep(ALONE_PAUSE).await;
        let members = timeout(MEMBERS_DEADLINE, election.members()).await;
        if let Ok(Ok(members)) = members
            && members.iter().all(|member| member.master == *me)
        {
            return;
        }
    }
}

/// Reads what the predecessors left, trying again while the store is out.
///
/// # Errors
/// Only if no repetition can help.
pub(crate) async fn load(
    engine: Arc<dyn PersistenceEngine>,
    tenure: Tenure,
) -> Result<(Records, Recovered), StoreError> {
    let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        match Journal::open(engine.clone(), &tenure).await {
            Err(error) if error.retryable() => {
                tracing::warn!(error = with_causes(&error), "reading the store failed, trying again");
            }
            ended => return ended,
        }
        pauses.pause().await;
    }
}

/// Reads the store again in the same term: as it is now, with everything that this term has committed.
///
/// # Errors
/// Only if no repetition can help.
pub(crate) async fn reload(
    engine: Arc<dyn PersistenceEngine>,
    tenure: Tenure,
) -> Result<(Records, Recovered), StoreError> {
    let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
    let leader = Key::from(Name::Leader);
    let revision = loop {
        match engine.read_key(&leader, tenure.revision).await {
            Ok(reading) => break reading.revision,
            Err(error) if error.retryable() => {
                tracing::warn!(error = with_causes(&error), "reading the store failed, trying again");
            }
            Err(error) => return Err(error),
        }
        pauses.pause().await;
    };
    load(engine, Tenure { revision, ..tenure }).await
}

/// Whether another try may succeed: the store is out, or an office of ours has not quite ended yet.
fn can_pass(error: &ElectionError) -> bool {
    error.retryable() || matches!(error, ElectionError::AlreadyLeading { .. } | ElectionError::Commit(_))
}
