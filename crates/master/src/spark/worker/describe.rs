//! What a worker of Spark says, in the core's terms.

use tanist_core::ids::{
    AppId, Attempt, DriverId, ExecutorId, ExecutorRef, Incarnation, InvalidId, ProfileId, WorkerId,
};
use tanist_core::model::{
    Addresses, Booking, DriverOnWorker, DriverOutcome, DriverState, ExecutorDescription, ExecutorState, Inventory,
    WorkerKind,
};
use tanist_core::msg::{PROTOCOL_VERSION, RegisterWorker};
use tanist_core::units::{Cores, Memory};
use tanist_spark::dialect::DriverState as SparkDriverState;
use tanist_spark::message::{ExecutorOnWorker, Resources, WorkerRegistration};
use tanist_spark::{Address, Dialect, Error, ExecutorState as SparkExecutorState};

use crate::limits;
use crate::spark::builds::Build;

/// Largest registration that is taken, in bytes: it is stored as it came. Spark's have some three KiB.
const MAX_REGISTRATION: usize = 16 << 10;

/// Longest text about an end that is kept of what a worker says, in bytes.
const MAX_TEXT: usize = 4 << 10;

/// Stands between a driver's id and the number of its attempt.
const BEFORE_ATTEMPT: char = '~';

/// A worker, as its registration shows it.
#[derive(Debug, Clone)]
pub(in crate::spark) struct Worker {
    /// What the loop is told of it. What it runs, it says later.
    pub(super) registration: RegisterWorker,
    /// Where it listens.
    pub(super) address: Address,
    /// What it calls this master.
    pub(super) calls_us: Address,
    /// How to speak to it.
    pub(super) dialect: Dialect,
    /// The releases of Spark that it can be, as far as that is known.
    pub(super) releases: Option<String>,
    /// What is known of its build.
    pub(super) build: Build,
}

impl Worker {
    /// From a registration, and the bytes that it came in, of this build.
    ///
    /// # Errors
    /// What about it cannot be taken.
    pub(in crate::spark) fn of(told: &WorkerRegistration, payload: &[u8], build: &Build) -> Result<Self, Error> {
        let field = |name: &str, found: String, allowed| Error::Field {
            field: format!("RegisterWorker.{name}"),
            found,
            allowed,
        };
        if payload.len() > MAX_REGISTRATION {
            return Err(field("", format!("{} bytes", payload.len()), "at most 16384 bytes"));
        }
        let id = WorkerId::new(&told.id).map_err(|error| field("id", error.to_string(), "an id"))?;
        let registration = RegisterWorker {
            id,
            // A new process has a new id.
            incarnation: Incarnation(0),
            number: 0,
            host: told.host.clone(),
            port: told.port,
            kind: WorkerKind::Foreign(payload.into()),
            ui_url: told.ui_url.clone(),
            cores: Cores(told.cores),
            memory: Memory::mib(told.memory_mib.into()),
            resources: addresses(&told.resources),
            master_address: told.master.to_string(),
            cluster: None,
            protocol: PROTOCOL_VERSION,
            heard: None,
            decommissioned: false,
            accepts_work: true,
            refused_commands: 0,
            inventory: Inventory::default(),
        };
        limits::check_worker(&registration)
            .map_err(|error| field("resources", error.to_string(), "what can be stored"))?;
        let dialect = build.dialect(payload)?;
        let releases = build.releases(dialect.family());
        let (address, calls_us) = (told.worker.clone(), told.master.clone());
        Ok(Self { registration, address, calls_us, dialect, releases, build: build.clone() })
    }
}

/// What it runs. What has no id that we could have given is none of ours, and no id is no way to end it.
pub(super) fn inventory(executors: &[(ExecutorOnWorker, Resources)], drivers: &[(String, Resources)]) -> Inventory {
    let executors = executors.iter().filter_map(|(told, resources)| {
        Some(ExecutorDescription {
            executor: executor(&told.app, told.id).ok()?,
            profile: ProfileId(told.profile),
            cores: Cores(told.cores),
            memory: Memory::mib(told.memory_mib.into()),
            resources: addresses(resources),
            state: executor_state(told.state),
        })
    });
    let drivers = drivers.iter().filter_map(|(told, resources)| {
        let (driver, attempt) = driver(told).ok()?;
        let booking = Booking { resources: addresses(resources), ..Booking::default() };
        Some(DriverOnWorker { driver, attempt, state: DriverState::Running, booking })
    });
    Inventory { executors: executors.collect(), drivers: drivers.collect(), scratch_of: Vec::new() }
}

fn addresses(told: &Resources) -> Addresses {
    Addresses::new(told.iter().map(|(name, addresses)| (name.clone(), addresses.clone())))
}

pub(super) fn executor(app: &str, number: u32) -> Result<ExecutorRef, InvalidId> {
    Ok(ExecutorRef { app: AppId::new(app)?, id: ExecutorId(number) })
}

/// How a process ends that SIGTERM has ended.
const TERMINATED: i32 = 128 + 15;

/// A new state of an executor, and its exit status. A worker that is stopped ends what it runs before itself, and says that
/// it has ended by itself. No application is to blame for that: such an executor is lost with its worker.
pub(super) fn executor_changed(told: SparkExecutorState, exit_status: Option<i32>) -> (ExecutorState, Option<i32>) {
    match (executor_state(told), exit_status) {
        (ExecutorState::Exited | ExecutorState::Failed, Some(TERMINATED)) => (ExecutorState::Lost, None),
        changed => changed,
    }
}

fn executor_state(told: SparkExecutorState) -> ExecutorState {
    match told {
        SparkExecutorState::Launching => ExecutorState::Launching,
        SparkExecutorState::Running => ExecutorState::Running,
        SparkExecutorState::Killed => ExecutorState::Killed,
        SparkExecutorState::Failed => ExecutorState::Failed,
        SparkExecutorState::Lost => ExecutorState::Lost,
        SparkExecutorState::Exited => ExecutorState::Exited,
        SparkExecutorState::Decommissioned => ExecutorState::Decommissioned,
    }
}

/// How a driver has ended, if it has.
pub(super) fn outcome(told: SparkDriverState, exception: Option<String>) -> Option<DriverOutcome> {
    let state = match told {
        SparkDriverState::Finished => DriverState::Finished,
        SparkDriverState::Killed => DriverState::Killed,
        SparkDriverState::Failed => DriverState::Failed,
        SparkDriverState::Error => DriverState::Error,
        SparkDriverState::Submitted
        | SparkDriverState::Running
        | SparkDriverState::Relaunching
        | SparkDriverState::Unknown => return None,
    };
    Some(DriverOutcome { state, exit_code: None, message: exception.map(text) })
}

/// Words about an end, cut where they are too many: they are kept.
pub(super) fn text(mut told: String) -> String {
    told.truncate(told.floor_char_boundary(MAX_TEXT));
    told
}

/// What a worker calls an attempt of a driver. It knows no attempts, so every one is a driver to it: the first one by the
/// driver's own id, which its pages and directories show.
pub(super) fn name_of_driver(driver: &DriverId, attempt: Attempt) -> String {
    if attempt == Attempt(1) && !driver.as_str().contains(BEFORE_ATTEMPT) {
        driver.to_string()
    } else {
        format!("{driver}{BEFORE_ATTEMPT}{attempt}")
    }
}

/// The attempt that a worker calls so.
pub(super) fn driver(name: &str) -> Result<(DriverId, Attempt), InvalidId> {
    let numbered = name.rsplit_once(BEFORE_ATTEMPT).and_then(|(id, number)| Some((id, number.parse().ok()?)));
    let (id, attempt) = numbered.unwrap_or((name, 1));
    Ok((DriverId::new(id)?, Attempt(attempt)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stopped_worker_has_ended_is_lost_and_blamed_on_nobody() {
        use SparkExecutorState::{Exited, Failed, Killed};
        for told in [Exited, Failed] {
            assert_eq!(executor_changed(told, Some(143)), (ExecutorState::Lost, None));
        }
        assert_eq!(executor_changed(Killed, Some(143)), (ExecutorState::Killed, Some(143)), "as it was told");
        assert_eq!(executor_changed(Exited, Some(137)), (ExecutorState::Exited, Some(137)));
        assert_eq!(executor_changed(Failed, None), (ExecutorState::Failed, None));
    }

    #[test]
    fn every_attempt_of_a_driver_has_a_name_of_its_own_dr_09() {
        let mut names = std::collections::BTreeSet::new();
        for id in ["driver-20261128-0001", "d~2", "d~2~1", "d~", "d"].map(|id| DriverId::new(id).unwrap()) {
            for attempt in [1, 2, 3, 12].map(Attempt) {
                let name = name_of_driver(&id, attempt);
                assert_eq!(driver(&name), Ok((id.clone(), attempt)), "{name}");
                assert!(names.insert(name));
            }
        }
        assert!(names.contains("driver-20261128-0001"), "the first attempt is known by the driver's id");
        assert!(driver("a b").is_err() && driver("~2").is_err());
    }
}
