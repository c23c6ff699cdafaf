//! What of all that happens is told in the log.

use tanist_core::msg::MasterToWorker;
use tanist_core::tracking;
use tanist_core::worker::{Effect, Event, Trouble, What};

/// Told as it is heard.
pub(crate) fn heard(event: &Event) {
    match event {
        Event::FromMaster { link, message: MasterToWorker::Registered(answer) } => {
            let leader = &answer.leader;
            tracing::info!(
                %link, master = %leader.master, address = leader.address, term = %leader.term,
                duplicate = answer.duplicate, "registered with the master"
            );
        }
        Event::FromMaster { link, message: MasterToWorker::Standby { leader } } => {
            let leader = leader.as_ref().map(|leader| leader.address.as_str());
            tracing::debug!(%link, leader, "this master does not lead");
        }
        Event::LeaderNotice(leader) => {
            tracing::info!(master = %leader.master, address = leader.address, term = %leader.term, "a leader announces itself");
        }
        Event::PrepareFailed { run, message } => tracing::warn!(%run, message, "run not prepared"),
        Event::StartFailed { run, message } => tracing::warn!(%run, message, "program not started"),
        Event::TooLate { run } => {
            tracing::warn!(%run, "program not started: the time until when it may run has passed");
        }
        Event::Unsuited { run, message } => tracing::warn!(%run, message, "program not started, and never will be"),
        Event::Started { run, pid } => tracing::info!(%run, pid, "program started"),
        Event::Exited { run, code } => tracing::info!(%run, code, "program ended"),
        Event::Stop => tracing::info!("stopping"),
        _ => {}
    }
}

/// Told as it is done.
pub(crate) fn done(effect: &Effect) {
    match effect {
        Effect::Prepare { run, what: What::Driver { driver, attempt, .. } } => {
            tracing::info!(%run, %driver, %attempt, "launching driver");
        }
        Effect::Prepare { run, what: What::Executor { executor, .. } } => {
            tracing::info!(%run, %executor, "launching executor");
        }
        Effect::SaveTerm { term, cluster } => tracing::info!(%term, %cluster, "from now on this term is obeyed"),
        Effect::Terminate { run } => tracing::info!(%run, "SIGTERM"),
        Effect::Kill { run } => tracing::warn!(%run, "SIGKILL"),
        // Mostly the second of two wishes for the same end.
        Effect::Warn(trouble @ Trouble::Ignored { .. }) => tracing::info!(%trouble, "nothing to do"),
        Effect::Warn(Trouble::Tracking(tracking::Trouble::OldTerm { heard, other, from })) => {
            tracing::warn!(master = from, term = %other, obeyed = %heard, "refused an act under a term that is over");
        }
        Effect::Warn(Trouble::Tracking(tracking::Trouble::Conflict { heard, other, from })) => {
            tracing::error!(
                master = from, term = %other, nonce = %other.nonce, obeyed = %heard.nonce,
                "refused an act under a term that conflicts with the one obeyed: are there two stores?"
            );
        }
        Effect::Warn(trouble) => tracing::warn!(%trouble, "something is not as it should be"),
        Effect::Exit { code, why } => tracing::info!(code, why, "worker ends"),
        _ => {}
    }
}
