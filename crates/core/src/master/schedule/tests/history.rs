//! The same random histories for both implementations: they must decide the same, in the same order, all the way.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::master::schedule::WorkerSelection;
use crate::rng::Rng;

/// Ids are drawn from so few, that histories come back to the same things.
const DRIVERS: u32 = 12;
const APPS: u32 = 6;
const PROFILES: u32 = 4;

#[derive(Debug, Clone)]
enum Step {
    Round,
    WorkerUp(u32, (u32, u64, u32)),
    WorkersUp(Vec<(u32, u64, u32)>),
    WorkerPaused(u32, bool),
    WorkerIsForeign(u32, bool),
    WorkerDown(u32),
    Queue(u32, (u32, u64, u32), bool),
    Unqueue(u32),
    DriverEnds(usize),
    AppUp(u32, Option<u32>, Wish, Option<u32>),
    Targets(u32, BTreeMap<u32, Wish>, BTreeMap<u32, u32>),
    AppPaused(u32, bool),
    AppDown(u32),
    RuledOut(u32, u32),
    ExecutorEnds(usize),
    ExecutorForgotten(usize),
    Adopted { app: u32, profile: u32, worker: u32, booking: (u32, u64, u32) },
    LimitHit(u32),
}

/// Cores, memory and GPUs of one executor, and whether it runs on a foreign worker.
type Wish = (Option<u32>, u64, u32, bool);

fn wish() -> impl Strategy<Value = Wish> {
    (proptest::option::of(0..6u32), 0..5u64, prop_oneof![4 => Just(0), 1 => 1..3u32], any::<bool>())
}

fn capacity() -> impl Strategy<Value = (u32, u64, u32)> {
    (0..12u32, 0..16u64, prop_oneof![2 => Just(0), 1 => 1..5u32])
}

fn step(workers: u32) -> impl Strategy<Value = Step> {
    let small = || (0..5u32, 0..6u64, prop_oneof![4 => Just(0), 1 => 1..3u32]);
    prop_oneof![
        24 => Just(Step::Round),
        6 => (0..workers, capacity()).prop_map(|(id, offer)| Step::WorkerUp(id, offer)),
        3 => (0..workers, any::<bool>()).prop_map(|(id, paused)| Step::WorkerPaused(id, paused)),
        2 => (0..workers, any::<bool>()).prop_map(|(id, foreign)| Step::WorkerIsForeign(id, foreign)),
        2 => (0..workers).prop_map(Step::WorkerDown),
        8 => (0..DRIVERS, small(), any::<bool>()).prop_map(|(id, need, foreign)| Step::Queue(id, need, foreign)),
        2 => (0..DRIVERS).prop_map(Step::Unqueue),
        6 => any::<usize>().prop_map(Step::DriverEnds),
        6 => (0..APPS, proptest::option::of(0..24u32), wish(), proptest::option::of(0..6u32))
            .prop_map(|(id, max, need, limit)| Step::AppUp(id, max, need, limit)),
        4 => (0..APPS, proptest::collection::btree_map(0..PROFILES, wish(), 0..2),
              proptest::collection::btree_map(0..PROFILES, 0..6u32, 0..3))
            .prop_map(|(id, profiles, targets)| Step::Targets(id, profiles, targets)),
        2 => (0..APPS, any::<bool>()).prop_map(|(id, paused)| Step::AppPaused(id, paused)),
        2 => (0..APPS).prop_map(Step::AppDown),
        3 => (0..APPS, 0..workers).prop_map(|(app, worker)| Step::RuledOut(app, worker)),
        10 => any::<usize>().prop_map(Step::ExecutorEnds),
        3 => any::<usize>().prop_map(Step::ExecutorForgotten),
        2 => (0..APPS, 0..PROFILES, 0..workers, small())
            .prop_map(|(app, profile, worker, booking)| Step::Adopted { app, profile, worker, booking }),
        1 => (0..8u32).prop_map(Step::LimitHit),
    ]
}

fn options() -> impl Strategy<Value = SchedulerOptions> {
    let policy = proptest::sample::select(WorkerSelection::ALL.to_vec());
    let limit = prop_oneof![2 => Just(u32::MAX), 1 => 0..5u32];
    (any::<bool>(), any::<bool>(), policy, limit).prop_map(
        |(spread_out_apps, spread_out_drivers, worker_selection, max_drivers)| SchedulerOptions {
            spread_out_apps,
            spread_out_drivers,
            worker_selection,
            max_drivers,
        },
    )
}

/// Few workers mostly; sometimes more than are looked at one by one.
fn history() -> impl Strategy<Value = Vec<Step>> {
    let few = (1..8u32).prop_flat_map(|workers| proptest::collection::vec(step(workers), 1..160));
    let many = (proptest::collection::vec(capacity(), 65..140), proptest::collection::vec(step(140), 1..60));
    let many = many.prop_map(|(offers, steps)| std::iter::once(Step::WorkersUp(offers)).chain(steps).collect());
    prop_oneof![4 => few, 1 => many]
}

/// Something that occupies a worker.
#[derive(Debug, Clone)]
struct Booked {
    worker: WorkerId,
    booking: Booking,
    /// Whose executor; none = a driver, or an executor that its application no longer counts.
    counted: Option<(AppId, ProfileId)>,
    driver: bool,
}

struct Pair {
    reference: Reference,
    scheduler: Scheduler,
    rngs: (Rng, Rng),
    offers: BTreeMap<WorkerId, (Cores, Memory, Addresses)>,
    booked: Vec<Booked>,
    active: u32,
}

impl Pair {
    fn new(options: &SchedulerOptions, seed: u64) -> Self {
        Self {
            reference: Reference::new(options.clone()),
            scheduler: Scheduler::new(options.clone()),
            rngs: (Rng::new(seed), Rng::new(seed)),
            offers: BTreeMap::new(),
            booked: Vec::new(),
            active: 0,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Round => self.round(),
            Step::WorkersUp(offers) => (0..).zip(offers).for_each(|(id, offer)| self.worker_up(id, offer)),
            Step::WorkerUp(id, offer) => self.worker_up(id, offer),
            Step::WorkerPaused(id, paused) => {
                self.reference.worker_paused(&worker(id), paused);
                self.scheduler.worker_paused(&worker(id), paused);
            }
            Step::WorkerIsForeign(id, foreign) => {
                self.reference.worker_is_foreign(&worker(id), foreign);
                self.scheduler.worker_is_foreign(&worker(id), foreign);
            }
            Step::WorkerDown(id) => {
                self.reference.worker_down(&worker(id));
                self.scheduler.worker_down(&worker(id));
                self.offers.remove(&worker(id));
                self.worker_lost(&worker(id));
            }
            Step::Queue(id, (cores, memory, gpus), foreign) => {
                let (cores, memory, resources) = (Cores(cores), Memory::mib(memory), wanted_gpus(gpus));
                let need = DriverNeed { cores, memory, resources, foreign };
                self.reference.queue_driver(&driver(id), need.clone());
                self.scheduler.queue_driver(&driver(id), need);
            }
            Step::Unqueue(id) => {
                let expected = self.reference.unqueue_driver(&driver(id));
                assert_eq!(self.scheduler.unqueue_driver(&driver(id)), expected);
            }
            Step::DriverEnds(which) => self.ends(which, |booked| booked.driver),
            Step::ExecutorEnds(which) => self.ends(which, |booked| !booked.driver),
            Step::ExecutorForgotten(which) => self.forgotten(which),
            Step::LimitHit(active) => self.set_active(active),
            step => self.take_app_step(step),
        }
    }

    fn take_app_step(&mut self, step: Step) {
        match step {
            Step::AppUp(id, max, wish, limit) => {
                let demand = demand(max, profile(wish), limit);
                self.reference.app_up(&app(id), demand.clone());
                self.scheduler.app_up(&app(id), demand);
            }
            Step::Targets(id, profiles, targets) => {
                let profiles: BTreeMap<_, _> =
                    profiles.into_iter().map(|(id, wish)| (ProfileId(id), profile(wish))).collect();
                let targets: BTreeMap<_, _> = targets.into_iter().map(|(id, target)| (ProfileId(id), target)).collect();
                self.reference.app_targets(&app(id), profiles.clone(), targets.clone());
                self.scheduler.app_targets(&app(id), profiles, targets);
            }
            Step::AppPaused(id, paused) => {
                self.reference.app_paused(&app(id), paused);
                self.scheduler.app_paused(&app(id), paused);
            }
            Step::RuledOut(id, on) => {
                self.reference.rule_out(&app(id), &worker(on));
                self.scheduler.rule_out(&app(id), &worker(on));
            }
            Step::AppDown(id) => {
                self.reference.app_down(&app(id));
                self.scheduler.app_down(&app(id));
                // Its executors occupy their workers until they end.
                let its = |booked: &&mut Booked| booked.counted.as_ref().is_some_and(|(other, _)| *other == app(id));
                self.booked.iter_mut().filter(its).for_each(|booked| booked.counted = None);
            }
            Step::Adopted { app: id, profile, worker: on, booking: (cores, memory, addresses) } => {
                let booking = Booking { cores: Cores(cores), memory: Memory::mib(memory), resources: gpus(addresses) };
                let booked = self.reference.book(&worker(on), &booking);
                assert_eq!(self.scheduler.book(&worker(on), &booking), booked);
                if self.offers.contains_key(&worker(on)) {
                    self.reference.executor_added(&app(id), ProfileId(profile), booking.cores);
                    self.scheduler.executor_added(&app(id), ProfileId(profile), booking.cores);
                    let counted = Some((app(id), ProfileId(profile)));
                    self.booked.push(Booked { worker: worker(on), booking: booked, counted, driver: false });
                }
            }
            step => unreachable!("{step:?} is handled elsewhere"),
        }
    }

    fn worker_up(&mut self, id: u32, (cores, memory, addresses): (u32, u64, u32)) {
        let (id, cores, memory, resources) = (worker(id), Cores(cores), Memory::mib(memory), gpus(addresses));
        self.reference.worker_up(&id, cores, memory, &resources);
        self.scheduler.worker_up(&id, cores, memory, &resources);
        self.offers.insert(id, (cores, memory, resources));
    }

    fn worker_lost(&mut self, id: &WorkerId) {
        let (lost, kept) = std::mem::take(&mut self.booked).into_iter().partition(|booked| booked.worker == *id);
        self.booked = kept;
        let lost: Vec<Booked> = lost;
        for booked in lost {
            self.uncount(&booked);
        }
    }

    fn set_active(&mut self, active: u32) {
        self.active = active;
        self.reference.set_active_drivers(active);
        self.scheduler.set_active_drivers(active);
    }

    fn uncount(&mut self, booked: &Booked) {
        if let Some((app, profile)) = &booked.counted {
            self.reference.executor_removed(app, *profile, booked.booking.cores);
            self.scheduler.executor_removed(app, *profile, booked.booking.cores);
        }
        if booked.driver {
            self.set_active(self.active.saturating_sub(1));
        }
    }

    fn ends(&mut self, which: usize, kind: impl Fn(&Booked) -> bool) {
        let of_kind: Vec<_> = (0..self.booked.len()).filter(|&at| kind(&self.booked[at])).collect();
        if of_kind.is_empty() {
            return;
        }
        let booked = self.booked.remove(of_kind[which % of_kind.len()]);
        self.uncount(&booked);
        self.reference.release(&booked.worker, booked.booking.clone());
        self.scheduler.release(&booked.worker, booked.booking);
    }

    /// An executor no longer counts for its application, while its process still occupies the worker.
    fn forgotten(&mut self, which: usize) {
        let counted: Vec<_> = (0..self.booked.len()).filter(|&at| self.booked[at].counted.is_some()).collect();
        if !counted.is_empty() {
            let at = counted[which % counted.len()];
            self.uncount(&self.booked[at].clone());
            self.booked[at].counted = None;
        }
    }

    fn round(&mut self) {
        let (mut expected, mut decided) = (Vec::new(), Vec::new());
        self.reference.round(&mut self.rngs.0, &mut expected);
        self.scheduler.round(&mut self.rngs.1, &mut decided);
        assert_eq!(decided, expected);
        assert_eq!(self.rngs.0.clone().bits(), self.rngs.1.clone().bits(), "as much randomness drawn");
        let mut once_more = Vec::new();
        self.reference.clone().round(&mut self.rngs.0.clone(), &mut once_more);
        assert_eq!(once_more, [], "a round leaves nothing that could be placed");
        for placement in expected {
            let (worker, booking, counted) = match placement {
                Placement::Driver { worker, booking, .. } => {
                    self.active += 1;
                    (worker, booking, None)
                }
                Placement::Executor { app, profile, worker, booking } => (worker, booking, Some((app, profile))),
            };
            let driver = counted.is_none();
            self.booked.push(Booked { worker, booking, counted, driver });
        }
    }

    /// Booked + free = offered, on both sides, and no address twice.
    fn check_books(&self) {
        for (id, (cores, memory, resources)) in &self.offers {
            let free = self.scheduler.free(id).unwrap();
            assert_eq!(Some(&free), self.reference.free(id).as_ref());
            let here = || self.booked.iter().filter(|booked| booked.worker == *id).map(|booked| &booked.booking);
            let booked_cores = here().map(|booking| booking.cores).fold(Cores::ZERO, Cores::plus);
            let booked_memory = here().map(|booking| booking.memory).fold(Memory::ZERO, Memory::plus);
            assert_eq!(free.cores, cores.minus(booked_cores), "{id}");
            assert_eq!(free.memory, memory.minus(booked_memory), "{id}");
            let taken: Vec<_> = here().flat_map(|booking| booking.resources.of("gpu")).collect();
            let taken_once: BTreeSet<_> = taken.iter().copied().collect();
            assert_eq!(taken.len(), taken_once.len(), "{id}: an address is booked twice");
            let expected: BTreeSet<_> =
                resources.of("gpu").iter().filter(|address| !taken_once.contains(address)).collect();
            assert_eq!(free.resources.of("gpu").iter().collect::<BTreeSet<_>>(), expected, "{id}");
        }
    }
}

fn profile((cores, memory, gpus, foreign): Wish) -> ProfileNeed {
    ProfileNeed { resources: wanted_gpus(gpus), foreign, ..need(cores, memory) }
}

proptest! {
    #[test]
    fn both_decide_the_same(options in options(), seed: u64, steps in history()) {
        let mut pair = Pair::new(&options, seed);
        for step in steps {
            pair.take(step);
            pair.check_books();
        }
        pair.round();
    }
}
