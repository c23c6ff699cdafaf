//! T-DR-* and what else drivers go through.

use rstest::rstest;

use super::*;

/// Runs a supervised or other driver through these exit codes with these run times; returns how often it ran, the
/// waits between, and the outcome. Time passes only in waits and runs.
fn history(bench: &mut Bench, supervise: bool, exits: &[(i32, u64)]) -> (usize, Vec<u64>, Option<DriverOutcome>) {
    let run = bench.run_driver(1, driver(supervise));
    let (mut runs, mut waits) = (0, Vec::new());
    for (code, ran) in exits {
        runs += 1;
        bench.now += ran * 1000;
        let effects = bench.event(Event::Exited { run, code: *code }).to_vec();
        if let Some(outcome) = outcomes(&effects).pop() {
            return (runs, waits, Some(outcome));
        }
        let ended_at = bench.now;
        let restart = bench.alarms.iter().rev().find(|(_, timer)| matches!(timer, Timer::Restart(..))).copied();
        let (at, timer) = restart.expect("a restart is armed");
        bench.now = at.0;
        waits.push((at.0 - ended_at) / 1000);
        bench.event(Event::Timer(timer));
        assert_eq!(bench.run(), run, "it is spawned again, not prepared again");
        assert!(bench.effects.iter().any(|effect| matches!(effect, Effect::Spawn { .. })));
        bench.event(Event::Started { run, pid: 1 });
        assert_eq!(bench.said(), [], "DRN-06: restarts are invisible to the master");
    }
    (runs, waits, None)
}

#[rstest]
#[case::t_dr_01(true, &[(0, 0)], 1, &[], DriverState::Finished)]
#[case::t_dr_02(true, &[(-1, 0), (-1, 0), (-1, 0), (0, 0)], 4, &[1, 2, 4], DriverState::Finished)]
#[case::t_dr_03_t_dr_08(false, &[(-1, 0)], 1, &[], DriverState::Failed)]
#[case::t_dr_05(true, &[(-1, 1), (-1, 1), (-1, 8), (-1, 1), (0, 10)], 5, &[1, 2, 1, 2], DriverState::Finished)]
#[case::t_dr_07(false, &[(0, 5)], 1, &[], DriverState::Finished)]
#[case::exactly_five_seconds_reset_nothing(true, &[(1, 0), (1, 5), (0, 0)], 3, &[1, 2], DriverState::Finished)]
fn t_dr_supervision(
    #[case] supervise: bool,
    #[case] exits: &[(i32, u64)],
    #[case] runs: usize,
    #[case] waits: &[u64],
    #[case] state: DriverState,
) {
    let mut bench = Bench::registered(config());
    let (ran, waited, outcome) = history(&mut bench, supervise, exits);
    assert_eq!((ran, waited.as_slice()), (runs, waits));
    let outcome = outcome.unwrap();
    assert_eq!((outcome.state, outcome.exit_code), (state, exits.last().map(|exit| exit.0)));
}

#[test]
fn drn_06_the_waits_are_capped() {
    let mut bench = Bench::registered(config());
    let (_, waits, outcome) = history(&mut bench, true, &[(1, 0); 9]);
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(outcome, None, "for ever");
    let mut bench = Bench::registered(behaving(|behaviour| behaviour.supervise_backoff_cap = Duration::from_secs(3)));
    assert_eq!(history(&mut bench, true, &[(1, 0); 4]).1, [1, 2, 3, 3]);
}

fn kill(attempt: u32) -> WorkerCommand {
    WorkerCommand::KillDriver { driver: driver_id(), attempt: Attempt(attempt) }
}

#[test]
fn t_dr_04_t_dr_06_a_kill_during_the_run_ends_it_for_good() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(1, driver(true));
    assert_eq!(bench.command(kill(1)), [Effect::Terminate { run }]);
    assert_eq!(bench.command(kill(1)), [], "once");
    let effects = bench.event(Event::Exited { run, code: 143 }).to_vec();
    let outcome = outcomes(&effects).pop().unwrap();
    assert_eq!((outcome.state, outcome.exit_code), (DriverState::Killed, Some(143)));
    assert!(bench.worker.view(Wall(0)).drivers.is_empty());
}

#[test]
fn drn_07_exit_code_zero_is_finished_even_after_a_kill() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(1, driver(false));
    bench.command(kill(1));
    let effects = bench.event(Event::Exited { run, code: 0 }).to_vec();
    assert_eq!(outcomes(&effects).pop().unwrap().state, DriverState::Finished);
}

#[test]
fn drn_08_sigkill_comes_after_the_time_out_and_survivors_are_named() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(1, driver(false));
    bench.command(kill(1));
    assert!(!bench.pass(Duration::from_millis(9999)).contains(&Effect::Kill { run }));
    assert!(bench.pass(Duration::from_millis(1)).contains(&Effect::Kill { run }));
    let later = bench.pass(Duration::from_secs(10));
    assert!(later.iter().any(|effect| matches!(effect, Effect::Warn(Trouble::Orphaned { .. }))));
    assert!(!later.contains(&Effect::Kill { run }), "once");
    assert_eq!(bench.worker.view(Wall(0)).cores_used, Cores(1), "what still runs still takes its place");
    let effects = bench.event(Event::Exited { run, code: 137 }).to_vec();
    assert_eq!(outcomes(&effects).pop().unwrap().state, DriverState::Killed);
}

#[test]
fn drn_08_a_kill_before_the_start_prevents_it() {
    let mut bench = Bench::registered(config());
    bench.launch_driver(1, driver(true));
    let run = bench.run();
    let effects = bench.command(kill(1)).to_vec();
    assert!(effects.contains(&Effect::Forget { run }));
    assert_eq!(outcomes(&effects)[0].state, DriverState::Killed);
    assert_eq!(bench.event(Event::Prepared { run, ready: Ready::default() }), []);
    assert_eq!(bench.worker.view(Wall(0)).cores_used, Cores::ZERO);
}

/// A driver whose process was asked for, and which was told to end before it was heard of.
fn killed_while_it_starts() -> (Bench, RunId) {
    let mut bench = Bench::registered(config());
    bench.launch_driver(1, driver(true));
    let run = bench.run();
    bench.event(Event::Prepared { run, ready: Ready::default() });
    assert_eq!(bench.command(kill(1)), [Effect::Terminate { run }], "DRN-08: the start is broken off");
    (bench, run)
}

#[test]
fn drn_08_a_kill_during_the_start_prevents_it() {
    let (mut bench, run) = killed_while_it_starts();
    let effects = bench.event(Event::StartFailed { run, message: "broken off".to_owned() }).to_vec();
    assert_eq!((outcomes(&effects)[0].state, outcomes(&effects)[0].exit_code), (DriverState::Killed, None));
    assert!(effects.contains(&Effect::Forget { run }));
}

#[test]
fn a_kill_during_the_start_is_not_forgotten_if_that_is_quicker() {
    let (mut bench, run) = killed_while_it_starts();
    bench.now += 4000;
    assert_eq!(bench.event(Event::Started { run, pid: 9 }).len(), 1, "only the start is told: the signal is under way");
    assert!(!bench.pass(Duration::from_millis(5999)).contains(&Effect::Kill { run }));
    assert!(bench.pass(Duration::from_millis(1)).contains(&Effect::Kill { run }), "counted from the kill");
}

#[test]
fn a_start_that_cannot_be_broken_off_is_told_as_an_orphan() {
    let (mut bench, run) = killed_while_it_starts();
    assert!(bench.pass(Duration::from_secs(10)).contains(&Effect::Kill { run }));
    let later = bench.pass(Duration::from_secs(10));
    assert!(later.iter().any(|effect| matches!(effect, Effect::Warn(Trouble::Orphaned { run: of, .. }) if *of == run)));
    assert_eq!(bench.worker.view(Wall(0)).drivers[0].phase, RunPhase::Ending, "it keeps its place");
}

#[test]
fn a_kill_during_the_wait_prevents_the_restart() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(1, driver(true));
    bench.event(Event::Exited { run, code: 1 });
    let effects = bench.command(kill(1)).to_vec();
    let outcome = outcomes(&effects).pop().unwrap();
    assert_eq!((outcome.state, outcome.exit_code), (DriverState::Killed, Some(1)));
    assert!(
        !bench.pass_with(Duration::from_secs(10), true).iter().any(|effect| matches!(effect, Effect::Spawn { .. }))
    );
}

#[rstest]
#[case::unsupervised(false)]
#[case::supervised(true)]
fn t_dr_09_what_cannot_be_prepared_or_started_is_an_error(#[case] supervise: bool) {
    for at_start in [false, true] {
        let mut bench = Bench::registered(config());
        bench.launch_driver(1, driver(supervise));
        let run = bench.run();
        let message = "no such file: /bin/job".to_owned();
        let effects = if at_start {
            bench.event(Event::Prepared { run, ready: Ready::default() });
            bench.event(Event::StartFailed { run, message: message.clone() }).to_vec()
        } else {
            bench.event(Event::PrepareFailed { run, message: message.clone() }).to_vec()
        };
        let error = DriverOutcome { state: DriverState::Error, exit_code: None, message: Some(message) };
        assert_eq!(outcomes(&effects), [error]);
        assert_eq!(bench.worker.view(Wall(0)).cores_used, Cores::ZERO);
    }
}

#[test]
fn launches_are_idempotent_by_attempt() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(2, driver(false));
    assert_eq!(bench.launch_driver(2, driver(false)), [], "it is known");
    let refused = outcomes(bench.launch_driver(1, driver(false)));
    assert_eq!(refused[0].state, DriverState::Error, "a later attempt is known here");
    bench.event(Event::Exited { run, code: 0 });
    assert_eq!(bench.launch_driver(2, driver(false)), [], "its end is still being told");
    bench.acknowledge_all();
    let again = outcomes(bench.launch_driver(2, driver(false)));
    assert_eq!(again[0].state, DriverState::Finished, "whoever asks has not heard of the end");
    assert_eq!(bench.worker.view(Wall(0)).drivers.len(), 0);
}

#[test]
fn a_restored_store_may_use_attempts_again() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(3, driver(false));
    bench.event(Event::Exited { run, code: 1 });
    bench.acknowledge_all();
    let restored = Term { generation: Generation(1), epoch: Epoch(1), nonce: Nonce::new("r").unwrap() };
    let launch = WorkerCommand::LaunchDriver {
        driver: driver_id(),
        attempt: Attempt(2),
        description: Arc::new(driver(false)),
        booking: Booking::default(),
    };
    bench.command_of(&restored, launch);
    assert_eq!(bench.worker.view(Wall(0)).drivers.len(), 1);
}

#[test]
fn i3_a_later_attempt_waits_until_the_earlier_one_has_ended() {
    let mut bench = Bench::registered(config());
    let first = bench.run_driver(1, driver(true));
    let effects = bench.launch_driver(2, driver(true)).to_vec();
    assert_eq!(effects, [Effect::Terminate { run: first }], "nothing is prepared yet");
    let effects = bench.event(Event::Exited { run: first, code: 143 }).to_vec();
    assert_eq!(outcomes(&effects)[0].state, DriverState::Killed);
    let second = bench.run();
    assert!(second > first && effects.iter().any(|effect| matches!(effect, Effect::Prepare { .. })));
}

#[test]
fn killing_an_attempt_ends_lower_ones_and_spares_higher_ones() {
    let mut bench = Bench::registered(config());
    let run = bench.run_driver(2, driver(false));
    assert!(matches!(bench.command(kill(1)), [Effect::Warn(Trouble::Ignored { .. })]));
    assert_eq!(bench.command(kill(7)), [Effect::Terminate { run }]);
}

#[test]
fn a_launch_that_does_not_fit_is_answered() {
    let mut bench = Bench::registered(config());
    let too_big = DriverDescription { cores: Cores(9), ..driver(false) };
    let effects = bench.launch_driver(1, too_big).to_vec();
    let refused = outcomes(&effects).pop().unwrap();
    assert_eq!(refused.state, DriverState::Error);
    assert!(refused.message.unwrap().contains("cores = 9"));
}

#[test]
fn wl_06_a_decommissioned_worker_still_takes_a_driver_that_was_on_its_way() {
    let mut bench = Bench::registered(behaving(|behaviour| behaviour.decommission_enabled = true));
    bench.event(Event::Decommission);
    assert!(bench.launch_driver(1, driver(false)).iter().any(|effect| matches!(effect, Effect::Prepare { .. })));
}

#[test]
fn resources_are_taken_and_given_back() {
    let mut bench = Bench::registered(config());
    let gpu = Addresses::new([("gpu".to_owned(), vec!["1".to_owned()])]);
    let launch = |attempt| WorkerCommand::LaunchDriver {
        driver: DriverId::new(&format!("driver-{attempt}")).unwrap(),
        attempt: Attempt(1),
        description: Arc::new(driver(false)),
        booking: Booking { cores: Cores(1), memory: Memory::mib(1), resources: gpu.clone() },
    };
    bench.command(launch(1));
    let run = bench.run();
    assert_eq!(bench.worker.view(Wall(0)).resources_used, gpu);
    assert_eq!(outcomes(bench.command(launch(2)))[0].state, DriverState::Error, "the address is taken");
    bench.event(Event::PrepareFailed { run, message: "x".to_owned() });
    assert!(bench.worker.view(Wall(0)).resources_used.is_empty());
}

#[test]
fn the_driver_is_told_where_its_logs_are() {
    let mut bench = Bench::registered(config());
    let mut description = driver(false);
    description.command.arguments = vec!["{{WORKER_URL}}".to_owned(), "{{USER_JAR}}".to_owned()];
    bench.launch_driver(1, description);
    let run = bench.run();
    let ready = Ready { artifact: Some("/work/driver-1/job.jar".to_owned()), ..Ready::default() };
    let effects = bench.event(Event::Prepared { run, ready }).to_vec();
    let [Effect::Spawn { launch, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(launch.command.arguments, ["spark://Worker@host:4000", "/work/driver-1/job.jar"], "DRN-03");
    assert!(launch.append_logs, "DRN-05");
    let expected = "http://host:8081/logPage/?driverId=driver-1&logType=stderr";
    assert_eq!(launch.command.environment["SPARK_DRIVER_LOG_URL_STDERR"], expected, "DRN-04");
}
