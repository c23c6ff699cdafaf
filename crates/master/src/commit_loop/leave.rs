//! Leaving the office by order: what was begun is brought to its end, the store is told, and then the term goes.
//!
//! ```text
//! order ──▶ draining ──all durable, all said──▶ leaving ──the office is free──▶ standby, answered
//!              │ not in time                       │ refused, lost
//!              ▼                                   ▼
//!           refused, goes on                    suspended until the next guarded transaction tells what has become of it
//! ```

use std::time::Duration;

use tokio::sync::oneshot;

use tanist_core::ids::{MasterId, Term};
use tanist_core::model::MasterRole;
use tanist_core::time::Mono;
use tanist_store::{Handover, Resignation, clock};

use super::CommitLoop;
use crate::error::{LeaveError, RequestError};
use crate::seat::{Leaving, ResignError, Seat};

/// What is under way must be durable within this time: clients wait as long.
const DRAIN_DEADLINE: Duration = Duration::from_secs(1);

/// How long the others wait for the one who is to follow. It needs milliseconds; if it dies at this very moment, this is
/// what that costs.
const RESERVED_FOR: Duration = Duration::from_secs(5);

/// What an order to leave says for the history if it gives no reason.
const NO_REASON: &str = "an operator asked for it";

/// An order to leave the office.
#[derive(Debug)]
pub(crate) struct LeaveOrder {
    /// Who is to follow; none = whoever is first.
    pub(crate) target: Option<MasterId>,
    /// For the history.
    pub(crate) why: String,
    /// Told once the office is left, with the term that has ended.
    pub(crate) answer: oneshot::Sender<Result<Term, LeaveError>>,
}

/// An office that is being left.
#[derive(Debug)]
pub(super) struct Departure {
    order: LeaveOrder,
    drained_by: Mono,
    /// What came of telling the store, if that went wrong: whether the office is free is not known then.
    in_doubt: Option<String>,
}

impl Departure {
    fn answer(self, answer: Result<Term, LeaveError>) {
        if self.order.answer.send(answer).is_err() {
            tracing::debug!("nobody waits any more to hear that the office is left");
        }
    }
}

impl CommitLoop {
    /// Whether an office is being left, so that nothing new is begun.
    pub(super) fn is_departing(&self) -> bool {
        self.departure.as_ref().is_some_and(|departure| departure.in_doubt.is_none())
    }

    /// When what is under way must be durable. Once the store is being told, its own deadline counts.
    pub(super) fn drained_by(&mut self) -> Option<Mono> {
        if self.seat.office().is_some_and(|office| office.writing.is_leaving()) {
            return None;
        }
        self.departure.as_ref().filter(|_| self.is_departing()).map(|departure| departure.drained_by)
    }

    pub(super) fn hear_order(&mut self, order: LeaveOrder) {
        // Who is not waited for any more may think that nothing came of it, and so nothing must.
        if order.answer.is_closed() {
            return;
        }
        let departure = Departure { order, drained_by: clock::mono() + DRAIN_DEADLINE, in_doubt: None };
        match (self.machine.role(), &self.departure) {
            (role @ MasterRole::Standby, _) => {
                let leader = self.known_leader();
                departure.answer(Err(LeaveError::NotLeading { role, leader }));
            }
            (MasterRole::Suspended, _) => departure.answer(Err(LeaveError::Suspended)),
            (_, Some(earlier)) => {
                let target = earlier.order.target.clone();
                departure.answer(Err(LeaveError::UnderWay { target }));
            }
            (MasterRole::Recovering | MasterRole::Alive, None) => {
                let (target, why) = (departure.order.target.as_ref().map(MasterId::as_str), &departure.order.why);
                tracing::info!(epoch = %self.epoch(), target, why, "office to be left by order");
                self.departure = Some(departure);
            }
        }
    }

    /// Goes on with leaving, as far as that is possible now.
    pub(super) fn depart(&mut self) {
        let Some(departure) = self.departure.as_ref().filter(|_| self.is_departing()) else { return };
        let Some(office) = self.seat.office().filter(|office| !office.writing.is_leaving()) else { return };
        let now = clock::mono();
        let drained = self.pending.is_empty() && office.writing.is_idle() && !office.suspended;
        if drained && office.standing().may_act(now) {
            let election = self.candidacy.backend.election.clone();
            office.writing.leave(election, office.tenure.clone(), departure.order.resignation());
        } else if now >= departure.drained_by {
            let degraded = self.board.stale();
            tracing::warn!(epoch = %self.epoch(), degraded, "what is under way takes too long: the office is kept");
            self.answer_departure(Err(LeaveError::NotDrained { within: DRAIN_DEADLINE, degraded }));
        }
    }

    /// The store has been told.
    pub(super) fn left(&mut self, told: Result<(), ResignError>) {
        let Some(tenure) = self.seat.tenure().cloned() else { return };
        match told {
            Ok(()) => {
                self.answer_departure(Ok(tenure.term()));
                self.drop_term(&RequestError::TermEnded);
                let leaving = Leaving { tenure, resign_because: None, hold_off: true };
                self.seat = Seat::candidate(self.candidacy.clone(), Some(leaving));
                self.see_leader();
            }
            Err(ResignError::Unchanged(why)) => {
                self.keep_writing();
                self.answer_departure(Err(LeaveError::Store { why }));
            }
            Err(error @ (ResignError::InDoubt(_) | ResignError::NoAnswer)) => {
                let why = error.to_string();
                tracing::warn!(epoch = %self.epoch(), error = why, "leaving the office failed: in doubt until proven");
                self.keep_writing();
                if let Some(departure) = &mut self.departure {
                    departure.in_doubt = Some(why);
                }
                self.suspend();
            }
        }
    }

    fn keep_writing(&mut self) {
        if let Some(office) = self.seat.office() {
            office.writing.stay();
        }
    }

    /// The term is proven to go on, although the store was told to end it.
    pub(super) fn stay_after_all(&mut self) {
        if let Some(why) = self.departure.as_ref().and_then(|departure| departure.in_doubt.clone()) {
            self.answer_departure(Err(LeaveError::Store { why }));
        }
    }

    /// The term has ended before it was known to be left: because it was, or for a reason of its own.
    pub(super) fn left_otherwise(&mut self, term: Term) {
        let was_told = self.departure.as_ref().is_some_and(|departure| departure.in_doubt.is_some());
        let role = MasterRole::Standby;
        self.answer_departure(if was_told { Ok(term) } else { Err(LeaveError::NotLeading { role, leader: None }) });
    }

    pub(super) fn answer_departure(&mut self, answer: Result<Term, LeaveError>) {
        if let Some(departure) = self.departure.take() {
            departure.answer(answer);
        }
    }
}

impl LeaveOrder {
    fn resignation(&self) -> Resignation {
        let why = if self.why.is_empty() { NO_REASON } else { &self.why };
        let until = (clock::wall() + RESERVED_FOR).0;
        let successor = self.target.clone().map(|target| Handover { target, why: why.to_owned(), until });
        Resignation { why: why.to_owned(), successor }
    }
}
