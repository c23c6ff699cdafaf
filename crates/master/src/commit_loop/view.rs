//! What the loop puts on the board: role and leader at every change, the view when somebody wants it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use tanist_core::model::MasterRole;
use tanist_core::time::Mono;
use tanist_store::MemberRecord;
use tanist_store::clock;
use tanist_store::election::RecoveryFigures;

use super::CommitLoop;
use crate::board::{Leadership, Published, Reader, VIEW_EVERY};
use crate::seat::with_causes;

/// Deadline of what is written down about a term beside its records.
const ERRAND_DEADLINE: Duration = Duration::from_secs(10);

/// Whether a view is wanted, and when the last one was built.
#[derive(Debug, Default)]
pub(super) struct Viewing {
    wanted: bool,
    built: Mono,
    answered: Reader,
}

impl Viewing {
    /// The next turn builds a view.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// When the next view is to be built.
    pub(super) fn due(&self) -> Option<Mono> {
        self.wanted.then(|| self.built + VIEW_EVERY)
    }
}

impl CommitLoop {
    /// Builds a view if one is wanted and the last one is old enough, and publishes it with the commit that makes its
    /// content durable.
    pub(super) fn refresh_view(&mut self) {
        let reader = self.board.last_reader();
        if reader > self.viewing.answered {
            self.viewing.want();
        }
        let now = clock::mono();
        if self.viewing.due().is_none_or(|due| due > now) {
            return;
        }
        self.viewing = Viewing { wanted: false, built: now, answered: reader };
        let view = Published { view: Arc::new(self.machine.view(clock::wall())), taken: now, answers: reader };
        if !self.pending.groups.is_empty() {
            self.pending.view = Some(view);
        } else if let Some(batch) = self.seat.office().and_then(|office| office.writing.not_durable()) {
            batch.view = Some(view);
        } else {
            self.board.publish(view);
        }
    }

    /// Shows role and leader, and tells of their changes.
    pub(super) fn show(&mut self) {
        let before = self.board.leadership().borrow().role;
        let leadership = Leadership { role: self.machine.role(), leader: self.known_leader() };
        let (role, leader) = (leadership.role, leadership.leader.clone());
        if !self.board.show(leadership) {
            return;
        }
        let (leader, term) = leader.map(|leader| (leader.address, leader.term.to_string())).unzip();
        tracing::info!(master = %self.me, %role, leader, term, "role and leader");
        if role == before {
            return;
        }
        self.viewing.want();
        self.announce_member();
        if role == MasterRole::Alive {
            self.record_recovery();
        }
    }

    /// Makes this process known as a member, in its present role.
    pub(super) fn announce_member(&mut self) {
        let candidate = self.candidacy.candidate.clone();
        let election = self.candidacy.backend.election.clone();
        let member = MemberRecord {
            master: candidate.master.clone(),
            rpc: candidate.rpc.clone(),
            ui: candidate.ui.clone(),
            version: candidate.version.clone(),
            role: self.machine.role().name().to_owned(),
            started_at: self.started.0,
        };
        self.errands.spawn(async move {
            match timeout(ERRAND_DEADLINE, election.announce(&member)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(error = with_causes(&error), "could not be made known as a member"),
                Err(_) => tracing::debug!("could not be made known as a member in time"),
            }
        });
    }

    /// Writes down how the recovery went, for the history of terms: the first time that the term is ALIVE.
    fn record_recovery(&mut self) {
        let Some(office) = self.seat.office() else { return };
        let Some(taken) = office.taken.take() else { return };
        let tenure = office.tenure.clone();
        let missing = self.machine.view(clock::wall()).missing;
        let took = clock::mono() - taken.won_at;
        let figures = RecoveryFigures {
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            workers: figure(taken.workers),
            workers_missing: figure(missing.workers),
            apps: figure(taken.apps),
            apps_missing: figure(missing.apps),
            drivers: figure(taken.drivers),
            quarantined: figure(taken.quarantined),
        };
        tracing::info!(
            epoch = %tenure.record.epoch, took_ms = figures.took_ms, workers_missing = figures.workers_missing,
            apps_missing = figures.apps_missing, "recovery over"
        );
        let election = self.candidacy.backend.election.clone();
        self.errands.spawn(async move {
            match timeout(ERRAND_DEADLINE, election.record_recovery(&tenure, &figures)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(error = with_causes(&error), "recovery could not be written down"),
                Err(_) => tracing::warn!("recovery could not be written down in time"),
            }
        });
    }
}

fn figure(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
