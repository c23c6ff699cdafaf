//! A past that leads a new machine to a given memory, and the memory that a machine shows.

use tanist_core::master::{Effect, Event, Master, MasterConfig, Timer, WorkerView};
use tanist_core::model::WorkerState;
use tanist_core::record::{DriverRecord, Recovered};
use tanist_core::time::Now;

use super::register;
use crate::names::{self, ELSEWHERE};
use crate::state::{Driver, Known, Memory, Place, Registration, bit};

fn config() -> MasterConfig {
    names::id(MasterConfig::new())
}

/// Long enough after everything for every worker to have been silent for too long.
pub(super) fn after_silence(now: Now) -> Now {
    Now { mono: now.mono + config().worker_timeout * 2, ..now }
}

/// A machine that takes office over this content of the store.
pub(super) fn elected(seed: u64, epoch: u8, content: Memory, effects: &mut Vec<Effect>) -> Master {
    take_office(seed, epoch, content, content.driver.map(names::driver_record), effects)
}

fn take_office(
    seed: u64,
    epoch: u8,
    content: Memory,
    driver: Option<DriverRecord>,
    effects: &mut Vec<Effect>,
) -> Master {
    let workers = content.workers.iter().zip(0..).filter_map(|(known, worker)| match known {
        Known::Absent => None,
        Known::Unknown { incarnation } | Known::Heard { incarnation, .. } => {
            Some(names::worker_record(worker, *incarnation))
        }
    });
    let mut recovered = Recovered { workers: workers.collect(), ..Recovered::default() };
    if driver
        .iter()
        .filter_map(|driver| driver.placement.as_ref())
        .any(|place| place.worker == names::worker_id(ELSEWHERE))
    {
        recovered.workers.push(names::worker_record(ELSEWHERE, 1));
    }
    recovered.requests = content.driver.map(|driver| names::request_record(driver.born)).into_iter().collect();
    recovered.drivers = driver.into_iter().collect();
    let mut machine = Master::new(config(), seed);
    // Which master it is does not matter to what it decides.
    let leader = names::leader(0, epoch);
    machine.handle(names::NOW, Event::Elected { leader, recovered: Box::new(recovered) }, effects);
    machine
}

/// How the driver has come to where it is.
enum Story {
    /// Nobody has submitted it, or the term found it where it is.
    Found,
    /// It waits: the worker on which it was found was given up last of all.
    GivenUp,
    /// The term launched it on this worker, which must have registered first.
    Launched(u8),
}

fn story(memory: &Memory) -> Story {
    match memory.driver {
        None => Story::Found,
        Some(Driver { place: None, .. }) => Story::GivenUp,
        Some(Driver { place: Some(Place { worker, started, .. }), .. }) => {
            let heard = matches!(memory.workers[usize::from(worker)], Known::Heard { .. });
            if heard && !started { Story::Launched(worker) } else { Story::Found }
        }
    }
}

/// A machine in office with this memory.
pub(super) fn with_memory(seed: u64, epoch: u8, memory: Memory) -> Master {
    let now = names::NOW;
    let story = story(&memory);
    let found = memory.driver.map(|driver| match story {
        Story::Found => driver,
        Story::GivenUp => Driver { place: Some(Place { worker: ELSEWHERE, epoch: 1, started: true }), ..driver },
        Story::Launched(_) => Driver { attempt: driver.attempt - 1, place: None, ..driver },
    });
    let mut effects = Vec::new();
    let mut machine = take_office(seed, epoch, memory, found.map(names::driver_record), &mut effects);
    let first = if let Story::Launched(worker) = story { Some(worker) } else { None };
    let others = (0..).zip(&memory.workers).map(|(worker, _)| worker).filter(|worker| Some(*worker) != first);
    for worker in first.into_iter().chain(others) {
        let Known::Heard { incarnation, number, .. } = memory.workers[usize::from(worker)] else { continue };
        let here =
            memory.driver.filter(|driver| first.is_none() && driver.place.is_some_and(|place| place.worker == worker));
        let runs = here.map_or(0, |driver| bit(driver.attempt));
        let registration = Registration { to: 0, incarnation, number, heard: epoch, runs };
        machine.handle(now, register(worker, registration, memory), &mut effects);
    }
    for (worker, known) in (0..).zip(&memory.workers) {
        if let Known::Heard { number, open: false, .. } = known {
            machine.handle(now, Event::SessionClosed { session: names::session(worker, *number) }, &mut effects);
        }
    }
    if let Story::GivenUp = story {
        let timer = Timer::Worker(names::worker_id(ELSEWHERE));
        machine.handle(after_silence(now), Event::Timer(timer), &mut effects);
    }
    if let Err(why) = memory_shown(&machine, &memory) {
        panic!("no past leads to {memory:?} in epoch {epoch}: {why}");
    }
    machine
}

/// Holds what a machine shows against a memory: everything but session numbers and whether a driver was reported.
pub(super) fn memory_shown(machine: &Master, memory: &Memory) -> Result<(), String> {
    let broken = machine.check();
    if !broken.is_empty() {
        return Err(format!("{broken:?}"));
    }
    let view = machine.view(names::NOW.wall);
    for (worker, known) in (0..).zip(&memory.workers) {
        let id = names::worker_id(worker);
        let shown = view.workers.iter().find(|shown| shown.id == id && shown.state != WorkerState::Dead);
        let as_known = match (known, shown) {
            (Known::Absent, None) => true,
            (Known::Unknown { .. }, Some(WorkerView { state, connected, .. })) => {
                *state == WorkerState::Unknown && !connected
            }
            (Known::Heard { open, .. }, Some(WorkerView { state, connected, .. })) => {
                *state == WorkerState::Alive && connected == open
            }
            _ => false,
        };
        if !as_known {
            return Err(format!("worker {worker}: {known:?}, {shown:?}"));
        }
    }
    let shown = view.drivers.iter().map(|driver| {
        (names::born(&driver.id), names::attempt_of(driver.attempt), driver.worker.as_ref().and_then(names::worker_of))
    });
    let known =
        memory.driver.iter().map(|driver| (Some(driver.born), driver.attempt, driver.place.map(|place| place.worker)));
    let (shown, known): (Vec<_>, Vec<_>) = (shown.collect(), known.collect());
    if shown == known { Ok(()) } else { Err(format!("driver: {known:?}, {shown:?}")) }
}
