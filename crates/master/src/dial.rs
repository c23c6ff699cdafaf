//! One call to somebody's own endpoint, with a deadline on every step.
//!
//! Whether a process is gone is told by the operating system, not by gRPC: three fresh connections refused in a row.
//! Who takes the connection is asked who it is, because somebody else may listen there by now.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use tanist_core::ids::Term;
use tanist_core::master::{Finding, Peer};
use tanist_core::model::LeaderInfo;
use tanist_proto::convert::endpoint::{Acknowledgement, Identity};
use tanist_proto::v1;
use tanist_proto::v1::app_endpoint_client::AppEndpointClient;
use tanist_proto::v1::worker_endpoint_client::WorkerEndpointClient;

use crate::connect::{RpcChannel, Unreached, connect, knock};

/// Fresh connections that must be refused before a process counts as gone.
pub(crate) const REFUSALS: u32 = 3;

/// Pause between two of them: together they span more than a listener needs to be re-opened in place, because what runs
/// on a worker that counts as gone is replaced.
const BETWEEN_REFUSALS: Duration = Duration::from_millis(50);

/// A probe asks so often before it finds nothing but silence: a process that is being killed takes connections and
/// cuts them until its last socket is closed.
const PROBES: u32 = 3;

/// Pause between two probes, longer than the kernel needs to take a process apart.
const BETWEEN_PROBES: Duration = Duration::from_millis(100);

/// Deadline of one answer.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_secs(2);

/// What an endpoint answered.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    /// The one that was meant says this.
    From(T),
    /// Nobody is there, or somebody else.
    Gone,
    /// Nothing in time.
    None,
}

impl<T> Answer<T> {
    /// The same about something that is made of it.
    pub(crate) fn map<U>(self, make: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::From(answer) => Answer::From(make(answer)),
            Self::Gone => Answer::Gone,
            Self::None => Answer::None,
        }
    }
}

/// Whether the peer's process lives (protocol 6).
pub(crate) async fn probe(peer: &Peer, endpoint: &str) -> Finding {
    for probe in 1..=PROBES {
        match ask(peer, endpoint, |channel| async move { Ok((ping(peer, channel).await?, ())) }).await {
            Answer::From(()) => return Finding::Alive,
            Answer::Gone => return Finding::Gone,
            Answer::None if probe < PROBES => sleep(BETWEEN_PROBES).await,
            Answer::None => {}
        }
    }
    Finding::Silent
}

/// Tells the peer who leads; it answers with the highest term it has heard of.
pub(crate) async fn announce(peer: &Peer, endpoint: &str, leader: &LeaderInfo) -> Answer<Term> {
    let told = ask(peer, endpoint, |channel| async move {
        let ack = master_changed(peer, channel, leader.into()).await?;
        Ok((ack.identity, ack.heard))
    });
    told.await
}

/// One call; whoever answers says who it is.
async fn ask<T, F>(peer: &Peer, endpoint: &str, call: impl FnOnce(RpcChannel) -> F) -> Answer<T>
where
    F: Future<Output = Result<(Identity, T), Status>>,
{
    let channel = match reach(|| connect(endpoint)).await {
        Reached::By(channel) => channel,
        Reached::Refused => return Answer::Gone,
        Reached::NoTelling => return Answer::None,
    };
    match timeout(ANSWER_DEADLINE, call(channel)).await {
        Ok(Ok((identity, answer))) if is_meant(peer, &identity) => Answer::From(answer),
        Ok(Ok((identity, _))) => {
            tracing::info!(?peer, endpoint, ?identity, "somebody else answers at an endpoint");
            Answer::Gone
        }
        // Something that speaks gRPC but is no endpoint of ours.
        Ok(Err(status)) if status.code() == Code::Unimplemented => Answer::Gone,
        Ok(Err(status)) => {
            tracing::debug!(?peer, endpoint, %status, "an endpoint failed to answer");
            Answer::None
        }
        Err(_) => Answer::None,
    }
}

/// What became of a connection.
#[derive(Debug)]
pub(crate) enum Reached<T> {
    By(T),
    /// Refused three times.
    Refused,
    NoTelling,
}

/// One connection, which is used if it is taken: a new leader has thousands to make.
pub(crate) async fn reach<T, F>(connect: impl Fn() -> F) -> Reached<T>
where
    F: Future<Output = Result<T, Unreached>>,
{
    for attempt in 1..=REFUSALS {
        match connect().await {
            Ok(connected) => return Reached::By(connected),
            Err(Unreached::Refused) => {}
            Err(Unreached::NoTelling(_)) => return Reached::NoTelling,
        }
        if attempt < REFUSALS {
            sleep(BETWEEN_REFUSALS).await;
        }
    }
    Reached::Refused
}

/// Whether nobody listens: [`REFUSALS`] fresh connections in a row were refused, with this pause between them.
pub(crate) async fn refuses(address: &str, pause: Duration) -> bool {
    for attempt in 1..=REFUSALS {
        match knock(address).await {
            Err(Unreached::Refused) => {}
            Ok(()) | Err(Unreached::NoTelling(_)) => return false,
        }
        if attempt < REFUSALS {
            sleep(pause).await;
        }
    }
    true
}

async fn ping(peer: &Peer, channel: RpcChannel) -> Result<Identity, Status> {
    let request = v1::PingRequest {};
    let reply = match peer {
        Peer::Worker(_) => WorkerEndpointClient::new(channel).ping(request).await?,
        Peer::App(_) => AppEndpointClient::new(channel).ping(request).await?,
    };
    Ok(Identity::try_from(reply.into_inner())?)
}

async fn master_changed(peer: &Peer, channel: RpcChannel, leader: v1::LeaderInfo) -> Result<Acknowledgement, Status> {
    let ack = match peer {
        Peer::Worker(_) => WorkerEndpointClient::new(channel).master_changed(leader).await?,
        Peer::App(_) => AppEndpointClient::new(channel).master_changed(leader).await?,
    };
    Ok(Acknowledgement::try_from(ack.into_inner())?)
}

fn is_meant(peer: &Peer, identity: &Identity) -> bool {
    match (peer, identity) {
        (Peer::Worker(meant), Identity::Worker { id, .. }) => id == meant,
        (Peer::App(meant), Identity::App(app)) => app.as_ref() == Some(meant),
        _ => false,
    }
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
