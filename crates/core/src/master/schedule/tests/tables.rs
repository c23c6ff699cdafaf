//! The original's tables and cases, by id; each against both implementations.

use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;

use super::*;
use crate::master::schedule::WorkerSelection;
use crate::model::ResourceProfile;

/// Runs a case against both implementations.
macro_rules! both {
    ($case:ident($($argument:expr),*)) => {{
        $case::<Reference>($($argument),*);
        $case::<Scheduler>($($argument),*);
    }};
}

/// Three workers of 10 cores and 512 MiB.
fn three_workers<M: Machine>(options: SchedulerOptions) -> M {
    let mut machine = M::new(options);
    for number in 1..=3 {
        machine.worker_up(&worker(number), Cores(10), Memory::mib(512), &Addresses::default());
    }
    machine
}

/// Cores given out per worker, in the order of ids.
fn cores_of_three<M: Machine>(spread: bool, demand: AppDemand) -> [u32; 3] {
    let policy = WorkerSelection::WorkerId;
    let mut machine: M =
        three_workers(SchedulerOptions { spread_out_apps: spread, worker_selection: policy, ..Default::default() });
    machine.app_up(&app(1), demand);
    let placed = executors(&round(&mut machine));
    ["1", "2", "3"].map(|id| placed.iter().filter(|(_, _, worker, _)| worker == id).map(|(.., cores)| cores).sum())
}

#[rstest]
#[case::t_ms_01_02_basic(128, None, None, None, [10, 10, 10], [10, 10, 10])]
#[case::t_ms_03_04_more_memory(384, None, None, None, [10, 10, 10], [10, 10, 10])]
#[case::t_ms_05_06_max_cores_8(128, None, Some(8), None, [3, 3, 2], [8, 0, 0])]
#[case::t_ms_05_06_max_cores_16(128, None, Some(16), None, [6, 5, 5], [10, 6, 0])]
#[case::t_ms_07_08_cores_per_executor_bound_by_memory(128, Some(2), None, None, [8, 8, 8], [8, 8, 8])]
#[case::t_ms_07_08_cores_per_executor_2(32, Some(2), None, None, [10, 10, 10], [10, 10, 10])]
#[case::t_ms_07_08_cores_per_executor_3(32, Some(3), None, None, [9, 9, 9], [9, 9, 9])]
#[case::t_ms_09_10_cores_per_executor_and_max_4(32, Some(2), Some(4), None, [2, 2, 0], [4, 0, 0])]
#[case::t_ms_09_10_cores_per_executor_and_max_20(32, Some(2), Some(20), None, [8, 6, 6], [10, 10, 0])]
#[case::t_ms_11_12_limit_0(32, None, None, Some(0), [0, 0, 0], [0, 0, 0])]
#[case::t_ms_11_12_limit_2(32, None, None, Some(2), [10, 10, 0], [10, 10, 0])]
#[case::t_ms_11_12_limit_5(32, None, None, Some(5), [10, 10, 10], [10, 10, 10])]
#[case::t_ms_13_14_limit_0_and_max(32, None, Some(16), Some(0), [0, 0, 0], [0, 0, 0])]
#[case::t_ms_13_14_limit_2_and_max(32, None, Some(16), Some(2), [8, 8, 0], [10, 6, 0])]
#[case::t_ms_15_16_limit_0_and_cores_per_executor(32, Some(4), None, Some(0), [0, 0, 0], [0, 0, 0])]
#[case::t_ms_15_16_limit_2_and_cores_per_executor(32, Some(4), None, Some(2), [4, 4, 0], [8, 0, 0])]
#[case::t_ms_15_16_limit_5_and_cores_per_executor(32, Some(4), None, Some(5), [8, 8, 4], [8, 8, 4])]
#[case::t_ms_17_18_everything_limit_0(32, Some(4), Some(18), Some(0), [0, 0, 0], [0, 0, 0])]
#[case::t_ms_17_18_everything_limit_2(32, Some(4), Some(18), Some(2), [4, 4, 0], [8, 0, 0])]
fn t_ms_01_to_18(
    #[case] memory: u64,
    #[case] cores: Option<u32>,
    #[case] max: Option<u32>,
    #[case] limit: Option<u32>,
    #[case] spread: [u32; 3],
    #[case] filled: [u32; 3],
) {
    let demand = demand(max, need(cores, memory), limit);
    for (spread_out, expected) in [(true, spread), (false, filled)] {
        assert_eq!(cores_of_three::<Reference>(spread_out, demand.clone()), expected, "reference, {spread_out}");
        assert_eq!(cores_of_three::<Scheduler>(spread_out, demand.clone()), expected, "scheduler, {spread_out}");
    }
}

fn small_driver() -> DriverNeed {
    DriverNeed { cores: Cores(1), memory: Memory::mib(1), ..DriverNeed::default() }
}

#[test]
fn t_ms_19_no_driver_above_the_limit() {
    fn case<M: Machine>() {
        let mut machine = M::new(SchedulerOptions { max_drivers: 4, ..Default::default() });
        machine.worker_up(&worker("w"), Cores(10), Memory::mib(512), &Addresses::default());
        (0..3).for_each(|number| machine.queue_driver(&driver(number), small_driver()));
        assert_eq!(drivers(&round(&mut machine)).len(), 3);
        (3..6).for_each(|number| machine.queue_driver(&driver(number), small_driver()));
        assert_eq!(drivers(&round(&mut machine)), [("driver-003".to_owned(), "w".to_owned())]);
        assert!(drivers(&round(&mut machine)).is_empty(), "four run, two wait");
        machine.set_active_drivers(3);
        assert_eq!(drivers(&round(&mut machine)), [("driver-004".to_owned(), "w".to_owned())], "SC-06: one has ended");
        assert!(machine.unqueue_driver(&driver(5)));
        assert!(!machine.unqueue_driver(&driver(5)));
    }
    both!(case());
}

#[test]
fn t_ms_20_21_drivers_spread_out_or_first_by_id() {
    fn case<M: Machine>(spread: bool, expected: [usize; 3]) {
        let mut machine: M = three_workers(SchedulerOptions { spread_out_drivers: spread, ..Default::default() });
        (0..3).for_each(|number| machine.queue_driver(&driver(number), small_driver()));
        let placed = drivers(&round(&mut machine));
        let count = |id: &str| placed.iter().filter(|(_, worker)| worker == id).count();
        assert_eq!(["1", "2", "3"].map(count), expected);
    }
    both!(case(true, [1, 1, 1]));
    both!(case(false, [3, 0, 0]));
}

#[test]
fn sc_05_a_later_driver_overtakes_one_that_does_not_fit() {
    fn case<M: Machine>() {
        let mut machine: M = three_workers(SchedulerOptions::default());
        machine.queue_driver(&driver(0), DriverNeed { cores: Cores(11), ..small_driver() });
        machine.queue_driver(&driver(1), DriverNeed { memory: Memory::mib(513), ..small_driver() });
        machine.queue_driver(&driver(2), DriverNeed { resources: wanted_gpus(1), ..small_driver() });
        machine.queue_driver(&driver(3), small_driver());
        assert_eq!(drivers(&round(&mut machine)).len(), 1);
        machine.worker_up(&worker("large"), Cores(11), Memory::mib(600), &gpus(1));
        let placed = drivers(&round(&mut machine));
        assert_eq!(placed, [("driver-000".to_owned(), "large".to_owned())], "it leaves no core for the others");
    }
    both!(case());
}

#[test]
fn sc_02_drivers_come_before_executors() {
    fn case<M: Machine>() {
        let mut machine: M = three_workers(SchedulerOptions::default());
        machine.app_up(&app(1), demand(None, need(None, 1), None));
        machine.queue_driver(&driver(0), DriverNeed { cores: Cores(10), ..small_driver() });
        let placements = round(&mut machine);
        assert!(matches!(placements[0], Placement::Driver { .. }));
        assert_eq!(executors(&placements).len(), 2);
    }
    both!(case());
}

#[rstest]
#[case::t_ws_01_02(WorkerSelection::CoresFreeAsc, &["10001", "10002"], &["10001"])]
#[case::t_ws_03_04(WorkerSelection::CoresFreeDesc, &["10002", "10003"], &["10003"])]
#[case::t_ws_05_06(WorkerSelection::MemoryFreeAsc, &["10001", "10003"], &["10001"])]
#[case::t_ws_07_08(WorkerSelection::MemoryFreeDesc, &["10002", "10003"], &["10002"])]
#[case::t_ws_09_10(WorkerSelection::WorkerId, &["10001", "10002"], &["10001"])]
fn t_ws_01_to_10(#[case] policy: WorkerSelection, #[case] spread: &[&str], #[case] filled: &[&str]) {
    fn case<M: Machine>(policy: WorkerSelection, spread: bool, expected: &[&str]) {
        let options = SchedulerOptions { spread_out_apps: spread, worker_selection: policy, ..Default::default() };
        let mut machine = M::new(options);
        for (id, cores, memory) in [("10001", 5, 1280), ("10002", 6, 5120), ("10003", 7, 3840)] {
            machine.worker_up(&worker(id), Cores(cores), Memory::mib(memory), &Addresses::default());
        }
        machine.app_up(&app(1), demand(Some(4), need(Some(2), 128), None));
        let placed = executors(&round(&mut machine));
        assert_eq!(placed.len(), 2);
        let used: BTreeSet<_> = placed.iter().map(|(_, _, worker, _)| worker.as_str()).collect();
        assert_eq!(used, expected.iter().copied().collect());
    }
    both!(case(policy, true, spread));
    both!(case(policy, false, filled));
}

#[rstest]
#[case(WorkerSelection::CoresFreeDesc, "3")]
#[case(WorkerSelection::MemoryFreeDesc, "3")]
#[case(WorkerSelection::CoresFreeAsc, "1")]
#[case(WorkerSelection::MemoryFreeAsc, "1")]
#[case(WorkerSelection::WorkerId, "1")]
fn sc_10_equal_workers_go_by_id_reversed_where_descending(#[case] policy: WorkerSelection, #[case] first: &str) {
    fn case<M: Machine>(policy: WorkerSelection, first: &str) {
        let mut machine: M =
            three_workers(SchedulerOptions { worker_selection: policy, ..SchedulerOptions::default() });
        machine.app_up(&app(1), demand(Some(1), need(Some(1), 1), None));
        assert_eq!(executors(&round(&mut machine)), [("app-001".to_owned(), 0, first.to_owned(), 1)]);
    }
    both!(case(policy, first));
}

#[test]
fn t_rp_01_each_profile_has_its_own_target() {
    fn case<M: Machine>() {
        let mut machine = M::new(SchedulerOptions::default());
        for number in 1..=3 {
            machine.worker_up(&worker(number), Cores(2), Memory::mib(512), &Addresses::default());
        }
        machine.app_up(&app(1), demand(None, need(Some(1), 128), Some(0)));
        assert!(round(&mut machine).is_empty());
        let profiles = [(1, 3, 256), (2, 1, 1024), (3, 1, 256), (4, 1, 256)];
        let profiles = profiles.map(|(id, cores, memory)| (ProfileId(id), need(Some(cores), memory)));
        let targets = [(0, 1), (1, 1), (2, 1), (3, 1), (4, 2)].map(|(id, target)| (ProfileId(id), target));
        machine.app_targets(&app(1), BTreeMap::from(profiles), BTreeMap::from(targets));
        let placements = round(&mut machine);
        let placed = executors(&placements);
        let count = |id| placed.iter().filter(|(_, profile, ..)| *profile == id).count();
        assert_eq!([0, 1, 2, 3, 4].map(count), [1, 0, 0, 1, 2]);
        let is_third = |placement: &&Placement| {
            matches!(placement, Placement::Executor { profile: ProfileId(3), booking, .. }
                if booking.cores == Cores(1) && booking.memory == Memory::mib(256))
        };
        assert_eq!(placements.iter().filter(is_third).count(), 1);
    }
    both!(case());
}

#[test]
fn the_experiment_of_four_workers_with_eight_cores() {
    fn case<M: Machine>() {
        let mut machine = M::new(SchedulerOptions::default());
        for number in 1..=4 {
            machine.worker_up(&worker(number), Cores(8), Memory::mib(8192), &Addresses::default());
        }
        machine.app_up(&app(1), demand(Some(4), need(Some(4), 1024), None));
        let first = round(&mut machine);
        let [Placement::Executor { worker: its_worker, booking, .. }] = first.as_slice() else {
            panic!("one executor of 4 cores expected: {first:?}")
        };
        machine.app_up(&app(2), demand(Some(24), need(Some(6), 1024), None));
        let second = executors(&round(&mut machine));
        assert_eq!(second.len(), 3, "the worker of application 1 has only 4 cores left");
        assert!(second.iter().all(|(_, _, worker, cores)| *worker != its_worker.to_string() && *cores == 6));

        machine.app_down(&app(1));
        machine.release(its_worker, booking.clone());
        let fourth = executors(&round(&mut machine));
        assert_eq!(fourth, [("app-002".to_owned(), 0, its_worker.to_string(), 6)]);
        assert!(round(&mut machine).is_empty(), "24 cores are the most");
    }
    both!(case());
}

#[test]
fn sc_15_executors_are_placed_whole() {
    fn case<M: Machine>() {
        let mut machine = M::new(SchedulerOptions::default());
        for number in 1..=4 {
            machine.worker_up(&worker(number), Cores(16), Memory::mib(4096), &Addresses::default());
        }
        machine.app_up(&app(1), demand(Some(48), need(Some(16), 1024), None));
        let placed = executors(&round(&mut machine));
        assert_eq!(placed.iter().map(|(.., cores)| *cores).collect::<Vec<_>>(), [16, 16, 16]);
    }
    both!(case());
}

#[test]
fn sc_16_without_fixed_cores_a_worker_may_get_a_second_executor_later() {
    fn case<M: Machine>() {
        let mut machine = M::new(SchedulerOptions::default());
        machine.worker_up(&worker("w"), Cores(8), Memory::mib(4096), &Addresses::default());
        let taken = Booking { cores: Cores(5), ..Booking::default() };
        machine.book(&worker("w"), &taken);
        machine.app_up(&app(1), demand(None, need(None, 1024), None));
        assert_eq!(executors(&round(&mut machine)), [("app-001".to_owned(), 0, "w".to_owned(), 3)]);
        machine.release(&worker("w"), taken);
        assert_eq!(executors(&round(&mut machine)), [("app-001".to_owned(), 0, "w".to_owned(), 5)]);
    }
    both!(case());
}

#[test]
fn sc_18_the_first_application_takes_all_and_gives_back_in_order() {
    fn case<M: Machine>() {
        let mut machine: M = three_workers(SchedulerOptions::default());
        machine.app_up(&app(1), demand(None, need(Some(5), 1), None));
        machine.app_up(&app(2), demand(None, need(Some(5), 1), None));
        machine.app_up(&app(3), demand(None, need(Some(5), 1), None));
        let placements = round(&mut machine);
        assert!(executors(&placements).iter().all(|(app, ..)| app == "app-001"));
        let Placement::Executor { worker, booking, .. } = &placements[0] else { panic!("{placements:?}") };
        machine.app_down(&app(1));
        machine.release(worker, booking.clone());
        assert_eq!(executors(&round(&mut machine)), [("app-002".to_owned(), 0, worker.to_string(), 5)]);
    }
    both!(case());
}

#[test]
fn an_executor_s_end_makes_room_under_the_maximum_on_another_worker() {
    fn case<M: Machine>() {
        let mut machine: M = three_workers(SchedulerOptions::default());
        machine.app_up(&app(1), demand(Some(10), need(Some(10), 1), None));
        let placements = round(&mut machine);
        let Placement::Executor { worker: first, booking, .. } = &placements[0] else { panic!("{placements:?}") };
        // Its process is gone for the application, but its worker has not said so: the booking stays.
        machine.executor_removed(&app(1), ProfileId(0), booking.cores);
        let again = executors(&round(&mut machine));
        assert_eq!(again.len(), 1);
        assert_ne!(again[0].2, first.to_string());
    }
    both!(case());
}

#[test]
fn rs_02_addresses_are_booked_returned_and_never_given_twice() {
    fn case<M: Machine>() {
        let mut machine = M::new(SchedulerOptions::default());
        machine.worker_up(&worker("w"), Cores(8), Memory::mib(64), &gpus(3));
        let known = Booking { cores: Cores(1), memory: Memory::mib(1), resources: gpus(1) };
        assert_eq!(machine.book(&worker("w"), &known), known);
        let again = Booking { resources: Addresses::default(), ..known.clone() };
        assert_eq!(machine.book(&worker("w"), &known), again, "address 0 is taken");
        let wants = ProfileNeed { resources: wanted_gpus(2), ..need(Some(1), 1) };
        machine.app_up(&app(1), demand(None, wants, None));
        let placements = round(&mut machine);
        let Placement::Executor { booking, .. } = &placements[0] else { panic!("{placements:?}") };
        assert_eq!((placements.len(), booking.resources.of("gpu")), (1, &["1".to_owned(), "2".to_owned()][..]));
        assert!(machine.free(&worker("w")).unwrap().resources.is_empty());
        machine.release(&worker("w"), booking.clone());
        machine.release(&worker("w"), known);
        let free = machine.free(&worker("w")).unwrap();
        assert_eq!((free.cores, free.resources.of("gpu").len()), (Cores(7), 3));
    }
    both!(case());
}

#[test]
fn a_worker_that_comes_back_smaller_keeps_its_bookings() {
    fn case<M: Machine>() {
        let mut machine: M = three_workers(SchedulerOptions::default());
        let id = worker(1);
        let booking = Booking { cores: Cores(6), memory: Memory::mib(300), ..Booking::default() };
        machine.book(&id, &booking);
        machine.worker_up(&id, Cores(4), Memory::mib(400), &Addresses::default());
        let free = machine.free(&id).unwrap();
        assert_eq!((free.cores, free.memory), (Cores(0), Memory::mib(100)));
        machine.release(&id, booking.clone());
        assert_eq!(machine.free(&id).unwrap().cores, Cores(4));
        machine.worker_down(&id);
        assert_eq!(machine.free(&id), None);
        assert_eq!(machine.book(&id, &booking), Booking::default());
    }
    both!(case());
}

#[test]
fn paused_workers_and_applications_get_nothing_until_they_are_back() {
    fn case<M: Machine>() {
        let mut machine: M = three_workers(SchedulerOptions::default());
        (1..=3).for_each(|number| machine.worker_paused(&worker(number), true));
        machine.app_up(&app(1), demand(None, need(None, 1), None));
        machine.queue_driver(&driver(1), small_driver());
        assert!(round(&mut machine).is_empty());
        machine.app_paused(&app(1), true);
        machine.worker_paused(&worker(2), false);
        let placements = round(&mut machine);
        assert_eq!(drivers(&placements), [("driver-001".to_owned(), "2".to_owned())]);
        assert!(executors(&placements).is_empty());
        machine.app_paused(&app(1), false);
        assert_eq!(executors(&round(&mut machine)), [("app-001".to_owned(), 0, "2".to_owned(), 9)]);
    }
    both!(case());
}

#[test]
fn adopted_executors_count_for_cores_and_target() {
    fn case<M: Machine>() {
        let mut machine: M = three_workers(SchedulerOptions::default());
        machine.app_up(&app(1), demand(Some(6), need(Some(2), 1), Some(2)));
        machine.executor_added(&app(1), ProfileId(0), Cores(2));
        assert_eq!(executors(&round(&mut machine)).len(), 1, "two executors are wanted");
        machine.app_targets(&app(1), BTreeMap::new(), BTreeMap::from([(ProfileId(0), 9)]));
        assert_eq!(executors(&round(&mut machine)).len(), 1, "six cores are the most");
        machine.executor_removed(&app(1), ProfileId(0), Cores(2));
        assert_eq!(executors(&round(&mut machine)).len(), 1);
    }
    both!(case());
}

#[test]
fn a_profile_without_a_target_gets_nothing_and_a_target_waits_for_its_profile() {
    fn case<M: Machine>() {
        let mut machine: M = three_workers(SchedulerOptions::default());
        machine.app_up(&app(1), demand(None, need(Some(2), 1), Some(0)));
        machine.app_targets(&app(1), BTreeMap::from([(ProfileId(7), need(Some(1), 1))]), BTreeMap::new());
        machine.app_targets(&app(1), BTreeMap::new(), BTreeMap::from([(ProfileId(8), 1)]));
        assert!(round(&mut machine).is_empty());
        machine.app_targets(&app(1), BTreeMap::new(), BTreeMap::from([(ProfileId(7), 1)]));
        machine.app_targets(&app(1), BTreeMap::from([(ProfileId(8), need(Some(3), 1))]), BTreeMap::new());
        let profiles: Vec<_> = executors(&round(&mut machine)).iter().map(|(_, profile, ..)| *profile).collect();
        assert_eq!(profiles, [7, 8]);
    }
    both!(case());
}

#[test]
fn t_rp_03_profiles_inherit_memory_and_cores_but_no_resources() {
    let amounts =
        |pairs: &[(&str, u32)]| Amounts::new(pairs.iter().map(|(name, amount)| ((*name).to_owned(), *amount)));
    let profile = |id, memory: Option<u64>, cores: Option<u32>, resources| ResourceProfile {
        id: ProfileId(id),
        memory: memory.map(Memory::mib),
        overhead: None,
        cores: cores.map(Cores),
        resources,
    };
    let default = profile(0, Some(128), Some(4), amounts(&[("gpu", 2)]));
    let inherited = profile(1, None, None, amounts(&[("fpga", 2)])).inheriting(&default);
    assert_eq!(inherited, profile(1, Some(128), Some(4), amounts(&[("fpga", 2)])), "no GPU");
    let own = profile(2, Some(256), Some(2), amounts(&[("gpu", 3), ("fpga", 3)]));
    assert_eq!(own.inheriting(&default), own);
    assert_eq!(own.resources.iter().collect::<Vec<_>>(), [("fpga", 3), ("gpu", 3)], "sorted by name");
}
