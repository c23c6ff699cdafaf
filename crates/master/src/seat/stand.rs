//! Leaving an office, standing for the next one, and reading what was left there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use tanist_core::ids::MasterId;
use tanist_core::record::Recovered;
use tanist_store::{
    Candidate, ElectionError, Journal, Key, LeaderElection, Name, PersistenceEngine, Resignation, StoreError, Tenure,
};

use super::Records;
use super::commit::with_causes;
use crate::options::Backend;
use crate::pauses::Pauses;

/// Resigning makes room for a successor at once. Without an answer within this time the term ends by itself.
const RESIGN_DEADLINE: Duration = Duration::from_secs(2);

/// Who stepped down lets the others go first for this long (ha-protocol 2).
const HOLD_OFF: Duration = Duration::from_secs(10);

/// Who stepped down and is alone stands again after this pause, so that a lasting fault does not become a busy loop.
const ALONE_PAUSE: Duration = Duration::from_millis(500);

/// Deadline of looking who else is there.
const MEMBERS_DEADLINE: Duration = Duration::from_secs(1);

/// Pause after the first failure of the store while standing or reading.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Everything needed to stand for office.
#[derive(Debug, Clone)]
pub(crate) struct Candidacy {
    pub(crate) backend: Backend,
    pub(crate) candidate: Arc<Candidate>,
}

/// How an earlier term of this process ends.
#[derive(Debug)]
pub(crate) struct Leaving {
    pub(crate) tenure: Tenure,
    pub(crate) resignation: Resignation,
    /// Let the others go first.
    pub(crate) hold_off: bool,
}

/// Leaves the former office, if there was one, and stands until the next one is won.
///
/// # Errors
/// Only on the first candidacy of a process, and only if no repetition can help.
pub(crate) async fn stand(candidacy: Candidacy, leaving: Option<Leaving>) -> Result<Tenure, ElectionError> {
    let election = &*candidacy.backend.election;
    let has_led = leaving.is_some();
    if let Some(leaving) = leaving {
        resign(election, &leaving.tenure, &leaving.resignation).await;
        if leaving.hold_off {
            sleep(hold_off(election, &candidacy.candidate.master).await).await;
        }
    }
    let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        tracing::info!(master = %candidacy.candidate.master, "standing for election");
        match election.campaign(&candidacy.candidate).await {
            // A process that has led once does not end for what it meets on the way back.
            Err(error) if has_led || can_pass(&error) => {
                tracing::warn!(error = with_causes(&error), "standing for election failed, trying again");
            }
            ended => return ended,
        }
        pauses.pause().await;
    }
}

/// Gives an office up, within [`RESIGN_DEADLINE`].
pub(crate) async fn resign(election: &dyn LeaderElection, tenure: &Tenure, resignation: &Resignation) {
    let (epoch, why) = (tenure.record.epoch, &resignation.why);
    match timeout(RESIGN_DEADLINE, election.resign(tenure, resignation)).await {
        Ok(Ok(())) => tracing::info!(%epoch, why, "office left"),
        Ok(Err(error)) => {
            tracing::warn!(%epoch, why, error = with_causes(&error), "leaving the office failed: the term ends by itself");
        }
        Err(_) => tracing::warn!(%epoch, why, "leaving the office took too long: the term ends by itself"),
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

async fn hold_off(election: &dyn LeaderElection, me: &MasterId) -> Duration {
    match timeout(MEMBERS_DEADLINE, election.members()).await {
        Ok(Ok(members)) if members.iter().any(|member| member.master != *me) => HOLD_OFF,
        Ok(Ok(_) | Err(_)) | Err(_) => ALONE_PAUSE,
    }
}

/// Whether another try may succeed: the store is out, or an office of ours has not quite ended yet.
fn can_pass(error: &ElectionError) -> bool {
    error.retryable() || matches!(error, ElectionError::AlreadyLeading { .. } | ElectionError::Commit(_))
}
