//! Submission, placement, ends and relaunches of drivers (DR-*, SC-02 … SC-06).

use std::time::Duration;

use super::rig::*;
use crate::ids::*;
use crate::master::{Effect, Event, Finding, MasterConfig, Peer};
use crate::model::*;
use crate::msg::*;
use crate::record::Change;

fn supervised() -> DriverDescription {
    DriverDescription { supervise: true, ..driver(1, 1) }
}

fn lose(rig: &mut Rig, session: SessionId, id: &str) -> Vec<Effect> {
    rig.send(Event::SessionClosed { session });
    let peer = Peer::Worker(WorkerId::new(id).unwrap());
    rig.send(Event::Probed { peer, session: Some(session), finding: Finding::Gone })
}

#[test]
fn a_submission_is_durable_before_it_is_acknowledged_dr_01() {
    let mut rig = Rig::alive();
    rig.join(worker("w1", 4, 1024));
    let (id, effects) = rig.submit(driver(1, 512));
    let kinds: Vec<&str> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Persist(changes) if matches!(&changes[0], Change::PutDriver(_)) => "put driver",
            Effect::Reply { .. } => "reply",
            Effect::ToWorker { .. } => "launch",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["put driver", "reply", "put driver", "launch"]);
    assert!(effects.iter().all(Effect::waits_for_commit));
    let status = rig.status(&id);
    assert_eq!((status.state, status.attempt), (DriverState::Running, Attempt(1)), "DR-11");
}

#[test]
fn the_same_request_is_one_driver() {
    let mut rig = Rig::alive();
    let request = RequestId::new("r1").unwrap();
    let submit = ClientRequest::SubmitDriver { request: Some(request), description: Box::new(driver(1, 1)) };
    let (first, _) = rig.request(submit.clone());
    let (again, effects) = rig.request(submit.clone());
    assert_eq!(first, again);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Persist(_))));
    rig.fail_over(config());
    assert_eq!(rig.request(submit).0, first, "across leaders too");
    rig.pass(Duration::from_hours(25));
    assert!(!rig.store.content.keys().any(|key| key.starts_with("r/")), "forgotten after a day");
}

#[test]
fn ids_follow_the_pattern_t_ms_23() {
    let pattern = |text: &str| IdPattern::new("driver id pattern", text, IdPattern::STAMP_COUNTER).unwrap();
    let named = |text: &str| MasterConfig { driver_id_pattern: pattern(text), ..config() };
    let mut rig = Rig::alive_with(named("my-driver-%2$05d"));
    assert_eq!(rig.submit(driver(1, 1)).0.as_str(), "my-driver-10000");
    assert_eq!(rig.submit(driver(1, 1)).0.as_str(), "my-driver-10001");
    rig.fail_over(named("my-driver-%2$05d"));
    assert_eq!(rig.submit(driver(1, 1)).0.as_str(), "my-driver-20000");
    let mut rig = Rig::alive_with(named("d"));
    assert_eq!(rig.submit(driver(1, 1)).0.as_str(), "d");
    assert_ne!(rig.submit(driver(1, 1)).0.as_str(), "d", "a pattern without a number avoids known ids");
}

/// The books do not know a driver any more that was cleared; its name must not come again all the same.
#[test]
fn a_later_leader_whose_clock_is_behind_never_gives_an_id_again_rc_19() {
    let mut rig = Rig::alive();
    let first = rig.submit(driver(1, 1)).0;
    assert_eq!(first.as_str(), "driver-20261120140000-10000", "DR-02");
    rig.request(ClientRequest::KillDriver { driver: first.clone() });
    rig.request(ClientRequest::ClearCompleted);
    let wall = rig.now.wall;
    rig.fail_over(config());
    rig.now.wall = wall;
    assert_eq!(rig.submit(driver(1, 1)).0.as_str(), "driver-20261120140000-20000");
}

#[test]
fn unfit_submissions_name_the_field() {
    let mut rig = Rig::alive();
    let cases = [
        (driver(0, 1), "cores"),
        (driver(1, 0), "memory"),
        (DriverDescription { command: command(" "), ..driver(1, 1) }, "command.program"),
        (DriverDescription { artifact: Some(String::new()), ..driver(1, 1) }, "artifact"),
    ];
    for (description, field) in cases {
        let request = ClientRequest::SubmitDriver { request: None, description: Box::new(description) };
        match rig.request(request).0 {
            ClientReply::Invalid { reason } => assert!(reason.starts_with(field), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(rig.store.content.is_empty());
}

#[test]
fn no_more_than_the_limit_run_t_ms_19() {
    let mut limited = config();
    limited.scheduler.max_drivers = 4;
    let mut rig = Rig::alive_with(limited);
    let (session, _) = rig.join(worker("w1", 10, 512));
    let mut running = Vec::new();
    for _ in 0..6 {
        running.extend(launched_drivers(&rig.submit(driver(1, 1)).1));
    }
    assert_eq!(running.len(), 4);
    let effects = rig.tell(session, driver_ended(&running[0].1, DriverState::Finished, Some(0)));
    assert_eq!(launched_drivers(&effects).len(), 1, "the next one takes the place");
}

#[test]
fn the_worker_says_how_it_ended_dr_07() {
    for (state, code) in [(DriverState::Finished, 0), (DriverState::Failed, 3), (DriverState::Killed, 143)] {
        let mut rig = Rig::alive();
        let (session, _) = rig.join(worker("w1", 1, 1));
        let (id, effects) = rig.submit(driver(1, 1));
        let (waiting, _) = rig.submit(driver(1, 1));
        let running = launched_drivers(&effects).remove(0).1;
        let effects = rig.tell(session, driver_ended(&running, state, Some(code)));
        assert!(matches!(
            effects.iter().rfind(|e| e.waits_for_commit()),
            Some(Effect::ToWorker { message: MasterToWorker::Acknowledged { .. }, .. })
        ));
        let status = rig.status(&id);
        assert_eq!((status.state, status.exit_code), (state, Some(code)));
        assert_eq!(rig.status(&waiting).state, DriverState::Running, "its place is free again");
        let repeated = rig.tell(session, driver_ended(&running, state, Some(code)));
        assert_eq!(repeated.len(), 1, "a repeated report is only acknowledged again: {repeated:?}");
    }
}

#[test]
fn a_queued_driver_is_killed_at_once_a_running_one_by_its_worker_dr_04() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(worker("w1", 1, 1));
    let (running, effects) = rig.submit(driver(1, 1));
    let copy = launched_drivers(&effects).remove(0).1;
    let (queued, _) = rig.submit(driver(1, 1));
    let kill = |driver: &DriverId| ClientRequest::KillDriver { driver: driver.clone() };
    rig.request(kill(&queued));
    assert_eq!(rig.status(&queued).state, DriverState::Killed);
    let (_, effects) = rig.request(kill(&running));
    let expected = WorkerCommand::KillDriver { driver: running.clone(), attempt: Attempt(1) };
    assert_eq!(commands(&effects), vec![(session, expected.clone())]);
    assert_eq!(rig.status(&running).state, DriverState::Running);
    // The kill is a durable wish: a new leader repeats it to a worker that may have missed it.
    rig.fail_over(config());
    let inventory = Inventory { drivers: vec![copy.clone()], ..Inventory::default() };
    let (session, effects) = rig.join(RegisterWorker { inventory, ..worker("w1", 1, 1) });
    assert_eq!(commands(&effects), vec![(session, expected)]);
    rig.tell(session, driver_ended(&copy, DriverState::Killed, Some(137)));
    assert_eq!(rig.status(&running).state, DriverState::Killed);
    let (reply, _) = rig.request(kill(&running));
    assert_eq!(
        reply,
        ClientReply::KillRequested {
            found: false,
            message: format!("Driver {running} has already finished or does not exist")
        }
    );
}

#[test]
fn kill_all_and_clear_dr_05_dr_10() {
    let mut rig = Rig::alive();
    let (a, _) = rig.submit(driver(1, 1));
    rig.submit(driver(1, 1));
    assert_eq!(rig.request(ClientRequest::KillAllDrivers).0, ClientReply::KillAllRequested { drivers: 2 });
    assert_eq!(rig.status(&a).state, DriverState::Killed);
    assert_eq!(rig.request(ClientRequest::ClearCompleted).0, ClientReply::Cleared);
    assert_eq!(rig.view().driver_status(&a), None);
    assert!(rig.store.content.is_empty());
}

#[test]
fn a_lost_worker_relaunches_what_is_supervised_t_rc_06() {
    let mut rig = Rig::alive();
    let (s1, _) = rig.join(worker("w1", 1, 1));
    let (kept, effects) = rig.submit(supervised());
    let old = launched_drivers(&effects).remove(0).1;
    lose(&mut rig, s1, "w1");
    assert_eq!(rig.status(&kept).state, DriverState::Relaunching);
    let (s2, effects) = rig.join(worker("w2", 1, 1));
    let new = launched_drivers(&effects).remove(0).1;
    assert_eq!((new.driver.clone(), new.attempt), (kept.clone(), Attempt(2)), "same id, next attempt");
    // The old worker returns with its copy: that copy is ended, the new one stays.
    let inventory = Inventory { drivers: vec![old.clone()], ..Inventory::default() };
    let (s1, effects) = rig.join(RegisterWorker { inventory, ..worker("w1", 1, 1) });
    let expected = WorkerCommand::KillDriver { driver: kept.clone(), attempt: Attempt(1) };
    assert_eq!(commands(&effects), vec![(s1, expected)]);
    rig.tell(s1, driver_ended(&old, DriverState::Killed, Some(137)));
    assert_eq!(rig.status(&kept).state, DriverState::Running);
    assert_eq!(rig.view().workers[0].cores_used.0, 0, "w1 is empty");
    rig.tell(s2, driver_ended(&new, DriverState::Finished, Some(0)));
    assert_eq!(rig.status(&kept).state, DriverState::Finished);
}

#[test]
fn a_lost_worker_ends_what_is_not_supervised_hb_05() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(worker("w1", 1, 1));
    let (id, _) = rig.submit(driver(1, 1));
    lose(&mut rig, session, "w1");
    let status = rig.status(&id);
    assert_eq!(status.state, DriverState::Error);
    assert!(status.message.unwrap().starts_with("worker lost"));
}

#[test]
fn back_before_it_was_replaced_it_goes_on() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(worker("w1", 1, 1));
    let (id, effects) = rig.submit(supervised());
    let copy = launched_drivers(&effects).remove(0).1;
    lose(&mut rig, session, "w1");
    let inventory = Inventory { drivers: vec![copy], ..Inventory::default() };
    let (_, effects) = rig.join(RegisterWorker { inventory, ..worker("w1", 1, 1) });
    assert!(commands(&effects).is_empty(), "{effects:?}");
    let status = rig.status(&id);
    assert_eq!((status.state, status.attempt), (DriverState::Running, Attempt(1)));
}

#[test]
fn a_launch_lost_on_the_way_is_made_again_and_a_started_driver_is_not() {
    let mut rig = Rig::alive();
    let (s1, _) = rig.join(worker("w1", 2, 2));
    let (unheard, _) = rig.submit(driver(1, 1));
    let (ran, effects) = rig.submit(driver(1, 1));
    let copy = launched_drivers(&effects).remove(0).1;
    rig.tell(s1, WorkerToMaster::DriverStarted { driver: copy.driver, attempt: copy.attempt });
    // The worker's process was restarted under the same id: it has neither.
    rig.send(Event::SessionClosed { session: s1 });
    let (_, effects) = rig.join(RegisterWorker { incarnation: Incarnation(2), ..worker("w1", 2, 2) });
    let again = launched_drivers(&effects);
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].1.driver.clone(), again[0].1.attempt), (unheard, Attempt(2)));
    assert_eq!(rig.status(&ran).state, DriverState::Error, "it may have done its work: not twice");
}

#[test]
fn concrete_addresses_are_booked_and_returned_t_rc_07() {
    let mut rig = Rig::alive();
    let wants = Amounts::new([("gpu".to_owned(), 3), ("fpga".to_owned(), 3)]);
    let (id, _) = rig.submit(DriverDescription { resources: wants, ..driver(1, 1) });
    assert_eq!(rig.status(&id).state, DriverState::Submitted);
    let list = |texts: [&str; 3]| texts.map(str::to_owned).to_vec();
    let all =
        Addresses::new([("gpu".to_owned(), list(["0", "1", "2"])), ("fpga".to_owned(), list(["f1", "f2", "f3"]))]);
    let (session, effects) = rig.join(RegisterWorker { resources: all.clone(), ..worker("w1", 1, 1) });
    let running = launched_drivers(&effects).remove(0).1;
    assert_eq!(running.booking.resources, all);
    assert_eq!(rig.view().workers[0].resources_used, all);
    rig.tell(session, driver_ended(&running, DriverState::Finished, Some(0)));
    assert!(rig.view().workers[0].resources_used.is_empty());
}

#[test]
fn driver_and_executor_share_a_worker_without_sharing_addresses_t_rc_08() {
    let mut rig = Rig::alive();
    let six = |prefix: &str| (0..6).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>();
    let all = Addresses::new([("gpu".to_owned(), six("")), ("fpga".to_owned(), six("f"))]);
    let (session, _) = rig.join(RegisterWorker { resources: all.clone(), ..worker("w1", 8, 8192) });
    let half = Amounts::new([("gpu".to_owned(), 3), ("fpga".to_owned(), 3)]);
    let (_, effects) = rig.submit(DriverDescription { resources: half.clone(), ..driver(1, 1) });
    let driver = launched_drivers(&effects).remove(0).1;
    let mut wanted = app("t", Some(1), 256, Some(1));
    std::sync::Arc::make_mut(&mut wanted.description).default_profile.resources = half.clone();
    let (app_session, _, effects) = rig.enter(wanted);
    let executor = launched_executors(&effects).remove(0).1;
    let mut both = driver.booking.resources.clone();
    both.put_back(executor.resources.clone());
    assert_eq!(both.counts(), all.counts(), "together they have everything");
    assert_eq!(rig.view().workers[0].resources_used.counts(), all.counts());
    rig.say(app_session, AppToMaster::Unregister);
    rig.tell(session, executor_ended(&executor.executor, ExecutorState::Killed, Some(143)));
    assert_eq!(rig.view().workers[0].resources_used.counts(), half);
    rig.tell(session, driver_ended(&driver, DriverState::Finished, Some(0)));
    assert!(rig.view().workers[0].resources_used.is_empty(), "and afterwards nothing");
}

#[test]
fn ended_drivers_are_kept_up_to_the_cap_dr_08() {
    let mut rig = Rig::alive_with(MasterConfig { retained_drivers: 20, ..config() });
    for _ in 0..21 {
        let (id, _) = rig.submit(driver(1, 1));
        rig.request(ClientRequest::KillDriver { driver: id });
    }
    assert_eq!(rig.view().ended_drivers.len(), 19, "a tenth of the cap goes");
    assert_eq!(rig.store.content.len(), 19);
}

fn why(rig: &mut Rig, id: &DriverId) -> String {
    rig.status(id).message.unwrap()
}

fn with_gpus(description: DriverDescription, count: u32) -> DriverDescription {
    DriverDescription { resources: Amounts::new([("gpu".to_owned(), count)]), ..description }
}

fn one_gpu(registration: RegisterWorker) -> RegisterWorker {
    RegisterWorker { resources: Addresses::new([("gpu".to_owned(), vec!["0".to_owned()])]), ..registration }
}

/// What there is before the driver that is asked about.
type Before<'a> = &'a dyn Fn(&mut Rig);

#[test]
fn a_waiting_driver_says_why() {
    let full = |rig: &mut Rig| {
        rig.join(one_gpu(worker("w1", 2, 1024)));
        rig.submit(driver(2, 1));
    };
    let unlike = |rig: &mut Rig| {
        rig.join(worker("w1", 8, 1));
        rig.join(worker("w2", 1, 2048));
    };
    let cases: [(&str, Before<'_>, DriverDescription, &str); 9] = [
        ("no worker", &|_| {}, driver(1, 512), "no worker is ready; it needs 1 core and 512m memory"),
        (
            "cores",
            &full,
            driver(4, 1024),
            "it needs 4 cores and 1g memory, more than any worker has (cores: at most 2)",
        ),
        (
            "memory",
            &full,
            driver(1, 2048),
            "it needs 1 core and 2g memory, more than any worker has (memory: at most 1g)",
        ),
        (
            "resources",
            &full,
            with_gpus(driver(3, 1), 2),
            "it needs 3 cores and 1m memory (and 2 gpu), more than any worker has (cores: at most 2, gpu: at most 1)",
        ),
        ("unlike", &unlike, driver(2, 2048), "it needs 2 cores and 2g memory, more than any worker has at once"),
        ("one busy", &full, driver(1, 1024), "1 core and 1g memory are not free on any worker now"),
        (
            "gpu busy",
            &full,
            with_gpus(driver(2, 1), 1),
            "2 cores and 1m memory (and 1 gpu) are not free on any worker now",
        ),
        (
            "declines",
            &|rig| drop(rig.join(RegisterWorker { accepts_work: false, ..worker("w1", 2, 1) })),
            driver(2, 1),
            "no worker is ready for 2 cores and 1m memory: 1 worker that would fit takes no new work now (1 low on disk space or stopping)",
        ),
        (
            "some of many",
            &|rig| {
                full(rig);
                rig.join(RegisterWorker { decommissioned: true, ..worker("w2", 2, 1) });
                let (session, _) = rig.join(worker("w3", 2, 1));
                rig.send(Event::SessionClosed { session });
                rig.join(RegisterWorker { accepts_work: false, ..worker("w4", 1, 1) });
            },
            driver(2, 1),
            "2 cores and 1m memory are not free on any worker now; \
             2 workers that would fit take no new work now (1 decommissioned, 1 not connected)",
        ),
    ];
    for (name, before, description, expected) in cases {
        let mut rig = Rig::alive();
        before(&mut rig);
        let (id, _) = rig.submit(description);
        assert_eq!(why(&mut rig, &id), format!("waits: {expected}"), "{name}");
        let shown = rig.view().drivers.iter().find(|driver| driver.id == id).unwrap().message.clone();
        assert_eq!(shown, rig.status(&id).message, "{name}: lists say the same");
    }
}

/// SC-06: only where the limit is what is missing.
#[test]
fn a_driver_that_waits_for_the_limit_says_so() {
    let mut limited = config();
    limited.scheduler.max_drivers = 1;
    let mut rig = Rig::alive_with(limited);
    let (session, _) = rig.join(worker("w1", 4, 1024));
    let (first, effects) = rig.submit(driver(1, 1));
    assert_eq!(rig.status(&first).message, None, "it has its place");
    let (second, _) = rig.submit(driver(1, 1));
    let (large, _) = rig.submit(driver(5, 1));
    assert_eq!(why(&mut rig, &second), "waits: the limit of 1 running driver is reached");
    assert!(why(&mut rig, &large).contains("more than any worker has"), "that comes first");
    let running = launched_drivers(&effects).remove(0).1;
    rig.tell(session, driver_ended(&running, DriverState::Finished, Some(0)));
    assert_eq!(rig.status(&second).message, None);
}
