//! Executors from launch to end (ERN-*, EX-*, WL-*).

use super::*;

fn kill(id: u32) -> WorkerCommand {
    WorkerCommand::KillExecutor { executor: executor(id, 1).executor }
}

#[test]
fn ern_01_running_is_reported_when_the_process_runs_and_the_exit_with_its_code() {
    let mut bench = Bench::registered(config());
    assert_eq!(executor_states(bench.launch_executor(0, 2)), [], "EX-05: nothing at the launch");
    let run = bench.run();
    bench.event(Event::Prepared { run, ready: Ready::default() });
    assert_eq!(executor_states(bench.event(Event::Started { run, pid: 1 })), [(ExecutorState::Running, None, None)]);
    let states = executor_states(bench.event(Event::Exited { run, code: 17 }));
    assert_eq!(states, [(ExecutorState::Exited, Some("Command exited with code 17".to_owned()), Some(17))]);
    assert_eq!(bench.worker.view(Wall(0)).cores_used, Cores::ZERO, "WL-05");
}

#[test]
fn ex_06_ern_07_what_cannot_be_run_has_failed() {
    for at_start in [false, true] {
        let mut bench = Bench::registered(config());
        bench.launch_executor(0, 1);
        let run = bench.run();
        let message = "directory exists".to_owned();
        let effects = if at_start {
            bench.event(Event::Prepared { run, ready: Ready::default() });
            bench.event(Event::StartFailed { run, message })
        } else {
            bench.event(Event::PrepareFailed { run, message })
        };
        let message = Some("Error running executor: directory exists".to_owned());
        assert_eq!(executor_states(effects), [(ExecutorState::Failed, message, None)]);
    }
}

#[test]
fn an_executor_that_can_never_run_here_is_refused_for_good() {
    let mut bench = Bench::registered(config());
    bench.launch_executor(0, 1);
    let run = bench.run();
    bench.event(Event::Prepared { run, ready: Ready::default() });
    let effects = bench.event(Event::Unsuited { run, message: "no Spark 3.5".to_owned() });
    let refusal = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Send { message: WorkerToMaster::ExecutorRefused { report, executor, why }, .. } => {
                Some((*report, executor.id.0, why.clone()))
            }
            _ => None,
        })
    };
    let (report, executor, why) = refusal(effects).unwrap();
    assert_eq!(executor, 0);
    assert!(why.starts_with("refused by worker ") && why.ends_with("no Spark 3.5"), "{why}");
    assert_eq!(bench.worker.view(Wall(0)).cores_used, Cores::ZERO, "WL-05");
    bench.say(MasterToWorker::Acknowledged { report });
    let again = refusal(bench.launch_executor(0, 1)).unwrap();
    assert_eq!((again.1, again.2), (0, why), "whoever launches it again has not heard that");
}

#[test]
fn ern_06_a_kill_ends_with_the_exit_code() {
    let mut bench = Bench::registered(config());
    let run = bench.run_executor(0, 1);
    assert_eq!(bench.command(kill(0)), [Effect::Terminate { run }]);
    assert!(bench.pass(Duration::from_secs(10)).contains(&Effect::Kill { run }));
    let states = executor_states(bench.event(Event::Exited { run, code: 137 }));
    assert_eq!((states[0].0, states[0].2), (ExecutorState::Killed, Some(137)));
    assert!(matches!(bench.command(kill(0)), [Effect::Warn(Trouble::Ignored { .. })]), "WL-07");
}

#[test]
fn a_kill_before_the_start_prevents_it() {
    let mut bench = Bench::registered(config());
    bench.launch_executor(0, 1);
    let run = bench.run();
    let states = executor_states(bench.command(kill(0)));
    assert_eq!((states[0].0, states[0].2), (ExecutorState::Killed, None));
    assert_eq!(bench.event(Event::Prepared { run, ready: Ready::default() }), []);
}

#[test]
fn a_process_that_starts_after_its_kill_is_not_reported_as_running() {
    let mut bench = Bench::registered(config());
    bench.launch_executor(0, 1);
    let run = bench.run();
    bench.event(Event::Prepared { run, ready: Ready::default() });
    assert_eq!(bench.command(kill(0)), [Effect::Terminate { run }]);
    assert_eq!(bench.event(Event::Started { run, pid: 1 }), []);
    assert_eq!(executor_states(bench.event(Event::Exited { run, code: 143 }))[0].0, ExecutorState::Killed);
}

#[test]
fn launches_are_idempotent_by_id() {
    let mut bench = Bench::registered(config());
    let run = bench.run_executor(0, 1);
    assert_eq!(bench.launch_executor(0, 1), []);
    bench.event(Event::Exited { run, code: 0 });
    assert_eq!(bench.launch_executor(0, 1), [], "its end is still being told");
    bench.acknowledge_all();
    assert_eq!(executor_states(bench.launch_executor(0, 1))[0].0, ExecutorState::Exited);
    assert!(bench.worker.view(Wall(0)).executors.is_empty());
}

#[test]
fn a_launch_that_cannot_be_taken_is_answered() {
    let mut bench = Bench::registered(behaving(|behaviour| behaviour.decommission_enabled = true));
    let states = executor_states(bench.launch_executor(0, 9));
    assert_eq!(states[0].0, ExecutorState::Failed);
    assert!(states[0].1.as_ref().unwrap().contains("cores = 9"));
    bench.run_executor(1, 1);
    bench.command(WorkerCommand::Decommission);
    let states = executor_states(bench.launch_executor(2, 1));
    assert_eq!(states[0].0, ExecutorState::Failed, "DC-03");
    assert!(states[0].1.as_ref().unwrap().contains("decommissioned"));
    assert_eq!(bench.worker.view(Wall(0)).executors.len(), 1, "DC-03: running ones go on");
}

#[test]
fn dir_03_scratch_goes_with_the_last_executor_of_an_ended_application() {
    let mut bench = Bench::registered(config());
    let (first, second) = (bench.run_executor(0, 1), bench.run_executor(1, 1));
    let gone = Effect::DeleteScratch { app: app_id() };
    assert_eq!(bench.command(WorkerCommand::ApplicationFinished { app: app_id() }), []);
    assert!(!bench.event(Event::Exited { run: first, code: 0 }).contains(&gone));
    assert!(bench.event(Event::Exited { run: second, code: 0 }).contains(&gone));
    assert_eq!(bench.command(WorkerCommand::ApplicationFinished { app: app_id() }), [gone], "nothing is left");
}

#[test]
fn dir_03_executors_of_a_live_application_share_scratch_that_stays() {
    let mut bench = Bench::registered(config());
    let run = bench.run_executor(0, 1);
    let effects = bench.event(Event::Exited { run, code: 0 });
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::DeleteScratch { .. })));
}

#[test]
fn dir_03_every_master_hears_who_has_scratch_here() {
    let mut bench = Bench::registered(config());
    let run = bench.run_executor(0, 1);
    bench.event(Event::Exited { run, code: 0 });
    bench.acknowledge_all();
    assert_eq!(bench.worker.inventory(), Inventory { scratch_of: vec![app_id()], ..Inventory::default() });
    bench.command(WorkerCommand::ApplicationFinished { app: app_id() });
    assert_eq!(bench.worker.inventory(), Inventory::default(), "its end was heard of");

    let run = bench.run_executor(1, 1);
    bench.event(Event::Exited { run, code: 0 });
    bench.acknowledge_all();
    let dir = DirRef { path: "/local/executor-1".to_owned(), kind: DirKind::Scratch, id: app_id().to_string() };
    bench.event(Event::DirListing(vec![DirListed { dir, newest: Wall(0) }]));
    assert_eq!(bench.worker.inventory(), Inventory::default(), "DIR-02: old ones go at last");
}

#[test]
fn wl_09_t_wk_03_ended_executors_are_listed_as_configured() {
    let mut bench = Bench::registered(behaving(|behaviour| behaviour.retained_executors = 2));
    for id in 0..5 {
        let run = bench.run_executor(id, 1);
        bench.event(Event::Exited { run, code: 0 });
        let listed = bench.worker.view(Wall(0)).ended_executors;
        assert_eq!(listed.len(), 2.min(id as usize + 1));
        assert_eq!(listed.last().unwrap().description.executor.id, ExecutorId(id));
    }
}

#[test]
fn the_executor_is_told_where_it_is() {
    let mut bench = Bench::registered(config());
    bench.launch_executor(4, 3);
    let run = bench.run();
    let scratch = vec!["/tmp/a".to_owned(), "/tmp/b".to_owned()];
    let effects = bench.event(Event::Prepared { run, ready: Ready { scratch, ..Ready::default() } }).to_vec();
    let [Effect::Spawn { launch, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let environment = &launch.command.environment;
    assert_eq!(environment["SPARK_EXECUTOR_DIRS"], "/tmp/a:/tmp/b", "ERN-03");
    assert_eq!(environment["SPARK_LAUNCH_WITH_SCALA"], "0");
    let expected = "http://host:8081/logPage/?appId=app-1&executorId=4&logType=stdout";
    assert_eq!(environment["SPARK_LOG_URL_STDOUT"], expected, "ERN-04");
    assert!(!launch.append_logs, "ERN-05");
    assert_eq!(launch.heap, Memory::mib(384), "as the master says, beside what is booked");
}
