//! What went wrong between this process and one member of etcd, sorted by what it means for a write, and told in the
//! words of the people who have to mend it.
//!
//! Three classes: certainly *not sent*; *refused* by etcd, for a reason of its own; anything else is *ambiguous*, and
//! a write may have happened. What etcd means is told by its messages, because it uses one code for many things.

mod transport;

use tonic::{Code, Status};

use crate::error::{CommitError, ForeignStore, StoreError};
use crate::failpoint::Injected;

/// What is known of a call that gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// It never left this process.
    NotSent,
    /// etcd, or the way to it, answered that it does not do this. Nothing was applied.
    Refused(Reason),
    /// It may have been applied, now or later.
    Ambiguous,
}

/// Why etcd refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// More than etcd takes in one request.
    RequestTooLarge,
    /// The answer is more than this process takes in one message.
    AnswerTooLarge,
    /// The database has reached its quota.
    NoSpace,
    /// This user may not do that.
    Forbidden,
    /// Wrong user name or password.
    WrongLogin,
    /// The login has to be made anew: its token has expired, users have changed, or users were not asked for before.
    StaleLogin,
    /// etcd has no users, although one is configured here.
    NoLogins,
    /// The revision is gone.
    Compacted,
    /// The revision is not there yet.
    FutureRevision,
    /// The lease has expired or was never there.
    LeaseNotFound,
    /// The store is not the one it was.
    Foreign(ForeignStore),
    /// Anything else that etcd holds against the request itself.
    Invalid,
}

/// A call to etcd that gave no result. Its text names the endpoint and says what to look at; it is complete, and what
/// the libraries below say besides is logged for those who debug them.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub(super) struct Fault {
    kind: Kind,
    text: String,
}

impl Fault {
    /// Sorts what the client library reports of a call to this endpoint.
    pub(super) fn of(endpoint: &str, error: &etcd_client::Error) -> Self {
        tracing::debug!(endpoint, ?error, "call to etcd failed");
        let (kind, words) = match error {
            etcd_client::Error::GRpcStatus(status) => of_status(status),
            etcd_client::Error::TransportError(error) => transport::explain(error, error.to_string()),
            // The library's words for the first answer of a renewal that says that nothing is left.
            etcd_client::Error::LeaseKeepAliveError(words) if words == "lease not found" => {
                (Kind::Refused(Reason::LeaseNotFound), words.clone())
            }
            _ => (Kind::Ambiguous, error.to_string()),
        };
        Self { kind, text: format!("etcd at {endpoint}: {words}") }
    }

    /// The handshake of TLS did not succeed.
    pub(super) fn at_the_door(endpoint: &str, error: &std::io::Error) -> Self {
        let (_, words) = transport::explain(error, error.to_string());
        Self { kind: Kind::NotSent, text: format!("etcd at {endpoint}: {words}") }
    }

    /// Nothing came back in time. How long that was is not said, so that the same trouble has the same text.
    pub(super) fn silence(endpoint: &str) -> Self {
        Self { kind: Kind::Ambiguous, text: format!("etcd at {endpoint}: no answer in time") }
    }

    /// A stream is over.
    pub(super) fn ended(endpoint: &str) -> Self {
        Self { kind: Kind::Ambiguous, text: format!("etcd at {endpoint}: the stream was ended") }
    }

    /// An answer that does not say who gave it, and when.
    pub(super) fn without_header() -> Self {
        Self { kind: Kind::Ambiguous, text: "etcd gave an answer without a header".to_owned() }
    }

    /// A fault that a test has ordered before anything was sent.
    pub(super) fn injected_before(injected: &Injected) -> Self {
        Self { kind: Kind::NotSent, text: injected.to_string() }
    }

    /// A fault that a test has ordered after an answer came.
    pub(super) fn injected_after(injected: &Injected) -> Self {
        Self { kind: Kind::Ambiguous, text: injected.to_string() }
    }

    /// The same, met while only preparing for the call: the call itself was not sent.
    #[must_use]
    pub(super) fn while_preparing(self) -> Self {
        match self.kind {
            Kind::Ambiguous => Self { kind: Kind::NotSent, ..self },
            _ => self,
        }
    }

    /// What every endpoint had to say, as one fault: not sent only if it was sent to none of them.
    pub(super) fn of_all(faults: impl IntoIterator<Item = Fault>) -> Self {
        let all = faults.into_iter().reduce(|all, next| {
            let kind = if all.kind == Kind::NotSent { next.kind } else { all.kind };
            Self { kind, text: format!("{}; {}", all.text, next.text) }
        });
        all.unwrap_or_else(|| Self { kind: Kind::NotSent, text: "no member of etcd was asked".to_owned() })
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    pub(super) fn is_reason(&self, reason: &Reason) -> bool {
        matches!(&self.kind, Kind::Refused(found) if found == reason)
    }

    /// Whether this speaks of the way to the endpoint, or of its health, and not of the request.
    pub(super) fn is_endpoints(&self) -> bool {
        matches!(self.kind, Kind::NotSent | Kind::Ambiguous)
    }

    /// What it means for a read. Revisions that are gone or not yet there need more than a fault knows, and are turned
    /// into errors where they are asked for.
    pub(super) fn reading(self, action: impl Into<String>) -> StoreError {
        let action = action.into();
        match self.kind {
            Kind::Refused(Reason::Foreign(foreign)) => foreign.into(),
            Kind::NotSent | Kind::Ambiguous => StoreError::Unreachable { action, source: Box::new(self) },
            Kind::Refused(_) => StoreError::Denied { action, source: Box::new(self) },
        }
    }

    /// What it means for a transaction of this many bytes.
    pub(super) fn committing(self, bytes: usize) -> CommitError {
        match self.kind {
            Kind::NotSent => CommitError::NotSent { source: Box::new(self) },
            Kind::Ambiguous => CommitError::Unknown { source: Box::new(self) },
            Kind::Refused(Reason::Foreign(foreign)) => foreign.into(),
            Kind::Refused(Reason::RequestTooLarge) => CommitError::TooLarge { bytes, source: Box::new(self) },
            Kind::Refused(Reason::NoSpace) => CommitError::NoSpace { source: Box::new(self) },
            Kind::Refused(_) => CommitError::Denied { source: Box::new(self) },
        }
    }
}

impl From<ForeignStore> for Fault {
    fn from(foreign: ForeignStore) -> Self {
        Self { text: foreign.to_string(), kind: Kind::Refused(Reason::Foreign(foreign)) }
    }
}

/// What etcd says to a request that it does not even pass on to its members.
const TOO_BUSY: &str = "too many requests";

/// What etcd says, as far as it is told apart: code, a part of the message, what it means.
fn reasons() -> [(Code, &'static str, Reason); 16] {
    [
        (Code::InvalidArgument, "request is too large", Reason::RequestTooLarge),
        (Code::InvalidArgument, "too many operations in txn", Reason::RequestTooLarge),
        (Code::ResourceExhausted, "message larger than max", Reason::RequestTooLarge),
        (Code::OutOfRange, "decoded message length too large", Reason::AnswerTooLarge),
        (Code::ResourceExhausted, "database space exceeded", Reason::NoSpace),
        (Code::PermissionDenied, "", Reason::Forbidden),
        (Code::InvalidArgument, "authentication failed", Reason::WrongLogin),
        (Code::Unauthenticated, "", Reason::StaleLogin),
        (Code::InvalidArgument, "revision of auth store is old", Reason::StaleLogin),
        // The same of 3.4.
        (Code::Unknown, "revision in header is old", Reason::StaleLogin),
        (Code::InvalidArgument, "user name is empty", Reason::StaleLogin),
        (Code::FailedPrecondition, "authentication is not enabled", Reason::NoLogins),
        (Code::OutOfRange, "has been compacted", Reason::Compacted),
        (Code::OutOfRange, "is a future revision", Reason::FutureRevision),
        (Code::NotFound, "requested lease not found", Reason::LeaseNotFound),
        (Code::InvalidArgument, "", Reason::Invalid),
    ]
}

fn of_status(status: &Status) -> (Kind, String) {
    let message = status.message();
    if status.code() == Code::ResourceExhausted && message.contains(TOO_BUSY) {
        return (Kind::NotSent, format!("it has too much to do ({message})"));
    }
    let found = reasons().into_iter().find(|(code, part, _)| status.code() == *code && message.contains(part));
    let Some((_, _, reason)) = found else {
        return transport::explain(status, format!("{:?}: {message}", status.code()));
    };
    let words = match reason {
        Reason::WrongLogin => "wrong user name or password",
        Reason::StaleLogin => "it asks for a user, and none is configured, or the login is not valid any more",
        Reason::Forbidden => "this user may not read and write below this prefix",
        Reason::NoSpace => "its database has reached its quota: it has to be compacted, defragmented and disarmed",
        _ => return (Kind::Refused(reason), message.to_owned()),
    };
    (Kind::Refused(reason), format!("{words} ({message})"))
}
