//! What drivers of applications, programs that submit drivers and workers say to a master.
//!
//! Values are as they came, but never absurd: whatever counts something is 0 to 2147483647, Spark's own range. What a
//! cluster can do with them is for others to decide.

mod application;
mod command;
mod driver;
mod worker;

pub use application::{Profile, Registration};
pub use command::Command;
pub use driver::DriverDescription;
pub use worker::{ExecutorOnWorker, Resources, WorkerRegistration};

use crate::dialect::{DriverState, ExecutorState};
use crate::fields::{Fields, Source};
use crate::{Error, java};

/// Where the classes of messages are.
pub(crate) const DEPLOY_MESSAGES: &str = "org.apache.spark.deploy.DeployMessages$";
/// What an application begins with.
pub(crate) const REGISTER_APPLICATION: &str = "org.apache.spark.deploy.DeployMessages$RegisterApplication";

/// The only message to the endpoint that tells which others there are.
const CHECK_EXISTENCE: &str = "org.apache.spark.rpc.netty.RpcEndpointVerifier$CheckExistence";

/// A message. Those that are asked, not told, want an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Asked before anything else of the endpoint `endpoint-verifier`, answered by a Boolean ([`java::boolean`]).
    CheckExistence {
        /// The endpoint that is asked for.
        name: String,
    },
    /// Told: an application comes, with [`ToDriver::Registered`](crate::ToDriver::Registered) as the answer. A driver
    /// that has none repeats it, and tells it to every master it knows.
    RegisterApplication(Box<Registration>),
    /// Told: an application has ended.
    UnregisterApplication {
        /// Which one.
        app: String,
    },
    /// Told: a driver has accepted a new master.
    MasterChangeAcknowledged {
        /// Its application; `None` if the driver was never told its id.
        app: Option<String>,
    },
    /// Asked, answered by a Boolean, `false` for an unknown application: how many executors it wants of each profile, in
    /// all. Profiles that are not named keep what they have.
    RequestExecutors {
        /// Which application.
        app: String,
        /// How many of each.
        targets: Vec<(Profile, u32)>,
    },
    /// Asked, answered by a Boolean: these executors shall end. What the application wants in all stays as it is.
    KillExecutors {
        /// Which application.
        app: String,
        /// Which executors; numbers, as the application was told them.
        executors: Vec<String>,
    },
    /// Asked, answered by [`Answer::SubmitDriver`](crate::Answer::SubmitDriver).
    RequestSubmitDriver(Box<DriverDescription>),
    /// Asked, answered by [`Answer::DriverStatus`](crate::Answer::DriverStatus).
    RequestDriverStatus {
        /// Which driver.
        driver: String,
    },
    /// Asked, answered by [`Answer::KillDriver`](crate::Answer::KillDriver).
    RequestKillDriver {
        /// Which driver.
        driver: String,
    },
    /// Told: a worker comes, with [`ToWorker::Registered`](crate::ToWorker::Registered) as the answer. One that has none
    /// repeats it, and tells it to every master it knows.
    RegisterWorker(Box<WorkerRegistration>),
    /// Told after every `Registered`: what a worker runs at that moment.
    WorkerLatestState {
        /// Which worker.
        worker: String,
        /// Its executors.
        executors: Vec<ExecutorOnWorker>,
        /// Its drivers.
        drivers: Vec<String>,
    },
    /// Told as the answer to [`ToWorker::MasterChanged`](crate::ToWorker::MasterChanged): what a worker runs, and which
    /// resources that has.
    WorkerSchedulerStateResponse {
        /// Which worker.
        worker: String,
        /// Its executors.
        executors: Vec<(ExecutorOnWorker, Resources)>,
        /// Its drivers.
        drivers: Vec<(String, Resources)>,
    },
    /// Told every quarter of `spark.worker.timeout`: a worker is there.
    Heartbeat {
        /// Which worker.
        worker: String,
    },
    /// Asked, answered by a Boolean, `true` in any case: an executor is in another state. Who is not answered asks again,
    /// five times in all, and ends when nobody answers that either.
    ExecutorStateChanged {
        /// Its application.
        app: String,
        /// Its number.
        executor: u32,
        /// The state.
        state: ExecutorState,
        /// Why.
        message: Option<String>,
        /// How its process ended, with 128 and the signal, if it was one.
        exit_status: Option<i32>,
    },
    /// Told once, and to nobody else if it is lost: a driver has ended.
    DriverStateChanged {
        /// Which driver.
        driver: String,
        /// The state.
        state: DriverState,
        /// What went wrong.
        exception: Option<String>,
    },
    /// Told: a worker will end, and wants no new work.
    WorkerDecommissioning {
        /// Which worker.
        worker: String,
    },
    /// Another one.
    Unknown {
        /// Its class.
        class: String,
    },
}

impl Message {
    /// What it is called; the whole class, if it is another one.
    pub fn name(&self) -> &str {
        match self {
            Self::CheckExistence { .. } => "CheckExistence",
            Self::RegisterApplication(_) => "RegisterApplication",
            Self::UnregisterApplication { .. } => "UnregisterApplication",
            Self::MasterChangeAcknowledged { .. } => "MasterChangeAcknowledged",
            Self::RequestExecutors { .. } => "RequestExecutors",
            Self::KillExecutors { .. } => "KillExecutors",
            Self::RequestSubmitDriver(_) => "RequestSubmitDriver",
            Self::RequestDriverStatus { .. } => "RequestDriverStatus",
            Self::RequestKillDriver { .. } => "RequestKillDriver",
            Self::RegisterWorker(_) => "RegisterWorker",
            Self::WorkerLatestState { .. } => "WorkerLatestState",
            Self::WorkerSchedulerStateResponse { .. } => "WorkerSchedulerStateResponse",
            Self::Heartbeat { .. } => "Heartbeat",
            Self::ExecutorStateChanged { .. } => "ExecutorStateChanged",
            Self::DriverStateChanged { .. } => "DriverStateChanged",
            Self::WorkerDecommissioning { .. } => "WorkerDecommissioning",
            Self::Unknown { class } => class,
        }
    }
}

/// Reads a message.
///
/// # Errors
/// It is no object stream with an object, or a field of it is not what it must be.
pub fn read(payload: &[u8]) -> Result<Message, Error> {
    let source = Source::new(java::read(payload)?);
    let message = source.root()?;
    let app = || message.text("appId");
    let driver = || message.text("driverId");
    Ok(match (message.class(), message.class().strip_prefix(DEPLOY_MESSAGES)) {
        (CHECK_EXISTENCE, _) => Message::CheckExistence { name: message.text("name")? },
        (_, Some("RegisterApplication")) => Message::RegisterApplication(Box::new(Registration::read(message)?)),
        (_, Some("UnregisterApplication")) => Message::UnregisterApplication { app: app()? },
        (_, Some("MasterChangeAcknowledged")) => {
            Message::MasterChangeAcknowledged { app: message.text_or_null("appId")? }
        }
        (_, Some("RequestExecutors")) => Message::RequestExecutors { app: app()?, targets: targets(message)? },
        (_, Some("KillExecutors")) => Message::KillExecutors { app: app()?, executors: message.texts("executorIds")? },
        (_, Some("RequestSubmitDriver")) => {
            Message::RequestSubmitDriver(Box::new(DriverDescription::read(message.object("driverDescription")?)?))
        }
        (_, Some("RequestDriverStatus")) => Message::RequestDriverStatus { driver: driver()? },
        (_, Some("RequestKillDriver")) => Message::RequestKillDriver { driver: driver()? },
        (_, Some(name)) => worker::read(name, message)?.unwrap_or_else(|| unknown(message)),
        (_, None) => unknown(message),
    })
}

fn unknown(message: Fields<'_>) -> Message {
    Message::Unknown { class: message.class().to_owned() }
}

fn targets(message: Fields<'_>) -> Result<Vec<(Profile, u32)>, Error> {
    const FIELD: &str = "resourceProfileToTotalExecs";
    let target = |(profile, total)| {
        let profile = Profile::read(message.object_of(FIELD, profile)?)?;
        Ok((profile, message.count_of(FIELD, total)?))
    };
    message.entries(FIELD)?.into_iter().map(target).collect()
}
