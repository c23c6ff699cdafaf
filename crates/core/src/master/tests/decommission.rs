//! Decommissioning (DC-*).

use super::rig::*;
use crate::ids::Incarnation;
use crate::master::{Effect, Event};
use crate::model::*;
use crate::msg::*;

fn on_host(id: &str, host: &str, port: u16) -> RegisterWorker {
    RegisterWorker { host: host.to_owned(), port, ..worker(id, 10, 1024) }
}

fn decommission(rig: &mut Rig, hosts: &[&str]) -> (u32, Vec<Effect>) {
    let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
    match rig.request(ClientRequest::DecommissionHosts { hosts }) {
        (ClientReply::Decommissioning { workers }, effects) => (workers, effects),
        other => panic!("{other:?}"),
    }
}

#[test]
fn hosts_match_without_case_and_repeating_is_harmless_t_dc_02() {
    let mut rig = Rig::alive();
    rig.join(on_host("w1", "localhost", 1));
    rig.join(on_host("w2", "localhost", 2));
    let (matched, effects) = decommission(&mut rig, &["LoCalHost", "localHOST"]);
    assert_eq!(matched, 2);
    let told = commands(&effects);
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|(_, command)| *command == WorkerCommand::Decommission));
    assert!(rig.view().workers.iter().all(|worker| worker.state == WorkerState::Decommissioned));
    assert_eq!(decommission(&mut rig, &["localhost"]).0, 2);
}

#[test]
fn only_named_hosts_match_t_dc_03_t_dc_04() {
    let mut rig = Rig::alive();
    rig.join(on_host("w1", "localhost", 1));
    assert_eq!(decommission(&mut rig, &["NoSuchHost1", "NoSuchHost2"]).0, 0);
    assert_eq!(decommission(&mut rig, &["lOcalHost", "NoSuchHost"]).0, 1);
}

#[test]
fn executors_run_on_uncounted_and_the_wish_survives_the_leader_dc_04() {
    let mut rig = Rig::alive();
    rig.join(on_host("w1", "h1", 1));
    let (app_session, app_id, effects) = rig.enter(app("t", Some(2), 128, Some(2)));
    let running = launched_executors(&effects).remove(0).1;
    let (_, effects) = decommission(&mut rig, &["h1"]);
    assert!(notices(&effects).iter().any(|notice| matches!(
        notice,
        AppNotice::ExecutorUpdated { state: ExecutorState::Decommissioned, worker_host: Some(host), .. } if host == "h1"
    )));
    let (_, effects) = rig.join(on_host("w2", "h2", 1));
    assert_eq!(launched_executors(&effects).len(), 1, "it has a replacement");
    let replacement = launched_executors(&effects).remove(0).1;

    rig.fail_over(config());
    let inventory = Inventory { executors: vec![running.clone()], ..Inventory::default() };
    let (session, effects) = rig.join(RegisterWorker { inventory, ..on_host("w1", "h1", 1) });
    let told: Vec<WorkerCommand> = commands(&effects).into_iter().map(|(_, command)| command).collect();
    assert_eq!(told, [WorkerCommand::Decommission], "it is not killed, and asked again to go");
    let executors = vec![running.executor.id, replacement.executor.id];
    let back = RegisterApplication { known_as: Some(app_id.clone()), executors, ..app("t", Some(2), 128, Some(2)) };
    rig.enter(back);
    let inventory = Inventory { executors: vec![replacement], ..Inventory::default() };
    let (_, effects) = rig.join(RegisterWorker { inventory, ..on_host("w2", "h2", 1) });
    assert!(launched_executors(&effects).is_empty(), "its limit is reached by the replacement");
    assert_eq!(rig.view().workers[0].state, WorkerState::Decommissioned);
    // DC-07: its end is no failure of the application.
    rig.tell(session, executor_ended(&running.executor, ExecutorState::Exited, Some(1)));
    assert_eq!(rig.view().apps[0].executors.len(), 1);
    let _ = app_session;
}

#[test]
fn a_worker_may_ask_for_it_itself_dc_02() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(on_host("w1", "h1", 1));
    rig.tell(session, WorkerToMaster::Decommissioning);
    assert_eq!(rig.view().workers[0].state, WorkerState::Decommissioned);
    let (_, effects) = rig.submit(driver(1, 1));
    assert!(commands(&effects).is_empty());
}

#[test]
fn a_worker_that_missed_the_wish_is_told_again_dc_02() {
    let mut rig = Rig::alive();
    rig.join(on_host("w1", "h1", 1));
    decommission(&mut rig, &["h1"]);
    let (_, effects) = rig.join(on_host("w1", "h1", 1));
    assert_eq!(commands(&effects).len(), 1, "the command was lost with the session");
    let (_, effects) = rig.join(RegisterWorker { decommissioned: true, ..on_host("w1", "h1", 1) });
    assert!(commands(&effects).is_empty(), "it knows");
}

#[test]
fn a_worker_that_says_so_only_with_its_registration_gives_its_executors_up_too_dc_04() {
    let mut rig = Rig::alive();
    rig.join(on_host("w1", "h1", 1));
    let (_, _, effects) = rig.enter(app("t", Some(2), 128, Some(2)));
    let executors = vec![launched_executors(&effects).remove(0).1];
    // It was asked to go while it was cut off.
    let inventory = Inventory { executors, ..Inventory::default() };
    let (session, effects) = rig.join(RegisterWorker { decommissioned: true, inventory, ..on_host("w1", "h1", 1) });
    let given_up =
        |notice: &AppNotice| matches!(notice, AppNotice::ExecutorUpdated { state: ExecutorState::Decommissioned, .. });
    assert_eq!(notices(&effects).iter().filter(|notice| given_up(notice)).count(), 1);
    assert_eq!(rig.tell(session, WorkerToMaster::Decommissioning), [], "that is known");
    let (_, effects) = rig.join(on_host("w2", "h2", 1));
    assert_eq!(launched_executors(&effects).len(), 1, "it has a replacement");
}

#[test]
fn a_wish_that_a_suspended_leader_hears_counts_dc_02() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(on_host("w1", "h1", 1));
    rig.send(Event::Suspended);
    rig.tell(session, WorkerToMaster::Decommissioning);
    rig.send(Event::Resumed);
    let (_, effects) = rig.submit(driver(1, 1));
    assert!(commands(&effects).is_empty(), "it says so only once");
    rig.fail_over(config());
    assert_eq!(rig.view().workers[0].state, WorkerState::Decommissioned, "and it is durable");
}

#[test]
fn a_process_that_is_started_again_is_taken_back_dc_04() {
    let mut rig = Rig::alive();
    rig.join(on_host("w1", "h1", 1));
    decommission(&mut rig, &["h1"]);
    rig.fail_over(config());
    let restarted = || RegisterWorker { incarnation: Incarnation(2), ..on_host("w1", "h1", 1) };
    rig.join(restarted());
    assert_eq!(rig.view().workers[0].state, WorkerState::Alive, "whether its loss was noticed before or not");
}

#[test]
fn a_worker_that_was_given_up_and_is_back_is_still_asked_to_go_dc_04() {
    let mut rig = Rig::alive();
    rig.join(on_host("w1", "h1", 1));
    decommission(&mut rig, &["h1"]);
    rig.pass(config().worker_timeout);
    assert_eq!(rig.view().workers[0].state, WorkerState::Dead);
    let (_, effects) = rig.join(RegisterWorker { number: 2, ..on_host("w1", "h1", 1) });
    assert_eq!(commands(&effects).len(), 1, "it is the same process, and is told again");
    assert_eq!(rig.view().workers[0].state, WorkerState::Decommissioned);
}
