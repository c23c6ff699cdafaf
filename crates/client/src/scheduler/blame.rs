//! Why an executor is gone, and whether its tasks have failed by it or were merely interrupted.

use std::time::Duration;

use tanist_core::app::Loss;

/// Why an executor is not one of ours any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Removal {
    /// For people.
    pub(super) reason: String,
    /// Somebody wanted it: no loss.
    pub(super) requested: bool,
    /// Its tasks count as failed (AC-07).
    pub(super) blames_tasks: bool,
}

impl Removal {
    /// What the master says.
    pub(super) fn reported(reason: String, loss: &Loss) -> Self {
        let blames_tasks = match loss {
            Loss::Requested => false,
            Loss::Exited { caused_by_app, .. } | Loss::ProcessLost { caused_by_app, .. } => *caused_by_app,
        };
        Self { reason, requested: *loss == Loss::Requested, blames_tasks }
    }

    /// Its connection broke and the master gave no reason in time (AC-10).
    pub(super) fn disconnected() -> Self {
        let reason = "its connection was lost, and no master has said why".to_owned();
        Self { reason, requested: false, blames_tasks: false }
    }

    /// It has said nothing for so long.
    pub(super) fn silent(timeout: Duration) -> Self {
        Self { reason: format!("nothing was heard of it for {timeout:?}"), requested: false, blames_tasks: false }
    }
}
