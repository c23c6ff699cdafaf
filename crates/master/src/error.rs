//! What can end a master process ([`MasterError`]), and why a request may stay without an answer ([`RequestError`]).

use std::time::Duration;

use tanist_core::ids::MasterId;
use tanist_store::ElectionError;

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
/// id) may be sent again.
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
    #[error("this master lost the lead before the outcome of the request was known; ask the leader again")]
    TermEnded,
    /// No answer in time.
    #[error("no answer within {}s{}", after.as_secs(), degraded_text(degraded.as_deref()))]
    NoAnswer {
        /// How long it waited.
        after: Duration,
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
    /// The process is ending.
    #[error("this master is shutting down; ask another one")]
    ShuttingDown,
}

fn degraded_text(why: Option<&str>) -> String {
    why.map(|why| format!(": the store takes no changes at present ({why})")).unwrap_or_default()
}
