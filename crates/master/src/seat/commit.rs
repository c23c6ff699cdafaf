//! One commit, tried until it succeeds or cannot. This is the one place that decides about trying again.
//!
//! As long as the lease is renewed, a term whose commits fail goes on, degraded, however long that takes (ha-evidence 4.8):
//! if the store takes nothing from anybody, another leader would do no better, and if it is only the way from here, an
//! operator sees the mark and can hand the office over. A leader that gave up by itself would flap whenever etcd is slow.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use tanist_core::record::Change;
use tanist_store::{CommitError, Standing, clock, failpoint};

use super::Records;
use crate::board::Board;
use crate::error::with_causes;
use crate::pauses::Pauses;

/// Pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Longest pause: a store that comes back is noticed within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Commits the groups. While the store is out, full, or unwilling, tries again for as long as the term lasts (its end
/// drops this future), at once when the term is renewed after its deadline, and says on the board what is wrong. Comes
/// back with an error only if no repetition can help.
pub(crate) async fn commit(
    mut records: Records,
    mut groups: Vec<Vec<Change>>,
    mut standing: watch::Receiver<Standing>,
    board: Arc<Board>,
) -> (Records, Result<(), CommitError>) {
    let begun = Instant::now();
    let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut result = commit_once(&mut records, &mut groups).await;
    let mut tries = 1_u64;
    while let Err(error) = &result {
        if is_lasting(error) {
            note_refusal(error, &board);
            return (records, result);
        }
        if matches!(error, CommitError::Unknown { .. }) {
            board.counts.commits_unknown.one();
        }
        let why = with_causes(error);
        if tries == 1 {
            tracing::warn!(error = %why, "the store takes no changes: degraded, trying again");
        }
        board.set_degraded(Some(why));
        tokio::select! {
            biased;
            // The store has just answered a renewal.
            () = renewed(&mut standing) => {}
            () = pauses.pause() => {}
        }
        result = commit_once(&mut records, &mut groups).await;
        tries += 1;
    }
    if tries > 1 {
        tracing::info!(tries, "the store takes changes again");
    }
    board.counts.commits.one();
    board.counts.commit_times.took(begun.elapsed());
    board.set_degraded(None);
    (records, result)
}

/// One try. The journal keeps what it could not commit, so that groups are given to it once.
async fn commit_once(records: &mut Records, groups: &mut Vec<Vec<Change>>) -> Result<(), CommitError> {
    let before = failpoint::reach("master.commit.before").await;
    before.map_err(|injected| CommitError::NotSent { source: Box::new(injected) })?;
    records.commit(&std::mem::take(groups)).await?;
    let after = failpoint::reach("master.commit.after").await;
    after.map_err(|injected| CommitError::Unknown { source: Box::new(injected) })
}

fn note_refusal(error: &CommitError, board: &Board) {
    if let CommitError::Refused(refusal) = error {
        board.counts.commits_refused.one();
        tracing::warn!(%refusal, "commit refused: nothing of it has left");
    }
}

/// Waits until a term that is past its deadline is renewed; for ever if it is not past it.
async fn renewed(standing: &mut watch::Receiver<Standing>) {
    let may_act = |standing: &Standing| standing.may_act(clock::mono());
    if may_act(&standing.borrow_and_update()) || standing.wait_for(may_act).await.is_err() {
        std::future::pending::<()>().await;
    }
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
