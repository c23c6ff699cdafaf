//! The way to etcd: one client for each member and purpose, with fail-over, deadlines, and an eye on whether it is
//! still the same etcd that answers.
//!
//! * [`Pool::read`] tries every endpoint until a total deadline: for whatever may be done twice.
//! * [`Pool::write`] goes on to the next endpoint only while nothing was sent.
//! * [`Pool::client`] lends a client for streams, whose calls go through [`Pool::ask`].
//!
//! All lanes share one *current* endpoint. It stays the same until it fails; whoever notices moves everybody on, and
//! the one that failed is asked only after the others for some seconds. Clients connect when they are first used, each
//! lane by itself, and anew after a failure.

mod endpoint;
mod keys;
mod knock;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{
    Client, DeleteResponse, GetResponse, LeaseGrantResponse, LeaseKeepAliveResponse, LeaseKeepAliveStream, LeaseKeeper,
    LeaseRevokeResponse, LeaseTimeToLiveResponse, PutResponse, ResponseHeader, StatusResponse, TxnResponse,
    WatchResponse, WatchStream,
};
use tokio::time::{Instant, sleep, timeout};

use crate::engine::Revision;
use crate::error::ForeignStore;
use crate::failpoint;

pub(super) use self::endpoint::Endpoint;
pub(super) use self::keys::{Keys, number, revision};
use super::check;
use super::fault::{Fault, Kind, Reason};
use super::options::{EtcdOptions, InvalidOption};

/// Between two rounds over all endpoints, when none of them gave an answer.
const ROUND_PAUSE: Duration = Duration::from_millis(100);

/// What the client library gives.
pub(super) type Reply<T> = Result<T, etcd_client::Error>;

/// What a connection is used for. Each lane has its own, so that none has to wait for another one's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Small reads, and transactions.
    Requests,
    /// Grants and renewals.
    Lease,
    /// Watches.
    Watch,
    /// Reads of whole folders.
    Bulk,
}

impl Lane {
    const COUNT: usize = 4;

    /// A stream to a member that has lost touch with the others would stay silent for ever; so it is asked to say so.
    fn is_stream(self) -> bool {
        matches!(self, Lane::Lease | Lane::Watch)
    }
}

/// Where a test may order faults: before a call nothing is sent, after it the answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// `etcd.read.before`, `etcd.read.after`.
    Read,
    /// `etcd.commit.before`, `etcd.commit.after`.
    Commit,
    /// `etcd.lease.before`, `etcd.lease.after`.
    Lease,
    /// `etcd.election.before`, `etcd.election.after`.
    Election,
}

impl Point {
    /// To be reached before a call. [`Pool::read`] and [`Pool::write`] do that themselves.
    ///
    /// # Errors
    /// If a test has ordered one.
    pub(super) async fn before(self) -> Result<(), Fault> {
        let name = match self {
            Point::Read => "etcd.read.before",
            Point::Commit => "etcd.commit.before",
            Point::Lease => "etcd.lease.before",
            Point::Election => "etcd.election.before",
        };
        failpoint::reach(name).await.map_err(|injected| Fault::injected_before(&injected))
    }

    /// To be reached after a call that was answered.
    ///
    /// # Errors
    /// If a test has ordered one.
    pub(super) async fn after(self) -> Result<(), Fault> {
        let name = match self {
            Point::Read => "etcd.read.after",
            Point::Commit => "etcd.commit.after",
            Point::Lease => "etcd.lease.after",
            Point::Election => "etcd.election.after",
        };
        failpoint::reach(name).await.map_err(|injected| Fault::injected_after(&injected))
    }
}

/// A kind of call: where it goes, and how long it is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) point: Point,
    pub(super) lane: Lane,
    /// For one try at one endpoint.
    pub(super) each: Duration,
    /// For all tries together.
    pub(super) total: Duration,
}

impl Call {
    /// A small read. One try is short, because another endpoint may do it; all together outlast an ordinary change of
    /// etcd's leader (up to 3 s).
    pub(super) const READ: Call =
        Call { point: Point::Read, lane: Lane::Requests, each: Duration::from_secs(1), total: Duration::from_secs(5) };

    /// A page of a folder: some MiB.
    pub(super) const BULK: Call =
        Call { point: Point::Read, lane: Lane::Bulk, each: Duration::from_secs(5), total: Duration::from_secs(15) };

    /// A transaction of a term. One try outlasts an ordinary change of etcd's leader, because a second one cannot be
    /// made without asking what became of the first.
    pub(super) const COMMIT: Call = Call {
        point: Point::Commit,
        lane: Lane::Requests,
        each: Duration::from_secs(3),
        total: Duration::from_secs(5),
    };

    /// A transaction of the election.
    pub(super) const ELECTION: Call = Call { point: Point::Election, ..Call::COMMIT };

    /// Grant or revocation of a lease.
    pub(super) const LEASE: Call = Call { point: Point::Lease, lane: Lane::Lease, ..Call::COMMIT };

    /// The same with other deadlines.
    #[must_use]
    pub(super) const fn within(self, each: Duration, total: Duration) -> Self {
        Self { each, total, ..self }
    }
}

/// Which endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(usize);

/// A client of one endpoint, for streams. What is asked of it goes through [`Pool::ask`].
pub(super) struct Lent {
    pub(super) at: At,
    pub(super) client: Client,
}

/// What etcd answers with: all but freshly opened streams say who they are from.
pub(super) trait Answer {
    /// The header of the answer.
    fn header(&self) -> Option<&ResponseHeader>;
}

macro_rules! answers {
    ($($response:ty),* $(,)?) => {
        $(impl Answer for $response {
            fn header(&self) -> Option<&ResponseHeader> {
                <$response>::header(self)
            }
        })*
    };
}

answers!(
    DeleteResponse,
    GetResponse,
    LeaseGrantResponse,
    LeaseKeepAliveResponse,
    LeaseRevokeResponse,
    LeaseTimeToLiveResponse,
    PutResponse,
    StatusResponse,
    TxnResponse,
    WatchResponse,
);

/// The revision of the store when it gave this answer.
///
/// # Errors
/// If it does not say.
pub(super) fn revision_of(answer: &impl Answer) -> Result<Revision, Fault> {
    answer.header().map(|header| revision(header.revision())).ok_or_else(Fault::without_header)
}

/// The next message of a stream, or its end.
impl<T: Answer> Answer for Option<T> {
    fn header(&self) -> Option<&ResponseHeader> {
        self.as_ref()?.header()
    }
}

impl Answer for WatchStream {
    fn header(&self) -> Option<&ResponseHeader> {
        None
    }
}

impl Answer for (LeaseKeeper, LeaseKeepAliveStream) {
    fn header(&self) -> Option<&ResponseHeader> {
        None
    }
}

/// All ways to one etcd.
#[derive(Debug)]
pub(super) struct Pool {
    endpoints: Vec<Arc<Endpoint>>,
    /// The one that is asked first.
    current: AtomicUsize,
    keys: Keys,
    /// The cluster id of the first answer.
    cluster: OnceLock<u64>,
    /// Set once somebody else has answered; nothing is asked any more then.
    foreign: OnceLock<ForeignStore>,
}

impl Pool {
    /// Checks the options. Connects to nothing.
    ///
    /// # Errors
    /// If an option is not allowed, or a certificate or key cannot be read.
    pub(super) fn new(options: &EtcdOptions) -> Result<Self, InvalidOption> {
        options.check()?;
        let endpoint = |name: &String| Endpoint::new(name, options).map(Arc::new);
        let endpoints = options.endpoints.iter().map(endpoint).collect::<Result<_, _>>()?;
        Ok(Self {
            endpoints,
            current: AtomicUsize::new(0),
            keys: Keys::new(&options.prefix),
            cluster: OnceLock::new(),
            foreign: OnceLock::new(),
        })
    }

    /// The cluster's prefix, on and off.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Does something that may be done twice: at every endpoint, round after round, until one answers or the total
    /// deadline has passed.
    ///
    /// # Errors
    /// What etcd refuses, at once; otherwise what all endpoints had to say in the end.
    pub(super) async fn read<T, F, W>(&self, call: Call, work: W) -> Result<T, Fault>
    where
        T: Answer,
        F: Future<Output = Reply<T>>,
        W: Fn(Client) -> F,
    {
        call.point.before().await?;
        let deadline = Instant::now() + call.total;
        let mut faults = BTreeMap::new();
        loop {
            for at in self.order() {
                let left = deadline.saturating_duration_since(Instant::now());
                match self.attempt(at, call.lane, call.each.min(left), &work).await {
                    Ok(answer) => {
                        call.point.after().await?;
                        return Ok(answer);
                    }
                    Err(fault) if fault.is_endpoints() => faults.insert(at, fault),
                    Err(fault) => return Err(fault),
                };
            }
            if Instant::now() + ROUND_PAUSE >= deadline {
                return Err(Fault::of_all(faults.into_values()));
            }
            sleep(ROUND_PAUSE).await;
        }
    }

    /// Does something that must not be done twice unseen: at the next endpoint only if it was certainly not sent to
    /// the one before.
    ///
    /// # Errors
    /// What came of the one try that was sent; if none was, what all endpoints had to say.
    pub(super) async fn write<T, F, W>(&self, call: Call, work: W) -> Result<T, Fault>
    where
        T: Answer,
        F: Future<Output = Reply<T>>,
        W: Fn(Client) -> F,
    {
        call.point.before().await?;
        let deadline = Instant::now() + call.total;
        let mut faults = Vec::new();
        for at in self.order() {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.attempt(at, call.lane, call.each.min(left), &work).await {
                Ok(answer) => {
                    call.point.after().await?;
                    return Ok(answer);
                }
                Err(fault) if *fault.kind() == Kind::NotSent => faults.push(fault),
                Err(fault) => return Err(fault),
            }
        }
        Err(Fault::of_all(faults))
    }

    /// Lends a client on a lane of the endpoint that is worth most, for streams. Does not connect, unless it has to log
    /// in.
    ///
    /// # Errors
    /// What etcd refuses; otherwise what all endpoints had to say.
    pub(super) async fn client(&self, lane: Lane) -> Result<Lent, Fault> {
        let mut faults = Vec::new();
        for at in self.order() {
            match self.client_at(at, lane).await {
                Ok(client) => return Ok(Lent { at, client }),
                Err(fault) if fault.is_endpoints() => faults.push(fault),
                Err(fault) => return Err(fault),
            }
        }
        Err(Fault::of_all(faults))
    }

    /// Awaits one answer of one endpoint: the opening of a stream, its next message, or a call. Looks who has
    /// answered, and moves everybody on to another endpoint if it failed.
    ///
    /// # Errors
    /// What went wrong, silence included.
    pub(super) async fn ask<T: Answer>(
        &self,
        at: At,
        within: Duration,
        answer: impl Future<Output = Reply<T>>,
    ) -> Result<T, Fault> {
        let endpoint = &self.endpoints[at.0];
        let result = match timeout(within, answer).await {
            Ok(Ok(answer)) => return self.see(at, answer.header()).map(|()| answer),
            Ok(Err(error)) => Fault::of(&endpoint.name, &error),
            Err(_) => Fault::silence(&endpoint.name),
        };
        if result.is_endpoints() {
            self.failed(at);
        }
        Err(result)
    }

    /// Looks who has answered: the first one ever decides which etcd is ours. [`Self::ask`] does that itself.
    ///
    /// # Errors
    /// If it is another etcd, now and ever after.
    pub(super) fn see(&self, at: At, header: Option<&ResponseHeader>) -> Result<(), Fault> {
        self.check_ours()?;
        let endpoint = &self.endpoints[at.0];
        if let Some(found) = header.map(ResponseHeader::cluster_id) {
            let expected = *self.cluster.get_or_init(|| found);
            if found != expected {
                let foreign = ForeignStore { endpoint: endpoint.name.clone(), expected, found };
                tracing::error!(error = %foreign, "another etcd answers");
                return Err(self.foreign.get_or_init(|| foreign).clone().into());
            }
        }
        if endpoint.answered() {
            tracing::info!(endpoint = endpoint.name, "etcd member answers again");
            self.prefer(at);
        }
        Ok(())
    }

    /// An endpoint did not do as it should: it rests for some seconds, and everybody is moved on to the next one.
    /// [`Self::ask`] does that itself.
    pub(super) fn failed(&self, at: At) {
        self.endpoints[at.0].failed();
        let next = self.order().first().map_or(at.0, |next| next.0);
        let moved = self.current.compare_exchange(at.0, next, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if moved && next != at.0 {
            let (from, to) = (&self.endpoints[at.0].name, &self.endpoints[next].name);
            tracing::warn!(from, to, "etcd member failed, asking another one");
        }
    }

    /// A stream of this endpoint ended without a word, as it does when the member stops.
    pub(super) fn ended(&self, at: At) -> Fault {
        self.failed(at);
        Fault::ended(&self.endpoints[at.0].name)
    }

    /// As configured.
    pub(super) fn name(&self, at: At) -> &str {
        &self.endpoints[at.0].name
    }

    async fn attempt<T, F, W>(&self, at: At, lane: Lane, within: Duration, work: &W) -> Result<T, Fault>
    where
        T: Answer,
        F: Future<Output = Reply<T>>,
        W: Fn(Client) -> F,
    {
        let deadline = Instant::now() + within;
        match self.attempt_once(at, lane, deadline, work).await {
            Err(fault) if fault.is_reason(&Reason::StaleLogin) => {
                self.endpoints[at.0].forget_clients();
                self.attempt_once(at, lane, deadline, work).await
            }
            result => result,
        }
    }

    async fn attempt_once<T, F, W>(&self, at: At, lane: Lane, deadline: Instant, work: &W) -> Result<T, Fault>
    where
        T: Answer,
        F: Future<Output = Reply<T>>,
        W: Fn(Client) -> F,
    {
        let left = || deadline.saturating_duration_since(Instant::now());
        let Ok(client) = timeout(left(), self.client_at(at, lane)).await else {
            self.failed(at);
            return Err(Fault::silence(self.name(at)).while_preparing());
        };
        let answer = self.ask(at, left(), work(client?)).await?;
        let endpoint = &self.endpoints[at.0];
        if endpoint.take_inspection() {
            tokio::spawn(check::inspect(Arc::clone(endpoint)));
        }
        Ok(answer)
    }

    async fn client_at(&self, at: At, lane: Lane) -> Result<Client, Fault> {
        self.check_ours()?;
        let client = self.endpoints[at.0].client(lane).await;
        if client.as_ref().is_err_and(Fault::is_endpoints) {
            self.failed(at);
        }
        client
    }

    fn check_ours(&self) -> Result<(), Fault> {
        self.foreign.get().map_or(Ok(()), |foreign| Err(foreign.clone().into()))
    }

    /// The endpoints in the order in which they are worth asking: round the ring from the current one, those that have
    /// failed lately behind the others.
    fn order(&self) -> Vec<At> {
        self.order_at(Instant::now())
    }

    fn order_at(&self, now: Instant) -> Vec<At> {
        let (count, first) = (self.endpoints.len(), self.current.load(Ordering::Acquire));
        let ring = (0..count).map(|step| (first + step) % count);
        let (mut order, resting): (Vec<usize>, Vec<usize>) = ring.partition(|at| !self.endpoints[*at].rests(now));
        order.extend(resting);
        order.into_iter().map(At).collect()
    }

    /// Nobody is moved back to an endpoint that answers again while the current one does.
    fn prefer(&self, at: At) {
        let current = self.current.load(Ordering::Acquire);
        if self.endpoints[current].rests(Instant::now()) {
            let _ = self.current.compare_exchange(current, at.0, Ordering::AcqRel, Ordering::Acquire);
        }
    }
}

#[cfg(test)]
mod tests;
