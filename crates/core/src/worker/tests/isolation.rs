//! Drivers that must not outlive the isolation of their worker.

use rstest::rstest;

use super::*;

fn fragile() -> DriverDescription {
    DriverDescription { on_isolation: OnIsolation::Kill, ..driver(true) }
}

fn is_isolation(effect: &Effect) -> bool {
    matches!(effect, Effect::Warn(Trouble::Isolated { .. }))
}

/// Last proven word: the heartbeat at the registration, answered.
fn cut_off_at_zero() -> (Bench, RunId) {
    let mut bench = Bench::registered(config());
    bench.say(MasterToWorker::HeartbeatSeen);
    let run = bench.run_driver(1, fragile());
    bench.now = 1000;
    bench.close();
    (bench, run)
}

#[test]
fn it_is_ended_before_the_master_may_start_it_elsewhere() {
    let (mut bench, run) = cut_off_at_zero();
    assert!(!bench.pass(Duration::from_millis(44_999)).contains(&Effect::Terminate { run }));
    let effects = bench.pass(Duration::from_millis(1));
    assert!(effects.contains(&Effect::Terminate { run }) && effects.iter().any(is_isolation));
    assert!(!bench.pass(Duration::from_millis(9999)).contains(&Effect::Kill { run }));
    assert!(bench.pass(Duration::from_millis(1)).contains(&Effect::Kill { run }), "55 s of 60 s");
}

#[test]
fn other_drivers_run_on() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(1, driver(true));
    bench.close();
    assert!(!bench.pass(Duration::from_hours(1)).contains(&Effect::Terminate { run }));
}

#[test]
fn heartbeat_answers_put_the_end_off() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(1, fragile());
    bench.say(MasterToWorker::HeartbeatSeen);
    assert!(!bench.pass_with(Duration::from_hours(1), true).contains(&Effect::Terminate { run }));
    // From now on the leader answers as one that is not sure of its lead.
    let mut effects = Vec::new();
    for _ in 0..4 {
        effects.extend(bench.pass(Duration::from_secs(15)));
        bench.say(MasterToWorker::Standby { leader: Some(leader(MASTER, 1)) });
    }
    assert!(effects.contains(&Effect::Terminate { run }), "it lives, but another may lead");
}

#[test]
fn its_end_is_told_by_its_absence_and_not_as_a_final_state() {
    let (mut bench, run) = cut_off_at_zero();
    bench.pass(Duration::from_secs(46));
    // A master is back while the driver is still ending: it is told that it runs.
    bench.pass(Duration::from_secs(1));
    bench.register();
    assert!(bench.worker.view(Wall(0)).following.is_connected());
    let session = bench.link;
    let effects = bench.event(Event::Exited { run, code: 0 }).to_vec();
    assert_eq!(outcomes(&effects), [], "SIGTERM may have made it 0");
    assert!(effects.contains(&Effect::Track(tracking::Effect::Disconnect { link: session })));
    let registration = said(&bench.register()).into_iter().find_map(|message| match message {
        WorkerToMaster::Register(registration) => Some(registration),
        _ => None,
    });
    assert_eq!(registration.unwrap().inventory, Inventory::default(), "registered again without it");
    assert_eq!(bench.worker.view(Wall(0)).ended_drivers[0].outcome, None);
}

#[test]
fn one_that_waits_for_its_restart_is_not_started_again() {
    let (mut bench, run) = cut_off_at_zero();
    bench.now += 44_500;
    bench.event(Event::Exited { run, code: 1 });
    let effects = bench.pass(Duration::from_secs(20));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Spawn { .. })));
    assert!(bench.worker.view(Wall(0)).drivers.is_empty());
}

#[test]
fn a_kill_that_was_asked_for_stays_one_and_is_not_later() {
    let mut bench =
        Bench::registered(behaving(|behaviour| behaviour.driver_terminate_timeout = Duration::from_mins(10)));
    bench.say(MasterToWorker::HeartbeatSeen);
    let run = bench.run_driver(1, fragile());
    bench.command(WorkerCommand::KillDriver { driver: driver_id(), attempt: Attempt(1) });
    bench.now = 1000;
    bench.close();
    assert!(bench.pass(Duration::from_secs(55)).contains(&Effect::Kill { run }), "not after ten minutes");
    bench.event(Event::Exited { run, code: 137 });
    let outcome = &bench.worker.view(Wall(0)).ended_drivers[0].outcome;
    assert_eq!(outcome.as_ref().map(|outcome| outcome.state), Some(DriverState::Killed));
}

#[test]
fn a_start_that_takes_too_long_is_broken_off_in_time() {
    let mut bench = Bench::registered(config());
    bench.say(MasterToWorker::HeartbeatSeen);
    bench.launch_driver(1, fragile());
    let run = bench.run();
    bench.event(Event::Prepared { run, ready: Ready::default() });
    bench.now = 1000;
    bench.close();
    assert!(bench.pass(Duration::from_secs(45)).contains(&Effect::Terminate { run }));
    assert!(bench.pass(Duration::from_secs(10)).contains(&Effect::Kill { run }));
    bench.event(Event::StartFailed { run, message: "broken off".to_owned() });
    assert_eq!(bench.worker.view(Wall(0)).ended_drivers[0].outcome, None);
}

/// A fragile driver whose process was asked for at the beginning.
fn starting() -> (Bench, RunId) {
    let mut bench = Bench::registered(config());
    bench.say(MasterToWorker::HeartbeatSeen);
    bench.launch_driver(1, fragile());
    let run = bench.run();
    bench.event(Event::Prepared { run, ready: Ready::default() });
    (bench, run)
}

#[test]
fn a_start_that_outlasts_its_limit_is_tried_again_while_a_leader_is_heard() {
    let (mut bench, run) = starting();
    bench.pass_with(Duration::from_secs(100), true);
    let effects = bench.event(Event::TooLate { run }).to_vec();
    let [Effect::Spawn { run: again, launch }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(*again, run);
    assert!(launch.limit.is_some_and(|limit| limit.terminate_at > bench.at().mono), "{launch:?}");
    bench.event(Event::Started { run, pid: 1 });
    assert_eq!(bench.worker.view(Wall(0)).drivers[0].phase, RunPhase::Running);
}

#[test]
fn a_start_that_outlasts_its_limit_is_an_isolation_if_no_leader_is_heard() {
    let (mut bench, run) = starting();
    bench.close();
    bench.now += 50_000;
    bench.event(Event::TooLate { run });
    assert_eq!(bench.worker.view(Wall(0)).ended_drivers[0].outcome, None, "it is no ERROR of the driver's");
}

#[test]
fn a_kill_that_was_asked_for_stays_one_if_the_start_was_late() {
    let (mut bench, run) = starting();
    bench.command(WorkerCommand::KillDriver { driver: driver_id(), attempt: Attempt(1) });
    let effects = bench.event(Event::TooLate { run }).to_vec();
    assert_eq!(outcomes(&effects)[0].state, DriverState::Killed);
}

#[test]
fn a_leader_with_a_shorter_time_out_is_believed() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(1, fragile());
    (bench.epoch, bench.timeout) = (2, Duration::from_secs(20));
    bench.event(Event::LeaderNotice(leader(MASTER, 2)));
    bench.register();
    bench.close();
    assert!(bench.pass(Duration::from_secs(10)).contains(&Effect::Terminate { run }), "half of 20 s");
}

/// The limit that the keeper of a run is told at its start, and later.
fn limits(effects: &[Effect]) -> Vec<Option<Limit>> {
    let told = effects.iter().filter_map(|effect| match effect {
        Effect::Spawn { launch, .. } => Some(launch.limit),
        Effect::Limit { limit, .. } => Some(Some(*limit)),
        _ => None,
    });
    told.collect()
}

fn limit(proven: u64) -> Limit {
    let at = |after| crate::time::Mono(proven + after);
    Limit { terminate_at: at(45_000), kill_at: at(55_000) }
}

#[test]
fn its_keeper_is_told_until_when_it_may_run() {
    let mut bench = Bench::registered(config());
    bench.launch_driver(1, fragile());
    let run = bench.run();
    bench.now += 5000;
    assert_eq!(limits(bench.event(Event::Prepared { run, ready: Ready::default() })), [Some(limit(1000))]);
    bench.now += 5000;
    assert_eq!(
        limits(bench.say(MasterToWorker::HeartbeatSeen)),
        [] as [Option<Limit>; 0],
        "sent with the registration"
    );
    bench.event(Event::Started { run, pid: 1 });
    bench.now = 16_000;
    let beat = *bench
        .alarms
        .iter()
        .map(|(_, timer)| timer)
        .find(|timer| matches!(timer, Timer::Tracking(tracking::Timer::Heartbeat(_))))
        .unwrap();
    bench.event(Event::Timer(beat));
    bench.now += 20;
    assert_eq!(
        limits(bench.say(MasterToWorker::HeartbeatSeen)),
        [Some(limit(16_000))],
        "from when the heartbeat was sent"
    );

    let mut bench = Bench::registered(config());
    bench.launch_driver(1, driver(true));
    let run = bench.run();
    assert_eq!(limits(bench.event(Event::Prepared { run, ready: Ready::default() })), [None], "it may run for ever");
}

#[test]
fn a_worker_that_wakes_up_late_ends_it_before_anything_else() {
    let (mut bench, run) = cut_off_at_zero();
    // Nothing was handled for 50 s; then comes what has waited.
    bench.now = 51_000;
    let effects = bench.event(Event::LeaderNotice(leader(OTHER, 2))).to_vec();
    assert!(is_isolation(&effects[0]) && effects[1] == Effect::Terminate { run }, "{effects:?}");

    let (mut bench, run) = cut_off_at_zero();
    bench.now = 58_000;
    let effects = bench.event(Event::LeaderNotice(leader(OTHER, 2))).to_vec();
    assert!(is_isolation(&effects[0]) && effects[1] == Effect::Kill { run }, "no time for more: {effects:?}");
}

#[test]
fn what_its_keeper_has_ended_is_told_by_its_absence_too() {
    // The keeper was quicker than the alarm, or the worker stood still.
    for told_at in [20_000, 51_000] {
        let (mut bench, run) = cut_off_at_zero();
        bench.now = told_at;
        assert!(bench.event(Event::LimitReached { run }).iter().all(is_isolation));
        bench.now = 51_000;
        let effects = bench.event(Event::Exited { run, code: 143 }).to_vec();
        assert!(!effects.contains(&Effect::Terminate { run }), "there is nothing to signal any more");
        assert_eq!(bench.worker.view(Wall(0)).ended_drivers[0].outcome, None);
    }
}

/// The worker stood still meanwhile: this is the first that it hears after the limit.
#[rstest]
#[case(true, 0, DriverState::Finished)]
#[case(false, 0, DriverState::Finished)]
#[case(false, 3, DriverState::Failed)]
fn an_end_of_its_own_is_told_however_late_it_is_heard_of(
    #[case] supervise: bool,
    #[case] code: i32,
    #[case] state: DriverState,
) {
    let mut bench = Bench::registered(config());
    bench.say(MasterToWorker::HeartbeatSeen);
    let run = bench.run_driver(1, DriverDescription { supervise, ..fragile() });
    bench.close();
    bench.now = 58_000;
    bench.event(Event::Exited { run, code });
    let ended = bench.worker.view(Wall(0)).ended_drivers;
    let outcome = ended[0].outcome.as_ref().expect("nobody has ended it");
    assert_eq!((outcome.state, outcome.exit_code), (state, Some(code)));
}

#[test]
fn one_that_failed_by_itself_is_not_started_again_while_nobody_is_heard() {
    let (mut bench, run) = cut_off_at_zero();
    bench.now = 58_000;
    bench.event(Event::Exited { run, code: 3 });
    let effects = bench.pass(Duration::from_secs(10));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Spawn { .. })));
    assert_eq!(bench.worker.view(Wall(0)).ended_drivers[0].outcome, None);
}

/// What waits for its turn beside it is ended all the same.
#[test]
fn an_end_of_one_does_not_spare_another() {
    let mut bench = Bench::registered(config());
    bench.say(MasterToWorker::HeartbeatSeen);
    let run = bench.run_driver(1, fragile());
    let (other, attempt) = (DriverId::new("driver-2").unwrap(), Attempt(1));
    let booking = Booking { cores: Cores(1), memory: Memory::mib(512), resources: Addresses::default() };
    let description = Arc::new(fragile());
    bench.command(WorkerCommand::LaunchDriver { driver: other, attempt, description, booking });
    let second = bench.run();
    bench.event(Event::Prepared { run: second, ready: Ready::default() });
    bench.event(Event::Started { run: second, pid: 43 });
    bench.close();
    bench.now = 100_000;
    let effects = bench.event(Event::Exited { run, code: 0 }).to_vec();
    assert!(effects.contains(&Effect::Kill { run: second }), "{effects:?}");
}

/// Both machines together: the arithmetic of isolation rests on what a suspended leader says.
#[test]
fn a_suspended_leader_does_not_answer_heartbeats_as_a_leader_does() {
    use crate::master::{self, Master, MasterConfig};

    let mut bench = Bench::new(config());
    bench.event(Event::Start);
    let mut master = Master::new(MasterConfig::new().unwrap(), 1);
    let session = SessionId(1);
    let mut answers = |bench: &Bench, event| {
        let mut effects = Vec::new();
        master.handle(bench.at(), event, &mut effects);
        let answers = effects.into_iter().filter_map(|effect| match effect {
            master::Effect::ToWorker { message, .. } => Some(message),
            _ => None,
        });
        answers.collect::<Vec<_>>()
    };
    let elected = master::Event::Elected { leader: leader(MASTER, 1), recovered: Box::default() };
    answers(&bench, elected);
    // First it hears of the term, then it is taken.
    for _ in 0..2 {
        let link = bench.link;
        let message = said(bench.event(Event::LinkOpened { link })).remove(0);
        for answer in answers(&bench, master::Event::Worker { session, message }) {
            bench.say(answer);
        }
    }
    assert!(bench.worker.view(Wall(0)).following.is_connected());
    let heartbeat = || master::Event::Worker {
        session,
        message: WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 },
    };
    assert_eq!(answers(&bench, heartbeat()), [MasterToWorker::HeartbeatSeen]);
    answers(&bench, master::Event::Suspended);
    let suspended = answers(&bench, heartbeat());
    assert_eq!(suspended, [MasterToWorker::Standby { leader: Some(leader(MASTER, 1)) }]);
    bench.say(suspended[0].clone());
    assert!(bench.worker.view(Wall(0)).following.is_connected(), "the session is kept");
    answers(&bench, master::Event::Resumed);
    assert_eq!(answers(&bench, heartbeat()), [MasterToWorker::HeartbeatSeen]);
}
