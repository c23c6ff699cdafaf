//! Clients that speak the protocol of a face, such as drivers of Spark (ADR 14).

use std::sync::Arc;
use std::time::Duration;

use super::rig::*;
use crate::ids::*;
use crate::master::foreign_apps::CHANGES_KEPT;
use crate::master::{Effect, Event, Finding, Peer, Recalled};
use crate::model::*;
use crate::msg::*;

/// A client that listens at `<token>:1` and does not know of any application.
pub(super) fn client(token: &str, number: u64) -> RegisterApplication {
    let client = ForeignClient { address: format!("{token}:1"), registration: vec![1, 2, 3] };
    let endpoint = AppEndpoint::Foreign(Arc::new(client));
    RegisterApplication { number, endpoint, ..app(token, Some(2), 1024, Some(4)) }
}

/// Whom a face has to call, and after which session.
pub(super) fn recalled(effects: &[Effect]) -> Vec<(RegisterApplication, Option<SessionId>)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Recall { registration: Recalled::App(_, registration), session } => {
                Some((RegisterApplication::clone(registration), *session))
            }
            _ => None,
        })
        .collect()
}

/// The one that is called has said that it is this application.
pub(super) fn answered(
    rig: &mut Rig,
    calls: &[(RegisterApplication, Option<SessionId>)],
    number: u64,
) -> (AppId, Vec<Effect>) {
    let [(registration, _)] = calls else { panic!("one call: {calls:?}") };
    let (_, id, effects) = rig.enter(RegisterApplication { number, ..registration.clone() });
    (id, effects)
}

fn gone(rig: &mut Rig, id: &AppId, session: Option<SessionId>) -> Vec<Effect> {
    rig.send(Event::Probed { peer: Peer::App(id.clone()), session, finding: Finding::Gone })
}

fn says_standby(effects: &[Effect]) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::ToApp { message: MasterToApp::Standby { leader: Some(_) }, .. }))
}

pub(super) fn ends(effects: &[Effect]) -> Vec<(u32, ExecutorState, Option<i32>, Option<String>)> {
    notices(effects)
        .into_iter()
        .filter_map(|notice| match notice {
            AppNotice::ExecutorUpdated { executor, state, exit_status, worker_host, .. } if state.is_finished() => {
                Some((executor.0, state, exit_status, worker_host))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_broken_session_is_called_back_and_goes_on_ap_05() {
    let mut rig = Rig::alive();
    let (worker_session, _) = rig.join(worker("w1", 16, 8192));
    let (session, id, effects) = rig.enter(client("d", 1));
    let executors = launched_executors(&effects);
    let effects = rig.send(Event::SessionClosed { session });
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Probe { .. })), "no endpoint of ours is there");
    let calls = recalled(&effects);
    assert_eq!((calls[0].1, calls[0].0.known_as.as_ref()), (Some(session), Some(&id)));
    // Nobody can be told; nothing is placed.
    let end = executor_ended(&executors[0].1.executor, ExecutorState::Exited, Some(137));
    assert!(launched_executors(&rig.tell(worker_session, end)).is_empty());
    let (again, effects) = answered(&mut rig, &calls, 2);
    assert_eq!(again, id);
    assert_eq!(ends(&effects), [(0, ExecutorState::Exited, Some(137), None)], "with its own exit status");
    assert_eq!(launched_executors(&effects).len(), 1, "its replacement");
}

#[test]
fn after_a_failover_it_is_called_and_told_what_ended_meanwhile_rc_03() {
    let mut rig = Rig::alive();
    rig.join(worker("w1", 16, 8192));
    let (_, id, effects) = rig.enter(client("d", 1));
    let executors: Vec<_> = launched_executors(&effects).into_iter().map(|(_, executor)| executor).collect();
    let effects = rig.fail_over(config());
    assert!(effects.iter().all(|effect| !matches!(effect, Effect::Announce { peer: Peer::App(_), .. })));
    let calls = recalled(&effects);
    assert_eq!(calls[0].1, None);
    assert_eq!(calls[0].0.endpoint, client("d", 1).endpoint, "what was stored");
    // Its worker has one executor left, and says how the other one ended.
    let inventory = Inventory { executors: vec![executors[1].clone()], ..Inventory::default() };
    let (session, effects) = rig.join(RegisterWorker { inventory, ..worker("w1", 16, 8192) });
    assert!(commands(&effects).is_empty(), "I6");
    rig.tell(session, executor_ended(&executors[0].executor, ExecutorState::Exited, Some(1)));
    let (again, effects) = answered(&mut rig, &calls, 7);
    assert_eq!(again, id);
    assert_eq!(ends(&effects), [(0, ExecutorState::Exited, Some(1), None)]);
    assert_eq!(launched_executors(&effects).len(), 1);
    // Whoever reports it once more is heard, and nobody is told twice.
    let end = executor_ended(&executors[0].executor, ExecutorState::Exited, Some(1));
    assert_eq!(ends(&rig.tell(session, end)), []);
}

/// What was told to a connection that was broken already, or breaks before it is read, may be lost with it.
#[test]
fn an_end_that_was_told_to_a_broken_connection_is_told_again() {
    let mut rig = Rig::alive();
    let (worker_session, _) = rig.join(worker("w1", 16, 8192));
    let (session, _, effects) = rig.enter(client("d", 1));
    let executor = launched_executors(&effects).remove(0).1.executor;
    let end = [(0, ExecutorState::Exited, Some(137), None)];
    assert_eq!(ends(&rig.tell(worker_session, executor_ended(&executor, ExecutorState::Exited, Some(137)))), end);
    let calls = recalled(&rig.send(Event::SessionClosed { session }));
    assert_eq!(ends(&answered(&mut rig, &calls, 2).1), end, "with its own exit status");
}

#[test]
fn of_what_was_told_only_the_latest_is_told_again() {
    let mut rig = Rig::alive();
    let (worker_session, _) = rig.join(worker("w1", 2, 8192));
    let (session, _, effects) = rig.enter(client("d", 1));
    let mut executor = launched_executors(&effects).remove(0).1.executor;
    for _ in 0..=CHANGES_KEPT {
        let effects = rig.tell(worker_session, executor_ended(&executor, ExecutorState::Exited, Some(0)));
        executor = launched_executors(&effects).remove(0).1.executor;
    }
    let calls = recalled(&rig.send(Event::SessionClosed { session }));
    let told: Vec<u32> = ends(&answered(&mut rig, &calls, 2).1).into_iter().map(|(executor, ..)| executor).collect();
    let newest = u32::try_from(CHANGES_KEPT).unwrap();
    assert_eq!((told.len(), told.first(), told.last()), (CHANGES_KEPT, Some(&1), Some(&newest)));
}

/// Otherwise it counts the end against its tasks.
#[test]
fn a_decommissioning_that_it_missed_is_told_before_the_end_dc_07() {
    let mut rig = Rig::alive();
    let (first, _) = rig.join(worker("w1", 2, 8192));
    let (second, _) = rig.join(worker("w2", 2, 8192));
    let (session, _, effects) = rig.enter(client("d", 1));
    let launched = launched_executors(&effects);
    let on = |session| launched.iter().find(|(on, _)| *on == session).unwrap().1.executor.clone();
    let calls = recalled(&rig.send(Event::SessionClosed { session }));
    rig.tell(first, WorkerToMaster::Decommissioning);
    rig.tell(second, WorkerToMaster::Decommissioning);
    rig.tell(first, executor_ended(&on(first), ExecutorState::Exited, Some(0)));
    let told: Vec<_> = notices(&answered(&mut rig, &calls, 2).1)
        .into_iter()
        .filter_map(|notice| match notice {
            AppNotice::ExecutorUpdated { executor, state, worker_host, .. } => Some((executor, state, worker_host)),
            _ => None,
        })
        .collect();
    let (ended, live) = (on(first).id, on(second).id);
    assert_eq!(
        told,
        [
            (live, ExecutorState::Decommissioned, Some("host-w2".to_owned())),
            (ended, ExecutorState::Decommissioned, Some("host-w1".to_owned())),
            (ended, ExecutorState::Exited, None),
        ]
    );
}

#[test]
fn a_decommissioning_of_a_former_term_is_told_before_the_end_dc_07() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(worker("w1", 2, 8192));
    let executor = launched_executors(&rig.enter(client("d", 1)).2).remove(0).1.executor;
    rig.tell(session, WorkerToMaster::Decommissioning);
    let calls = recalled(&rig.fail_over(config()));
    let (session, _) = rig.join(RegisterWorker { decommissioned: true, ..worker("w1", 2, 8192) });
    rig.tell(session, executor_ended(&executor, ExecutorState::Exited, Some(1)));
    let told: Vec<_> = notices(&answered(&mut rig, &calls, 2).1)
        .into_iter()
        .filter_map(|notice| match notice {
            AppNotice::ExecutorUpdated { executor, state, .. } => Some((executor, state)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(executor.id, ExecutorState::Decommissioned), (executor.id, ExecutorState::Exited)]);
}

/// Where a driver listens is no secret.
#[test]
fn a_client_of_another_kind_does_not_come_back_to_an_application() {
    let mut rig = Rig::alive();
    let (driver, id, _) = rig.enter(client("d", 1));
    rig.enter(app("a", Some(2), 1024, Some(4)));
    let stranger = app("d", Some(2), 1024, Some(4));
    let knowing = RegisterApplication { known_as: Some(id), number: 9, ..stranger.clone() };
    for intruder in [stranger, knowing, client("a", 9)] {
        let session = rig.session();
        let effects = rig.say(session, AppToMaster::Register(Box::new(intruder)));
        let [Effect::ToApp { message: MasterToApp::RegistrationRefused { reason }, .. }, close] = effects.as_slice()
        else {
            panic!("{effects:?}")
        };
        assert!(reason.starts_with("endpoint: ") && reason.contains("speaks another protocol"), "{reason}");
        assert_eq!(*close, Effect::CloseSession { session });
    }
    let view = rig.view();
    assert!(view.apps.len() == 2 && view.apps.iter().all(|app| app.connected));
    assert_eq!(recalled(&rig.send(Event::SessionClosed { session: driver }))[0].0.endpoint, client("d", 1).endpoint);
}

#[test]
fn nothing_new_while_a_worker_may_have_executors_of_it() {
    let mut rig = Rig::alive();
    rig.join(worker("w1", 16, 8192));
    rig.enter(client("d", 1));
    let calls = recalled(&rig.fail_over(config()));
    let (_, effects) = answered(&mut rig, &calls, 2);
    assert!(launched_executors(&effects).is_empty());
    let (session, effects) = rig.join(worker("w2", 16, 8192));
    assert!(launched_executors(&effects).is_empty(), "its two executors are believed to run on the silent worker");
    // One that is new in this term has none from before.
    assert_eq!(launched_executors(&rig.enter(client("new", 3)).2).len(), 2);
    rig.pass(Duration::from_secs(50));
    rig.tell(session, WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 });
    let effects = rig.pass(Duration::from_secs(10));
    assert_eq!(launched_executors(&effects).len(), 2, "the silent worker is lost");
}

#[test]
fn a_client_that_is_gone_ends_its_application_at_once() {
    let mut rig = Rig::alive();
    let (session, id, _) = rig.enter(client("d", 1));
    rig.send(Event::SessionClosed { session });
    gone(&mut rig, &id, Some(session));
    assert_eq!(rig.view().ended_apps[0].state, ApplicationState::Finished, "nobody may come back in its place");
    let (_, other, _) = rig.enter(client("d", 2));
    assert_ne!(other, id);
}

#[test]
fn who_repeats_a_registration_on_its_connection_gets_the_same_id() {
    let mut rig = Rig::alive();
    let (session, id, _) = rig.enter(client("d", 1));
    let effects = rig.say(session, AppToMaster::Register(Box::new(client("d", 1))));
    let registered = effects.iter().any(
        |effect| matches!(effect, Effect::ToApp { message: MasterToApp::Registered(answer), .. } if answer.app == id),
    );
    assert!(registered && recalled(&effects).is_empty(), "{effects:?}");
}

/// The driver of a fixed port was restarted before anybody noticed: its connection may still seem open.
#[test]
fn another_process_at_the_same_address_inherits_nothing() {
    let mut rig = Rig::alive();
    rig.join(worker("w1", 16, 8192));
    let (former, id, _) = rig.enter(client("d", 1));
    let newcomer = rig.session();
    let register = AppToMaster::Register(Box::new(client("d", 2)));
    let effects = rig.say(newcomer, register.clone());
    assert!(says_standby(&effects) && effects.contains(&Effect::CloseSession { session: former }));
    assert_eq!(recalled(&effects)[0].1, Some(former), "the known one is asked whether it is still there");
    let effects = rig.say(newcomer, register.clone());
    assert!(says_standby(&effects) && recalled(&effects).is_empty(), "once");
    gone(&mut rig, &id, Some(former));
    let effects = rig.say(newcomer, register);
    let registered = effects.iter().find_map(|effect| match effect {
        Effect::ToApp { message: MasterToApp::Registered(answer), .. } => Some(answer.app.clone()),
        _ => None,
    });
    assert!(registered.is_some_and(|other| other != id));
    assert_eq!(rig.view().ended_apps[0].id, id);
}

/// A driver tells every master that it comes. What a standby has kept of that is out of date once the driver is heard.
#[test]
fn a_registration_from_before_the_answer_is_void() {
    let mut rig = Rig::alive();
    let (_, id, _) = rig.enter(client("d", 1));
    let calls = recalled(&rig.fail_over(config()));
    let kept = rig.session();
    let register = AppToMaster::Register(Box::new(client("d", 5)));
    assert!(says_standby(&rig.say(kept, register.clone())), "it is being called already");
    let (again, _) = answered(&mut rig, &calls, 9);
    assert_eq!(again, id);
    let effects = rig.say(kept, register);
    assert!(effects.contains(&Effect::CloseSession { session: kept }) && recalled(&effects).is_empty());
    assert!(rig.view().apps[0].connected);
}

#[test]
fn a_call_after_a_suspension_waits_for_the_proof_of_the_term() {
    let mut rig = Rig::alive();
    let (session, id, _) = rig.enter(client("d", 1));
    rig.send(Event::Suspended);
    assert_eq!(rig.send(Event::SessionClosed { session }), []);
    let effects = rig.send(Event::Resumed);
    assert_eq!(recalled(&effects)[0].0.known_as, Some(id));
    assert!(effects.iter().filter(|effect| matches!(effect, Effect::Recall { .. })).all(Effect::waits_for_commit));
}
