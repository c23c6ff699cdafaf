//! Workers that speak the protocol of a face, such as those of an unmodified Spark (ADR 15).

use std::sync::Arc;

use super::rig::*;
use crate::ids::*;
use crate::master::{Effect, Event, Finding, Peer, Recalled};
use crate::model::*;
use crate::msg::*;
use crate::units::{Cores, Memory};

/// A worker that a face speaks for. All of them have the same incarnation.
fn foreign(id: &str, cores: u32, memory: u64) -> RegisterWorker {
    let kind = WorkerKind::Foreign([1, 2, 3].into());
    RegisterWorker { kind, incarnation: Incarnation(0), ..worker(id, cores, memory) }
}

/// An application whose client a face speaks for, with executors that take memory beside their heap.
fn client(token: &str, executors: u32) -> RegisterApplication {
    let client = ForeignClient { address: format!("{token}:1"), registration: vec![4, 5] };
    let mut registration = app(token, Some(1), 1024, Some(executors));
    Arc::make_mut(&mut registration.description).default_profile.overhead = Some(Memory::mib(384));
    RegisterApplication { endpoint: AppEndpoint::Foreign(Arc::new(client)), ..registration }
}

/// A driver that a foreign worker can run.
fn main_class() -> DriverDescription {
    let java = JavaProgram { main_class: "org.example.Main".to_owned(), ..JavaProgram::default() };
    let arguments = vec!["{{WORKER_URL}}".to_owned()];
    let command = Command { program: Program::Java(java), arguments, ..Command::default() };
    DriverDescription { artifact: Some("file:/app.jar".to_owned()), command, ..driver(1, 512) }
}

/// The workers that a face has to call, and after which session.
fn recalled(effects: &[Effect]) -> Vec<(RegisterWorker, Option<SessionId>)> {
    let call = |effect: &Effect| match effect {
        Effect::Recall { registration: Recalled::Worker(registration), session } => {
            Some((RegisterWorker::clone(registration), *session))
        }
        _ => None,
    };
    effects.iter().filter_map(call).collect()
}

fn dials(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| {
        matches!(effect, Effect::Announce { peer: Peer::Worker(_), .. } | Effect::Probe { peer: Peer::Worker(_), .. })
    })
}

/// The worker that is called answers that it is the one, and what it runs, as its kind says it: of an executor the heap
/// only, of a driver nothing but its id.
fn answers(
    rig: &mut Rig,
    effects: &[Effect],
    executors: &[ExecutorDescription],
    drivers: &[DriverOnWorker],
) -> (SessionId, Vec<Effect>) {
    let calls = recalled(effects);
    let [(registration, _)] = &calls[..] else { panic!("one call: {calls:?}") };
    let says = |executor: &ExecutorDescription| ExecutorDescription { memory: Memory::mib(1024), ..executor.clone() };
    let inventory = Inventory {
        executors: executors.iter().map(says).collect(),
        drivers: drivers.iter().map(|known| DriverOnWorker { booking: Booking::default(), ..known.clone() }).collect(),
        ..Inventory::default()
    };
    rig.join(RegisterWorker { number: 100, inventory, ..registration.clone() })
}

fn used(rig: &Rig) -> (Cores, Memory) {
    let worker = &rig.view().workers[0];
    (worker.cores_used, worker.memory_used)
}

#[test]
fn after_a_failover_it_is_called_and_all_that_it_runs_is_adopted_rc_07_rc_08() {
    let mut rig = Rig::alive();
    rig.join(foreign("w1", 16, 16_384));
    let (_, app, effects) = rig.enter(client("d", 2));
    let executors: Vec<_> = launched_executors(&effects).into_iter().map(|(_, executor)| executor).collect();
    let (driver, effects) = rig.submit(main_class());
    let drivers = [launched_drivers(&effects).remove(0).1];
    let before = used(&rig);
    assert_eq!(before, (Cores(3), Memory::mib(2 * (1024 + 384) + 512)));

    let effects = rig.fail_over(config());
    assert!(!dials(&effects), "no endpoint of ours is there");
    let calls = recalled(&effects);
    assert_eq!((&calls[0].0.kind, calls[0].1), (&foreign("w1", 16, 16_384).kind, None), "what was stored");
    assert!(effects.iter().filter(|effect| matches!(effect, Effect::Recall { .. })).all(Effect::waits_for_commit));
    assert_eq!(rig.status(&driver).state, DriverState::Unknown);

    let (_, effects) = answers(&mut rig, &effects, &executors, &drivers);
    assert_eq!(commands(&effects), [], "I6");
    assert_eq!((rig.status(&driver).state, used(&rig)), (DriverState::Running, before));
    let shown: Vec<_> = rig.view().apps[0].executors.iter().map(|executor| executor.id).collect();
    assert_eq!((shown, rig.view().apps[0].id.clone()), (vec![ExecutorId(0), ExecutorId(1)], app));
}

#[test]
fn a_broken_session_is_called_back_and_a_refused_call_is_a_loss_hb_03() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(foreign("w1", 4, 4096));
    let (_, id, effects) = rig.enter(client("d", 1));
    let executor = launched_executors(&effects).remove(0).1;
    let effects = rig.send(Event::SessionClosed { session });
    assert!(!dials(&effects));
    assert_eq!(recalled(&effects)[0].1, Some(session));
    let (again, effects) = answers(&mut rig, &effects, std::slice::from_ref(&executor), &[]);
    assert_eq!(commands(&effects), []);

    let effects = rig.send(Event::SessionClosed { session: again });
    assert_eq!(recalled(&effects)[0].1, Some(again));
    let peer = Peer::Worker(WorkerId::new("w1").unwrap());
    let effects = rig.send(Event::Probed { peer, session: Some(again), finding: Finding::Gone });
    let lost = notices(&effects).into_iter().any(|notice| {
        matches!(
            notice,
            AppNotice::ExecutorUpdated {
                state: ExecutorState::Lost,
                worker_host: Some(_),
                executor: ExecutorId(0),
                ..
            }
        )
    });
    assert!(lost, "{id}: {effects:?}");
}

#[test]
fn it_gets_nothing_that_its_face_cannot_tell_it() {
    let mut rig = Rig::alive();
    let (theirs, _) = rig.join(foreign("w1", 8, 8192));
    let (_, _, effects) = rig.enter(app("native", Some(1), 256, Some(1)));
    assert_eq!(commands(&effects), [], "an executor of one of our own clients");
    let unsuited = [
        driver(1, 512),
        // It would outlive its worker.
        DriverDescription { command: Command { arguments: Vec::new(), ..main_class().command }, ..main_class() },
        DriverDescription { artifact: None, ..main_class() },
        DriverDescription { on_isolation: OnIsolation::Kill, ..main_class() },
    ];
    for description in unsuited {
        let (id, effects) = rig.submit(description);
        assert_eq!(commands(&effects), []);
        let why = rig.status(&id).message.unwrap();
        assert!(why.starts_with("waits: 1 worker that would have room for 1 core and 512m memory runs only"), "{why}");
        assert!(why.contains("an argument {{WORKER_URL}}, which"), "{why}");
    }
    let (_, effects) = rig.submit(main_class());
    assert_eq!(launched_drivers(&effects).iter().map(|(on, _)| *on).collect::<Vec<_>>(), [theirs]);
    let (_, _, effects) = rig.enter(client("d", 1));
    let launches: Vec<_> = commands(&effects)
        .into_iter()
        .filter_map(|(on, command)| match command {
            WorkerCommand::LaunchExecutor { client, heap, .. } => {
                Some((on, client.unwrap().registration.clone(), heap))
            }
            _ => None,
        })
        .collect();
    assert_eq!(launches, [(theirs, vec![4, 5], Memory::mib(1024))], "with what its client has registered with");
    // Where one of ours is, all of it has a place.
    let (_, effects) = rig.join(worker("w2", 8, 8192));
    assert_eq!((launched_executors(&effects).len(), launched_drivers(&effects).len()), (1, 4));
}

/// Two copies of a driver that is not supervised are worse than one whose end nobody has heard.
#[test]
fn a_driver_that_it_was_never_seen_to_have_is_started_again_only_if_supervised_dr_09() {
    let mut rig = Rig::alive();
    rig.join(foreign("w1", 8, 8192));
    let (once, _) = rig.submit(main_class());
    let (again, _) = rig.submit(DriverDescription { supervise: true, ..main_class() });
    let effects = rig.fail_over(config());
    let (session, effects) = answers(&mut rig, &effects, &[], &[]);
    assert_eq!(
        (commands(&effects), rig.status(&once).state),
        (vec![], DriverState::Running),
        "they may be on their way"
    );
    let effects = rig.tell(session, WorkerToMaster::Inventory(Inventory::default()));
    let launched: Vec<_> =
        launched_drivers(&effects).into_iter().map(|(_, driver)| (driver.driver, driver.attempt)).collect();
    assert_eq!(launched, [(again, Attempt(2))]);
    let status = rig.status(&once);
    assert_eq!(status.state, DriverState::Error);
    assert_eq!(status.message.unwrap(), "its worker does not run it any more, and has not said how it ended");
}

/// It stood still when it was launched, and reads that only after the call of the next leader.
#[test]
fn a_launch_that_it_reads_after_it_has_said_what_it_runs_is_not_repeated_i3() {
    for supervise in [false, true] {
        let mut rig = Rig::alive();
        rig.join(foreign("w1", 8, 8192));
        let (driver, effects) = rig.submit(DriverDescription { supervise, ..main_class() });
        let drivers = vec![launched_drivers(&effects).remove(0).1];
        let effects = rig.fail_over(config());
        let (session, _) = answers(&mut rig, &effects, &[], &[]);
        let effects = rig.tell(session, WorkerToMaster::Inventory(Inventory { drivers, ..Inventory::default() }));
        assert_eq!(commands(&effects), [], "neither ended nor launched again");
        rig.tell(session, WorkerToMaster::Inventory(Inventory::default()));
        let status = rig.status(&driver);
        assert_eq!(
            (status.state, status.attempt),
            (DriverState::Running, Attempt(1)),
            "what it says later has no end in it"
        );
    }
}

/// Its worker itself starts a supervised one again that has failed. So one that is not there any more is over.
#[test]
fn a_driver_that_it_had_and_has_not_any_more_is_over_even_if_supervised_drn_06() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(foreign("w1", 8, 8192));
    let (driver, effects) = rig.submit(DriverDescription { supervise: true, ..main_class() });
    let drivers = vec![launched_drivers(&effects).remove(0).1];
    rig.tell(session, WorkerToMaster::Inventory(Inventory { drivers, ..Inventory::default() }));
    let effects = rig.fail_over(config());
    let (_, effects) = answers(&mut rig, &effects, &[], &[]);
    assert_eq!(commands(&effects), []);
    assert_eq!(rig.status(&driver).state, DriverState::Error);
}

/// By the greeting it obeys this master, which may have been deposed and not know it.
#[test]
fn it_is_greeted_only_by_a_proven_leader_i9() {
    let mut rig = Rig::alive();
    let heard = Some(Term { epoch: Epoch(0), ..rig.leader().term });
    let stranger = |registration| RegisterWorker { heard: heard.clone(), ..registration };
    let (_, effects) = rig.join(stranger(foreign("w1", 8, 8192)));
    assert!(effects.iter().all(Effect::waits_for_commit) && effects.len() == 1, "{effects:?}");
    let (_, effects) = rig.join(stranger(worker("w2", 8, 8192)));
    assert!(!effects.iter().any(Effect::waits_for_commit) && effects.len() == 1, "one of ours keeps its own term");
}

/// It says nothing of what a driver takes.
#[test]
fn a_driver_that_is_over_keeps_its_place_until_it_has_ended_there_i5() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(foreign("w1", 8, 8192));
    let (_, effects) = rig.submit(main_class());
    let driver = launched_drivers(&effects).remove(0).1;
    rig.tell(session, driver_ended(&driver, DriverState::Finished, Some(0)));
    assert_eq!(used(&rig), (Cores(0), Memory::mib(0)));
    let drivers = vec![DriverOnWorker { booking: Booking::default(), ..driver }];
    let effects = rig.tell(session, WorkerToMaster::Inventory(Inventory { drivers, ..Inventory::default() }));
    assert!(matches!(commands(&effects)[..], [(_, WorkerCommand::KillDriver { .. })]));
    assert_eq!(used(&rig), (Cores(1), Memory::mib(512)));
}

/// What is told on the one session may reach it after what it says on the other.
#[test]
fn what_it_says_beside_a_session_that_stands_settles_nothing_and_it_is_called_i3_i5() {
    type Launch = fn(&mut Rig) -> Vec<Effect>;
    let launched: [(&str, Launch); 4] = [
        ("a driver", |rig| rig.submit(main_class()).1),
        ("one that is started again where it is lost", |rig| {
            rig.submit(DriverDescription { supervise: true, ..main_class() }).1
        }),
        ("an executor", |rig| rig.enter(client("d", 1)).2),
        ("nothing", |_| Vec::new()),
    ];
    for (what, launch) in launched {
        let mut rig = Rig::alive();
        let (first, _) = rig.join(foreign("w1", 8, 8192));
        let effects = launch(&mut rig);
        let executors: Vec<_> = launched_executors(&effects).into_iter().map(|(_, executor)| executor).collect();
        let drivers: Vec<_> = launched_drivers(&effects).into_iter().map(|(_, driver)| driver).collect();
        let before = used(&rig);

        let heard = Some(Term { epoch: Epoch(0), ..rig.leader().term });
        let (_, effects) = rig.join(RegisterWorker { heard, number: 2, ..foreign("w1", 8, 8192) });
        assert!(
            matches!(effects[..], [Effect::ToWorker { message: MasterToWorker::Greet { .. }, .. }]),
            "{what}: {effects:?}"
        );

        let (second, effects) = rig.join(RegisterWorker { number: 3, ..foreign("w1", 8, 8192) });
        let ended = [first, second].map(|session| Effect::CloseSession { session });
        assert_eq!(effects[..2], ended, "{what}");
        assert_eq!((recalled(&effects)[0].1, effects.len()), (Some(first), 3), "{what}: {effects:?}");
        assert_eq!(used(&rig), before, "{what}: nothing is settled");

        let (_, effects) = answers(&mut rig, &effects, &executors, &drivers);
        assert_eq!((commands(&effects), used(&rig)), (vec![], before), "{what}: once, and the same");
        let running = rig
            .view()
            .drivers
            .iter()
            .all(|driver| (driver.state, driver.attempt) == (DriverState::Running, Attempt(1)));
        assert!(running && rig.view().ended_drivers.is_empty(), "{what}");
    }
}

#[test]
fn its_id_belongs_to_nobody_else_while_it_is_heard_wr_09() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(foreign("w1", 4, 1024));
    let elsewhere = || RegisterWorker { host: "elsewhere".to_owned(), number: 2, ..foreign("w1", 4, 1024) };
    let (_, effects) = rig.join(elsewhere());
    assert!(effects.iter().any(|effect| matches!(
        effect,
        Effect::ToWorker { message: MasterToWorker::RegistrationRefused { reason }, .. } if reason.contains("w1 belongs to another worker")
    )));
    let effects = rig.send(Event::SessionClosed { session });
    assert_eq!(recalled(&effects).len(), 1);
    let (_, effects) = rig.join(elsewhere());
    assert!(recalled(&effects).is_empty(), "it is being called already");
    let peer = Peer::Worker(WorkerId::new("w1").unwrap());
    rig.send(Event::Probed { peer, session: Some(session), finding: Finding::Gone });
    rig.join(elsewhere());
    assert_eq!(rig.view().workers.last().unwrap().host, "elsewhere");
}

#[test]
fn a_new_process_at_its_place_is_another_worker_rc_18() {
    let mut rig = Rig::alive();
    let at = |id: &str, number| RegisterWorker { host: "h".to_owned(), number, ..foreign(id, 4, 1024) };
    rig.join(at("w1", 1));
    rig.join(at("w2", 2));
    let shown: Vec<_> = rig.view().workers.iter().map(|worker| (worker.id.to_string(), worker.state)).collect();
    assert_eq!(shown, [("w2".to_owned(), WorkerState::Alive)], "WR-11: the other one is not even listed");
    // One of ours takes the place of theirs, as when hosts move over one at a time.
    rig.join(RegisterWorker { host: "h".to_owned(), ..worker("w3", 4, 1024) });
    let shown: Vec<_> = rig.view().workers.iter().map(|worker| worker.id.to_string()).collect();
    assert_eq!(shown, ["w3"]);
}

#[test]
fn an_application_of_ours_that_all_of_ours_refuse_does_not_wait_for_one_of_theirs() {
    let mut rig = Rig::alive();
    rig.join(foreign("w1", 8, 8192));
    let (ours, _) = rig.join(worker("w2", 2, 2048));
    let (_, id, effects) = rig.enter(app("t", Some(1), 256, Some(1)));
    let (_, executor) = launched_executors(&effects).remove(0);
    let why = "no Spark 3.5".to_owned();
    rig.tell(ours, WorkerToMaster::ExecutorRefused { report: ReportId(1), executor: executor.executor, why });
    let ended = rig.view().ended_apps.remove(0);
    assert_eq!((ended.id, ended.state), (id, ApplicationState::Failed));
}
