//! What kinds of calls there are: where they go, how long they are waited for, and where tests may order faults.

use std::time::Duration;

use crate::etcd::fault::Fault;
use crate::failpoint;

/// What a connection is used for. Each lane has its own, so that none has to wait for another one's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::etcd) enum Lane {
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
    pub(super) const COUNT: usize = 4;

    /// A stream to a member that has lost touch with the others would stay silent for ever; so it is asked to say so.
    pub(super) fn is_stream(self) -> bool {
        matches!(self, Lane::Lease | Lane::Watch)
    }
}

/// Where a test may order faults: before a call nothing is sent, after it the answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::etcd) enum Point {
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
    pub(in crate::etcd) async fn before(self) -> Result<(), Fault> {
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
    pub(in crate::etcd) async fn after(self) -> Result<(), Fault> {
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
pub(in crate::etcd) struct Call {
    pub(in crate::etcd) point: Point,
    pub(in crate::etcd) lane: Lane,
    /// For one try at one endpoint.
    pub(in crate::etcd) each: Duration,
    /// No try begins after this.
    pub(in crate::etcd) total: Duration,
}

impl Call {
    /// A small read. One try is short, because another endpoint may do it; all together outlast an ordinary change of
    /// etcd's leader, up to 3 s.
    pub(in crate::etcd) const READ: Call =
        Call { point: Point::Read, lane: Lane::Requests, each: Duration::from_secs(1), total: Duration::from_secs(5) };

    /// A page of a folder: some MiB.
    pub(in crate::etcd) const BULK: Call =
        Call { point: Point::Read, lane: Lane::Bulk, each: Duration::from_secs(5), total: Duration::from_secs(15) };

    /// A transaction of a term. One try outlasts an ordinary change of etcd's leader, because a second one cannot be
    /// made without asking what became of the first.
    pub(in crate::etcd) const COMMIT: Call = Call {
        point: Point::Commit,
        lane: Lane::Requests,
        each: Duration::from_secs(3),
        total: Duration::from_secs(5),
    };

    /// A transaction of the election.
    pub(in crate::etcd) const ELECTION: Call = Call { point: Point::Election, ..Call::COMMIT };

    /// Grant or revocation of a lease.
    pub(in crate::etcd) const LEASE: Call = Call { point: Point::Lease, lane: Lane::Lease, ..Call::COMMIT };

    /// The same with other deadlines.
    #[must_use]
    pub(in crate::etcd) const fn within(self, each: Duration, total: Duration) -> Self {
        Self { each, total, ..self }
    }
}
