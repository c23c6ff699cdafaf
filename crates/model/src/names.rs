//! The model's small numbers in the core's words, and back.

use std::sync::{Arc, LazyLock};

use tanist_core::ids::{
    Attempt, ClusterId, DriverId, Epoch, Generation, Incarnation, InvalidId, MasterId, Nonce, RequestId, SessionId,
    Term, WorkerId,
};
use tanist_core::model::{
    Booking, Command, DriverDescription, DriverOnWorker, DriverState, Inventory, LeaderInfo, Program,
};
use tanist_core::record::{DriverRecord, PlacementRecord, RequestRecord, WorkerRecord};
use tanist_core::time::{Mono, Now, Wall};
use tanist_core::units::{Cores, Memory};

use crate::state::{self, attempts};

/// Cores of each worker: as many as there may be copies of the driver, so that a place is never what is missing.
pub(crate) const CORES: Cores = Cores(16);

/// Memory of each worker.
pub(crate) const MEMORY: Memory = Memory::mib(16 * 1024);

/// Memory of a driver.
const SMALL: Memory = Memory::mib(512);

/// The worker beyond the modelled ones, on which a machine's past is told.
pub(crate) const ELSEWHERE: u8 = 100;

/// The clocks stand still; what is due is told by events.
pub(crate) const NOW: Now = Now { mono: Mono(1_000_000), wall: Wall(0) };

/// A text of this program as an id. It is one by construction.
pub(crate) fn id<T>(made: Result<T, InvalidId>) -> T {
    made.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn master_id(master: u8) -> MasterId {
    id(MasterId::new(&format!("m{master}")))
}

pub(crate) fn address(master: u8) -> String {
    format!("m{master}:7077")
}

/// The master behind an address.
pub(crate) fn master_at(address: &str) -> u8 {
    let number = address.strip_prefix('m').and_then(|rest| rest.split(':').next()).and_then(|text| text.parse().ok());
    number.unwrap_or_else(|| panic!("{address} is no address of the model"))
}

pub(crate) fn cluster() -> ClusterId {
    id(ClusterId::new("model"))
}

pub(crate) fn term(epoch: u8) -> Term {
    Term {
        generation: Generation(0),
        epoch: Epoch(u64::from(epoch)),
        nonce: id(Nonce::new(&format!("nonce-of-{epoch}"))),
    }
}

/// The term of an epoch; 0 = none.
pub(crate) fn heard(epoch: u8) -> Option<Term> {
    (epoch > 0).then(|| term(epoch))
}

pub(crate) fn epoch_of(term: &Term) -> u8 {
    small(term.epoch.0)
}

pub(crate) fn leader(master: u8, epoch: u8) -> LeaderInfo {
    LeaderInfo {
        cluster: cluster(),
        term: term(epoch),
        master: master_id(master),
        address: address(master),
        ui_url: String::new(),
    }
}

pub(crate) fn worker_id(worker: u8) -> WorkerId {
    id(WorkerId::new(&format!("worker-{worker}")))
}

/// The number of a worker.
pub(crate) fn worker_of(id: &WorkerId) -> Option<u8> {
    id.as_str().strip_prefix("worker-")?.parse().ok()
}

pub(crate) fn host(worker: u8) -> String {
    format!("h{worker}")
}

pub(crate) const PORT: u16 = 7078;

pub(crate) fn incarnation(number: u8) -> Incarnation {
    Incarnation(u64::from(number))
}

/// A session of a worker in the words of a master.
pub(crate) fn session(worker: u8, number: u8) -> SessionId {
    SessionId(u64::from(worker) * 256 + u64::from(number))
}

/// Worker and number of a session.
pub(crate) fn session_of(session: SessionId) -> (u8, u8) {
    (small(session.0 / 256), small(session.0 % 256))
}

/// All ids by the birth of their driver.
static DRIVERS: LazyLock<Vec<DriverId>> = LazyLock::new(|| {
    let stamp = tanist_core::ids::time_stamp(NOW.wall);
    (0..=8).map(|epoch| id(DriverId::new(&format!("driver-{stamp}-{:04}", epoch * 10_000)))).collect()
});

pub(crate) fn driver_id(born: u8) -> DriverId {
    DRIVERS[usize::from(born)].clone()
}

/// The birth of a driver.
pub(crate) fn born(id: &DriverId) -> Option<u8> {
    DRIVERS.iter().position(|known| known == id).and_then(|at| u8::try_from(at).ok())
}

pub(crate) fn request_id() -> RequestId {
    id(RequestId::new("the-request"))
}

static DESCRIPTION: LazyLock<Arc<DriverDescription>> = LazyLock::new(|| {
    Arc::new(DriverDescription {
        memory: SMALL,
        cores: Cores(1),
        supervise: true,
        command: Command { program: Program::Executable("driver".to_owned()), ..Command::default() },
        ..DriverDescription::default()
    })
});

pub(crate) fn description() -> Arc<DriverDescription> {
    DESCRIPTION.clone()
}

pub(crate) fn booking() -> Booking {
    Booking { cores: Cores(1), memory: SMALL, ..Booking::default() }
}

pub(crate) fn attempt(number: u8) -> Attempt {
    Attempt(u32::from(number))
}

pub(crate) fn attempt_of(attempt: Attempt) -> u8 {
    small(u64::from(attempt.0))
}

/// Numbers of the model are small.
fn small(number: u64) -> u8 {
    u8::try_from(number).unwrap_or_else(|_| panic!("{number} is no number of the model"))
}

pub(crate) fn driver_record(driver: state::Driver) -> DriverRecord {
    DriverRecord {
        id: driver_id(driver.born),
        description: description(),
        submitted_at: NOW.wall,
        request: Some(request_id()),
        attempt: attempt(driver.attempt),
        placement: driver.place.map(|place| PlacementRecord {
            worker: worker_id(place.worker),
            booking: booking(),
            epoch: Epoch(u64::from(place.epoch)),
            started: place.started,
        }),
        kill_requested: false,
    }
}

/// A driver's record in the model's numbers; none = it has no form there.
pub(crate) fn driver_of(record: &DriverRecord) -> Option<state::Driver> {
    let place = match &record.placement {
        None => None,
        Some(place) => Some(state::Place {
            worker: worker_of(&place.worker)?,
            epoch: small(place.epoch.0),
            started: place.started,
        }),
    };
    Some(state::Driver { born: born(&record.id)?, attempt: attempt_of(record.attempt), place })
}

pub(crate) fn request_record(born: u8) -> RequestRecord {
    RequestRecord { id: request_id(), driver: driver_id(born), at: NOW.wall }
}

pub(crate) fn worker_record(worker: u8, number: u8) -> WorkerRecord {
    WorkerRecord {
        id: worker_id(worker),
        incarnation: incarnation(number),
        host: host(worker),
        port: PORT,
        kind: tanist_core::model::WorkerKind::Own,
        ui_url: String::new(),
        cores: CORES,
        memory: MEMORY,
        resources: tanist_core::model::Addresses::default(),
        decommissioned: false,
        registered_at: NOW.wall,
    }
}

/// What a worker reports to run.
pub(crate) fn inventory(driver: Option<state::Driver>, runs: u8) -> Inventory {
    let Some(driver) = driver else { return Inventory::default() };
    let running = attempts(runs).map(|number| DriverOnWorker {
        driver: driver_id(driver.born),
        attempt: attempt(number),
        state: DriverState::Running,
        booking: booking(),
    });
    Inventory { drivers: running.collect(), ..Inventory::default() }
}
