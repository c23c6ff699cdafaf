//! Ending a term, one's own or somebody else's, and writing about it.

use std::sync::Arc;
use std::time::Duration;

use tanist_core::ids::{MasterId, Term};
use tanist_core::time::Wall;

use crate::clock;
use crate::election::{Ending, LeaderRecord, Loss, RecoveryFigures, Resignation, Tenure};
use crate::engine::{Guard, Versioned};
use crate::error::{CommitError, ElectionError, Refusal, StoreError};
use crate::intent::{Intent, IntentChange};
use crate::key::Name;

use super::office::Office;
use super::proposal::{Proposal, Verdict};
use super::session;
use super::shared::{Shared, lock};
use super::term::{self, Exit};

/// How often something begins anew because what was read has changed meanwhile.
const RACES: usize = 5;

/// A process deposes no more often than this: what it took for dead was not, or its successor dies as well.
const DEPOSE_EVERY: Duration = Duration::from_secs(10);

/// What became of one try.
enum Tried {
    /// It was done.
    Done,
    /// The term is over already.
    Over,
    /// Something else had changed meanwhile.
    Raced,
}

/// Sends a proposal whose first condition is the guard of a term.
async fn send(shared: &Shared, guard: &Guard, proposal: &Proposal) -> Result<Tried, CommitError> {
    match shared.pool.settle(proposal).await {
        Ok(Verdict::Applied(at)) => {
            if proposal.removes(&Name::Leader.into()) {
                shared.see_leader(None, at);
            }
            Ok(Tried::Done)
        }
        Ok(Verdict::Refused { found, at }) => {
            let leader = found.first().and_then(Option::as_ref);
            shared.see_leader(leader, at);
            Ok(if guard.holds(leader) { Tried::Raced } else { Tried::Over })
        }
        Err(fault) => Err(fault.committing(proposal.size())),
    }
}

fn raced(what: &'static str) -> ElectionError {
    let source = "what it depends on changes all the time".into();
    StoreError::Unreachable { action: what.to_owned(), source }.into()
}

/// Leaves the office, as [`crate::LeaderElection::resign`] says.
pub(super) async fn resign(
    shared: &Arc<Shared>,
    tenure: &Tenure,
    resignation: &Resignation,
) -> Result<(), ElectionError> {
    let Some(office) = shared.office_of(&tenure.guard) else { return Ok(()) };
    let leaving = office.leaving();
    let result = end(shared, &office, resignation).await;
    match &result {
        Err(ElectionError::NotAMember { .. } | ElectionError::Store(StoreError::Record { .. })) => return result,
        Ok(()) => tracing::info!(epoch = %office.record.epoch, why = resignation.why, "office left"),
        Err(error) => {
            tracing::warn!(epoch = %office.record.epoch, %error, "office not left in order, giving its lease up");
            shared.session.give_up(office.lease);
        }
    }
    lock(&shared.turns).stepped_down = Some((office.record.epoch, clock::mono()));
    shared.lose(&office, Loss::Resigned);
    drop(leaving);
    result
}

async fn end(shared: &Shared, office: &Office, resignation: &Resignation) -> Result<(), ElectionError> {
    let mut names = vec![Name::History(office.record.epoch), Name::Intent];
    let why = resignation.why.clone();
    let how = match &resignation.successor {
        Some(handover) => {
            names.push(Name::Member(handover.target.clone()));
            Ending::HandedOver { to: handover.target.clone(), why }
        }
        None => Ending::Resigned { why },
    };
    for _ in 0..RACES {
        let mut found = shared.pool.read_now("resigning", &names).await?.found.into_iter();
        let (entry, intent, member) = (found.next().flatten(), found.next().flatten(), found.next().flatten());
        let now = clock::wall();
        let exit = Exit { leader: &office.record, guard: &office.guard, how: how.clone(), entry: entry.as_ref() };
        let mut proposal = term::end(&exit, now)?;
        if let Some(handover) = &resignation.successor {
            if member.is_none() {
                return Err(ElectionError::NotAMember { target: handover.target.clone() });
            }
            term::hand_over(&mut proposal, &office.record, handover, intent.as_ref(), now)?;
        }
        match send(shared, &office.guard, &proposal).await? {
            Tried::Done | Tried::Over => return Ok(()),
            Tried::Raced => {}
        }
    }
    Err(raced("resigning"))
}

/// Ends somebody's term, as [`crate::LeaderElection::depose`] says. Its lease ends as well: should that leader live
/// after all, its renewals must not tell it that it leads.
pub(super) async fn depose(
    shared: &Shared,
    by: &MasterId,
    condemned: &Term,
    evidence: &str,
) -> Result<(), ElectionError> {
    let names = [Name::Leader, Name::Intent, Name::History(condemned.epoch)];
    for _ in 0..RACES {
        let read = shared.pool.read_now("deposing a leader", &names);
        let (read, leased) = tokio::try_join!(read, shared.pool.read_leased(&Name::Leader))?;
        let at = read.at;
        let mut found = read.found.into_iter();
        let (leader, intent, entry) = (found.next().flatten(), found.next().flatten(), found.next().flatten());
        shared.see_leader(leader.as_ref(), at);
        let Some(found) = in_office(leader, condemned)? else { return Ok(()) };
        let own = shared.session.lease.borrow().map(|lease| lease.id);
        if own.is_some() && own == leased.as_ref().map(|leased| leased.lease) {
            return Err(ElectionError::AlreadyLeading { epoch: condemned.epoch });
        }
        let wanted: Intent = term::optional(intent.as_ref())?.unwrap_or_default();
        if let Some(pause) = wanted.paused(clock::wall()).cloned() {
            let until = Wall(pause.until);
            return Err(ElectionError::Paused { by: pause.by, why: pause.why, until });
        }
        let (record, guard) = found;
        let how = Ending::Deposed { by: by.clone(), evidence: evidence.to_owned() };
        let mut proposal =
            term::end(&Exit { leader: &record, guard: &guard, how, entry: entry.as_ref() }, clock::wall())?;
        proposal.unchanged(Name::Intent, intent.as_ref());
        may_depose(shared, &record)?;
        match send(shared, &guard, &proposal).await? {
            Tried::Done => {
                tracing::warn!(epoch = %record.epoch, master = %record.master, evidence, "leader deposed");
                if let Some(leased) = leased.filter(|leased| leased.item.create_revision == guard.create_revision) {
                    session::revoke(shared, leased.lease).await;
                }
                return Ok(());
            }
            Tried::Over => return Ok(()),
            Tried::Raced => lock(&shared.turns).deposed = None,
        }
    }
    Err(raced("deposing a leader"))
}

/// The term that is to end with its guard, if it is the one in office.
fn in_office(leader: Option<Versioned>, condemned: &Term) -> Result<Option<(LeaderRecord, Guard)>, ElectionError> {
    let Some(leader) = leader else { return Ok(None) };
    let record: LeaderRecord = term::decode(&leader)?;
    let guard = Guard { create_revision: leader.create_revision, value: leader.value };
    Ok((record.term() == *condemned).then_some((record, guard)))
}

/// Notes that somebody is being deposed, and that our own candidacy need not wait then.
fn may_depose(shared: &Shared, condemned: &LeaderRecord) -> Result<(), ElectionError> {
    let mut turns = lock(&shared.turns);
    let now = clock::mono();
    if let Some(last) = turns.deposed {
        let wait = DEPOSE_EVERY.saturating_sub(now - last);
        if !wait.is_zero() {
            return Err(ElectionError::DeposedLately { wait });
        }
    }
    turns.deposed = Some(now);
    turns.eager = Some(condemned.epoch);
    Ok(())
}

/// Writes down how the recovery of a term went.
pub(super) async fn record_recovery(
    shared: &Shared,
    tenure: &Tenure,
    figures: RecoveryFigures,
) -> Result<(), ElectionError> {
    let names = [Name::History(tenure.record.epoch)];
    for _ in 0..RACES {
        let read = shared.pool.read_now("recording a recovery", &names).await?;
        let entry = read.found.into_iter().next().flatten();
        let proposal = term::recovered(&tenure.record, &tenure.guard, entry.as_ref(), figures)?;
        match send(shared, &tenure.guard, &proposal).await? {
            Tried::Done => return Ok(()),
            Tried::Over => return Err(CommitError::Refused(Refusal::term_over()).into()),
            Tried::Raced => {}
        }
    }
    Err(raced("recording a recovery"))
}

/// Changes what operators want.
pub(super) async fn change_intent(shared: &Shared, change: &IntentChange) -> Result<Intent, ElectionError> {
    for _ in 0..RACES {
        let names = [Name::Cluster, Name::Intent];
        let mut found = shared.pool.read_now("changing what operators want", &names).await?.found.into_iter();
        shared.check_cluster_as_found(found.next().flatten().as_ref())?;
        let found = found.next().flatten();
        let changed = |intent: Intent| intent.changed(change, clock::wall());
        let (proposal, wanted) = term::intend(found.as_ref(), shared.heard.highest(), changed)?;
        if proposal.writes.is_empty() {
            return Ok(wanted);
        }
        match shared.pool.settle(&proposal).await {
            Ok(Verdict::Applied(_)) => {
                tracing::info!(?wanted, "what operators want has changed");
                return Ok(wanted);
            }
            Ok(Verdict::Refused { .. }) => {}
            Err(fault) => return Err(fault.committing(proposal.size()).into()),
        }
    }
    Err(raced("changing what operators want"))
}
