//! Noticing at once that the leader's process is gone (protocol 2).
//!
//! A standby holds one `Follow` stream open to the leader it observes. A process that dies ends its streams and its
//! listener with it; a host that dies, a cable that is cut and a loop that hangs do not, and the lease sees to those. So
//! only this counts: the leader was heard, its stream has ended, **and** three fresh connections are refused. Then its
//! term is ended, by a transaction that first reads for itself and that names the term exactly: being wrong costs one
//! recovery, and nothing else rests on it.
//!
//! A leader that was restarted finds the term of its predecessor in office: under its own id, at the address that it
//! listens at itself. Nobody else can, so that process is gone too, and its term is ended the same way.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use tanist_core::ids::MasterId;
use tanist_core::time::{Mono, millis};
use tanist_proto::v1;
use tanist_proto::v1::ha_service_client::HaServiceClient;
use tanist_store::{ElectionError, LeaderElection, LeaderRecord, clock};

use crate::board::Board;
use crate::connect::connect;
use crate::dial;
use crate::doing::Following;
use crate::error::with_causes;
use crate::pauses::Pauses;

/// Pause between two of the connections that must be refused. All three take a hundredth of a second: a listener is not
/// re-opened in less, and were it, the price would be one recovery.
const BETWEEN_REFUSALS: Duration = Duration::from_millis(5);

/// Three beats that were due: the leader's loop hangs, or it is cut off.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// Pause before the leader is dialled again the first time: a process that is taken apart refuses a moment later.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Longest such pause: a leader that comes back is heard again within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What was won may be observed before the winner itself has heard of it.
const OWN_WIN_IS_TOLD_WITHIN: Duration = Duration::from_millis(200);

/// Deadline of ending a term: a read and a transaction.
const DEPOSE_DEADLINE: Duration = Duration::from_secs(5);

/// Follows whoever leads, for as long as the process lives.
pub(crate) async fn follow(
    (me, address): (MasterId, String),
    election: Arc<dyn LeaderElection>,
    board: Arc<Board>,
) -> Infallible {
    let follower = Follower { me, address, election, board };
    let mut observed = follower.election.leader();
    loop {
        let leader = observed.borrow_and_update().clone();
        let others = leader.as_ref().filter(|leader| leader.master != follower.me);
        follower.hears(if others.is_some() { Following::Silent } else { Following::Nobody });
        let Some(leader) = others else {
            if let Some(predecessor) = leader.as_ref().filter(|leader| follower.is_predecessor(leader)) {
                let told = timeout(OWN_WIN_IS_TOLD_WITHIN, other_than(&mut observed, leader.as_ref())).await;
                if told.is_ok() || !follower.is_predecessor(predecessor) {
                    continue;
                }
                let what = format!("its address {} is that of its master's new process", predecessor.rpc);
                let gone = Evidence { stream_ended: clock::mono(), what };
                follower.depose(&mut Followed::new(predecessor), &gone).await;
            }
            other_than(&mut observed, leader.as_ref()).await;
            continue;
        };
        let mut followed = Followed::new(leader);
        while is(&observed, leader) {
            let gone = tokio::select! {
                biased;
                // Somebody else leads, or nobody.
                () = other_than(&mut observed, Some(leader)) => break,
                gone = follower.until_gone(&mut followed) => gone,
            };
            // Not to be broken off: whether it was done would not be known.
            follower.depose(&mut followed, &gone).await;
            tokio::select! {
                biased;
                // Mostly because of what was just done.
                () = other_than(&mut observed, Some(leader)) => break,
                () = followed.pauses.pause(), if followed.can_be_deposed => {}
            }
        }
    }
}

struct Follower {
    me: MasterId,
    /// `host:port` at which this process listens.
    address: String,
    election: Arc<dyn LeaderElection>,
    board: Arc<Board>,
}

/// A leader that is followed.
struct Followed<'a> {
    leader: &'a LeaderRecord,
    /// It was heard in this term: the address is right, and it was there.
    heard: bool,
    /// Its suspicion is in the log.
    told: bool,
    /// Why it could not be deposed, as far as that is in the log.
    failure: Option<String>,
    can_be_deposed: bool,
    pauses: Pauses,
}

/// What shows that a process is gone, and since when.
struct Evidence {
    stream_ended: Mono,
    what: String,
}

impl<'a> Followed<'a> {
    fn new(leader: &'a LeaderRecord) -> Self {
        let pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
        Self { leader, heard: false, told: false, failure: None, can_be_deposed: true, pauses }
    }

    fn tell_failure(&mut self, error: String) {
        if self.failure.as_ref() != Some(&error) {
            tracing::warn!(leader = %self.leader.master, term = %self.leader.term(), error, "leader could not be deposed");
            self.failure = Some(error);
        }
    }
}

impl Follower {
    fn hears(&self, following: Following) {
        self.board.following.send_if_modified(|shown| std::mem::replace(shown, following) != following);
    }

    /// Whether an earlier process of this master leads, by what is observed. Should it be this process after all, the store
    /// recognises the lease.
    fn is_predecessor(&self, leader: &LeaderRecord) -> bool {
        leader.master == self.me && leader.rpc == self.address && self.board.counts.terms_won.get() == 0
    }

    /// Hears the leader until it was heard and is gone.
    async fn until_gone(&self, followed: &mut Followed<'_>) -> Evidence {
        loop {
            if self.hear(followed.leader).await {
                followed.heard = true;
                followed.pauses.reset();
            }
            let stream_ended = clock::mono();
            let address = &followed.leader.rpc;
            let refuses = dial::refuses(address, BETWEEN_REFUSALS).await;
            self.hears(if refuses { Following::Refused } else { Following::Silent });
            if refuses && followed.heard {
                let within = (clock::mono() - stream_ended).as_millis();
                let what = format!(
                    "its stream ended, and {} fresh connections to {address} were refused within {within} ms",
                    dial::REFUSALS
                );
                return Evidence { stream_ended, what };
            }
            followed.pauses.pause().await;
        }
    }

    /// Hears the leader as long as its stream lasts. True if it was heard at all.
    async fn hear(&self, leader: &LeaderRecord) -> bool {
        let Ok(channel) = connect(&leader.rpc).await else { return false };
        let request = v1::FollowRequest { master_id: self.me.to_string() };
        let opened = HaServiceClient::new(channel);
        let Ok(Ok(beats)) = timeout(dial::ANSWER_DEADLINE, { opened }.follow(request)).await else { return false };
        let mut beats = beats.into_inner();
        let mut heard = false;
        // An end, an error and too long a silence are one: what it means is asked by dialling.
        while let Ok(Ok(Some(beat))) = timeout(SILENT_AFTER, beats.message()).await {
            if beat.master_id != leader.master.as_str() {
                tracing::warn!(leader = %leader.master, address = leader.rpc, found = beat.master_id, "another master answers at the leader's address");
                return false;
            }
            heard = true;
            self.hears(Following::Heard);
        }
        heard
    }

    /// Ends the leader's term, if the election allows it: it does so once in ten seconds.
    async fn depose(&self, followed: &mut Followed<'_>, gone: &Evidence) {
        let (leader, term) = (&followed.leader.master, followed.leader.term());
        let evidence = &gone.what;
        if !std::mem::replace(&mut followed.told, true) {
            let since_end_ms = millis(clock::mono() - gone.stream_ended);
            tracing::warn!(%leader, %term, evidence, since_end_ms, "leader suspected");
        }
        let deposed = timeout(DEPOSE_DEADLINE, self.election.depose(&self.me, &term, evidence)).await;
        let since_end_ms = millis(clock::mono() - gone.stream_ended);
        match deposed {
            Ok(Ok(())) => {
                self.board.counts.depositions.one();
                tracing::warn!(%leader, %term, evidence, since_end_ms, "leader deposed");
            }
            Ok(Err(ElectionError::Unsupported { what })) => {
                followed.can_be_deposed = false;
                tracing::debug!(%leader, %term, what, "leader not deposed");
            }
            Ok(Err(ElectionError::AlreadyLeading { .. })) => tracing::debug!(%term, "the term is our own"),
            Ok(Err(ElectionError::DeposedLately { wait })) => {
                tracing::debug!(%leader, %term, ?wait, "leader left to its lease: one was deposed just now");
            }
            Ok(Err(error)) => followed.tell_failure(with_causes(&error)),
            Err(_) => followed.tell_failure(format!("no answer within {}s", DEPOSE_DEADLINE.as_secs())),
        }
    }
}

fn is(observed: &watch::Receiver<Option<LeaderRecord>>, leader: &LeaderRecord) -> bool {
    observed.borrow().as_ref() == Some(leader)
}

/// Waits until the observed leader is another one than this. It is observed as long as the process lives.
async fn other_than(observed: &mut watch::Receiver<Option<LeaderRecord>>, leader: Option<&LeaderRecord>) {
    if observed.wait_for(|found| found.as_ref() != leader).await.is_err() {
        std::future::pending::<()>().await;
    }
}
