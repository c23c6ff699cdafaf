//! What can go wrong for a program that talks to the cluster.

use std::fmt;
use std::io;
use std::time::Duration;

use tanist_core::ids::{DriverId, MasterId};
use tanist_proto::convert::DecodeError;

use crate::call::CallName;
use crate::scheduler::RunError;

/// Why something asked of the cluster was not done.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A text that is no list of masters.
    #[error(
        "{field} {value:?}: {why}; allowed are addresses such as host1:7077,host2:7077 or spark://host1:7077,host2:7077"
    )]
    InvalidMasters {
        /// The flag, variable or key that holds it.
        field: &'static str,
        /// The text as given.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// A flag of an executor that is missing, unknown or wrong.
    #[error("{flag}{}{why}", shown(.value))]
    InvalidArgument {
        /// Which one.
        flag: String,
        /// Its value; empty where there is none.
        value: String,
        /// What is wrong with it and what is allowed.
        why: String,
    },
    /// A text that is no `host:port`.
    #[error("address {address:?} is not host:port: {why}")]
    InvalidAddress {
        /// The text as given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The request is not one that could ever be sent, e.g. a driver description beyond 1 MiB.
    #[error("{call} was not sent: {source}")]
    InvalidRequest {
        /// What was to be asked.
        call: CallName,
        /// Field, value and what is allowed.
        source: DecodeError,
    },
    /// The leader will never take this.
    #[error("{reason}")]
    Refused {
        /// Field, value and what is allowed.
        reason: String,
    },
    /// The request was sent to a master that never said what came of it: it may or may not have taken effect.
    #[error("{call}: outcome unknown: it was sent and may have taken effect, but was not answered: {attempts}")]
    OutcomeUnknown {
        /// What was asked.
        call: CallName,
        /// What each master said last.
        attempts: Attempts,
    },
    /// No master acted on the request in time, and none can have.
    #[error("{call}: no master acted on it within {deadline:?}: {attempts}")]
    NoLeader {
        /// What was asked.
        call: CallName,
        /// How long it was tried.
        deadline: Duration,
        /// What each master said last.
        attempts: Attempts,
    },
    /// There is no such master.
    #[error("{master} is no member; members are {}", members.join(", "))]
    UnknownMaster {
        /// Which one was named.
        master: MasterId,
        /// Who there is.
        members: Vec<String>,
    },
    /// The leader does not hand over; nothing was changed.
    #[error("{leader} does not hand over the lead: {reason}")]
    SwitchoverRefused {
        /// Who leads.
        leader: MasterId,
        /// Its words.
        reason: String,
    },
    /// This cannot be done where the cluster keeps its records, or not now; nothing was changed.
    #[error("{call} was declined by {address}: {reason}")]
    Declined {
        /// What was asked.
        call: CallName,
        /// Of whom.
        address: String,
        /// Its words.
        reason: String,
    },
    /// The leader has left, and nobody has followed.
    #[error("{from} has handed over the lead, but nobody leads after {deadline:?}: {attempts}")]
    NoSuccessor {
        /// Who led.
        from: MasterId,
        /// How long it was waited, the handing over included.
        deadline: Duration,
        /// What each master said last.
        attempts: Attempts,
    },
    /// A master or worker refuses this call itself; trying again is useless.
    #[error("{call} was refused by {address}: {reason}")]
    CallRefused {
        /// What was asked.
        call: CallName,
        /// Of whom.
        address: String,
        /// Its words.
        reason: String,
    },
    /// A master or worker answered what cannot be understood, e.g. because it is of another version.
    #[error("{call}: {address} answered what cannot be understood: {reason}")]
    BadAnswer {
        /// What was asked.
        call: CallName,
        /// Of whom.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such driver.
    #[error("driver {driver} is not known to the cluster")]
    UnknownDriver {
        /// Which one was asked for.
        driver: DriverId,
    },
    /// A driver that has never been placed has no output.
    #[error("driver {driver} has not been launched on any worker yet, so that it has no output")]
    NeverLaunched {
        /// Which one was asked for.
        driver: DriverId,
    },
    /// The output of a process cannot be had from its worker.
    #[error("output of {process} cannot be read from worker {address}: {reason}")]
    Log {
        /// Whose output.
        process: String,
        /// `host:port` of the worker.
        address: String,
        /// Why.
        reason: String,
    },
    /// The application is over.
    #[error("the application has ended: {why}")]
    ApplicationEnded {
        /// Why.
        why: String,
    },
    /// A run of tasks has no results.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The path of the running program, which executors are to run too, cannot be had.
    #[error("the path of this program cannot be had: {source}")]
    OwnProgram {
        /// Why.
        source: io::Error,
    },
    /// Progress cannot be told.
    #[error("progress cannot be written: {source}")]
    Output {
        /// Why.
        source: io::Error,
    },
    /// A port of our own cannot be opened.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// `host:port` as asked for.
        address: String,
        /// Why.
        source: io::Error,
    },
}

/// `flag "value" why`, or `flag why` where there is no value.
fn shown(value: &str) -> String {
    if value.is_empty() { " ".to_owned() } else { format!(" {value:?} ") }
}

/// What each master said last, in the order in which they were first asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts(Vec<(String, String)>);

impl Attempts {
    pub(crate) fn note(&mut self, address: &str, outcome: String) {
        match self.0.iter_mut().find(|(known, _)| known == address) {
            Some((_, last)) => *last = outcome,
            None => self.0.push((address.to_owned(), outcome)),
        }
    }

    /// Address and last outcome of each master.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(address, outcome)| (address.as_str(), outcome.as_str()))
    }
}

impl fmt::Display for Attempts {
    /// `m1:7077: connection refused; m2:7077: standby, no leader known`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no master has answered yet");
        }
        for (index, (address, outcome)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{address}: {outcome}")?;
        }
        Ok(())
    }
}
