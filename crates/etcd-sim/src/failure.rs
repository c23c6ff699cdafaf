//! Every way in which a call fails, in etcd's words.

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No key.
    EmptyKey,
    /// A put that keeps value or lease of a key that does not exist; or an operation of a transaction that is none.
    KeyNotFound,
    /// A value, and the wish to keep the old one.
    ValueProvided,
    /// A lease, and the wish to keep the old one.
    LeaseProvided,
    /// More than 128 operations, or compares, in a transaction.
    TooManyOperations,
    /// A key that one transaction would change twice.
    DuplicateKey,
    /// More than 1.5 MiB.
    TooLarge,
    /// The revision is gone.
    Compacted,
    /// The revision is not there yet.
    FutureRevision,
    /// The alarm `NOSPACE` is raised.
    NoSpace,
    /// No such lease.
    LeaseNotFound,
    /// A lease of this id exists.
    LeaseExists,
    /// A lease of more than 9,000,000,000 s.
    LeaseTtlTooLarge,
    /// The member knows no leader, and the call demands one.
    NoLeader,
    /// There was another leader before a read was confirmed.
    LeaderChanged,
    /// No quorum in time.
    TimedOut,
    /// The same, while the leader was changing.
    TimedOutByLeaderFailure,
    /// The member has stopped.
    Stopped,
}

/// The codes of gRPC that etcd uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 3.
    InvalidArgument = 3,
    /// 5.
    NotFound = 5,
    /// 8.
    ResourceExhausted = 8,
    /// 9.
    FailedPrecondition = 9,
    /// 11.
    OutOfRange = 11,
    /// 14.
    Unavailable = 14,
}

impl Failure {
    /// The code of gRPC and the message that etcd answers with.
    pub fn status(self) -> (Code, &'static str) {
        use Code::{FailedPrecondition, InvalidArgument, NotFound, OutOfRange, ResourceExhausted, Unavailable};
        match self {
            Self::EmptyKey => (InvalidArgument, "etcdserver: key is not provided"),
            Self::KeyNotFound => (InvalidArgument, "etcdserver: key not found"),
            Self::ValueProvided => (InvalidArgument, "etcdserver: value is provided"),
            Self::LeaseProvided => (InvalidArgument, "etcdserver: lease is provided"),
            Self::TooManyOperations => (InvalidArgument, "etcdserver: too many operations in txn request"),
            Self::DuplicateKey => (InvalidArgument, "etcdserver: duplicate key given in txn request"),
            Self::TooLarge => (InvalidArgument, "etcdserver: request is too large"),
            Self::Compacted => (OutOfRange, "etcdserver: mvcc: required revision has been compacted"),
            Self::FutureRevision => (OutOfRange, "etcdserver: mvcc: required revision is a future revision"),
            Self::NoSpace => (ResourceExhausted, "etcdserver: mvcc: database space exceeded"),
            Self::LeaseNotFound => (NotFound, "etcdserver: requested lease not found"),
            Self::LeaseExists => (FailedPrecondition, "etcdserver: lease already exists"),
            Self::LeaseTtlTooLarge => (OutOfRange, "etcdserver: too large lease TTL"),
            Self::NoLeader => (Unavailable, "etcdserver: no leader"),
            Self::LeaderChanged => (Unavailable, "etcdserver: leader changed"),
            Self::TimedOut => (Unavailable, "etcdserver: request timed out"),
            Self::TimedOutByLeaderFailure => {
                (Unavailable, "etcdserver: request timed out, possibly due to previous leader failure")
            }
            Self::Stopped => (Unavailable, "etcdserver: server stopped"),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.status().1)
    }
}

impl std::error::Error for Failure {}
