//! What Spark's own workers are told.

use crate::java::{self, Tree, Value};
use crate::message::{DriverDescription, REGISTER_APPLICATION, Resources};
use crate::{Address, Error};

/// What a description may take, about; a frame is no longer.
const MAX_DESCRIPTION_BYTES: usize = 16 << 20;

/// What a worker is told, in one-way messages to its endpoint `Worker`.
#[derive(Debug, Clone, PartialEq)]
pub enum ToWorker<'a> {
    /// It is registered. It begins to send heartbeats, and says what it runs.
    Registered {
        /// The master's address, which is also the sender of every envelope.
        master: &'a Address,
        /// Its pages.
        ui_url: &'a str,
        /// As the worker calls the master (`masterAddress` of its registration).
        called: &'a Address,
        /// Whether the master had it already; the worker only logs that.
        duplicate: bool,
    },
    /// It is not taken; a worker that is registered nowhere ends.
    RegisterFailed {
        /// Why.
        message: &'a str,
    },
    /// This master does not lead; the worker waits for another one.
    MasterInStandby,
    /// It is not known, and shall register again.
    Reconnect {
        /// The master's address.
        master: &'a Address,
    },
    /// Another master leads. The worker answers with what it runs.
    MasterChanged {
        /// Its address.
        master: &'a Address,
        /// Its pages.
        ui_url: &'a str,
    },
    /// An executor shall start. A worker that follows another master ignores it.
    LaunchExecutor {
        /// The master's address.
        master: &'a Address,
        /// Its application.
        app: &'a str,
        /// Its number.
        executor: i32,
        /// Its resource profile.
        profile: i32,
        /// What its driver has said of the application.
        description: &'a ApplicationDescription,
        /// Its cores.
        cores: i32,
        /// Its memory in MiB.
        memory_mib: i32,
        /// What else it has.
        resources: &'a Resources,
    },
    /// An executor shall end. A worker that follows another master ignores it.
    KillExecutor {
        /// The master's address.
        master: &'a Address,
        /// Its application.
        app: &'a str,
        /// Its number.
        executor: i32,
    },
    /// An application has ended; its files are removed once its executors have.
    ApplicationFinished {
        /// Which one.
        app: &'a str,
    },
    /// A driver shall start.
    LaunchDriver {
        /// Its id.
        driver: &'a str,
        /// What it is.
        description: &'a DriverDescription,
        /// What else it has.
        resources: &'a Resources,
    },
    /// A driver shall end.
    KillDriver {
        /// Which one.
        driver: &'a str,
    },
    /// It shall take no new work, and tell its executors so.
    Decommission,
}

/// What a driver has said of its application (`ApplicationDescription`), object for object: a worker wants all of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplicationDescription(Tree);

impl ApplicationDescription {
    /// Out of a registration.
    ///
    /// # Errors
    /// It is another message, or a broken one.
    pub fn of(registration: &[u8]) -> Result<Self, Error> {
        const FIELD: &str = "appDescription";
        let tree = java::read(registration)?;
        let root = tree.root().filter(|root| root.class() == REGISTER_APPLICATION);
        let wanted = "a registration of an application";
        let root = root.ok_or(Error::Unexpected { found: "another message".to_owned(), wanted })?;
        let description = root.field(FIELD).filter(|value| *value != Value::Null);
        let excerpt = description.and_then(|value| tree.excerpt(value, MAX_DESCRIPTION_BYTES));
        excerpt.map(Self).ok_or_else(|| Error::Field {
            field: format!("RegisterApplication.{FIELD}"),
            found: "no description, or too deep a one".to_owned(),
            allowed: "an ApplicationDescription",
        })
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.0
    }
}
