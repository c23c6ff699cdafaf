//! What Spark's own workers say to a master.

use std::collections::BTreeMap;

use super::Message;
use crate::dialect::{DriverState, ExecutorState};
use crate::fields::Fields;
use crate::{Address, Error};

/// Other resources than cores and memory, such as `gpu`: the addresses of each.
pub type Resources = BTreeMap<String, Vec<String>>;

/// A worker that comes (`RegisterWorker`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRegistration {
    /// Its id, which it has made itself and keeps as long as it runs.
    pub id: String,
    /// Its host, for executors and people.
    pub host: String,
    /// The port it listens at.
    pub port: u16,
    /// Where a master reaches it: the address of its endpoint `Worker`.
    pub worker: Address,
    /// Its cores.
    pub cores: u32,
    /// Its memory in MiB.
    pub memory_mib: u32,
    /// Its pages.
    pub ui_url: String,
    /// The master it speaks to, as it calls it. It wants the very same in the answer.
    pub master: Address,
    /// What else it has.
    pub resources: Resources,
}

/// An executor that a worker runs (`ExecutorDescription`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorOnWorker {
    /// Its application.
    pub app: String,
    /// Its number.
    pub id: u32,
    /// Its resource profile.
    pub profile: u32,
    /// Its cores.
    pub cores: u32,
    /// Its memory in MiB.
    pub memory_mib: u32,
    /// Its state.
    pub state: ExecutorState,
}

/// Reads a message of a worker. `None` = it is none.
pub(super) fn read(name: &str, message: Fields<'_>) -> Result<Option<Message>, Error> {
    Ok(Some(match name {
        "RegisterWorker" => Message::RegisterWorker(Box::new(WorkerRegistration::read(message)?)),
        "WorkerLatestState" => Message::WorkerLatestState {
            worker: message.text("id")?,
            executors: each(message, "executors", ExecutorOnWorker::read)?,
            drivers: message.texts("driverIds")?,
        },
        "WorkerSchedulerStateResponse" => Message::WorkerSchedulerStateResponse {
            worker: message.text("id")?,
            executors: each(message, "execResponses", |executor| {
                Ok((ExecutorOnWorker::read(executor.object("desc")?)?, resources(executor)?))
            })?,
            drivers: each(message, "driverResponses", |driver| Ok((driver.text("driverId")?, resources(driver)?)))?,
        },
        "Heartbeat" => Message::Heartbeat { worker: message.text("workerId")? },
        "ExecutorStateChanged" => Message::ExecutorStateChanged {
            app: message.text("appId")?,
            executor: message.count("execId")?,
            state: executor_state(message)?,
            message: message.optional_text("message")?,
            exit_status: message.optional_int("exitStatus")?,
        },
        "DriverStateChanged" => Message::DriverStateChanged {
            driver: message.text("driverId")?,
            state: message.constant("state", DriverState::of, "a DriverState, 0 to 7")?,
            exception: message.optional_exception("exception")?,
        },
        "WorkerDecommissioning" => Message::WorkerDecommissioning { worker: message.text("id")? },
        _ => return Ok(None),
    }))
}

fn each<'t, T>(
    message: Fields<'t>,
    name: &str,
    read: impl Fn(Fields<'t>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    message.elements(name)?.into_iter().map(|value| read(message.object_of(name, value)?)).collect()
}

fn executor_state(of: Fields<'_>) -> Result<ExecutorState, Error> {
    of.constant("state", ExecutorState::of, "an ExecutorState, 0 to 6")
}

/// The map of `ResourceInformation` that several messages have.
fn resources(of: Fields<'_>) -> Result<Resources, Error> {
    const FIELD: &str = "resources";
    let resource = |(_, information)| {
        let information = of.object_of(FIELD, information)?;
        Ok((information.text("name")?, information.array_of_texts("addresses")?))
    };
    of.entries(FIELD)?.into_iter().map(resource).collect()
}

impl WorkerRegistration {
    fn read(message: Fields<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: message.text("id")?,
            host: message.text("host")?,
            port: message.port("port")?,
            worker: message.listening_address("worker")?,
            cores: message.count("cores")?,
            memory_mib: message.count("memory")?,
            ui_url: message.text("workerWebUiUrl")?,
            master: message.rpc_address("masterAddress")?,
            resources: resources(message)?,
        })
    }
}

impl ExecutorOnWorker {
    fn read(executor: Fields<'_>) -> Result<Self, Error> {
        Ok(Self {
            app: executor.text("appId")?,
            id: executor.count("execId")?,
            profile: executor.count("rpId")?,
            cores: executor.count("cores")?,
            memory_mib: executor.count("memoryMb")?,
            state: executor_state(executor)?,
        })
    }
}
