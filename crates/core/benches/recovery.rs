//! What a change of leader costs the machine of the new one: `cargo bench -p tanist-core --bench recovery`.
//!
//! The store holds so many workers, applications and placed drivers, each worker runs a driver and ten executors. All of
//! them come back: the workers first, with what they run, then the applications, with what they believe to have.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::collections::BTreeMap;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use tanist_core::ids::{
    AppId, AppToken, Attempt, ClusterId, DriverId, Epoch, ExecutorId, ExecutorRef, Generation, Incarnation, MasterId,
    Nonce, ProfileId, SessionId, Term, WorkerId,
};
use tanist_core::master::{Effect, Event, Master, MasterConfig, Timer};
use tanist_core::model::{
    Addresses, ApplicationDescription, Booking, Command, DriverDescription, DriverOnWorker, DriverState,
    ExecutorDescription, ExecutorState, Inventory, LeaderInfo, MasterRole, Program, ResourceProfile, WorkerKind,
};
use tanist_core::msg::{AppToMaster, PROTOCOL_VERSION, RegisterApplication, RegisterWorker, WorkerToMaster};
use tanist_core::record::{AppRecord, DriverRecord, PlacementRecord, Recovered, WorkerRecord};
use tanist_core::time::{Mono, Now, Wall};
use tanist_core::units::{Cores, Memory};

/// So many of each; the cost of one must not depend on it.
const SIZES: [u64; 2] = [1_000, 10_000];

/// Executors on each worker, of as many applications.
const EXECUTORS: u64 = 10;

const CORES: Cores = Cores(16);
const MEMORY: Memory = Memory::mib(65_536);
const SMALL: Memory = Memory::mib(1024);

fn at(mono: u64) -> Now {
    Now { mono: Mono(mono), wall: Wall(1_795_183_200_000 + mono) }
}

fn term() -> Term {
    Term { generation: Generation(0), epoch: Epoch(2), nonce: Nonce::new("n2").unwrap() }
}

fn worker_id(n: u64) -> WorkerId {
    WorkerId::new(&format!("worker-20261120140000-host{n:05}-7078")).unwrap()
}

fn app_id(n: u64) -> AppId {
    AppId::new(&format!("app-20261120140000-{n:04}")).unwrap()
}

fn driver_id(n: u64) -> DriverId {
    DriverId::new(&format!("driver-20261120140000-{n:04}")).unwrap()
}

fn token(n: u64) -> AppToken {
    AppToken::new(&format!("token-{n}")).unwrap()
}

fn command() -> Command {
    Command { program: Program::Executable("program".to_owned()), ..Command::default() }
}

fn worker_record(n: u64) -> WorkerRecord {
    WorkerRecord {
        id: worker_id(n),
        incarnation: Incarnation(n),
        host: format!("host{n:05}"),
        port: 7078,
        kind: WorkerKind::Own,
        ui_url: String::new(),
        cores: CORES,
        memory: MEMORY,
        resources: Addresses::default(),
        decommissioned: false,
        registered_at: Wall(0),
    }
}

fn description(n: u64) -> Arc<ApplicationDescription> {
    Arc::new(ApplicationDescription {
        name: format!("app{n}"),
        user: "user".to_owned(),
        max_cores: Some(Cores(10)),
        command: command(),
        default_profile: ResourceProfile { memory: Some(SMALL), cores: Some(Cores(1)), ..ResourceProfile::default() },
        ..ApplicationDescription::default()
    })
}

fn app_record(n: u64) -> AppRecord {
    AppRecord {
        id: app_id(n),
        token: token(n),
        description: description(n),
        profiles: Vec::new(),
        targets: BTreeMap::new(),
        endpoint: format!("client{n}:4040").into(),
        registered_at: Wall(n),
        executor_ids_below: ExecutorId(64),
        executors: None,
    }
}

fn booking() -> Booking {
    Booking { cores: Cores(1), memory: SMALL, resources: Addresses::default() }
}

fn driver_record(n: u64) -> DriverRecord {
    let description = DriverDescription {
        memory: SMALL,
        cores: Cores(1),
        supervise: true,
        command: command(),
        ..DriverDescription::default()
    };
    DriverRecord {
        id: driver_id(n),
        description: Arc::new(description),
        submitted_at: Wall(n),
        request: None,
        attempt: Attempt(1),
        placement: Some(PlacementRecord { worker: worker_id(n), booking: booking(), epoch: Epoch(1), started: true }),
        kill_requested: false,
    }
}

/// The executor in this place of a worker. Each application has one on each of ten workers in a row.
fn executor(worker: u64, place: u64, size: u64) -> ExecutorDescription {
    let app = (worker + place) % size;
    ExecutorDescription {
        executor: ExecutorRef { app: app_id(app), id: ExecutorId(u32::try_from(place).unwrap()) },
        profile: ProfileId(0),
        cores: Cores(1),
        memory: SMALL,
        resources: Addresses::default(),
        state: ExecutorState::Running,
    }
}

fn recovered(size: u64) -> Recovered {
    Recovered {
        workers: (0..size).map(worker_record).collect(),
        apps: (0..size).map(app_record).collect(),
        drivers: (0..size).map(driver_record).collect(),
        ..Recovered::default()
    }
}

fn elected(size: u64) -> Event {
    let leader = LeaderInfo {
        cluster: ClusterId::new("c").unwrap(),
        term: term(),
        master: MasterId::new("m").unwrap(),
        address: "m:7077".to_owned(),
        ui_url: String::new(),
    };
    Event::Elected { leader, recovered: Box::new(recovered(size)) }
}

fn worker_comes(n: u64, size: u64) -> Event {
    let WorkerRecord { id, incarnation, host, port, ui_url, cores, memory, resources, .. } = worker_record(n);
    let driver =
        DriverOnWorker { driver: driver_id(n), attempt: Attempt(1), state: DriverState::Running, booking: booking() };
    let registration = RegisterWorker {
        id,
        incarnation,
        number: 2,
        host,
        port,
        kind: WorkerKind::Own,
        ui_url,
        cores,
        memory,
        resources,
        master_address: "m:7077".to_owned(),
        cluster: None,
        protocol: PROTOCOL_VERSION,
        heard: Some(term()),
        decommissioned: false,
        accepts_work: true,
        refused_commands: 0,
        inventory: Inventory {
            executors: (0..EXECUTORS).map(|place| executor(n, place, size)).collect(),
            drivers: vec![driver],
            scratch_of: Vec::new(),
        },
    };
    Event::Worker { session: SessionId(n + 1), message: WorkerToMaster::Register(Box::new(registration)) }
}

fn app_comes(n: u64, size: u64) -> Event {
    let registration = RegisterApplication {
        token: token(n),
        known_as: Some(app_id(n)),
        number: 2,
        description: description(n),
        profiles: Vec::new(),
        targets: BTreeMap::new(),
        executors: (0..u32::try_from(EXECUTORS).unwrap()).map(ExecutorId).collect(),
        endpoint: format!("client{n}:4040").into(),
        cluster: None,
        heard: Some(term()),
        protocol: PROTOCOL_VERSION,
    };
    Event::App { session: SessionId(size + n + 1), message: AppToMaster::Register(Box::new(registration)) }
}

fn standby() -> Master {
    Master::new(MasterConfig::new().unwrap(), 7)
}

fn feed(master: &mut Master, now: Now, events: Vec<Event>) -> usize {
    let (mut effects, mut said) = (Vec::new(), 0);
    for event in events {
        effects.clear();
        master.handle(now, event, &mut effects);
        said += effects.len();
    }
    said
}

fn after(size: u64, events: Vec<Event>) -> Master {
    let mut master = standby();
    feed(&mut master, at(1_000_000), vec![elected(size)]);
    feed(&mut master, at(1_000_100), events);
    master
}

fn workers(size: u64) -> Vec<Event> {
    (0..size).map(|n| worker_comes(n, size)).collect()
}

fn apps(size: u64) -> Vec<Event> {
    (0..size).map(|n| app_comes(n, size)).collect()
}

fn take_over(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("take-over");
    for size in SIZES {
        group.throughput(Throughput::Elements(size));
        group.bench_with_input(BenchmarkId::new("elected", size), &size, |bencher, &size| {
            bencher.iter_batched(
                || (standby(), vec![elected(size)]),
                |(mut master, event)| (feed(&mut master, at(1_000_000), event), master),
                BatchSize::PerIteration,
            );
        });
        group.bench_with_input(BenchmarkId::new("workers come", size), &size, |bencher, &size| {
            bencher.iter_batched(
                || (after(size, Vec::new()), workers(size)),
                |(mut master, events)| (feed(&mut master, at(1_000_200), events), master),
                BatchSize::PerIteration,
            );
        });
        group.bench_with_input(BenchmarkId::new("applications come", size), &size, |bencher, &size| {
            bencher.iter_batched(
                || (after(size, workers(size)), apps(size)),
                |(mut master, events)| {
                    let said = feed(&mut master, at(1_000_200), events);
                    assert_eq!(master.role(), MasterRole::Alive);
                    (said, master)
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_with_input(BenchmarkId::new("applications come first", size), &size, |bencher, &size| {
            bencher.iter_batched(
                || (after(size, apps(size)), workers(size)),
                |(mut master, events)| {
                    let said = feed(&mut master, at(1_000_200), events);
                    assert_eq!(master.role(), MasterRole::Alive);
                    (said, master)
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_with_input(BenchmarkId::new("nobody comes and all alarms ring", size), &size, |bencher, &size| {
            let alarms = || (0..size).map(|n| Event::Timer(Timer::Worker(worker_id(n)))).collect();
            bencher.iter_batched(
                || (after(size, Vec::new()), alarms()),
                |(mut master, events)| (feed(&mut master, at(1_060_000), events), master),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// All that a worker may report: its registration must not cost the square of it.
fn one_worker(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one worker comes with executors of one application");
    for executors in [100u32, 1_000, 10_000] {
        group.throughput(Throughput::Elements(executors.into()));
        group.bench_with_input(BenchmarkId::from_parameter(executors), &executors, |bencher, &executors| {
            let comes = || {
                let Event::Worker { session, message: WorkerToMaster::Register(registration) } = worker_comes(0, 1)
                else {
                    panic!("it registers")
                };
                let inventory = Inventory {
                    executors: (0..executors).map(|n| executor_of_first(ExecutorId(n))).collect(),
                    ..Inventory::default()
                };
                let again = RegisterWorker { inventory, ..*registration };
                Event::Worker { session, message: WorkerToMaster::Register(Box::new(again)) }
            };
            bencher.iter_batched(
                || (after(1, vec![comes()]), vec![comes()]),
                |(mut master, events)| (feed(&mut master, at(1_000_200), events), master),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn executor_of_first(id: ExecutorId) -> ExecutorDescription {
    let ExecutorDescription { executor: ExecutorRef { app, .. }, .. } = executor(0, 0, 1);
    ExecutorDescription { executor: ExecutorRef { app, id }, ..executor(0, 0, 1) }
}

/// Effects are dropped here; a mistake in the scene would show as none.
fn the_scene_is_right(_: &mut Criterion) {
    let mut master = after(1_000, workers(1_000));
    feed(&mut master, at(1_000_200), apps(1_000));
    let view = master.view(Wall(0));
    assert_eq!(view.workers.iter().map(|worker| worker.executors).sum::<usize>(), 10_000);
    assert_eq!((view.drivers.len(), view.missing), (1_000, tanist_core::master::Missing::default()));
    let mut effects = Vec::new();
    master.handle(at(1_000_300), worker_comes(0, 1_000), &mut effects);
    assert!(effects.iter().all(|effect| !matches!(effect, Effect::Persist(_))), "{effects:?}");
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = the_scene_is_right, take_over, one_worker
}
criterion_main!(benches);
