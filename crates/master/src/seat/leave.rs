//! Giving an office up.

use std::time::Duration;

use tokio::time::timeout;

use tanist_store::{ElectionError, LeaderElection, Resignation, Tenure};

use crate::error::with_causes;

/// Resigning makes room for a successor at once. Without an answer within this time the term ends by itself.
const RESIGN_DEADLINE: Duration = Duration::from_secs(2);

/// How an earlier term of this process ends.
#[derive(Debug)]
pub(crate) struct Leaving {
    pub(crate) tenure: Tenure,
    /// The store is still to be told, and why; none = it was.
    pub(crate) resign_because: Option<String>,
    /// Let the others go first.
    pub(crate) hold_off: bool,
}

/// Why an office may not be free.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResignError {
    /// The store says that nothing was changed, and why.
    #[error("{0}")]
    Unchanged(String),
    /// It failed, or its answer was lost.
    #[error("{0}")]
    InDoubt(String),
    /// No answer in time.
    #[error("no answer within {}s", RESIGN_DEADLINE.as_secs())]
    NoAnswer,
}

/// Gives an office up, within [`RESIGN_DEADLINE`].
///
/// # Errors
/// Why it may not be free.
pub(crate) async fn resign(
    election: &dyn LeaderElection,
    tenure: &Tenure,
    resignation: &Resignation,
) -> Result<(), ResignError> {
    let epoch = tenure.record.epoch;
    match timeout(RESIGN_DEADLINE, election.resign(tenure, resignation)).await {
        Ok(Ok(())) => {
            let successor = resignation.successor.as_ref().map(|handover| handover.target.as_str());
            tracing::info!(%epoch, why = resignation.why, successor, "office left");
            Ok(())
        }
        Ok(Err(error @ (ElectionError::Unsupported { .. } | ElectionError::NotAMember { .. }))) => {
            Err(ResignError::Unchanged(with_causes(&error)))
        }
        Ok(Err(error)) => Err(ResignError::InDoubt(with_causes(&error))),
        Err(_) => Err(ResignError::NoAnswer),
    }
}
