//! Keeping this process known among the masters, in its present role.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use tanist_store::{LeaderElection, MemberRecord};

use crate::board::Board;
use crate::error::with_causes;
use crate::pauses::Pauses;

/// Pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Announces what the member is, and each change of it, one after the other, so that no older one lands last. Every
/// call ends by the backend's own deadline, and nobody waits for this task. Ends when nobody can change the member.
pub(crate) async fn keep_announced(
    election: Arc<dyn LeaderElection>,
    mut member: watch::Receiver<MemberRecord>,
    board: Arc<Board>,
) {
    let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut told = None;
    loop {
        let now = member.borrow_and_update().clone();
        let Err(error) = election.announce(&now).await else {
            if told.take().is_some() {
                tracing::info!(role = now.role, "known as a member again");
            }
            board.set_unannounced(None);
            pauses.reset();
            if member.changed().await.is_err() {
                return;
            }
            continue;
        };
        let why = with_causes(&error);
        if told.as_ref() != Some(&why) {
            tracing::warn!(error = why, "this master cannot be made known as a member, trying again");
        }
        board.set_unannounced(Some(format!("this master cannot be made known as a member: {why}")));
        told = Some(why);
        tokio::select! {
            biased;
            // What is to be known now may succeed where the other did not.
            changed = member.changed() => if changed.is_err() { return },
            () = pauses.pause() => {}
        }
    }
}
