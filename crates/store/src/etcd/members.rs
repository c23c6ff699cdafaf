//! The masters that are up: this one's own entry, kept under the lease of its session, and the list of all.
//!
//! One task owns the entry. It writes when the entry changes and when the lease is a new one, and goes on trying while
//! somebody else holds the id.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use tanist_core::ids::{Epoch, Nonce};
use tanist_core::time::Wall;

use crate::election::MemberRecord;
use crate::error::{ElectionError, StoreError};
use crate::key::{Family, Key, Name};
use crate::term::Stamp;

use super::fault::Reason;
use super::proposal::{LeaseId, Proposal, Verdict, Write};
use super::shared::Shared;
use super::term::decode;
use super::trouble::{Subject, in_full};

/// How long an announcement waits for its turn, the lease included, before its caller is told what is in the way. It
/// is made later all the same.
const ANNOUNCE_WITHIN: Duration = Duration::from_secs(4);

/// How often an entry that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How often one attempt begins again because somebody changed the entry meanwhile.
const RACES: usize = 3;

/// Announcements that wait for the task.
pub(super) const QUEUE: usize = 16;

/// What the others are to know of this process, and who wants to hear what came of it.
#[derive(Debug)]
pub(super) struct Announcement {
    member: MemberRecord,
    told: oneshot::Sender<Result<(), ElectionError>>,
}

/// Has the entry written, and says what came of it.
pub(super) async fn announce(shared: &Shared, member: &MemberRecord) -> Result<(), ElectionError> {
    shared.session.want();
    let (told, answer) = oneshot::channel();
    let announcement = Announcement { member: member.clone(), told };
    let made = async {
        // Fails only where the store is being dropped.
        drop(shared.announcements.send(announcement).await);
        answer.await
    };
    if let Ok(Ok(result)) = timeout(ANNOUNCE_WITHIN, made).await {
        return result;
    }
    let what = shared.board.shown().unwrap_or_else(|| "there is no lease to keep it yet".to_owned());
    let action = format!("announcing member {}", member.master);
    Err(StoreError::Unreachable { action, source: what.into() }.into())
}

/// All members, from a read of now. Entries that cannot be read are left out.
pub(super) async fn list(shared: &Shared) -> Result<Vec<MemberRecord>, ElectionError> {
    let found = shared.pool.list_now(Family::Members).await?;
    let readable = found.iter().filter_map(|item| {
        decode::<MemberRecord>(item)
            .inspect_err(|error| tracing::error!(%error, "entry of a member cannot be read"))
            .ok()
    });
    Ok(readable.collect())
}

/// The entry as it was last written.
#[derive(PartialEq)]
struct Written {
    member: MemberRecord,
    lease: LeaseId,
}

/// Keeps the entry for as long as the store lives.
pub(super) async fn keep(shared: Arc<Shared>, mut announcements: mpsc::Receiver<Announcement>) {
    let (mut lease, mut seen) = (shared.session.lease.subscribe(), shared.seen.subscribe());
    let mut wanted: Option<MemberRecord> = None;
    let mut written: Option<Written> = None;
    // The lease that has ever kept our entry, and what the members were when it was last looked at.
    let (mut kept, mut looked) = (None, 0);
    let mut waiting: Vec<oneshot::Sender<Result<(), ElectionError>>> = Vec::new();
    loop {
        let held = lease.borrow_and_update().map(|lease| lease.id);
        let members = seen.borrow_and_update().members;
        if let (Some(member), Some(lease)) = (&wanted, held) {
            let entry = Written { member: member.clone(), lease };
            let there = written.as_ref() == Some(&entry) && looked == members;
            let result = if there { Ok(()) } else { write(&shared, member, lease, kept == Some(lease)).await };
            looked = members;
            match &result {
                Ok(()) => {
                    shared.board.clear(Subject::Member);
                    kept = Some(lease);
                    written = Some(entry);
                }
                Err(error) => {
                    written = None;
                    shared.board.report(Subject::Member, in_full(error));
                }
            }
            tell(&mut waiting, result);
        }
        let settled = wanted.is_none() || held.is_none() || written.is_some();
        tokio::select! {
            biased;
            // What is new goes first: it replaces what is being retried.
            announcement = announcements.recv() => {
                let Some(Announcement { member, told }) = announcement else { return };
                wanted = Some(member);
                waiting.retain(|told| !told.is_closed());
                waiting.push(told);
            }
            changed = lease.wait_for(|lease| lease.map(|lease| lease.id) != held) => {
                if changed.is_err() { return }
            }
            // Whoever removed our entry, or wrote over it, has changed the members.
            changed = seen.wait_for(|seen| seen.members != members), if written.is_some() => {
                if changed.is_err() { return }
            }
            () = sleep(RETRY), if !settled => {}
        }
    }
}

/// The last one hears the error itself, the others, whose announcements it has replaced, that it went no better.
fn tell(waiting: &mut Vec<oneshot::Sender<Result<(), ElectionError>>>, result: Result<(), ElectionError>) {
    let Some(last) = waiting.pop() else { return };
    let ok = result.is_ok();
    // Who has gone away does not want to hear.
    drop(last.send(result));
    for told in waiting.drain(..) {
        if ok {
            drop(told.send(Ok(())));
        }
    }
}

/// Writes the entry under the lease, if it is not there. An entry under another lease is another process: one with our
/// own address must be dead, since we have its port now, unless it has `replaced` ours while we live; one with another
/// address has the id.
async fn write(shared: &Shared, member: &MemberRecord, lease: LeaseId, replaced: bool) -> Result<(), ElectionError> {
    let name = Name::Member(member.master.clone());
    let nonce = Nonce::new("member").map_err(ElectionError::NewId)?;
    let value = Stamp { epoch: Epoch(0), nonce: &nonce }.seal(&Key::from(&name), member)?;
    for _ in 0..RACES {
        let cluster = shared.pool.read_now("announcing a member", &[Name::Cluster]).await?.found;
        shared.check_cluster_as_found(cluster.first().and_then(Option::as_ref))?;
        let found = shared.pool.read_leased(&name).await?;
        match &found {
            Some(found) if found.lease != lease => {
                let other: MemberRecord = decode(&found.item)?;
                if replaced || other.rpc != member.rpc {
                    let (master, rpc, started_at) = (other.master, other.rpc, Wall(other.started_at));
                    return Err(ElectionError::MemberTaken { master, rpc, started_at });
                }
            }
            Some(found) if found.item.value == value => return Ok(()),
            _ => {}
        }
        let mut proposal = Proposal::default();
        proposal.unchanged(name.clone(), found.as_ref().map(|found| &found.item));
        proposal.write(name.clone(), Write::Lease(value.clone(), lease));
        match shared.pool.settle(&proposal).await {
            Ok(Verdict::Applied(_)) => return Ok(()),
            Ok(Verdict::Refused { .. }) => {}
            Err(fault) => {
                if fault.is_reason(&Reason::LeaseNotFound) {
                    shared.session.gone(lease);
                }
                return Err(fault.committing(proposal.size()).into());
            }
        }
    }
    let action = format!("announcing member {}", member.master);
    Err(StoreError::Unreachable { action, source: "the entry changes all the time".into() }.into())
}
