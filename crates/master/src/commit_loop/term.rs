//! Beginning and end of a term, as the loop sees them.

use tokio::task::JoinError;

use tanist_core::master::Event;
use tanist_core::model::LeaderInfo;
use tanist_core::msg::ClientReply;
use tanist_core::record::Recovered;
use tanist_core::time::{Mono, millis};
use tanist_store::{CommitError, ElectionError, Key, Loss, Name, StoreError, Tenure, clock};

use super::{CommitLoop, GATHERED_FOR, MANY};
use crate::error::{LeaveError, MasterError, RequestError, with_causes};
use crate::release::InOffice;
use crate::seat::{Batch, Leaving, News, Records, Seat, Taken};

/// Why an office is left while the process goes on.
#[derive(Debug)]
pub(super) enum StepDown {
    /// The election says that the term is over.
    Lost(Loss),
    /// The store has refused a commit: another term is in office, or somebody else writes our records.
    Refused(String),
    /// Somebody acts, or has acted, under a higher term.
    Outranked(String),
    /// The term cannot go on here.
    Failed(String),
}

impl CommitLoop {
    pub(super) fn take_news(&mut self, news: News) -> Result<(), MasterError> {
        match news {
            News::Campaigned(Ok(Ok(tenure))) => self.take_office(tenure),
            News::Campaigned(Ok(Err(source))) => return Err(self.cannot_stand(source)),
            News::Campaigned(Err(source)) => return Err(self.panicked("candidacy", source)),
            News::Loaded(Ok(Ok((records, recovered)))) => self.begin(records, recovered),
            News::Loaded(Ok(Err(error))) => self.cannot_begin(&error),
            News::Loaded(Err(source)) => return Err(self.panicked("load", source)),
            News::Committed(Ok((records, result))) => self.committed(records, result),
            News::Committed(Err(source)) => return Err(self.panicked("commit", source)),
            News::Left(Ok(told)) => self.left(told),
            News::Left(Err(source)) => return Err(self.panicked("resignation", source)),
            // The turn looks at it.
            News::Standing => {}
        }
        Ok(())
    }

    fn cannot_stand(&self, source: ElectionError) -> MasterError {
        MasterError::Election { master: self.me.clone(), source }
    }

    fn panicked(&self, task: &'static str, source: JoinError) -> MasterError {
        MasterError::Panicked { master: self.me.clone(), task, source }
    }

    fn take_office(&mut self, tenure: Tenure) {
        let (term, since, now) = (tenure.term(), tenure.since, clock::mono());
        self.board.counts.terms_won.one();
        tracing::info!(%term, revision = %tenure.revision, since = %since.civil(), "elected");
        if let Some(predecessor) = &tenure.predecessor {
            tracing::info!(epoch = %predecessor.epoch, master = ?predecessor.master, ending = ?predecessor.ending, "predecessor");
        }
        self.seat = Seat::taking(&self.candidacy, tenure, now);
    }

    fn begin(&mut self, records: Records, recovered: Recovered) {
        let Seat::Taking { tenure, won_at, .. } = &self.seat else { return };
        let (tenure, won_at) = (Tenure::clone(tenure), *won_at);
        let taken = Taken::new(&recovered);
        let (workers, apps, drivers) = (taken.workers, taken.apps, taken.drivers);
        tracing::info!(
            epoch = %tenure.record.epoch, workers, apps, drivers, quarantined = taken.quarantined,
            since_election_ms = since_ms(won_at), "state recovered"
        );
        let leader = tenure.record.info();
        self.outlets.term = Some(InOffice::new(leader.clone(), tenure.standing.clone(), won_at));
        self.board.hold(Some(tenure.standing.clone()));
        self.seat = Seat::leading(tenure, records, won_at, taken);
        self.handle(Event::Elected { leader, recovered: Box::new(recovered) });
        self.viewing.want();
    }

    fn cannot_begin(&mut self, error: &StoreError) {
        let why = with_causes(error);
        tracing::error!(error = %why, "the store cannot be read");
        self.step_down.get_or_insert(StepDown::Failed(why));
    }

    fn committed(&mut self, records: Records, result: Result<(), CommitError>) {
        let Some(office) = self.seat.office() else { return };
        let Some((batch, proves)) = office.writing.finish(records) else { return };
        if batch.effects.len() >= MANY {
            self.gathers_until = clock::mono() + GATHERED_FOR;
        }
        match result {
            Ok(()) => self.release(batch, proves),
            Err(error @ CommitError::Refused(_)) => {
                self.withheld(batch.not_yet_withheld());
                self.step_down.get_or_insert(StepDown::Refused(with_causes(&error)));
            }
            Err(error) => self.begin_again(batch, &error),
        }
    }

    /// A batch can never be stored, and the machine believes in it already. The term goes on: what the store holds is
    /// read again and the machine starts from there, which is a recovery without a change of leader. Requests of the
    /// batch are answered with what was wrong.
    fn begin_again(&mut self, batch: Batch, error: &CommitError) {
        let Some(tenure) = self.seat.tenure().cloned() else { return };
        let why = with_causes(error);
        tracing::error!(error = %why, "changes can never be stored: starting again from what is stored");
        let culprit = culprit(error);
        let is_culprit = |reply: &ClientReply| match (reply, &culprit) {
            (ClientReply::Submitted { driver }, Some(Name::Driver(culprit))) => driver == culprit,
            _ => false,
        };
        self.outlets.refuse_batch(batch.effects, is_culprit, &why);
        self.answer_departure(Err(LeaveError::Store { why: why.clone() }));
        self.drop_term(&RequestError::BatchRefused { why });
        self.seat = Seat::taking_again(&self.candidacy, tenure, clock::mono());
        self.see_leader();
    }

    /// Leaves the office if something in this turn has ended the term, and stands for the next one.
    pub(super) fn leave_if_asked(&mut self) {
        let Some(step_down) = self.step_down.take() else { return };
        let Some(tenure) = self.seat.tenure().cloned() else { return };
        let (why, hold_off) = match step_down {
            StepDown::Lost(loss) => (format!("the term is over: {loss:?}"), false),
            StepDown::Refused(why) => (format!("a commit was refused: {why}"), true),
            StepDown::Outranked(why) | StepDown::Failed(why) => (why, true),
        };
        tracing::warn!(term = %tenure.term(), why, "lead lost: standby again");
        self.left_otherwise(tenure.term());
        self.drop_term(&RequestError::TermEnded);
        let leaving = Leaving { tenure, resign_because: Some(why), hold_off };
        self.seat = Seat::candidate(self.candidacy.clone(), Some(leaving));
        self.see_leader();
    }

    /// Everything of the term goes at once: nothing of it that was not durable has been shown to anybody.
    pub(super) fn drop_term(&mut self, why: &RequestError) {
        self.handle(Event::Deposed);
        let pending = std::mem::take(&mut self.pending);
        let under_way = self.seat.abandon_commit();
        self.withheld(pending.not_yet_withheld() + under_way);
        self.outlets.end_term(why);
        self.board.hold(None);
        self.board.set_degraded(None);
        self.viewing.want();
    }

    /// A standby knows who leads, as far as the election shows.
    pub(super) fn see_leader(&mut self) {
        if let Seat::Leading(_) = self.seat {
            return;
        }
        let leader = self.known_leader();
        self.handle(Event::LeaderSeen(leader));
    }

    /// Who leads. A term of our own counts only while we are in it.
    pub(super) fn known_leader(&self) -> Option<LeaderInfo> {
        if let Seat::Leading(office) = &self.seat {
            return Some(office.tenure.record.info());
        }
        let seen = self.leader.borrow().as_ref().map(tanist_store::LeaderRecord::info)?;
        let own = self.seat.tenure().map(Tenure::term);
        (seen.master != self.me || own.as_ref() == Some(&seen.term)).then_some(seen)
    }
}

/// The object that a refusal names, where it names one.
fn culprit(error: &CommitError) -> Option<Name> {
    let key: &Key = match error {
        CommitError::Oversized { object, .. } => object,
        CommitError::Encode { key, .. } => key,
        _ => return None,
    };
    Name::try_from(key).ok()
}

impl Taken {
    fn new(recovered: &Recovered) -> Self {
        Self {
            workers: recovered.workers.len(),
            apps: recovered.apps.len(),
            drivers: recovered.drivers.len(),
            quarantined: recovered.quarantined.len(),
        }
    }
}

/// Milliseconds from then to now, for the log.
pub(super) fn since_ms(then: Mono) -> u64 {
    millis(clock::mono() - then)
}
