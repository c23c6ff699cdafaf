//! A change of leader (RC-*, protocol 4): nothing lost, doubled, restarted or killed.

use std::time::Duration;

use super::rig::*;
use crate::ids::*;
use crate::master::{Effect, Event, Finding, Peer};
use crate::model::*;
use crate::msg::*;

#[test]
fn nothing_to_wait_for_is_alive_at_once_t_rc_02() {
    let mut rig = Rig::alive();
    rig.submit(driver(1, 1));
    rig.fail_over(config());
    assert_eq!(rig.master.role(), MasterRole::Alive);
}

#[test]
fn queued_drivers_stay_queued_rc_13() {
    let mut rig = Rig::alive();
    let (id, _) = rig.submit(driver(1, 1));
    rig.fail_over(config());
    assert_eq!(rig.status(&id).state, DriverState::Submitted);
    let (_, effects) = rig.join(worker("w1", 1, 1));
    assert_eq!(launched_drivers(&effects).len(), 1);
}

/// One worker with a driver and two executors of one application, all running.
struct Scene {
    rig: Rig,
    app: AppId,
    driver: DriverId,
    inventory: Inventory,
}

fn scene() -> Scene {
    let mut rig = Rig::alive();
    rig.join(worker("w1", 16, 8192));
    let (driver, effects) = rig.submit(driver(1, 1024));
    let mut inventory = Inventory::default();
    inventory.drivers.extend(launched_drivers(&effects).into_iter().map(|(_, d)| d));
    let (_, app, effects) = rig.enter(app("t", Some(7), 1024, Some(14)));
    inventory.executors.extend(launched_executors(&effects).into_iter().map(|(_, e)| e));
    assert_eq!((inventory.drivers.len(), inventory.executors.len()), (1, 2));
    Scene { rig, app, driver, inventory }
}

fn back(id: &AppId, executors: &[u32]) -> RegisterApplication {
    let executors = executors.iter().map(|n| ExecutorId(*n)).collect();
    RegisterApplication { known_as: Some(id.clone()), executors, ..app("t", Some(7), 1024, Some(14)) }
}

#[test]
fn everything_is_adopted_under_its_old_name_t_rc_03() {
    let Scene { mut rig, app, driver, inventory } = scene();
    let effects = rig.fail_over(config());
    assert_eq!(rig.master.role(), MasterRole::Recovering);
    let announced = effects.iter().filter(|e| matches!(e, Effect::Announce { .. })).count();
    assert_eq!(announced, 2);
    let view = rig.view();
    assert_eq!((view.missing.workers, view.missing.apps), (1, 1));
    assert_eq!(view.workers[0].state, WorkerState::Unknown);
    assert_eq!(view.apps[0].state, ApplicationState::Unknown);
    assert_eq!(rig.status(&driver).state, DriverState::Unknown);

    let (_, same, effects) = rig.enter(back(&app, &[0, 1]));
    assert_eq!(same, app);
    assert!(launched_executors(&effects).is_empty());
    assert_eq!(rig.master.role(), MasterRole::Recovering);
    let (_, effects) = rig.join(RegisterWorker { inventory, ..worker("w1", 16, 8192) });
    assert!(commands(&effects).is_empty(), "I6, and RC-17: nothing is killed or started: {effects:?}");
    assert_eq!(rig.master.role(), MasterRole::Alive, "RC-09");
    let view = rig.view();
    assert_eq!(view.workers[0].cores_used.0, 15);
    assert_eq!(view.apps[0].state, ApplicationState::Running);
    assert_eq!(view.apps[0].executors.len(), 2);
    assert_eq!(rig.status(&driver).state, DriverState::Running);
}

/// Its executors there have ended: nothing else than its scratch directories tells that they ran there.
#[test]
fn dir_03_the_end_of_an_application_is_told_where_it_ran_under_earlier_terms() {
    let finished = |effects: &[Effect]| {
        let told = commands(effects).into_iter().filter_map(|(_, command)| match command {
            WorkerCommand::ApplicationFinished { app } => Some(app),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let leaves = |app: &AppId| Inventory { scratch_of: vec![app.clone()], ..Inventory::default() };
    let Scene { mut rig, app, inventory, .. } = scene();
    rig.fail_over(config());
    rig.join(RegisterWorker { inventory, ..worker("w1", 16, 8192) });
    let (_, effects) = rig.join(RegisterWorker { inventory: leaves(&app), ..worker("w2", 1, 64) });
    assert!(finished(&effects).is_empty(), "it goes on");
    let (session, _, _) = rig.enter(back(&app, &[0, 1]));
    let effects = rig.say(session, AppToMaster::Unregister);
    assert_eq!(finished(&effects), [app.clone(), app.clone()]);
    let (_, effects) = rig.join(RegisterWorker { inventory: leaves(&app), ..worker("w3", 1, 64) });
    assert_eq!(finished(&effects), [app], "this one was not there when it ended");
}

#[test]
fn any_order_of_worker_and_application_gives_the_same() {
    let Scene { mut rig, app, inventory, .. } = scene();
    rig.fail_over(config());
    let (_, effects) = rig.join(RegisterWorker { inventory, ..worker("w1", 16, 8192) });
    assert!(commands(&effects).is_empty());
    let (_, _, effects) = rig.enter(back(&app, &[0, 1]));
    assert!(commands(&effects).is_empty());
    let added = notices(&effects).iter().filter(|n| matches!(n, AppNotice::ExecutorAdded { .. })).count();
    assert_eq!(added, 2, "it is told what it has");
    assert_eq!(rig.master.role(), MasterRole::Alive);
}

#[test]
fn no_more_than_its_limit_while_a_worker_is_silent() {
    let Scene { mut rig, app, .. } = scene();
    rig.fail_over(config());
    rig.enter(back(&app, &[0, 1]));
    let (_, effects) = rig.join(worker("w2", 16, 8192));
    assert!(launched_executors(&effects).is_empty(), "its two executors are believed to run on the silent worker");
    rig.pass(Duration::from_secs(30));
    assert_eq!(rig.master.role(), MasterRole::Alive, "RECOVERING ends after 10 s; what is missing keeps its timer");
    assert_eq!(rig.view().missing.workers, 1);
    // 60 s after the announcement the silent worker is lost.
    let w2 = SessionId(4);
    rig.tell(w2, WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 });
    let effects = rig.pass(Duration::from_secs(30));
    let lost = notices(&effects)
        .into_iter()
        .filter(|n| matches!(n, AppNotice::ExecutorUpdated { state: ExecutorState::Lost, .. }))
        .count();
    assert_eq!(lost, 2);
    assert_eq!(launched_executors(&effects).len(), 2, "and replaced");
}

#[test]
fn silent_workers_are_given_up_slowly_after_a_change_of_leader_protocol_4_5() {
    let mut rig = Rig::alive();
    for n in 0..40 {
        rig.join(worker(&format!("w{n:02}"), 4, 1024));
    }
    rig.pass(Duration::from_secs(50));
    rig.fail_over(config());
    rig.join(worker("w00", 4, 1024));
    let dead = |rig: &Rig| rig.view().workers.iter().filter(|w| w.state == WorkerState::Dead).count();
    rig.pass(Duration::from_secs(59));
    assert_eq!((dead(&rig), rig.view().missing.workers), (0, 39), "a full time-out from the announcement (RC-04)");
    rig.tell(SessionId(41), WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 });
    rig.pass(Duration::from_secs(1));
    assert_eq!((dead(&rig), rig.view().missing.workers), (4, 35), "10 % of 40");
    rig.pass(Duration::from_secs(59));
    assert_eq!(dead(&rig), 4, "no more within a minute");
    for n in 10..40 {
        rig.join(RegisterWorker { number: 2, ..worker(&format!("w{n:02}"), 4, 1024) });
    }
    rig.pass(Duration::from_secs(2));
    assert_eq!(rig.view().missing.workers, 0, "few silent ones are given up at once");
}

#[test]
fn an_application_that_has_not_come_is_unreachable_once_the_recovery_is_over_protocol_4_5() {
    let Scene { mut rig, inventory, .. } = scene();
    rig.fail_over(config());
    rig.join(RegisterWorker { inventory, ..worker("w1", 16, 8192) });
    assert_eq!(rig.view().apps[0].state, ApplicationState::Unknown);
    rig.pass(Duration::from_secs(10));
    assert_eq!((rig.master.role(), rig.view().apps[0].state), (MasterRole::Alive, ApplicationState::Unreachable));
    assert_eq!(rig.view().missing.apps, 1, "and still missing");
    assert_eq!(rig.view().apps[0].executors.len(), 2, "nothing of it is touched");
}

#[test]
fn a_worker_that_is_gone_is_not_waited_for() {
    let Scene { mut rig, app, driver, .. } = scene();
    rig.fail_over(config());
    rig.enter(back(&app, &[0, 1]));
    let peer = Peer::Worker(WorkerId::new("w1").unwrap());
    rig.send(Event::Probed { peer, session: None, finding: Finding::Gone });
    assert_eq!(rig.master.role(), MasterRole::Alive);
    assert_eq!(rig.status(&driver).state, DriverState::Error);
}

#[test]
fn an_application_that_does_not_come_back_is_kept_for_ten_minutes() {
    let Scene { mut rig, inventory, .. } = scene();
    rig.fail_over(config());
    let (session, _) = rig.join(RegisterWorker { inventory, ..worker("w1", 16, 8192) });
    for _ in 0..19 {
        rig.pass(Duration::from_secs(30));
        rig.tell(session, WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 });
    }
    assert_eq!(rig.view().apps[0].executors.len(), 2, "9.5 minutes: untouched");
    let effects = rig.pass(Duration::from_secs(31));
    assert!(rig.view().apps.is_empty());
    let killed = commands(&effects).iter().filter(|(_, c)| matches!(c, WorkerCommand::KillExecutor { .. })).count();
    assert_eq!(killed, 2);
}

#[test]
fn a_launch_that_never_arrived_is_made_again_with_the_next_attempt() {
    let Scene { mut rig, driver, inventory, .. } = scene();
    rig.fail_over(config());
    let inventory = Inventory { drivers: Vec::new(), ..inventory };
    let (_, effects) = rig.join(RegisterWorker { inventory, ..worker("w1", 16, 8192) });
    let again = launched_drivers(&effects);
    assert_eq!((again[0].1.driver.clone(), again[0].1.attempt), (driver, Attempt(2)));
}

#[test]
fn registrations_and_submissions_are_taken_while_recovering_t_rc_13_t_rc_14_rc_15() {
    let Scene { mut rig, .. } = scene();
    rig.fail_over(config());
    let (_, effects) = rig.join(worker("w2", 4, 4096));
    assert!(effects.iter().any(|e| matches!(
        e,
        Effect::ToWorker { message: MasterToWorker::Registered(answer), .. } if !answer.duplicate
    )));
    assert_eq!(rig.master.role(), MasterRole::Recovering);
    let (_, effects) = rig.submit(driver(1, 1));
    assert_eq!(launched_drivers(&effects).len(), 1, "whoever has reported is usable");
    let (_, effects) = rig.join(worker("w1", 16, 8192));
    assert!(effects.iter().any(|e| matches!(
        e,
        Effect::ToWorker { message: MasterToWorker::Registered(answer), .. } if answer.duplicate
    )));
    assert_eq!(rig.master.role(), MasterRole::Recovering, "the application is still missing");
}

#[test]
fn executor_numbers_are_never_given_twice_i8() {
    let Scene { mut rig, app, .. } = scene();
    rig.fail_over(config());
    rig.enter(back(&app, &[]));
    let (_, effects) = rig.join(worker("w1", 16, 8192));
    let mut ids: Vec<u32> = launched_executors(&effects).iter().map(|(_, e)| e.executor.id.0).collect();
    ids.sort_unstable();
    assert_eq!(ids, [64, 65], "beyond the durable mark of the first leader");
}

#[test]
fn executors_of_ended_applications_end_after_the_workers_report() {
    let Scene { mut rig, inventory, .. } = scene();
    rig.store.content.retain(|key, _| !key.starts_with("a/"));
    let effects = rig.fail_over(config());
    assert!(commands(&effects).is_empty());
    let (_, effects) = rig.join(RegisterWorker { inventory, ..worker("w1", 16, 8192) });
    let killed = commands(&effects).iter().filter(|(_, c)| matches!(c, WorkerCommand::KillExecutor { .. })).count();
    assert_eq!(killed, 2);
}

#[test]
fn a_client_whose_leader_lost_its_store_keeps_its_id() {
    let mut rig = Rig::alive();
    let known = AppId::new("app-of-old").unwrap();
    let (_, id, _) = rig.enter(RegisterApplication { known_as: Some(known.clone()), ..app("t", None, 1, None) });
    assert_eq!(id, known);
}

#[test]
fn losing_the_lead_drops_everything_and_the_process_stays() {
    let Scene { mut rig, .. } = scene();
    rig.send(Event::Deposed);
    assert_eq!(rig.master.role(), MasterRole::Standby);
    assert!(rig.view().workers.is_empty());
    let session = rig.session();
    let effects = rig.tell(session, WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 });
    assert_eq!(effects, vec![Effect::CloseSession { session }], "peers of the old term look for the new leader");
    rig.elect();
    assert_eq!(rig.master.role(), MasterRole::Recovering, "the same process can lead again");
}
