//! The lease of this process: granted on demand, renewed for as long as the store lives, replaced when it is lost.
//!
//! It carries the entry among the members and, in office, `ha/leader`. An acknowledged renewal restarts etcd's clock no
//! earlier than it was sent, so the local deadline counts from the sending.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use tanist_core::time::Mono;

use crate::clock;
use crate::election::{LeaseStatus, Loss};
use crate::error::ElectionError;

use super::fault::{Fault, Reason};
use super::options::LEAST_TTL;
use super::pool::{Call, Lane, Point};
use super::proposal::LeaseId;
use super::shared::Shared;
use super::trouble::{Complaints, Subject, in_full};

/// How often the lease is renewed: six times or more within the shortest one.
const RENEW_EVERY: Duration = Duration::from_millis(500);

/// How long a renewal waits for its answer before another member of etcd is asked.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The local deadline comes this long before etcd's own: for the way there, and for clocks that run at different rates.
const MARGIN: Duration = Duration::from_secs(1);

/// Between two tries while no member of etcd answers.
const RETRY: Duration = Duration::from_millis(100);

/// Between two tries to get a lease.
const GRANT_RETRY: Duration = Duration::from_millis(500);

/// How long a lease that is given up is tried to be ended at once; it ends by itself otherwise.
const REVOKE: Call = Call::LEASE.within(Duration::from_millis(500), Duration::from_secs(1));

// At least one renewal must be able to fail, and another member of etcd to be asked, before the local deadline.
const _: () = assert!(RENEW_EVERY.as_millis() + ANSWER_WITHIN.as_millis() < LEAST_TTL.as_millis() - MARGIN.as_millis());

/// The lease as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) id: LeaseId,
    /// The local deadline.
    pub(super) until: Mono,
}

impl Lease {
    /// Whether it is alive, to the best of our knowledge.
    pub(super) fn is_live(&self) -> bool {
        clock::mono() < self.until
    }
}

/// Why a lease is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// etcd does not know it any more.
    Gone,
    /// We gave it up.
    GivenUp,
}

/// What others see of the session, and ask of it.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) lease: watch::Sender<Option<Lease>>,
    /// What etcd grants, if that is too short to live with.
    pub(super) too_short: watch::Sender<Option<Duration>>,
    renewals: AtomicU64,
    failures: AtomicU64,
    wanted: watch::Sender<bool>,
    over: watch::Sender<Option<(LeaseId, Over)>>,
}

impl Session {
    /// How it stands, for people.
    pub(super) fn status(&self) -> LeaseStatus {
        LeaseStatus {
            renewals: self.renewals.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            until: self.lease.borrow().map(|lease| lease.until),
        }
    }

    /// A lease is needed from here on.
    pub(super) fn want(&self) {
        self.wanted.send_if_modified(|wanted| !std::mem::replace(wanted, true));
    }

    /// etcd has told somebody else that it does not know this lease.
    pub(super) fn gone(&self, lease: LeaseId) {
        self.over.send_replace(Some((lease, Over::Gone)));
    }

    /// Whatever this lease still keeps is to go.
    pub(super) fn give_up(&self, lease: LeaseId) {
        self.over.send_replace(Some((lease, Over::GivenUp)));
    }
}

/// Keeps a lease for as long as the store lives, once one is wanted.
pub(super) async fn keep(shared: Arc<Shared>) {
    if shared.session.wanted.subscribe().wait_for(|wanted| *wanted).await.is_err() {
        return;
    }
    loop {
        let (lease, ttl) = grant(&shared).await;
        shared.session.lease.send_replace(Some(lease));
        let over = hold(&shared, lease.id, ttl).await;
        tracing::warn!(lease = lease.id.0, ?over, "lease is over");
        shared.session.lease.send_replace(None);
        if let Some(office) = shared.office().filter(|office| office.lease == lease.id) {
            shared.lose(&office, Loss::Expired);
        }
        if over == Over::GivenUp {
            revoke(&shared, lease.id).await;
        }
    }
}

/// A new lease, however long it takes.
async fn grant(shared: &Shared) -> (Lease, Duration) {
    let asked = shared.options.ttl;
    let seconds = i64::try_from(asked.as_secs()).unwrap_or(i64::MAX);
    loop {
        let sent = clock::mono();
        let call = |mut client: etcd_client::Client| async move { client.lease_grant(seconds, None).await };
        match shared.pool.write(Call::LEASE, call).await {
            Ok(answer) => {
                let granted = Duration::from_secs(u64::try_from(answer.ttl()).unwrap_or(0));
                if granted >= asked {
                    shared.session.renewals.fetch_add(1, Ordering::Relaxed);
                    shared.board.clear(Subject::Lease);
                    shared.session.too_short.send_replace(None);
                    tracing::info!(lease = answer.id(), seconds = granted.as_secs(), "lease granted");
                    return (Lease { id: LeaseId(answer.id()), until: deadline(sent, granted) }, granted);
                }
                shared.board.report(Subject::Lease, ElectionError::ShortLease { asked, granted }.to_string());
                shared.session.too_short.send_replace(Some(granted));
                revoke(shared, LeaseId(answer.id())).await;
            }
            Err(fault) => {
                shared.board.report(Subject::Lease, format!("lease could not be granted: {}", in_full(&fault)));
            }
        }
        sleep(GRANT_RETRY).await;
    }
}

fn deadline(sent: Mono, ttl: Duration) -> Mono {
    sent + ttl.saturating_sub(MARGIN)
}

/// Ends a lease at once, if etcd can be reached.
pub(super) async fn revoke(shared: &Shared, LeaseId(id): LeaseId) {
    let call = |mut client: etcd_client::Client| async move { client.lease_revoke(id).await };
    match shared.pool.write(REVOKE, call).await {
        Ok(_) => {}
        Err(fault) if fault.is_reason(&Reason::LeaseNotFound) => {}
        Err(fault) => tracing::warn!(lease = id, %fault, "lease not ended at once, it will end by itself"),
    }
}

/// Renews until the lease is over.
async fn hold(shared: &Shared, lease: LeaseId, ttl: Duration) -> Over {
    let mut over = shared.session.over.subscribe();
    let ours = |over: &Option<(LeaseId, Over)>| over.is_some_and(|(id, _)| id == lease);
    tokio::select! {
        biased;
        // Whoever knows that it is over spares us the next renewal.
        told = over.wait_for(ours) => told.ok().and_then(|told| *told).map_or(Over::Gone, |(_, over)| over),
        over = renew(shared, lease, ttl) => over,
    }
}

async fn renew(shared: &Shared, lease: LeaseId, ttl: Duration) -> Over {
    let mut acknowledged = clock::mono();
    let mut complaints = Complaints::default();
    loop {
        let before = acknowledged;
        let Err(fault) = renew_at_one(shared, lease, ttl, &mut acknowledged).await else { return Over::Gone };
        if fault.is_reason(&Reason::LeaseNotFound) {
            return Over::Gone;
        }
        shared.session.failures.fetch_add(1, Ordering::Relaxed);
        if acknowledged > before {
            complaints = Complaints::default();
        }
        let complaints = complaints.with(&fault);
        if clock::mono() - acknowledged > ANSWER_WITHIN {
            shared.board.report(Subject::Lease, format!("lease could not be renewed: {complaints}"));
        }
        sleep(RETRY).await;
    }
}

/// Renews at one member of etcd until that fails. `Ok` = the lease is gone.
async fn renew_at_one(
    shared: &Shared,
    LeaseId(id): LeaseId,
    ttl: Duration,
    acknowledged: &mut Mono,
) -> Result<(), Fault> {
    let mut lent = shared.pool.client(Lane::Lease).await?;
    let mut sent = due(shared).await;
    Point::Lease.before().await?;
    // Opening the stream is the first renewal.
    let opened = shared.pool.ask(lent.at, ANSWER_WITHIN, lent.client.lease_keep_alive(id)).await?;
    let (mut keeper, mut answers) = opened;
    loop {
        Point::Lease.after().await?;
        *acknowledged = sent;
        renewed(shared, LeaseId(id), deadline(sent, ttl));
        sleep(RENEW_EVERY.saturating_sub(clock::mono() - sent)).await;
        sent = due(shared).await;
        Point::Lease.before().await?;
        let renewal = async {
            keeper.keep_alive().await?;
            answers.message().await
        };
        match shared.pool.ask(lent.at, ANSWER_WITHIN, renewal).await? {
            Some(answer) if answer.ttl() > 0 => {}
            Some(_) => return Ok(()),
            // The member ends the stream when it stops, or has lost touch with the others.
            None => return Err(shared.pool.ended(lent.at)),
        }
    }
}

/// The moment of sending a renewal: now, unless we are in office and our own core loop hangs.
async fn due(shared: &Shared) -> Mono {
    let mut held_back = false;
    loop {
        let now = clock::mono();
        let Some(office) = shared.office().filter(|office| office.hangs(now)) else { return now };
        if !held_back {
            tracing::error!(epoch = %office.record.epoch, "core loop hangs, lease is not renewed");
            held_back = true;
        }
        sleep(RETRY).await;
    }
}

fn renewed(shared: &Shared, id: LeaseId, until: Mono) {
    shared.board.clear(Subject::Lease);
    shared.session.lease.send_if_modified(|lease| match lease {
        Some(lease) if lease.id == id => {
            lease.until = lease.until.max(until);
            true
        }
        _ => false,
    });
    if let Some(office) = shared.office().filter(|office| office.lease == id) {
        office.renewed(until);
    }
}

/// Suspends whatever term is in office once its deadline has passed.
pub(super) async fn suspend_in_time(shared: Arc<Shared>) {
    let mut current = shared.office.subscribe();
    loop {
        let Some(office) = current.borrow_and_update().clone() else {
            if current.changed().await.is_err() {
                return;
            }
            continue;
        };
        let mut standing = office.standing();
        let deadline = office.deadline();
        // Rounded up, so that the deadline has passed when it is looked at.
        let pause = deadline.map_or(Duration::ZERO, |until| until - clock::mono() + Duration::from_millis(1));
        tokio::select! {
            biased;
            // Another term, or the end.
            changed = current.changed() => if changed.is_err() { return },
            // Renewed, suspended or lost: another deadline, or none.
            _ = standing.changed() => {}
            () = sleep(pause), if deadline.is_some() => office.check_deadline(clock::mono()),
        }
    }
}
