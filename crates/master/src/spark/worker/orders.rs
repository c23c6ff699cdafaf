//! What the machine commands, as a worker of Spark understands it. What it cannot run is refused here, in its place.

use std::collections::BTreeMap;

use tanist_core::ids::{Attempt, DriverId, ExecutorRef};
use tanist_core::model::{
    Addresses, DriverDescription, DriverOutcome, DriverState, ExecutorDescription, ForeignClient, JavaProgram, Program,
};
use tanist_core::msg::WorkerCommand;
use tanist_core::units::{Cores, Memory};
use tanist_spark::dialect::ApplicationDescription;
use tanist_spark::message::{Command as SparkCommand, DriverDescription as SparkDriver, Resources};
use tanist_spark::{Address, ToWorker};

use super::describe::{Worker, name_of_driver};
use crate::spark::int;

/// What becomes of a command.
pub(super) enum Order {
    /// To tell the worker.
    Tell(Vec<u8>),
    /// It can run no executor of this application, for this reason.
    ExecutorRefused(ExecutorRef, String),
    /// It cannot run this.
    DriverEnded(DriverId, Attempt, DriverOutcome),
}

/// A command in the worker's terms.
pub(super) fn order(command: WorkerCommand, worker: &Worker, me: &Address) -> Order {
    let tell = |message: &ToWorker<'_>| Order::Tell(worker.dialect.order(message));
    match command {
        WorkerCommand::LaunchExecutor { executor, heap, app, client } => {
            match launch_executor(worker, me, (&executor, heap), &app.command.program, client.as_deref()) {
                Ok(payload) => Order::Tell(payload),
                Err(why) => Order::ExecutorRefused(executor.executor, why),
            }
        }
        WorkerCommand::KillExecutor { executor: ExecutorRef { app, id } } => {
            tell(&ToWorker::KillExecutor { master: me, app: app.as_str(), executor: int(id.0.into()) })
        }
        WorkerCommand::LaunchDriver { driver, attempt, description, booking } => {
            match launch_driver(worker, (&driver, attempt), &description, &booking.resources) {
                Ok(payload) => Order::Tell(payload),
                Err(why) => {
                    let outcome = DriverOutcome { state: DriverState::Error, exit_code: None, message: Some(why) };
                    Order::DriverEnded(driver, attempt, outcome)
                }
            }
        }
        WorkerCommand::KillDriver { driver, attempt } => {
            tell(&ToWorker::KillDriver { driver: &name_of_driver(&driver, attempt) })
        }
        WorkerCommand::ApplicationFinished { app } => tell(&ToWorker::ApplicationFinished { app: app.as_str() }),
        WorkerCommand::Decommission => tell(&ToWorker::Decommission),
    }
}

fn launch_executor(
    worker: &Worker,
    me: &Address,
    (executor, heap): (&ExecutorDescription, Memory),
    program: &Program,
    client: Option<&ForeignClient>,
) -> Result<Vec<u8>, String> {
    runs(worker, program)?;
    let client =
        client.ok_or("the application's client is no driver of Spark, and a worker of Spark runs nothing else")?;
    let description = ApplicationDescription::of(&client.registration)
        .map_err(|error| format!("the stored registration of the application cannot be read: {error}"))?;
    let ExecutorDescription { executor: ExecutorRef { app, id }, profile, cores, resources, .. } = executor;
    Ok(worker.dialect.order(&ToWorker::LaunchExecutor {
        master: me,
        app: app.as_str(),
        executor: int(id.0.into()),
        profile: int(profile.0.into()),
        description: &description,
        cores: int(cores.0.into()),
        memory_mib: int(heap.as_mib()),
        resources: &in_spark(resources),
    }))
}

fn launch_driver(
    worker: &Worker,
    (driver, attempt): (&DriverId, Attempt),
    description: &DriverDescription,
    resources: &Addresses,
) -> Result<Vec<u8>, String> {
    let JavaProgram { main_class, class_path, library_path, java_options, .. } =
        runs(worker, &description.command.program)?;
    let DriverDescription { artifact, memory, cores: Cores(cores), supervise, command, .. } = description;
    let artifact = artifact.clone().ok_or("a worker of Spark runs no driver without a file to fetch")?;
    let description = SparkDriver {
        jar_url: artifact,
        memory_mib: u32::try_from(memory.as_mib()).unwrap_or(i32::MAX.unsigned_abs()),
        cores: *cores,
        supervise: *supervise,
        command: SparkCommand {
            main_class: main_class.clone(),
            arguments: command.arguments.clone(),
            environment: command.environment.clone().into_iter().collect(),
            class_path: class_path.clone(),
            library_path: library_path.clone(),
            java_options: java_options.clone(),
        },
        resources: description.resources.iter().map(|(name, amount)| (name.to_owned(), amount)).collect(),
    };
    let driver = name_of_driver(driver, attempt);
    let (description, resources) = (&description, &in_spark(resources));
    Ok(worker.dialect.order(&ToWorker::LaunchDriver { driver: &driver, description, resources }))
}

/// Whether a program runs under the release of Spark that the worker is of, as far as both are known.
fn runs<'a>(worker: &Worker, program: &'a Program) -> Result<&'a JavaProgram, String> {
    let Program::Java(java) = program else {
        return Err(format!("a worker of Spark runs main classes, and not {:?}", program.name()));
    };
    let (Some(wanted), Some(has)) = (&java.spark_family, &worker.releases) else { return Ok(java) };
    if wanted.split(',').any(|release| has.split(',').any(|own| own == release)) {
        return Ok(java);
    }
    Err(format!("it needs Spark {wanted}, and this worker is of Spark {has}"))
}

fn in_spark(addresses: &Addresses) -> Resources {
    addresses.iter().map(|(name, all)| (name.to_owned(), all.to_vec())).collect::<BTreeMap<_, _>>()
}
