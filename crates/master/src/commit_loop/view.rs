//! What the loop puts on the board: role, leader and what it does at every change, the view when somebody wants it; and
//! what it tells of a recovery.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use tanist_core::model::MasterRole;
use tanist_core::time::Mono;
use tanist_store::clock;
use tanist_store::election::RecoveryFigures;

use super::CommitLoop;
use super::term::since_ms;
use crate::board::{Leadership, Published, Reader, VIEW_EVERY};
use crate::doing::{Doing, Outlook};
use crate::error::with_causes;
use crate::seat::{Answers, Seat};

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

    /// Shows role, leader and what is done, and tells of changes of the first two.
    pub(super) fn show(&mut self) {
        self.tell_of_answers();
        self.board.do_now(self.doing());
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
        self.member.send_modify(|member| role.name().clone_into(&mut member.role));
        if role == MasterRole::Alive {
            self.record_recovery();
        }
    }

    fn doing(&self) -> Doing {
        match (&self.seat, self.machine.role()) {
            (Seat::Leading(_), _) if self.is_departing() => Doing::Leaves,
            (Seat::Leading(_), MasterRole::Alive) => Doing::Leads,
            (Seat::Leading(_), MasterRole::Suspended) => {
                Doing::Suspended { what: self.trouble.borrow().as_ref().map(|trouble| trouble.what.clone()) }
            }
            (Seat::Leading(_), MasterRole::Recovering | MasterRole::Standby) => Doing::Recovers,
            (Seat::Taking { .. }, _) => Doing::Reads,
            (Seat::Candidate(_), _) => Outlook {
                me: &self.me,
                now: clock::wall(),
                campaign: &self.board.campaign.borrow(),
                following: *self.board.following.borrow(),
                leader: self.leader.borrow().as_ref(),
                intent: &self.intent.borrow(),
                trouble: self.trouble.borrow().as_ref(),
            }
            .doing(),
        }
    }

    /// Tells once per term that no worker from before it is waited for any more.
    fn tell_of_answers(&mut self) {
        let Some(office) = self.seat.office().filter(|office| office.answers == Answers::Some) else { return };
        if self.machine.missing().workers > 0 {
            office.answers = Answers::Awaited;
            return;
        }
        office.answers = Answers::All;
        let (epoch, since_election_ms) = (office.tenure.record.epoch, since_ms(office.won_at));
        tracing::info!(%epoch, since_election_ms, "all workers answered");
    }

    /// Writes down how the recovery went, for the history of terms: the first time that the term is ALIVE.
    fn record_recovery(&mut self) {
        let Some(office) = self.seat.office() else { return };
        let Some(taken) = office.taken.take() else { return };
        let (tenure, took_ms) = (office.tenure.clone(), since_ms(office.won_at));
        self.board.counts.recovery_ms.set(usize::try_from(took_ms).unwrap_or(usize::MAX));
        let missing = self.machine.missing();
        let figures = RecoveryFigures {
            took_ms,
            workers: figure(taken.workers),
            workers_missing: figure(missing.workers),
            apps: figure(taken.apps),
            apps_missing: figure(missing.apps),
            drivers: figure(taken.drivers),
            quarantined: figure(taken.quarantined),
        };
        tracing::info!(
            epoch = %tenure.record.epoch, since_election_ms = took_ms, workers = taken.workers, apps = taken.apps,
            workers_missing = missing.workers, apps_missing = missing.apps, "recovery over"
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
