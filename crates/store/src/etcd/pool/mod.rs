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

mod answer;
mod call;
mod endpoint;
mod keys;
mod knock;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use etcd_client::{Client, ResponseHeader};
use tokio::time::{Instant, sleep, timeout};

use crate::error::ForeignStore;

pub(super) use self::answer::{Answer, Reply, revision_of};
pub(super) use self::call::{Call, Lane, Point};
pub(super) use self::endpoint::Endpoint;
pub(super) use self::keys::{Keys, number, revision};
use super::check;
use super::fault::{Fault, Kind, Reason};
use super::options::{EtcdOptions, InvalidOption};

/// Between two rounds over all endpoints, when none of them gave an answer.
const ROUND_PAUSE: Duration = Duration::from_millis(100);

/// A connection of some endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    endpoint: usize,
    generation: u64,
}

/// A client of one endpoint, for streams. What is asked of it goes through [`Pool::ask`].
pub(super) struct Lent {
    pub(super) at: At,
    pub(super) client: Client,
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

    /// Does something that may be done twice: at every endpoint, round after round, until one answers or the time for
    /// all tries has passed.
    ///
    /// # Errors
    /// What etcd refuses, at once; otherwise what all endpoints that were asked had to say in the end.
    pub(super) async fn read<T, F, W>(&self, call: Call, work: W) -> Result<T, Fault>
    where
        T: Answer,
        F: Future<Output = Reply<T>>,
        W: Fn(Client) -> F,
    {
        call.point.before().await?;
        let last = Instant::now() + call.total;
        let mut faults = BTreeMap::new();
        loop {
            for index in self.order() {
                match Box::pin(self.attempt(index, call.lane, call.each, &work)).await {
                    Ok(answer) => {
                        call.point.after().await?;
                        return Ok(answer);
                    }
                    Err(fault) if fault.is_endpoints() => faults.insert(index, fault),
                    Err(fault) => return Err(fault),
                };
                if Instant::now() >= last {
                    return Err(Fault::of_all(faults.into_values()));
                }
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
        let last = Instant::now() + call.total;
        let mut faults = Vec::new();
        for index in self.order() {
            match Box::pin(self.attempt(index, call.lane, call.each, &work)).await {
                Ok(answer) => {
                    call.point.after().await?;
                    return Ok(answer);
                }
                Err(fault) if *fault.kind() == Kind::NotSent => faults.push(fault),
                Err(fault) => return Err(fault),
            }
            if Instant::now() >= last {
                break;
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
        for index in self.order() {
            match self.lend(index, lane).await {
                Ok(lent) => return Ok(lent),
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
        let endpoint = &self.endpoints[at.endpoint];
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
        let endpoint = &self.endpoints[at.endpoint];
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
            self.prefer(at.endpoint);
        }
        Ok(())
    }

    /// An endpoint did not do as it should: it rests for some seconds, and everybody is moved on to the next one.
    /// [`Self::ask`] does that itself.
    pub(super) fn failed(&self, at: At) {
        if !self.endpoints[at.endpoint].failed(at.generation) {
            return;
        }
        let next = self.order().first().copied().unwrap_or(at.endpoint);
        let moved = self.current.compare_exchange(at.endpoint, next, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if moved && next != at.endpoint {
            let (from, to) = (&self.endpoints[at.endpoint].name, &self.endpoints[next].name);
            tracing::warn!(from, to, "etcd member failed, asking another one");
        }
    }

    /// A stream of this endpoint ended without a word, as it does when the member stops.
    pub(super) fn ended(&self, at: At) -> Fault {
        self.failed(at);
        Fault::ended(&self.endpoints[at.endpoint].name)
    }

    /// A future of some size, for its clients: to be boxed.
    async fn attempt<T, F, W>(&self, index: usize, lane: Lane, within: Duration, work: &W) -> Result<T, Fault>
    where
        T: Answer,
        F: Future<Output = Reply<T>>,
        W: Fn(Client) -> F,
    {
        let deadline = Instant::now() + within;
        match self.attempt_once(index, lane, deadline, work).await {
            Err(fault) if fault.is_reason(&Reason::StaleLogin) => {
                self.endpoints[index].forget_clients();
                self.attempt_once(index, lane, deadline, work).await
            }
            result => result,
        }
    }

    async fn attempt_once<T, F, W>(&self, index: usize, lane: Lane, deadline: Instant, work: &W) -> Result<T, Fault>
    where
        T: Answer,
        F: Future<Output = Reply<T>>,
        W: Fn(Client) -> F,
    {
        let left = || deadline.saturating_duration_since(Instant::now());
        let at = self.at(index);
        let Ok(lent) = timeout(left(), self.lend(index, lane)).await else {
            self.failed(at);
            return Err(Fault::silence(&self.endpoints[index].name).while_preparing());
        };
        let Lent { at, client } = lent?;
        let answer = self.ask(at, left(), work(client)).await?;
        let endpoint = &self.endpoints[index];
        if endpoint.take_inspection() {
            tokio::spawn(check::inspect(Arc::clone(endpoint)));
        }
        Ok(answer)
    }

    async fn lend(&self, index: usize, lane: Lane) -> Result<Lent, Fault> {
        self.check_ours()?;
        let at = self.at(index);
        match self.endpoints[index].client(lane).await {
            Ok(client) => Ok(Lent { at, client }),
            Err(fault) => {
                if fault.is_endpoints() {
                    self.failed(at);
                }
                Err(fault)
            }
        }
    }

    /// The endpoint with the connections that it has now.
    fn at(&self, endpoint: usize) -> At {
        At { endpoint, generation: self.endpoints[endpoint].generation() }
    }

    fn check_ours(&self) -> Result<(), Fault> {
        self.foreign.get().map_or(Ok(()), |foreign| Err(foreign.clone().into()))
    }

    /// The endpoints in the order in which they are worth asking: round the ring from the current one, those that have
    /// failed lately behind the others.
    fn order(&self) -> Vec<usize> {
        self.order_at(Instant::now())
    }

    fn order_at(&self, now: Instant) -> Vec<usize> {
        let (count, first) = (self.endpoints.len(), self.current.load(Ordering::Acquire));
        let ring = (0..count).map(|step| (first + step) % count);
        let (mut order, resting): (Vec<_>, Vec<_>) = ring.partition(|index| !self.endpoints[*index].rests(now));
        order.extend(resting);
        order
    }

    /// Nobody is moved back to an endpoint that answers again while the current one does.
    fn prefer(&self, index: usize) {
        let current = self.current.load(Ordering::Acquire);
        if self.endpoints[current].rests(Instant::now()) {
            let _ = self.current.compare_exchange(current, index, Ordering::AcqRel, Ordering::Acquire);
        }
    }
}

#[cfg(test)]
mod tests;
