//! Registration, the epoch check, reports, decommissioning, disk, stopping.

use super::*;

fn kill_driver() -> WorkerCommand {
    WorkerCommand::KillDriver { driver: driver_id(), attempt: Attempt(1) }
}

fn registration(effects: &[Effect]) -> RegisterWorker {
    let found = said(effects).into_iter().find_map(|message| match message {
        WorkerToMaster::Register(registration) => Some(*registration),
        _ => None,
    });
    found.expect("a registration was sent")
}

#[test]
fn a_registration_says_who_and_what() {
    let mut bench = Bench::new(config());
    bench.event(Event::Start);
    let first = registration(&bench.register());
    assert_eq!((first.cores, first.master_address.as_str()), (Cores(8), MASTER));
    assert_eq!((first.heard, first.cluster, first.protocol), (None, None, PROTOCOL_VERSION));
    bench.run_driver(1, driver(true));
    let gone = bench.run_executor(0, 1);
    bench.run_executor(1, 2);
    bench.event(Event::Exited { run: gone, code: 0 });
    bench.now += 60_000;
    bench.close();
    let second = registration(&bench.register());
    assert_eq!(second.heard, Some(term(1)));
    let states: Vec<ExecutorState> = second.inventory.executors.iter().map(|executor| executor.state).collect();
    assert_eq!(states, [ExecutorState::Running, ExecutorState::Exited], "what runs, and ends without acknowledgement");
    assert_eq!(second.inventory.drivers[0].state, DriverState::Running);
    assert_eq!(second.inventory.drivers[0].booking.cores, Cores(1));
}

#[test]
fn the_term_is_saved_before_it_is_used() {
    let mut bench = Bench::new(config());
    bench.event(Event::Start);
    let link = bench.link;
    bench.event(Event::LinkOpened { link });
    let effects = bench.answer_registration().to_vec();
    assert!(matches!(&effects[0], Effect::SaveTerm { term: saved, .. } if *saved == term(1)), "{effects:?}");
    let effects = bench.event(Event::LeaderNotice(leader(OTHER, 2))).to_vec();
    assert!(matches!(&effects[0], Effect::SaveTerm { term: saved, .. } if *saved == term(2)), "{effects:?}");
    assert_eq!(bench.worker.heard(), Some(&term(2)), "the answer to the announcement");
}

#[test]
fn a_command_of_a_lower_term_is_refused_with_what_was_heard() {
    let mut bench = Bench::new(config());
    bench.epoch = 5;
    bench.event(Event::Start);
    bench.register();
    bench.run_driver(1, driver(false));
    let effects = bench.command_of(&term(4), kill_driver()).to_vec();
    let stale = WorkerToMaster::StaleCommand { command: CommandId(1), of: term(4), heard: term(5) };
    assert_eq!(said(&effects), [stale]);
    let warned =
        Trouble::Tracking(tracking::Trouble::OldTerm { heard: term(5), other: term(4), from: MASTER.to_owned() });
    assert_eq!(effects.iter().filter(|effect| **effect == Effect::Warn(warned.clone())).count(), 1, "told once");
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Terminate { .. })));
    bench.event(Event::LeaderNotice(leader(OTHER, 3)));
    assert_eq!(bench.worker.view(Wall(0)).refused_commands, 2, "an announcement counts as well");
    bench.say(MasterToWorker::HeartbeatSeen);
    let beats = said(&bench.pass_with(TIMEOUT / 4, true));
    assert_eq!(
        beats,
        [WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 2 }],
        "the leader hears of it"
    );
    bench.close();
    assert_eq!(registration(&bench.register()).refused_commands, 2);
}

#[test]
fn a_command_of_a_higher_term_is_obeyed_once_that_is_saved() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(1, driver(false));
    let effects = bench.command_of(&term(2), kill_driver()).to_vec();
    assert!(matches!(&effects[..], [Effect::SaveTerm { .. }, Effect::Terminate { run: ended }] if *ended == run));
    assert_eq!(bench.worker.heard(), Some(&term(2)));
}

#[test]
fn a_command_of_an_equal_epoch_with_another_nonce_is_a_conflict() {
    let mut bench = Bench::registered(config());
    bench.run_driver(1, driver(false));
    let other = Term { nonce: Nonce::new("other").unwrap(), ..term(1) };
    let effects = bench.command_of(&other, kill_driver()).to_vec();
    let conflict =
        |effect: &Effect| matches!(effect, Effect::Warn(Trouble::Tracking(tracking::Trouble::Conflict { .. })));
    assert!(effects.iter().any(conflict));
    assert!(matches!(said(&effects)[..], [WorkerToMaster::StaleCommand { .. }]));
}

#[test]
fn what_a_former_session_delivers_is_dropped() {
    let mut bench = Bench::registered(config());
    bench.run_driver(1, driver(false));
    let former = bench.link;
    bench.close();
    let command = MasterToWorker::Command(Fenced { term: term(1), id: CommandId(1), body: kill_driver() });
    assert_eq!(bench.event(Event::FromMaster { link: former, message: command }), []);
    assert_eq!(bench.worker.view(Wall(0)).drivers.len(), 1);
}

#[test]
fn wl_08_an_end_is_repeated_until_it_is_acknowledged() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(1, driver(false));
    bench.now += 20_000;
    bench.close();
    assert_eq!(outcomes(bench.event(Event::Exited { run, code: 0 })), [], "no master is there");
    let effects = bench.register();
    assert_eq!(outcomes(&effects).len(), 1, "after the registration");
    assert_eq!(outcomes(&bench.pass(Duration::from_secs(11))).len(), 2, "and every 5 s");
    bench.acknowledge_all();
    assert_eq!(outcomes(&bench.pass(Duration::from_secs(12))).len(), 0);
    bench.close();
    assert_eq!(outcomes(&bench.register()).len(), 0);
}

#[test]
fn reports_keep_their_order_over_sessions() {
    let mut bench = Bench::registered(config());
    bench.now += 20_000;
    let run = bench.run_executor(0, 1);
    bench.event(Event::Exited { run, code: 1 });
    bench.close();
    let states: Vec<ExecutorState> = executor_states(&bench.register()).into_iter().map(|state| state.0).collect();
    assert_eq!(states, [ExecutorState::Running, ExecutorState::Exited]);
}

#[test]
fn work_goes_on_while_no_master_is_there() {
    let mut bench = Bench::registered(config());
    bench.run_driver(1, driver(true));
    bench.run_executor(0, 1);
    bench.close();
    let effects = bench.pass(Duration::from_hours(24));
    let harm =
        |effect: &&Effect| matches!(effect, Effect::Terminate { .. } | Effect::Kill { .. } | Effect::Exit { .. });
    assert_eq!(effects.iter().filter(harm).count(), 0);
    assert_eq!(bench.worker.view(Wall(0)).drivers.len(), 1);
}

#[test]
fn hb_01_heartbeats_go_out_at_the_masters_pace() {
    let mut bench = Bench::registered(config());
    let beats = said(&bench.pass_with(Duration::from_mins(1), true));
    assert_eq!(beats, vec![WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 }; 4]);
}

#[test]
fn the_disk_floor_stops_new_work_and_nothing_else() {
    let mut bench = Bench::registered(behaving(|behaviour| behaviour.disk_floor = Memory::mib(100)));
    bench.run_driver(1, driver(false));
    assert_eq!(bench.event(Event::DiskFree(Memory::mib(100))), []);
    bench.event(Event::DiskFree(Memory::mib(99)));
    assert_eq!(bench.said(), [WorkerToMaster::Heartbeat { accepts_work: false, refused_commands: 0 }], "told at once");
    assert_eq!(bench.event(Event::DiskFree(Memory::mib(50))), [], "told once");
    assert_eq!(bench.worker.view(Wall(0)).drivers.len(), 1);
    bench.event(Event::DiskFree(Memory::mib(5000)));
    assert_eq!(bench.said(), [WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 }]);
}

#[test]
fn dc_02_the_operator_decommissions_and_the_master_is_told() {
    let enabled = behaving(|behaviour| behaviour.decommission_enabled = true);
    let mut bench = Bench::registered(enabled.clone());
    bench.event(Event::Decommission);
    assert_eq!(bench.said(), [WorkerToMaster::Decommissioning]);
    assert_eq!(bench.event(Event::Decommission), [Effect::Warn(Trouble::DecommissionedAlready)]);
    bench.now += 20_000;
    bench.close();
    assert!(registration(&bench.register()).decommissioned);

    let mut bench = Bench::registered(enabled);
    bench.close();
    bench.event(Event::Decommission);
    assert_eq!(bench.said(), []);
    bench.pass(Duration::from_secs(1));
    assert!(said(&bench.register()).contains(&WorkerToMaster::Decommissioning), "told when a master is there");

    let mut bench = Bench::registered(config());
    assert_eq!(bench.event(Event::Decommission), [Effect::Warn(Trouble::DecommissionDisabled)], "DC-01");
    assert!(!bench.worker.view(Wall(0)).decommissioned);
}

#[test]
fn dc_02_the_master_decommissions_and_is_not_told() {
    let mut bench = Bench::registered(behaving(|behaviour| behaviour.decommission_enabled = true));
    assert_eq!(bench.command(WorkerCommand::Decommission), []);
    assert!(bench.worker.view(Wall(0)).decommissioned);
}

#[test]
fn wl_10_stopping_ends_everything_first_and_reports_nothing() {
    let mut bench = Bench::registered(config());
    let (driver_run, executor_run) = (bench.run_driver(1, driver(true)), bench.run_executor(0, 1));
    bench.acknowledge_all();
    let effects = bench.event(Event::Stop).to_vec();
    assert_eq!(said(&effects), [WorkerToMaster::Heartbeat { accepts_work: false, refused_commands: 0 }]);
    for run in [driver_run, executor_run] {
        assert!(effects.contains(&Effect::Terminate { run }));
    }
    assert_eq!(bench.launch_executor(7, 1), [], "nothing new");
    assert_eq!(said(bench.event(Event::Exited { run: executor_run, code: 143 })), []);
    let listed = bench.worker.view(Wall(0)).ended_executors;
    assert_eq!(listed[0].message.as_deref(), Some("Worker shutting down"), "ERN-07");
    let effects = bench.event(Event::Exited { run: driver_run, code: 143 }).to_vec();
    assert_eq!(said(&effects), [], "it was not asked to end: the master relaunches it");
    assert!(matches!(effects.last(), Some(Effect::Exit { code: 0, .. })));
    assert_eq!(bench.event(Event::Start), [], "nothing comes after the end");
}

#[test]
fn stopping_waits_for_reports_but_not_for_ever() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(1, driver(false));
    bench.event(Event::Exited { run, code: 0 });
    let exit = |effect: &Effect| matches!(effect, Effect::Exit { .. });
    assert!(!bench.event(Event::Stop).iter().any(exit));
    assert!(bench.say(MasterToWorker::Acknowledged { report: ReportId(1) }).iter().any(exit));

    let mut bench = Bench::registered(config());
    let run = bench.run_driver(1, driver(false));
    bench.event(Event::Stop);
    assert!(bench.pass(Duration::from_secs(10)).contains(&Effect::Kill { run }));
    assert!(bench.pass(Duration::from_secs(10)).iter().any(exit), "whatever is left dies with the process");
}

#[test]
fn a_second_stop_does_not_wait() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(1, driver(false));
    bench.event(Event::Stop);
    assert!(bench.event(Event::Stop).contains(&Effect::Kill { run }));
}

#[test]
fn giving_up_ends_the_process_with_code_1() {
    let mut config = config();
    config.tracking.max_registration_retries = Some(2);
    let mut bench = Bench::new(config);
    bench.event(Event::Start);
    let effects = bench.pass(Duration::from_mins(5));
    let exit = Effect::Exit { code: 1, why: "All masters are unresponsive! Giving up.".to_owned() };
    assert_eq!(effects.last(), Some(&exit), "WR-04");
}

#[test]
fn a_refused_first_registration_ends_the_process() {
    let mut bench = Bench::new(config());
    bench.event(Event::Start);
    let link = bench.link;
    bench.event(Event::LinkOpened { link });
    let effects = bench.say(MasterToWorker::RegistrationRefused { reason: "cores = 0".to_owned() }).to_vec();
    assert!(matches!(effects.last(), Some(Effect::Exit { code: 1, why }) if why.contains("cores = 0")), "WR-08");
}
