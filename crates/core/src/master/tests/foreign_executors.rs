//! Which executors a client has that does not say so itself, and on which workers (ADR 14).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::foreign_apps::*;
use super::rig::*;
use crate::ids::*;
use crate::master::Effect;
use crate::model::*;
use crate::msg::*;
use crate::record::Change;

/// `client("d", 1)` with its two executors on `w1`, and two more workers, which have nothing of it.
fn two_executors_on_w1(rig: &mut Rig) -> Vec<ExecutorDescription> {
    rig.join(worker("w1", 4, 8192));
    let (_, _, effects) = rig.enter(client("d", 1));
    rig.join(worker("w2", 4, 8192));
    rig.join(worker("w3", 4, 8192));
    let launched: Vec<_> = launched_executors(&effects).into_iter().map(|(_, executor)| executor).collect();
    assert_eq!(launched.len(), 2);
    launched
}

fn with(executors: &[ExecutorDescription], registration: RegisterWorker) -> RegisterWorker {
    let inventory = Inventory { executors: executors.to_vec(), ..Inventory::default() };
    RegisterWorker { inventory, ..registration }
}

fn alive(rig: &mut Rig, session: SessionId) {
    rig.tell(session, WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 });
}

fn lost(executor: u32) -> (u32, ExecutorState, Option<i32>, Option<String>) {
    (executor, ExecutorState::Lost, None, Some("host-w1".to_owned()))
}

#[test]
fn only_a_silent_worker_of_its_own_keeps_it_waiting_protocol_4() {
    let mut rig = Rig::alive();
    let executors = two_executors_on_w1(&mut rig);
    let calls = recalled(&rig.fail_over(config()));
    let (_, effects) = answered(&mut rig, &calls, 2);
    assert!(launched_executors(&effects).is_empty(), "its own worker has yet to speak");
    let (_, effects) = rig.join(worker("w2", 4, 8192));
    assert!(launched_executors(&effects).is_empty(), "the one that speaks has nothing of it");
    let (_, effects) = rig.join(with(&executors[..1], worker("w1", 4, 8192)));
    assert_eq!(launched_executors(&effects).len(), 1, "w3 is silent and has nothing of it");
}

#[test]
fn what_was_on_a_worker_that_is_lost_before_it_has_spoken_is_told_as_lost_hb_05() {
    let mut rig = Rig::alive();
    let executors = two_executors_on_w1(&mut rig);
    let calls = recalled(&rig.fail_over(config()));
    let (other, _) = rig.join(worker("w2", 4, 8192));
    answered(&mut rig, &calls, 2);
    rig.pass(Duration::from_secs(50));
    alive(&mut rig, other);
    let effects = rig.pass(Duration::from_secs(10));
    assert_eq!(ends(&effects), [lost(0), lost(1)]);
    let told = notices(&effects);
    let removed = |worker: &str| {
        let is_it =
            |notice: &AppNotice| matches!(notice, AppNotice::WorkerRemoved { worker: id, .. } if id.as_str() == worker);
        told.iter().position(is_it)
    };
    let last_end = told.iter().rposition(|notice| matches!(notice, AppNotice::ExecutorUpdated { .. }));
    assert!(removed("w1") > last_end, "a driver of Spark hears of the executors first: {told:?}");
    assert_eq!(launched_executors(&effects).len(), 2, "their replacements");
    // The worker was only cut off: what was told to be lost does not come back.
    let (_, effects) = rig.join(with(&executors, worker("w1", 4, 8192)));
    let kills = commands(&effects).into_iter().filter(|(_, c)| matches!(c, WorkerCommand::KillExecutor { .. })).count();
    assert_eq!((kills, notices(&effects).len()), (2, 0));
}

#[test]
fn what_was_lost_before_the_client_came_is_told_when_it_comes() {
    let mut rig = Rig::alive();
    two_executors_on_w1(&mut rig);
    let calls = recalled(&rig.fail_over(config()));
    rig.pass(Duration::from_secs(60));
    let (other, _) = rig.join(worker("w4", 4, 8192));
    alive(&mut rig, other);
    let (_, effects) = answered(&mut rig, &calls, 2);
    assert_eq!(ends(&effects), [lost(0), lost(1)]);
    assert_eq!(launched_executors(&effects).len(), 2);
}

/// Its worker repeats what nobody has acknowledged; what was acknowledged was told.
#[test]
fn what_a_worker_has_no_more_is_left_to_its_own_report() {
    let mut rig = Rig::alive();
    let executors = two_executors_on_w1(&mut rig);
    let calls = recalled(&rig.fail_over(config()));
    answered(&mut rig, &calls, 2);
    let (session, effects) = rig.join(with(&executors[1..], worker("w1", 4, 8192)));
    assert_eq!(ends(&effects), []);
    let end = executor_ended(&executors[0].executor, ExecutorState::Exited, Some(137));
    assert_eq!(ends(&rig.tell(session, end)), [(0, ExecutorState::Exited, Some(137), None)]);
}

/// The second leader writes the record while the worker is silent, and the third one waits for it as the second did.
#[test]
fn a_worker_that_is_silent_over_two_changes_of_leader_is_still_its_own() {
    let mut rig = Rig::alive();
    two_executors_on_w1(&mut rig);
    let calls = recalled(&rig.fail_over(config()));
    let (session, _, _) = rig.enter(RegisterApplication { number: 2, ..calls[0].0.clone() });
    let targets = BTreeMap::from([(ProfileId(0), 2)]);
    rig.say(session, AppToMaster::RequestExecutors { request: 1, profiles: Vec::new(), targets });
    let calls = recalled(&rig.fail_over(config()));
    let (other, _) = rig.join(worker("w2", 4, 8192));
    let (_, effects) = answered(&mut rig, &calls, 3);
    assert!(launched_executors(&effects).is_empty());
    rig.pass(Duration::from_secs(50));
    alive(&mut rig, other);
    assert_eq!(ends(&rig.pass(Duration::from_secs(10))), [lost(0), lost(1)]);
}

#[test]
fn an_application_that_has_ended_waits_for_no_worker() {
    let mut rig = Rig::alive();
    let executors = two_executors_on_w1(&mut rig);
    let calls = recalled(&rig.fail_over(config()));
    let (session, _, _) = rig.enter(RegisterApplication { number: 2, ..calls[0].0.clone() });
    rig.say(session, AppToMaster::Unregister);
    let (_, effects) = rig.join(with(&executors, worker("w1", 4, 8192)));
    assert_eq!(commands(&effects).len(), 2, "both are told to end");
}

/// How often an application's record is written.
fn writes(effects: &[Effect]) -> usize {
    let changes = effects.iter().filter_map(|effect| match effect {
        Effect::Persist(changes) => Some(changes),
        _ => None,
    });
    changes.flatten().filter(|change| matches!(change, Change::PutApp(_))).count()
}

/// 100 executors on 10 workers.
fn hundred(token: &str) -> RegisterApplication {
    let small = app(token, Some(1), 1, Some(100));
    RegisterApplication { endpoint: client(token, 1).endpoint, ..small }
}

/// 10 workers of 10 cores.
fn ten_workers(rig: &mut Rig) -> Vec<Effect> {
    (0..10).flat_map(|n| rig.join(worker(&format!("w{n}"), 10, 8192)).1).collect()
}

/// ADR 14 names these figures.
#[test]
fn the_record_is_written_once_for_all_launches_of_a_round() {
    let mut rig = Rig::alive();
    ten_workers(&mut rig);
    let (_, _, effects) = rig.enter(hundred("d"));
    assert_eq!((launched_executors(&effects).len(), writes(&effects)), (100, 2), "registration, launches");
    let last_write = effects.iter().rposition(|effect| matches!(effect, Effect::Persist(_)));
    let first_launch = effects.iter().position(|effect| matches!(effect, Effect::ToWorker { .. }));
    assert!(last_write < first_launch, "durable before any launch leaves");
    let listed = rig.store.recovered().apps[0].executors.clone().unwrap();
    assert!(listed.len() == 10 && listed.values().all(|there| there.len() == 10), "{listed:?}");

    let replaced: usize = launched_executors(&effects)
        .into_iter()
        .map(|(session, executor)| {
            let effects = rig.tell(session, executor_ended(&executor.executor, ExecutorState::Exited, Some(0)));
            assert_eq!(launched_executors(&effects).len(), 1);
            writes(&effects)
        })
        .sum();
    assert_eq!(replaced, 100, "one after the other");
    let listed = rig.store.recovered().apps[0].executors.clone().unwrap();
    assert_eq!(listed.values().map(BTreeSet::len).sum::<usize>(), 100, "what has ended is listed no more");

    let mut rig = Rig::alive();
    rig.enter(hundred("d"));
    assert_eq!(writes(&ten_workers(&mut rig)), 10, "one worker after the other");
}

/// They say themselves which executors they have.
#[test]
fn our_own_clients_cost_no_more_writes_than_before() {
    let mut rig = Rig::alive();
    rig.enter(app("a", Some(1), 1, Some(100)));
    assert_eq!(writes(&ten_workers(&mut rig)), 2, "two blocks of numbers");
    assert_eq!(rig.store.recovered().apps[0].executors, None);
}

/// As an earlier version has stored it.
fn forget_the_list(rig: &mut Rig) {
    for change in rig.store.content.values_mut() {
        if let Change::PutApp(record) = change {
            record.executors = None;
        }
    }
}

#[test]
fn a_record_without_a_list_waits_for_all_and_gets_one() {
    let mut rig = Rig::alive();
    let executors = two_executors_on_w1(&mut rig);
    forget_the_list(&mut rig);
    let calls = recalled(&rig.fail_over(config()));
    answered(&mut rig, &calls, 2);
    rig.join(with(&executors[1..], worker("w1", 4, 8192)));
    let (_, effects) = rig.join(worker("w2", 4, 8192));
    assert!(launched_executors(&effects).is_empty(), "any worker may have the other one");
    let (_, effects) = rig.join(worker("w3", 4, 8192));
    assert_eq!(launched_executors(&effects).len(), 1);
    let listed = rig.store.recovered().apps[0].executors.clone().unwrap();
    assert_eq!(listed.values().map(BTreeSet::len).sum::<usize>(), 2, "{listed:?}");
}

/// A worker that is lost is known to be, and of its executors nothing.
#[test]
fn of_a_record_without_a_list_nothing_is_told_as_lost() {
    let mut rig = Rig::alive();
    two_executors_on_w1(&mut rig);
    forget_the_list(&mut rig);
    let calls = recalled(&rig.fail_over(config()));
    answered(&mut rig, &calls, 2);
    let effects = rig.pass(Duration::from_secs(60));
    assert_eq!(ends(&effects), []);
    assert!(notices(&effects).iter().any(|notice| matches!(notice, AppNotice::WorkerRemoved { .. })));
}

#[test]
fn an_application_that_never_had_an_executor_waits_for_nobody() {
    let mut rig = Rig::alive();
    rig.enter(client("d", 1));
    rig.join(worker("w1", 1, 8192));
    let calls = recalled(&rig.fail_over(config()));
    answered(&mut rig, &calls, 2);
    assert_eq!(launched_executors(&rig.join(worker("w2", 4, 8192)).1).len(), 2, "w1 is silent");
}

/// The store was restored from a copy that is older than the executors.
#[test]
fn what_a_worker_reports_is_listed_before_the_client_hears_of_it() {
    let mut rig = Rig::alive();
    rig.join(worker("w1", 4, 8192));
    let (_, _, effects) = rig.enter(client("d", 1));
    let (_, executor) = launched_executors(&effects).remove(0);
    let Some(Change::PutApp(record)) = rig.store.content.get_mut(&format!("a/{}", executor.executor.app)) else {
        panic!("{:?}", rig.store)
    };
    record.executors = Some(BTreeMap::new());
    let calls = recalled(&rig.fail_over(config()));
    answered(&mut rig, &calls, 2);
    let (_, effects) = rig.join(with(&[executor], worker("w1", 4, 8192)));
    assert!(writes(&effects) >= 1);
    let added = effects.iter().position(|effect| matches!(effect, Effect::ToApp { .. }));
    assert!(effects.iter().position(|effect| matches!(effect, Effect::Persist(_))) < added);
}

/// A record that is too large for the store would end each term that writes it.
#[test]
fn a_list_that_has_outgrown_its_room_is_not_stored_and_all_workers_are_waited_for() {
    let mut rig = Rig::alive();
    let many = 10_000;
    let large = worker("w1", many, u64::from(many));
    let (session, _) = rig.join(large.clone());
    rig.join(worker("w2", 1, 1));
    let (_, _, effects) =
        rig.enter(RegisterApplication { endpoint: client("d", 1).endpoint, ..app("d", Some(1), 1, Some(many)) });
    let launched: Vec<_> = launched_executors(&effects).into_iter().filter(|(on, _)| *on == session).collect();
    assert!(launched.len() > 9_000, "{}", launched.len());
    assert_eq!(rig.store.recovered().apps[0].executors, None);
    let executors: Vec<_> = launched.into_iter().map(|(_, executor)| executor).collect();
    let calls = recalled(&rig.fail_over(config()));
    answered(&mut rig, &calls, 2);
    let (_, effects) = rig.join(with(&executors[1..], large));
    assert!(launched_executors(&effects).is_empty(), "w2 is silent");
    let (_, effects) = rig.join(worker("w2", 1, 1));
    assert!(!launched_executors(&effects).is_empty());
}

#[test]
fn only_the_worker_that_has_an_executor_is_believed_that_it_ended() {
    let mut rig = Rig::alive();
    let executors = two_executors_on_w1(&mut rig);
    let calls = recalled(&rig.fail_over(config()));
    answered(&mut rig, &calls, 2);
    let (other, _) = rig.join(worker("w2", 4, 8192));
    let end = executor_ended(&executors[0].executor, ExecutorState::Exited, Some(1));
    assert_eq!(ends(&rig.tell(other, end)), []);
    let (_, effects) = rig.join(with(&executors, worker("w1", 4, 8192)));
    assert!(commands(&effects).is_empty(), "I6");
}
