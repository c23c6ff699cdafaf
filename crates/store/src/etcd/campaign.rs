//! Standing for office: waiting until it can be taken, and taking it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use tanist_core::time::Wall;

use crate::election::{Candidate, MemberRecord, Resignation, Tenure};
use crate::engine::{Guard, Revision};
use crate::error::{ElectionError, StoreError};
use crate::key::Family;
use crate::{chance, clock};

use super::calls::RESEND_PAUSE;
use super::fault::{Kind, Reason};
use super::leave;
use super::office::Office;
use super::proposal::Verdict;
use super::session::Lease;
use super::shared::{Seen, Shared, lock};
use super::store::Tasks;
use super::term::{self, Bid, Facts, Leased, Situation};
use super::trouble::{Subject, in_full};

/// How often a candidate that waits reads for itself: watches are not trusted.
const READ_EVERY: Duration = Duration::from_secs(2);

/// Between two tries after one that failed; reads try for some seconds by themselves.
const RETRY: Duration = Duration::from_millis(200);

/// Candidates try at a random moment within this time after the office has become free, so that they seldom collide.
const SPREAD: Duration = Duration::from_millis(30);

/// Who has left the office lets others go first for this long, unless somebody has led meanwhile.
const HOLD_OFF: Duration = Duration::from_secs(10);

/// What a candidate does next.
enum Step {
    /// Takes the office, under this lease.
    Take(Lease),
    /// Waits until something changes; for no longer than this, where something ends by itself.
    Wait(Option<Duration>),
}

/// Stands for office until it is won.
pub(super) async fn campaign(
    shared: &Arc<Shared>,
    tasks: &Tasks,
    candidate: &Candidate,
) -> Result<Tenure, ElectionError> {
    if let Some(office) = shared.office() {
        return Err(ElectionError::AlreadyLeading { epoch: office.record.epoch });
    }
    shared.session.want();
    let candidacy = Candidacy { shared, candidate };
    let result = candidacy.stand(tasks).await;
    drop(candidacy);
    if let Err(error) = &result {
        // What ended this candidacy is in the way until the next one.
        shared.board.report(Subject::Candidacy, in_full(error));
    }
    result
}

/// A candidacy. Whatever is in its way is no trouble any more when it ends, or is given up.
struct Candidacy<'a> {
    shared: &'a Arc<Shared>,
    candidate: &'a Candidate,
}

impl Drop for Candidacy<'_> {
    fn drop(&mut self) {
        self.shared.board.clear(Subject::Candidacy);
    }
}

impl Candidacy<'_> {
    async fn stand(&self, tasks: &Tasks) -> Result<Tenure, ElectionError> {
        let mut seen = self.shared.seen.subscribe();
        loop {
            if let Some(granted) = *self.shared.session.too_short.borrow() {
                return Err(ElectionError::ShortLease { asked: self.shared.options.ttl, granted });
            }
            seen.mark_unchanged();
            let tried = match self.look().await {
                Ok((situation, facts, Step::Take(lease))) => self.take(tasks, &situation, &facts, lease).await,
                Ok((.., Step::Wait(limit))) => {
                    self.wait(&mut seen, limit).await;
                    continue;
                }
                Err(error) => Err(error),
            };
            match tried {
                Ok(Some(tenure)) => return Ok(tenure),
                Ok(None) => {}
                Err(ElectionError::Store(error @ StoreError::Unreachable { .. })) => {
                    self.shared.board.report(Subject::Candidacy, in_full(&error));
                    sleep(RETRY).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads how things are, and decides what to do.
    async fn look(&self) -> Result<(Situation, Facts, Step), ElectionError> {
        let situation = self.shared.pool.situation(&self.candidate.master).await?;
        let facts = situation.facts()?;
        self.shared.check_cluster(facts.cluster.as_ref())?;
        self.shared.see_intent(situation.intent.as_ref(), situation.revision);
        self.shared.see_leader(situation.leader.as_ref(), situation.revision);
        self.shared.heard.raise(facts.last.unwrap_or_default());
        self.candidate.heard.raise(self.shared.heard.highest());
        let step = self.next_step(&situation, &facts).await?;
        Ok((situation, facts, step))
    }

    async fn next_step(&self, situation: &Situation, facts: &Facts) -> Result<Step, ElectionError> {
        let lease = self.shared.live_lease();
        let other = situation.namesake.as_ref().filter(|found| lease.is_none_or(|lease| lease.id != found.lease));
        if let Some(taken) = other.and_then(|other| self.taken(other)) {
            self.shared.board.report(Subject::Candidacy, taken.to_string());
            return Ok(Step::Wait(None));
        }
        self.shared.board.clear(Subject::Candidacy);
        if situation.leader.is_some() {
            return Ok(Step::Wait(None));
        }
        let (me, now) = (&self.candidate.master, clock::wall());
        if let Some(obstacle) = facts.intent.obstacle(me, now) {
            tracing::debug!(?obstacle, "office is free and must not be taken yet");
            return Ok(Step::Wait(facts.intent.next_expiry(now).map(|end| until(end, now))));
        }
        // The session says what is in the way of a lease.
        let Some(lease) = lease else { return Ok(Step::Wait(None)) };
        if facts.intent.is_target(me, now) {
            return Ok(Step::Take(lease));
        }
        Ok(self.hold_off(facts).await?.map_or(Step::Take(lease), |left| Step::Wait(Some(left))))
    }

    /// Another process with our id. One that has our address, too, is an earlier one of ours, and dead.
    fn taken(&self, other: &Leased) -> Option<ElectionError> {
        let master = self.candidate.master.clone();
        match term::decode::<MemberRecord>(&other.item) {
            Ok(found) if found.rpc == self.candidate.rpc => None,
            Ok(found) => {
                Some(ElectionError::MemberTaken { master, rpc: found.rpc, started_at: Wall(found.started_at) })
            }
            Err(error) => Some(error.into()),
        }
    }

    /// How long others are let go first: only after a term of ours that we left, only until somebody has led, and only
    /// if there are others.
    async fn hold_off(&self, facts: &Facts) -> Result<Option<Duration>, ElectionError> {
        let stepped_down = lock(&self.shared.turns).stepped_down;
        let Some((epoch, left_at)) = stepped_down.filter(|(epoch, _)| facts.last == Some(*epoch)) else {
            return Ok(None);
        };
        let left = HOLD_OFF.saturating_sub(clock::mono() - left_at);
        if left.is_zero() {
            return Ok(None);
        }
        let members = self.shared.pool.list_now(Family::Members).await?;
        let others = members.iter().filter_map(|item| term::decode::<MemberRecord>(item).ok());
        let alone = others.into_iter().all(|member| member.master == self.candidate.master);
        tracing::debug!(%epoch, alone, "office left by ourselves just now");
        Ok((!alone).then_some(left))
    }

    /// Waits for news, and spreads the candidates if the office has become free.
    async fn wait(&self, seen: &mut watch::Receiver<Seen>, limit: Option<Duration>) {
        let pause = limit.unwrap_or(READ_EVERY).min(READ_EVERY);
        let session = &self.shared.session;
        let (mut lease, mut too_short) = (session.lease.subscribe(), session.too_short.subscribe());
        let leased = self.shared.live_lease().is_some();
        let live = async { lease.wait_for(|lease| lease.is_some_and(|lease| lease.is_live())).await.is_ok() };
        tokio::select! {
            biased;
            // The office first: it is what is waited for.
            _ = seen.changed() => {
                let free = seen.borrow().leader.is_none();
                if free && !self.goes_first() {
                    sleep(spread()).await;
                }
            }
            _ = live, if !leased => {}
            _ = too_short.changed() => {}
            () = sleep(pause) => {}
        }
    }

    /// Who has just deposed the leader, or is to follow it, waits for nobody.
    fn goes_first(&self) -> bool {
        let eager = lock(&self.shared.turns).eager == Some(self.shared.heard.highest());
        eager || self.shared.intent.borrow().is_target(&self.candidate.master, clock::wall())
    }

    /// One try to take the office. It is made by a task of its own, so that a candidacy that is given up in the midst
    /// of it leaves nothing behind. `None` = somebody was faster, or the lease is gone.
    async fn take(
        &self,
        tasks: &Tasks,
        situation: &Situation,
        facts: &Facts,
        lease: Lease,
    ) -> Result<Option<Tenure>, ElectionError> {
        let cluster = &self.shared.options.cluster;
        let bid = term::begin(situation, facts, self.candidate, cluster, lease.id, clock::wall())?;
        let (tell, told) = oneshot::channel();
        let (claim, claimed) = oneshot::channel();
        tasks.spawn(acquire(Arc::clone(self.shared), bid, lease, Winner { tell, claimed }));
        match told.await {
            Ok(Ok(Some(tenure))) => {
                self.candidate.heard.raise(tenure.record.epoch);
                // The task waits for this, and gives the office up if it never comes.
                let _ = claim.send(());
                Ok(Some(tenure))
            }
            Ok(result) => result,
            Err(_) => {
                let (action, source) = ("taking the office".to_owned(), "the store is being closed".into());
                Err(StoreError::Unreachable { action, source }.into())
            }
        }
    }
}

fn until(end: Wall, now: Wall) -> Duration {
    Duration::from_millis(end.0.saturating_sub(now.0))
}

/// A random part of [`SPREAD`].
fn spread() -> Duration {
    let most = u64::try_from(SPREAD.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(chance::below(most.saturating_add(1)))
}

/// Whoever waits for a try to take the office.
struct Winner {
    tell: oneshot::Sender<Result<Option<Tenure>, ElectionError>>,
    claimed: oneshot::Receiver<()>,
}

/// Sends a bid until its outcome is known, and gives the office up again if nobody wants it any more.
async fn acquire(shared: Arc<Shared>, bid: Bid, lease: Lease, winner: Winner) {
    let Winner { tell, claimed } = winner;
    let won = match until_known(&shared, &bid, lease).await {
        Ok(Some(revision)) => install(&shared, bid, revision, lease),
        // Who has gone away does not want to hear.
        Ok(None) => return drop(tell.send(Ok(None))),
        Err(error) => return drop(tell.send(Err(error))),
    };
    let wanted = tell.send(Ok(Some(won.clone()))).is_ok() && claimed.await.is_ok();
    if !wanted {
        let resigned = leave::resign(&shared, &won, &Resignation::open("the candidacy was given up")).await;
        if let Err(error) = resigned {
            tracing::warn!(%error, "office that nobody wants not left in order");
        }
    }
}

/// The revision at which the office was won, or `None` if it was not. While one sending is in doubt, no other answer
/// than etcd's own to the same bid settles it: it may still be under way.
async fn until_known(shared: &Shared, bid: &Bid, lease: Lease) -> Result<Option<Revision>, ElectionError> {
    let mut in_doubt = false;
    loop {
        let fault = match shared.pool.propose(&bid.proposal).await {
            Ok(Verdict::Applied(at)) => return Ok(Some(at)),
            Ok(Verdict::Refused { found, at }) => {
                let leader = found.into_iter().next().flatten();
                shared.see_leader(leader.as_ref(), at);
                return Ok(leader.filter(|leader| leader.value == bid.value).map(|leader| leader.create_revision));
            }
            Err(fault) => fault,
        };
        if fault.is_reason(&Reason::LeaseNotFound) {
            // Never comes back: whatever was under way can do nothing any more.
            shared.session.gone(lease.id);
            return Ok(None);
        }
        in_doubt |= *fault.kind() == Kind::Ambiguous;
        if !in_doubt {
            return Err(if *fault.kind() == Kind::NotSent {
                fault.reading("taking the office").into()
            } else {
                fault.committing(bid.proposal.size()).into()
            });
        }
        tracing::warn!(epoch = %bid.record.epoch, %fault, "not known whether the office is won, asking again");
        shared.board.report(Subject::Candidacy, in_full(&fault));
        sleep(RESEND_PAUSE).await;
    }
}

/// Last step of winning; from here on the term ends by resigning, by loss, or with the store.
fn install(shared: &Shared, bid: Bid, revision: Revision, lease: Lease) -> Tenure {
    let guard = Guard { create_revision: revision, value: bid.value };
    // The session may have renewed it meanwhile.
    let until = shared.live_lease().filter(|known| known.id == lease.id).map_or(lease.until, |known| known.until);
    let office = Arc::new(Office::new(bid.record.clone(), guard.clone(), lease.id, until));
    // The loop begins to tick when it hears of the victory.
    office.progress.tick(clock::mono());
    shared.begin_cluster(&bid.record.cluster);
    shared.heard.raise(bid.record.epoch);
    lock(&shared.mirror).await_take_over(revision);
    shared.see_own(&office);
    let tenure = Tenure {
        standing: office.standing(),
        progress: office.progress.clone(),
        record: bid.record,
        guard,
        revision,
        predecessor: bid.predecessor,
        since: clock::wall(),
    };
    shared.office.send_replace(Some(office));
    tracing::info!(term = %tenure.term(), master = %tenure.record.master, "office won");
    tenure
}
