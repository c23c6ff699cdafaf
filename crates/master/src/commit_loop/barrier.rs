//! The barrier itself: what the standing of the term allows, and what a commit lets out.

use tanist_core::master::Event;
use tanist_store::{Standing, clock};

use super::CommitLoop;
use super::term::StepDown;
use crate::seat::Batch;

impl CommitLoop {
    /// Whether anything may leave the process now: the last look at the local deadline.
    fn may_act(&mut self) -> bool {
        self.seat.office().is_some_and(|office| office.standing().may_act(clock::mono()))
    }

    pub(super) fn look_at_standing(&mut self) {
        let Some(standing) = self.seat.tenure().map(|tenure| tenure.standing.borrow().clone()) else { return };
        // The end of a term that is being left is told by the one who leaves it.
        if self.seat.office().is_some_and(|office| office.writing.is_leaving()) {
            return;
        }
        if let Standing::Lost(loss) = standing {
            self.step_down.get_or_insert(StepDown::Lost(loss));
            return;
        }
        if !standing.may_act(clock::mono()) && self.suspend() {
            tracing::warn!(epoch = %self.epoch(), "past the local deadline: suspended");
        }
    }

    /// Nothing leaves any more until a renewal and a guarded transaction that begins after this have succeeded. False if
    /// it is so already, or if there is no office.
    pub(super) fn suspend(&mut self) -> bool {
        let Some(office) = self.seat.office().filter(|office| !office.suspended) else { return false };
        office.suspend();
        self.board.counts.suspensions.one();
        self.handle(Event::Suspended);
        true
    }

    /// Sends the pending batch on its way if none is under way.
    pub(super) fn start_commit(&mut self) {
        if !self.may_act() || (clock::mono() < self.gathers_until && !self.is_departing()) {
            return;
        }
        let board = self.board.clone();
        let Some(office) = self.seat.office() else { return };
        // The way back from suspension is a guarded transaction of its own.
        if office.suspended || !self.pending.is_empty() {
            let standing = office.tenure.standing.clone();
            office.writing.start(&mut self.pending, standing, board);
        }
    }

    /// Lets a committed batch out, if the local deadline still allows it, and if its commit proves that the term goes on.
    pub(super) fn release(&mut self, batch: Batch, proves: bool) {
        let Batch { effects, withheld, view, .. } = batch;
        if let Some(view) = view {
            self.board.publish(view);
        }
        let suspended = self.seat.office().is_some_and(|office| office.suspended);
        if !self.may_act() || (suspended && !proves) {
            // The changes are durable. What may leave only in office waits for the next proof of it.
            self.withheld(effects.len() - withheld);
            self.pending.withheld = effects.len();
            self.pending.effects.splice(..0, effects);
            return;
        }
        for effect in effects {
            self.outlets.carry_out(effect);
        }
        let Some(office) = self.seat.office() else { return };
        if std::mem::take(&mut office.suspended) {
            tracing::info!(epoch = %self.epoch(), "renewed and proven: in office again");
            self.handle(Event::Resumed);
            self.stay_after_all();
        }
    }

    /// So many effects were ready and have not left.
    pub(super) fn withheld(&self, effects: usize) {
        if effects > 0 {
            self.board.counts.effects_withheld.many(effects);
            tracing::info!(epoch = %self.epoch(), effects, "effects withheld");
        }
    }
}
