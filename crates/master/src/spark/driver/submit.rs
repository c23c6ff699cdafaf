//! Drivers that are submitted by Spark's own protocol (`spark-submit --deploy-mode cluster` without REST). The client asks
//! all masters, and takes any answer but the leader's for a failure: so who does not lead keeps silent.

use std::collections::BTreeMap;

use tanist_core::ids::DriverId;
use tanist_core::model::{Amounts, DriverDescription, DriverState, OnIsolation, Program};
use tanist_core::msg::{ClientReply, ClientRequest, DriverStatus};
use tanist_core::units::{Cores, Memory};
use tanist_proto::convert::check_submission;
use tanist_proto::convert::status::StatusAnswer;
use tanist_spark::dialect::{DriverState as SparkState, DriverWorker};
use tanist_spark::message::{DriverDescription as SparkDriver, Message};
use tanist_spark::{Address, Answer, Error};

use super::describe;
use crate::handle::MasterHandle;
use crate::http::rest::describe::MODULE_OPTIONS;
use crate::limits;
use crate::spark::builds::Build;

/// What a client sends of its own environment, all of it, and what is kept: what REST clients send themselves.
const KEPT_OF_THE_ENVIRONMENT: &str = "SPARK_";

/// Variables that are about the client's host.
const OF_THE_CLIENT: [&str; 5] =
    ["SPARK_ENV_LOADED", "SPARK_HOME", "SPARK_CONF_DIR", "SPARK_LOCAL_IP", "SPARK_LOCAL_HOSTNAME"];

/// The answer to a question about drivers; `None` = silence, for another master to answer.
///
/// # Errors
/// The question is of another build of Spark.
pub(super) async fn answer(
    handle: &MasterHandle,
    me: &Address,
    (payload, build): (&[u8], &Build),
    message: Message,
) -> Result<Option<Vec<u8>>, Error> {
    let dialect = build.dialect(payload)?;
    let releases = build.releases(dialect.family());
    Ok(match message {
        Message::RequestSubmitDriver(driver) => {
            let submitted = submit(handle, description(&driver, releases)).await;
            submitted.map(|submitted| {
                let (driver, message) = match &submitted {
                    Ok(id) => (Some(id.as_str()), format!("Driver successfully submitted as {id}")),
                    Err(why) => (None, why.clone()),
                };
                dialect.answer(&Answer::SubmitDriver { master: me, driver, message: &message })
            })
        }
        Message::RequestKillDriver { driver } => kill(handle, &driver).await.map(|(success, message)| {
            dialect.answer(&Answer::KillDriver { master: me, driver: &driver, success, message: &message })
        }),
        Message::RequestDriverStatus { driver } => {
            let status = status(handle, &driver).await;
            status.map(|status| dialect.answer(&shown(status.as_ref())))
        }
        _ => None,
    })
}

/// The driver's id, or why there is none.
async fn submit(handle: &MasterHandle, description: DriverDescription) -> Option<Result<DriverId, String>> {
    let fits = check_submission(&description).map_err(|error| error.to_string());
    let fits = fits.and_then(|()| limits::check_driver(&description).map_err(|error| error.to_string()));
    if let Err(why) = fits {
        return handle.leadership().borrow().role.leads().then_some(Err(why));
    }
    match handle.request(ClientRequest::SubmitDriver { request: None, description: Box::new(description) }).await {
        Ok(ClientReply::Submitted { driver }) => Some(Ok(driver)),
        Ok(ClientReply::Invalid { reason }) => Some(Err(reason)),
        Ok(_) => None,
        Err(error) => Some(Err(error.to_string())),
    }
}

async fn kill(handle: &MasterHandle, id: &str) -> Option<(bool, String)> {
    let Ok(driver) = DriverId::new(id) else {
        let why = format!("Driver {id} has already finished or does not exist");
        return handle.leadership().borrow().role.leads().then_some((false, why));
    };
    match handle.request(ClientRequest::KillDriver { driver }).await {
        Ok(ClientReply::KillRequested { found, message }) => Some((found, message)),
        Ok(_) => None,
        Err(error) => Some((false, error.to_string())),
    }
}

/// Where a driver stands, as far as this master can tell at all.
async fn status(handle: &MasterHandle, id: &str) -> Option<Option<DriverStatus>> {
    let Ok(driver) = DriverId::new(id) else {
        return handle.leadership().borrow().role.leads().then_some(None);
    };
    match handle.driver_status(&driver).await {
        Ok(StatusAnswer::Report(report)) => Some(report.status),
        Ok(StatusAnswer::NotLeading(_)) | Err(_) => None,
    }
}

fn shown(status: Option<&DriverStatus>) -> Answer<'_> {
    let worker = status.and_then(|status| {
        Some(DriverWorker { id: status.worker.as_ref()?.as_str(), address: status.worker_address.as_deref()? })
    });
    Answer::DriverStatus { state: status.map(|status| in_spark(status.state)), worker, exception: None }
}

fn description(told: &SparkDriver, releases: Option<String>) -> DriverDescription {
    let mut command = describe::command(&told.command, releases);
    command.environment = environment(command.environment);
    if let Program::Java(java) = &mut command.program {
        // Releases before 4.0 leave these out, and their drivers fail on Java 17 (SPARK-45197).
        if !java.java_options.iter().any(|option| option.starts_with("--add-opens")) {
            java.java_options.splice(..0, MODULE_OPTIONS.map(str::to_owned));
        }
    }
    DriverDescription {
        artifact: Some(told.jar_url.clone()).filter(|url| !url.trim().is_empty()),
        memory: Memory::mib(told.memory_mib.into()),
        cores: Cores(told.cores),
        supervise: told.supervise,
        command,
        resources: Amounts::new(told.resources.iter().cloned()),
        on_isolation: OnIsolation::default(),
    }
}

fn environment(all: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_kept = |name: &str| name.starts_with(KEPT_OF_THE_ENVIRONMENT) && !OF_THE_CLIENT.contains(&name);
    all.into_iter().filter(|(name, _)| is_kept(name)).collect()
}

fn in_spark(state: DriverState) -> SparkState {
    match state {
        DriverState::Submitted => SparkState::Submitted,
        DriverState::Running => SparkState::Running,
        DriverState::Finished => SparkState::Finished,
        DriverState::Relaunching => SparkState::Relaunching,
        DriverState::Unknown => SparkState::Unknown,
        DriverState::Killed => SparkState::Killed,
        DriverState::Failed => SparkState::Failed,
        DriverState::Error => SparkState::Error,
    }
}
