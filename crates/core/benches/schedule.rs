//! Cost of scheduling: one event in a large busy cluster, and placing in bulk. Figures: `docs/benchmarks.md`.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up is to stop")]

use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

use tanist_core::ids::{AppId, DriverId, ProfileId, WorkerId};
use tanist_core::master::schedule::reference::Reference;
use tanist_core::master::schedule::{
    AppDemand, DriverNeed, Placement, ProfileNeed, Scheduler, SchedulerOptions, WorkerSelection,
};
use tanist_core::model::{Addresses, Booking};
use tanist_core::rng::Rng;
use tanist_core::units::{Cores, Memory};

const WORKERS: u32 = 10_000;
const APPS: u32 = 1_000;
const CORES: u32 = 16;
const MEMORY_MIB: u64 = 64 * 1024;

/// The two implementations, as far as the benchmark needs them.
trait Machine: Clone {
    fn new(options: SchedulerOptions) -> Self;
    fn worker_up(&mut self, id: &WorkerId);
    fn app_up(&mut self, id: &AppId, demand: AppDemand);
    fn app_down(&mut self, id: &AppId);
    fn queue_driver(&mut self, id: &DriverId);
    fn unqueue_driver(&mut self, id: &DriverId) -> bool;
    fn executor_removed(&mut self, app: &AppId, cores: Cores);
    fn release(&mut self, id: &WorkerId, booking: Booking);
    fn book(&mut self, id: &WorkerId, booking: &Booking) -> Booking;
    fn round(&mut self, rng: &mut Rng, out: &mut Vec<Placement>);
}

macro_rules! machine {
    ($type:ty) => {
        impl Machine for $type {
            fn new(options: SchedulerOptions) -> Self {
                <$type>::new(options)
            }
            fn worker_up(&mut self, id: &WorkerId) {
                self.worker_up(id, Cores(CORES), Memory::mib(MEMORY_MIB), &Addresses::default());
            }
            fn app_up(&mut self, id: &AppId, demand: AppDemand) {
                self.app_up(id, demand);
            }
            fn app_down(&mut self, id: &AppId) {
                self.app_down(id);
            }
            fn queue_driver(&mut self, id: &DriverId) {
                let need = DriverNeed { cores: Cores(1), memory: Memory::mib(1024), ..DriverNeed::default() };
                self.queue_driver(id, need);
            }
            fn unqueue_driver(&mut self, id: &DriverId) -> bool {
                self.unqueue_driver(id)
            }
            fn executor_removed(&mut self, app: &AppId, cores: Cores) {
                self.executor_removed(app, ProfileId(0), cores);
            }
            fn release(&mut self, id: &WorkerId, booking: Booking) {
                self.release(id, booking);
            }
            fn book(&mut self, id: &WorkerId, booking: &Booking) -> Booking {
                self.book(id, booking)
            }
            fn round(&mut self, rng: &mut Rng, out: &mut Vec<Placement>) {
                self.round(rng, out);
            }
        }
    };
}

machine!(Scheduler);
machine!(Reference);

fn worker(number: u32) -> WorkerId {
    let (high, low) = (number / 250, number % 250 + 1);
    WorkerId::new(&format!("worker-20260102030405-10.0.{high}.{low}-7078")).expect("a valid id")
}

fn app(number: u32) -> AppId {
    AppId::new(&format!("app-20260102030405-{number:04}")).expect("a valid id")
}

fn driver(number: u32) -> DriverId {
    DriverId::new(&format!("driver-20260102030405-{number:04}")).expect("a valid id")
}

fn demand(max: u32, cores: u32, memory_mib: u64) -> AppDemand {
    let need = ProfileNeed { cores: Some(Cores(cores)), memory: Memory::mib(memory_mib), ..ProfileNeed::default() };
    AppDemand { max_cores: Cores(max), profiles: BTreeMap::from([(ProfileId(0), need)]), targets: BTreeMap::default() }
}

fn executor(placement: Placement) -> (AppId, WorkerId, Booking) {
    match placement {
        Placement::Executor { app, worker, booking, .. } => (app, worker, booking),
        Placement::Driver { driver, .. } => unreachable!("{driver} was never queued"),
    }
}

/// A cluster whose every core is taken and in which every application waits for more, with what runs in it. Each
/// application may have `max` cores; the sizes of their executors differ.
struct Busy<M> {
    machine: M,
    rng: Rng,
    running: VecDeque<(AppId, WorkerId, Booking)>,
    out: Vec<Placement>,
}

impl<M: Machine> Busy<M> {
    fn new(policy: WorkerSelection, max: u32) -> Self {
        let mut filled = Scheduler::new(SchedulerOptions { worker_selection: policy, ..Default::default() });
        let mut machine = M::new(SchedulerOptions { worker_selection: policy, ..Default::default() });
        for number in 0..WORKERS {
            Machine::worker_up(&mut filled, &worker(number));
            machine.worker_up(&worker(number));
        }
        for number in 0..APPS {
            let demand = demand(max, [4, 2, 8, 4][number as usize % 4], 1024 * (1 + u64::from(number % 5)));
            filled.app_up(&app(number), demand.clone());
            machine.app_up(&app(number), demand);
        }
        let (mut rng, mut out) = (Rng::new(1), Vec::new());
        machine.round(&mut rng, &mut out);
        Self { machine, rng, running: out.drain(..).map(executor).collect(), out }
    }

    /// The oldest executor ends; whoever is next gets its place.
    fn executor_ends(&mut self) -> usize {
        let Some((app, worker, booking)) = self.running.pop_front() else { unreachable!("the cluster is busy") };
        self.machine.executor_removed(&app, booking.cores);
        self.machine.release(&worker, booking);
        self.machine.round(&mut self.rng, &mut self.out);
        let placed = self.out.len();
        self.running.extend(self.out.drain(..).map(executor));
        placed
    }

    /// One core becomes free, which is too little for everybody, and is taken again.
    fn too_little_is_freed(&mut self, worker: &WorkerId) -> usize {
        let core = Booking { cores: Cores(1), ..Booking::default() };
        self.machine.release(worker, core.clone());
        self.machine.round(&mut self.rng, &mut self.out);
        self.machine.book(worker, &core);
        self.out.len()
    }
}

fn one_event<M: Machine>(criterion: &mut Criterion, name: &str) {
    let mut group = criterion.benchmark_group(format!("one event/{name}"));
    group.sample_size(10);
    let policy = WorkerSelection::default();
    // The first application takes all that there is and all that becomes free.
    let mut busy = Busy::<M>::new(policy, u32::MAX);
    group.bench_function("executor ends, the first in line takes its place", |bencher| {
        bencher.iter(|| assert_eq!(black_box(busy.executor_ends()), 1));
    });
    let somewhere = worker(WORKERS / 2);
    group.bench_function("a core is freed, too little for anybody", |bencher| {
        bencher.iter(|| assert_eq!(black_box(busy.too_little_is_freed(&somewhere)), 0));
    });
    group.bench_function("a driver comes that fits nowhere, and is withdrawn", |bencher| {
        bencher.iter(|| {
            busy.machine.queue_driver(&driver(0));
            busy.machine.round(&mut busy.rng, &mut busy.out);
            assert!(busy.machine.unqueue_driver(&driver(0)) && busy.out.is_empty());
        });
    });
    worst_case::<M>(&mut group);
    // The first applications have all they may have: one that loses an executor is compared with all workers.
    for policy in [policy, WorkerSelection::MemoryFreeDesc, WorkerSelection::WorkerId] {
        let mut busy = Busy::<M>::new(policy, 320);
        group.bench_function(format!("an application at its maximum loses an executor, {policy}"), |bencher| {
            bencher.iter(|| black_box(busy.executor_ends()));
        });
    }
    group.finish();
}

/// Every worker has cores and none has memory, so the order by cores is of no help to a new application.
fn worst_case<M: Machine>(group: &mut BenchmarkGroup<'_, WallTime>) {
    let mut machine = M::new(SchedulerOptions::default());
    for number in 0..WORKERS {
        machine.worker_up(&worker(number));
        machine.book(&worker(number), &Booking { memory: Memory::mib(MEMORY_MIB), ..Booking::default() });
    }
    (0..APPS).for_each(|number| machine.app_up(&app(number), demand(320, 4, 1024)));
    let (mut rng, mut out) = (Rng::new(1), Vec::new());
    machine.round(&mut rng, &mut out);
    let comes = |machine: &mut M| {
        let mut out = Vec::new();
        machine.app_up(&app(APPS), demand(320, 4, 1023));
        machine.round(&mut Rng::new(1), &mut out);
        assert!(out.is_empty());
    };
    group.bench_function("worst case: an application comes that fits nowhere, cores free on all workers", |bencher| {
        bencher.iter_batched_ref(|| machine.clone(), comes, BatchSize::LargeInput);
    });
    group.bench_function("another one like it comes, and ends", |bencher| {
        bencher.iter(|| {
            comes(&mut machine);
            machine.app_down(&app(APPS));
        });
    });
}

fn incremental(criterion: &mut Criterion) {
    one_event::<Scheduler>(criterion, "incremental");
}

fn reference(criterion: &mut Criterion) {
    one_event::<Reference>(criterion, "reference");
}

fn bulk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bulk");
    group.sample_size(10);
    for spread in [true, false] {
        let mode = if spread { "spread out" } else { "consolidated" };
        let options = SchedulerOptions { spread_out_apps: spread, spread_out_drivers: spread, ..Default::default() };
        let mut idle = Scheduler::new(options);
        (0..WORKERS).for_each(|number| Machine::worker_up(&mut idle, &worker(number)));

        let mut apps = idle.clone();
        (0..APPS).for_each(|number| apps.app_up(&app(number), demand(160, 1, 1024)));
        group.throughput(Throughput::Elements(u64::from(WORKERS * CORES)));
        group.bench_function(format!("160,000 executors of 1,000 applications, {mode}"), |bencher| {
            bencher.iter_batched(|| apps.clone(), |machine| place_all(machine, WORKERS * CORES), BatchSize::LargeInput);
        });

        let mut drivers = idle;
        for number in 0..WORKERS {
            Machine::queue_driver(&mut drivers, &driver(number));
        }
        group.throughput(Throughput::Elements(u64::from(WORKERS)));
        group.bench_function(format!("10,000 drivers, {mode}"), |bencher| {
            bencher.iter_batched(|| drivers.clone(), |machine| place_all(machine, WORKERS), BatchSize::LargeInput);
        });
    }
    group.finish();
}

/// The machine and its placements are handed back, so that dropping them is not measured.
fn place_all(mut machine: Scheduler, expected: u32) -> (Scheduler, Vec<Placement>) {
    let mut out = Vec::new();
    machine.round(&mut Rng::new(1), &mut out);
    assert_eq!(out.len(), expected as usize);
    (machine, out)
}

criterion_group!(benches, incremental, reference, bulk);
criterion_main!(benches);
