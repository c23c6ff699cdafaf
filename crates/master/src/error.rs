//! What can end a master process ([`MasterError`]), why a request may stay without an answer ([`RequestError`]), why an
//! office is not left ([`LeaveError`]) and why what operators want is not written down ([`IntentError`]).

use std::error::Error;
use std::time::Duration;

use tanist_core::ids::MasterId;
use tanist_core::model::{LeaderInfo, MasterRole};
use tanist_core::time::Wall;
use tanist_store::{ElectionError, Pause};

/// Why a master cannot start or go on. The loss of the lead is not among these: the process lives on as a standby.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// The gRPC listener does not tell its own address.
    #[error("master {master}: reading the address of the gRPC listener")]
    Listener {
        /// Which master.
        master: MasterId,
        /// Why.
        source: std::io::Error,
    },
    /// Standing for election can never succeed as things are: another cluster, no epoch left, an unusable store.
    #[error("master {master} cannot stand for election")]
    Election {
        /// Which master.
        master: MasterId,
        /// Why.
        source: ElectionError,
    },
    /// The gRPC server failed.
    #[error("master {master}: the gRPC server failed")]
    Serve {
        /// Which master.
        master: MasterId,
        /// Why.
        source: tonic::transport::Error,
    },
    /// A task of the master panicked.
    #[error("master {master}: task {task:?} panicked")]
    Panicked {
        /// Which master.
        master: MasterId,
        /// Which task.
        task: &'static str,
        /// What is known of it.
        source: tokio::task::JoinError,
    },
}

/// Why a request was not answered. Except for [`RequestError::NeverStorable`], the same request (with the same request
/// id) may be sent again. Those that may have taken effect say so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The inbox of the loop is full.
    #[error("the master is busy: {capacity} messages wait already")]
    Busy {
        /// How many may wait.
        capacity: usize,
    },
    /// Too many requests wait for their answer.
    #[error("the master is busy: {capacity} requests wait for their answer already")]
    TooManyWaiting {
        /// How many may wait.
        capacity: usize,
    },
    /// The term in which it was taken has ended; whether it took effect is not known here.
    #[error("this master lost the lead before the outcome was known; {IN_DOUBT}; ask the leader")]
    TermEnded,
    /// The process has ended with it in hand; whether it took effect is not known here.
    #[error("this master stopped before the outcome was known; {IN_DOUBT}; ask the leader")]
    Stopped,
    /// No answer in time.
    #[error("no answer within {}s{}; {IN_DOUBT}", after.as_secs(), degraded_text(degraded.as_deref()))]
    NoAnswer {
        /// How long it waited.
        after: Duration,
        /// What is wrong with the store, if something is.
        degraded: Option<String>,
    },
    /// The published view is from before the question and does not show what was asked for.
    #[error("the last view, {}s old, does not show it, and there is no newer one{}", age.as_secs(), degraded_text(degraded.as_deref()))]
    NotShown {
        /// Age of the view.
        age: Duration,
        /// What is wrong with the store, if something is.
        degraded: Option<String>,
    },
    /// It was in one batch with something that the store can never take. It may be sent again.
    #[error("the store refused a batch of changes that this request was part of ({why}); send it again")]
    BatchRefused {
        /// What the store said.
        why: String,
    },
    /// What it asks for can never be stored.
    #[error("it cannot be stored: {why}")]
    NeverStorable {
        /// Object, size and limit.
        why: String,
    },
    /// The process is ending and has not looked at it.
    #[error("this master is shutting down; ask another one")]
    ShuttingDown,
}

/// Said of every request that may have taken effect although its outcome is not known.
const IN_DOUBT: &str = "it may have taken effect nevertheless";

impl RequestError {
    /// Whether the request may have taken effect. Sent again without a request id, it may then do so twice.
    pub(crate) fn is_in_doubt(&self) -> bool {
        match self {
            Self::TermEnded | Self::Stopped | Self::NoAnswer { .. } => true,
            Self::Busy { .. }
            | Self::TooManyWaiting { .. }
            | Self::NotShown { .. }
            | Self::BatchRefused { .. }
            | Self::NeverStorable { .. }
            | Self::ShuttingDown => false,
        }
    }
}

/// Why an office was not left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaveError {
    /// This master does not lead, or its term ended before it could be left.
    #[error("this master does not lead: it is {role}")]
    NotLeading {
        /// What it is.
        role: MasterRole,
        /// Who leads, as far as known.
        leader: Option<LeaderInfo>,
    },
    /// Its term is past the local deadline.
    #[error("it is suspended: whether it still leads is not known, so that it cannot hand anything over")]
    Suspended,
    /// An office is being left already.
    #[error("it is being left already, {}", successor_text(target.as_ref()))]
    UnderWay {
        /// To whom.
        target: Option<MasterId>,
    },
    /// Nobody could follow.
    #[error("failover is paused by {} until {}: {}; nobody could follow", .0.by, Wall(.0.until).civil(), .0.why)]
    Paused(Pause),
    /// The one who is to follow leads already.
    #[error("target: {target} leads already; allowed are {}", listed(members))]
    TargetLeads {
        /// Who.
        target: MasterId,
        /// Who could.
        members: Vec<MasterId>,
    },
    /// The one who is to follow is not up.
    #[error("target: no master {target} is up; allowed are {}", listed(members))]
    TargetUnknown {
        /// Who.
        target: MasterId,
        /// Who could.
        members: Vec<MasterId>,
    },
    /// The one who is to follow cannot do so now.
    #[error("target: {target} at {address} cannot follow now: {why}")]
    TargetUnfit {
        /// Who.
        target: MasterId,
        /// Where it is.
        address: String,
        /// What was tried and what came of it.
        why: String,
    },
    /// Who is up is not known.
    #[error("target: the members cannot be read: {why}")]
    MembersUnknown {
        /// What came of it.
        why: String,
    },
    /// What is under way could not be brought to its end in time. The office is kept.
    #[error("what is under way was not committed within {}s{}", within.as_secs(), degraded_text(degraded.as_deref()))]
    NotDrained {
        /// How long it had.
        within: Duration,
        /// What is wrong with the store, if something is.
        degraded: Option<String>,
    },
    /// The store did not take it. The office is kept.
    #[error("the store: {why}")]
    Store {
        /// What it said.
        why: String,
    },
    /// It is not known what came of it.
    #[error(transparent)]
    NoAnswer(#[from] RequestError),
}

/// Why what operators want could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum IntentError {
    /// The store did not answer in time.
    #[error("the store did not answer within {}s; it may have been written down nevertheless", after.as_secs())]
    NoAnswer {
        /// How long it had.
        after: Duration,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Election(#[from] ElectionError),
}

/// An error with everything below it, in one line. Some errors name their cause themselves.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

fn successor_text(target: Option<&MasterId>) -> String {
    target.map_or_else(|| "to whoever is first".to_owned(), |target| format!("to {target}"))
}

fn listed(members: &[MasterId]) -> String {
    if members.is_empty() {
        return "other masters that are up, and there is none".to_owned();
    }
    members.iter().map(MasterId::as_str).collect::<Vec<_>>().join(", ")
}

fn degraded_text(why: Option<&str>) -> String {
    why.map(|why| format!(": the store takes no changes at present ({why})")).unwrap_or_default()
}
