//! One commit, tried until it succeeds or cannot. This is the one place that decides about trying again.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tanist_core::record::Change;
use tanist_store::CommitError;

use super::Records;
use crate::board::Board;
use crate::pauses::Pauses;

/// Pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Longest pause: a store that comes back is noticed within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Commits the groups. While the store is out, full, or unwilling, tries again for as long as the term lasts (its end
/// drops this future), and says on the board what is wrong. Comes back with an error only if no repetition can help.
pub(crate) async fn commit(
    mut records: Records,
    groups: Vec<Vec<Change>>,
    board: Arc<Board>,
) -> (Records, Result<(), CommitError>) {
    let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut result = records.commit(&groups).await;
    let mut tries = 1_u64;
    while let Err(error) = &result {
        if is_lasting(error) {
            return (records, result);
        }
        let why = with_causes(error);
        if tries == 1 {
            tracing::warn!(error = %why, "the store takes no changes: degraded, trying again");
        }
        board.set_degraded(Some(why));
        pauses.pause().await;
        // The journal has kept what it could not commit.
        result = records.commit(&[]).await;
        tries += 1;
    }
    if tries > 1 {
        tracing::info!(tries, "the store takes changes again");
    }
    board.set_degraded(None);
    (records, result)
}

/// Whether sending the same again can never succeed in this term.
pub(crate) fn is_lasting(error: &CommitError) -> bool {
    match error {
        CommitError::Unknown { .. }
        | CommitError::NotSent { .. }
        | CommitError::NoSpace { .. }
        // An operator can give the permission back; until then the term stands still but is not lost.
        | CommitError::Denied { .. } => false,
        CommitError::Refused(_)
        | CommitError::TooLarge { .. }
        | CommitError::Oversized { .. }
        | CommitError::ForeignStore(_)
        | CommitError::Encode { .. } => true,
    }
}

/// An error with everything below it, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
