//! Workers that cannot run what an application wants, however often it is tried.

use std::collections::BTreeSet;
use std::time::Duration;

use super::rig::*;
use crate::ids::*;
use crate::master::{Event, Finding, Peer};
use crate::model::*;
use crate::msg::*;
use crate::units::Cores;

fn refused(executor: &ExecutorRef) -> WorkerToMaster {
    WorkerToMaster::ExecutorRefused { report: ReportId(1), executor: executor.clone(), why: "no Spark 3.5".to_owned() }
}

#[test]
fn a_worker_that_refuses_for_good_gets_no_more_executors_until_it_registers_anew() {
    let mut rig = Rig::alive();
    let (first, _) = rig.join(worker("w1", 2, 2048));
    let (second, _) = rig.join(worker("w2", 2, 2048));
    let (_, _, effects) = rig.enter(app("t", Some(1), 256, Some(2)));
    let launched = launched_executors(&effects);
    let on = |session| launched.iter().find(|(on, _)| *on == session).unwrap().1.executor.clone();
    let effects = rig.tell(first, refused(&on(first)));
    let told = notices(&effects);
    assert!(
        told.iter().any(|notice| matches!(notice, AppNotice::ExecutorUpdated { state: ExecutorState::Failed, message: Some(why), .. } if why == "no Spark 3.5")),
        "{told:?}"
    );
    let again = launched_executors(&effects);
    assert_eq!(again.iter().map(|(on, _)| *on).collect::<Vec<_>>(), [second], "where it was not refused");
    rig.tell(second, executor_ended(&again[0].1.executor, ExecutorState::Exited, Some(0)));
    assert_eq!(rig.view().workers[0].cores_used, Cores::ZERO, "not tried again");

    let (_, other, effects) = rig.enter(app("u", Some(2), 256, Some(2)));
    let of_other: Vec<_> =
        launched_executors(&effects).into_iter().map(|(on, executor)| (on, executor.executor.app)).collect();
    assert_eq!(of_other, [(first, other)], "another application may well run there");
}

#[test]
fn an_application_that_every_worker_refuses_has_failed_and_is_told_why() {
    let mut rig = Rig::alive();
    let (first, _) = rig.join(worker("w1", 2, 2048));
    let (second, _) = rig.join(worker("w2", 2, 2048));
    let (_, id, effects) = rig.enter(app("t", Some(1), 256, Some(1)));
    let (on, executor) = launched_executors(&effects).remove(0);
    let effects = rig.tell(on, refused(&executor.executor));
    let (other, executor) = launched_executors(&effects).remove(0);
    assert_eq!([on, other].into_iter().collect::<BTreeSet<_>>(), [first, second].into());
    let effects = rig.tell(other, refused(&executor.executor));
    assert!(launched_executors(&effects).is_empty());
    let removed = notices(&effects).into_iter().find_map(|notice| match notice {
        AppNotice::ApplicationRemoved { message } => Some(message),
        _ => None,
    });
    assert_eq!(removed.as_deref(), Some("no worker can run its executors: no Spark 3.5"));
    let ended = rig.view().ended_apps.remove(0);
    assert_eq!((ended.id, ended.state), (id, ApplicationState::Failed));
}

/// `w1` has refused, and `w2`, which has not, is gone with all executors.
fn only_the_refusing_worker_is_left() -> (Rig, SessionId) {
    let mut rig = Rig::alive();
    let (first, _) = rig.join(worker("w1", 2, 2048));
    let (second, _) = rig.join(worker("w2", 2, 2048));
    let (_, _, effects) = rig.enter(app("t", Some(1), 256, Some(2)));
    let (_, executor) = launched_executors(&effects).into_iter().find(|(on, _)| *on == first).unwrap();
    rig.tell(first, refused(&executor.executor));
    rig.send(Event::SessionClosed { session: second });
    let peer = Peer::Worker(WorkerId::new("w2").unwrap());
    let effects = rig.send(Event::Probed { peer, session: Some(second), finding: Finding::Gone });
    assert!(launched_executors(&effects).is_empty());
    assert!(rig.view().ended_apps.is_empty() && rig.view().apps[0].executors.is_empty());
    (rig, first)
}

/// Two minutes in which this worker is heard.
fn two_minutes(rig: &mut Rig, heard: SessionId) {
    for _ in 0..4 {
        rig.pass(Duration::from_secs(30));
        rig.tell(heard, WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 });
    }
}

#[test]
fn an_application_has_failed_too_when_the_last_worker_that_could_run_it_stays_away() {
    let (mut rig, first) = only_the_refusing_worker_is_left();
    two_minutes(&mut rig, first);
    let ended = rig.view().ended_apps.remove(0);
    assert_eq!(ended.state, ApplicationState::Failed);
    assert_eq!(ended.message.as_deref(), Some("no worker can run its executors: no Spark 3.5"));
}

#[test]
fn a_worker_that_is_started_again_is_waited_for() {
    let (mut rig, _) = only_the_refusing_worker_is_left();
    rig.pass(Duration::from_secs(20));
    let again = RegisterWorker { incarnation: Incarnation(2), ..worker("w2", 2, 2048) };
    let (second, effects) = rig.join(again);
    assert_eq!(launched_executors(&effects).iter().map(|(on, _)| *on).collect::<Vec<_>>(), [second; 2]);
}

#[test]
fn an_application_that_all_but_a_missing_worker_refuse_fails_when_that_is_lost() {
    let mut rig = Rig::alive();
    rig.join(worker("w1", 2, 2048));
    rig.join(worker("w2", 2, 2048));
    rig.enter(app("t", Some(1), 256, Some(1)));
    rig.fail_over(config());
    let (first, _) = rig.join(worker("w1", 2, 2048));
    let (_, _, effects) = rig.enter(app("t", Some(1), 256, Some(1)));
    let (_, executor) = launched_executors(&effects).remove(0);
    rig.tell(first, refused(&executor.executor));
    assert_eq!(rig.view().apps.len(), 1, "the other one may be able to");
    two_minutes(&mut rig, first);
    assert_eq!(rig.view().ended_apps[0].state, ApplicationState::Failed);
}

#[test]
fn a_refusal_counts_whatever_has_become_of_the_executor_meanwhile() {
    let mut rig = Rig::alive();
    let (worker_session, _) = rig.join(worker("w1", 1, 2048));
    let (session, id, effects) = rig.enter(app("t", Some(1), 256, Some(1)));
    let executor = launched_executors(&effects).remove(0).1.executor;
    rig.say(session, AppToMaster::KillExecutors { request: 1, executors: vec![executor.id] });
    let effects = rig.tell(worker_session, refused(&executor));
    assert!(launched_executors(&effects).is_empty());
    assert_eq!(rig.view().ended_apps[0].id, id, "there is no other worker");
}

#[test]
fn a_refusal_that_a_former_leader_did_not_take_counts() {
    let mut rig = Rig::alive();
    rig.join(worker("w1", 1, 2048));
    let (_, _, effects) = rig.enter(app("t", Some(1), 256, Some(1)));
    let executor = launched_executors(&effects).remove(0).1.executor;
    rig.join(worker("w2", 1, 2048));
    rig.fail_over(config());
    let (first, _) = rig.join(worker("w1", 1, 2048));
    rig.tell(first, refused(&executor));
    let (_, _, effects) = rig.enter(app("t", Some(1), 256, Some(1)));
    assert!(launched_executors(&effects).is_empty(), "not tried again");
    let (second, effects) = rig.join(worker("w2", 1, 2048));
    assert_eq!(launched_executors(&effects).iter().map(|(on, _)| *on).collect::<Vec<_>>(), [second]);
}
