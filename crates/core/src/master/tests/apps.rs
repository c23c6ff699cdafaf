//! Applications and their executors (AP-*, EX-*, SC-14, the experiment of seed 001).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::rig::*;
use crate::ids::*;
use crate::master::{Effect, Event, Finding, MasterConfig, Peer};
use crate::model::*;
use crate::msg::*;
use crate::units::{Cores, Memory};

fn targets(pairs: &[(u32, u32)]) -> BTreeMap<ProfileId, u32> {
    pairs.iter().map(|(profile, target)| (ProfileId(*profile), *target)).collect()
}

fn request(pairs: &[(u32, u32)]) -> AppToMaster {
    AppToMaster::RequestExecutors { request: 1, profiles: Vec::new(), targets: targets(pairs) }
}

fn refused(rig: &mut Rig, registration: RegisterApplication) -> String {
    let session = rig.session();
    let effects = rig.say(session, AppToMaster::Register(Box::new(registration)));
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::ToApp { message: MasterToApp::RegistrationRefused { reason }, .. } => Some(reason.clone()),
            _ => None,
        })
        .expect("refused")
}

fn app_gone(rig: &mut Rig, session: SessionId, id: &AppId, finding: Finding) {
    rig.send(Event::SessionClosed { session });
    rig.send(Event::Probed { peer: Peer::App(id.clone()), session: Some(session), finding });
}

#[test]
fn the_experiment_of_seed_001() {
    let mut rig = Rig::alive();
    for n in 1..=4 {
        rig.join(worker(&format!("w{n}"), 8, 8192));
    }
    let (first, _, effects) = rig.enter(app("one", Some(4), 1024, Some(4)));
    assert_eq!(launched_executors(&effects).len(), 1);
    let (_, second, effects) = rig.enter(app("two", Some(6), 1024, Some(24)));
    assert_eq!(launched_executors(&effects).len(), 3, "the fourth worker has 4 cores left");
    // App 1 ends; its executor still occupies its worker until the worker says it is gone.
    let effects = rig.say(first, AppToMaster::Unregister);
    let killed = commands(&effects);
    let (session, executor) = killed
        .iter()
        .find_map(|(session, command)| match command {
            WorkerCommand::KillExecutor { executor } => Some((*session, executor.clone())),
            _ => None,
        })
        .unwrap();
    assert!(killed.iter().any(|(_, c)| matches!(c, WorkerCommand::ApplicationFinished { .. })), "DIR-03");
    let effects = rig.tell(session, executor_ended(&executor, ExecutorState::Killed, Some(143)));
    let fourth = launched_executors(&effects);
    assert_eq!(fourth.len(), 1);
    assert_eq!(fourth[0].1.executor, ExecutorRef { app: second, id: ExecutorId(3) });
}

#[test]
fn launch_tells_the_worker_then_the_application_sc_14() {
    let mut rig = Rig::alive();
    let (worker_session, _) = rig.join(worker("w1", 4, 1024));
    let (session, id, effects) = rig.enter(app("t", Some(2), 256, None));
    let order: Vec<String> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Persist(_) => "persist".to_owned(),
            Effect::ToApp { message: MasterToApp::Registered(_), .. } => "registered".to_owned(),
            Effect::ToWorker { session, .. } if *session == worker_session => "launch".to_owned(),
            Effect::ToApp { session: to, .. } if *to == session => "added".to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, ["persist", "registered", "persist", "launch", "added", "launch", "added"]);
    assert_eq!(rig.view().apps[0].state, ApplicationState::Running, "AP-04");
    let ids: Vec<u32> = launched_executors(&effects).iter().map(|(_, e)| e.executor.id.0).collect();
    assert_eq!(ids, [0, 1], "SC-19, of {id}");
}

#[test]
fn the_same_token_is_the_same_application_ap_02() {
    let mut rig = Rig::alive();
    let (session, id, _) = rig.enter(app("t", Some(2), 256, None));
    let (_, again, effects) = rig.enter(app("t", Some(2), 256, None));
    assert_eq!(id, again);
    assert!(effects.contains(&Effect::CloseSession { session }));
    assert_eq!(rig.view().apps.len(), 1);
}

#[test]
fn ids_follow_the_pattern_t_ms_25_t_ms_27() {
    let pattern = |text: &str| IdPattern::new("application id pattern", text, IdPattern::STAMP_COUNTER).unwrap();
    let mut rig = Rig::alive_with(MasterConfig { app_id_pattern: pattern("my-app-%2$05d"), ..config() });
    assert_eq!(rig.enter(app("a", None, 1, None)).1.as_str(), "my-app-10000");
    assert_eq!(rig.enter(app("b", None, 1, None)).1.as_str(), "my-app-10001");
    let modulo = MasterConfig { app_id_pattern: pattern("%2$d"), app_number_modulo: Some(1000), ..config() };
    let mut rig = Rig::alive_with(modulo);
    for n in 0..=2000u32 {
        let (session, id, _) = rig.enter(app(&format!("t{n}"), None, 1, None));
        assert_eq!(id.as_str(), (n % 1000).to_string());
        rig.say(session, AppToMaster::Unregister);
    }
}

#[test]
fn a_name_can_be_the_id_t_ms_28() {
    let mut rig = Rig::alive_with(MasterConfig { app_name_as_id: true, ..config() });
    assert_eq!(rig.enter(app("spark-45756", None, 1, None)).1.as_str(), "spark-45756");
    let twin = RegisterApplication { token: AppToken::new("other").unwrap(), ..app("spark-45756", None, 1, None) };
    assert_eq!(rig.enter(twin).1.as_str(), "spark-45756-1");
}

#[test]
fn targets_are_absolute_and_lowering_kills_nothing_ap_08() {
    let mut rig = Rig::alive();
    rig.join(worker("w1", 10, 2048));
    rig.join(worker("w2", 10, 2048));
    let limited = RegisterApplication { targets: targets(&[(0, 0)]), ..app("t", Some(5), 256, None) };
    let (session, _, effects) = rig.enter(limited);
    assert!(launched_executors(&effects).is_empty(), "AP-10: dynamic allocation starts with none");
    assert_eq!(launched_executors(&rig.say(session, request(&[(0, 1)]))).len(), 1);
    assert_eq!(launched_executors(&rig.say(session, request(&[(0, 3)]))).len(), 2);
    let effects = rig.say(session, request(&[(0, 1)]));
    assert!(commands(&effects).is_empty());
    assert_eq!(notices(&effects), vec![AppNotice::Answer { request: 1, accepted: true }]);
    assert_eq!(launched_executors(&rig.say(session, request(&[(0, 1000)]))).len(), 1, "T-DA-01: no room for more");
    let unknown_profile = notices(&rig.say(session, request(&[(7, 1)])));
    assert_eq!(unknown_profile, vec![AppNotice::Answer { request: 1, accepted: false }]);
}

#[test]
fn killing_executors_ap_09_t_da_06() {
    let mut rig = Rig::alive();
    let (worker_session, _) = rig.join(worker("w1", 2, 2048));
    let (session, id, effects) = rig.enter(app("t", Some(1), 256, None));
    let two = launched_executors(&effects);
    rig.say(session, request(&[(0, 1)]));
    let kill = |executor: u32| AppToMaster::KillExecutors { request: 2, executors: vec![ExecutorId(executor)] };
    let effects = rig.say(session, kill(0));
    let expected = WorkerCommand::KillExecutor { executor: ExecutorRef { app: id, id: ExecutorId(0) } };
    assert_eq!(commands(&effects), vec![(worker_session, expected)]);
    assert!(commands(&rig.say(session, kill(0))).is_empty(), "a second time there is nothing to kill");
    assert!(commands(&rig.say(session, kill(99))).is_empty());
    assert_eq!(rig.view().apps[0].executors.len(), 1);
    assert_eq!(rig.view().workers[0].cores_used.0, 2, "it occupies its worker until it has ended");
    let effects = rig.tell(worker_session, executor_ended(&two[0].1.executor, ExecutorState::Killed, Some(143)));
    assert!(launched_executors(&effects).is_empty(), "T-DA-06: the limit was lowered to one");
    assert_eq!(rig.view().workers[0].cores_used.0, 1);
}

#[test]
fn profiles_beside_the_default_one_t_ac_02() {
    let mut rig = Rig::alive();
    rig.join(worker("w1", 10, 4096));
    let (session, _, _) =
        rig.enter(RegisterApplication { targets: targets(&[(0, 0)]), ..app("t", Some(1), 512, None) });
    let second = ResourceProfile {
        id: ProfileId(1),
        memory: Some(Memory::mib(1024)),
        cores: Some(Cores(5)),
        ..ResourceProfile::default()
    };
    let effects = rig.say(
        session,
        AppToMaster::RequestExecutors { request: 1, profiles: vec![second], targets: targets(&[(0, 1), (1, 2)]) },
    );
    let mut got: Vec<_> =
        launched_executors(&effects).into_iter().map(|(_, e)| (e.profile.0, e.cores.0, e.memory.as_mib())).collect();
    got.sort_unstable();
    assert_eq!(got, [(0, 1, 512), (1, 5, 1024)]);
    assert_eq!(rig.view().apps[0].executor_limit, Some(3));
}

/// A record that cannot be stored would end the term, and every term after it.
#[test]
fn profiles_beyond_the_room_of_a_record_are_refused_ap_08() {
    let mut rig = Rig::alive();
    let (session, _, _) =
        rig.enter(RegisterApplication { targets: targets(&[(0, 0)]), ..app("t", Some(1), 512, None) });
    let mut accepted = Vec::new();
    for id in 1..=40 {
        let resources = Amounts::new((0..10).map(|n| (format!("{n:0>256}"), 1)));
        let profile = ResourceProfile { id: ProfileId(id), resources, ..ResourceProfile::default() };
        let asked = AppToMaster::RequestExecutors { request: 1, profiles: vec![profile], targets: targets(&[(id, 0)]) };
        let effects = rig.say(session, asked);
        let answers = effects.iter().filter_map(|effect| match effect {
            Effect::ToApp { message: MasterToApp::Notice(notice), .. } => match notice.body {
                AppNotice::Answer { accepted, .. } => Some(accepted),
                _ => None,
            },
            _ => None,
        });
        accepted.extend(answers);
    }
    assert_eq!(accepted, [vec![true; 4], vec![false; 36]].concat());
}

/// What a program of Java takes outside its heap is booked, and its heap is the rest.
#[test]
fn memory_beside_the_heap_is_booked_too_rs_05() {
    let mut rig = Rig::alive();
    rig.join(worker("w1", 10, 4096));
    let mut registration = RegisterApplication { targets: targets(&[(0, 1)]), ..app("t", Some(1), 512, None) };
    Arc::make_mut(&mut registration.description).default_profile.overhead = Some(Memory::mib(384));
    let (session, _, first) = rig.enter(registration);
    let profile = |id, memory, overhead: Option<u64>| ResourceProfile {
        id: ProfileId(id),
        memory,
        overhead: overhead.map(Memory::mib),
        ..ResourceProfile::default()
    };
    let profiles = vec![profile(1, None, None), profile(2, Some(Memory::mib(1024)), Some(0))];
    let wanted = targets(&[(1, 1), (2, 1)]);
    let more = rig.say(session, AppToMaster::RequestExecutors { request: 1, profiles, targets: wanted });
    let mut launched: Vec<_> = [first, more]
        .iter()
        .flat_map(|effects| commands(effects))
        .filter_map(|(_, command)| match command {
            WorkerCommand::LaunchExecutor { executor, heap, .. } => {
                Some((executor.profile.0, executor.memory.as_mib(), heap.as_mib()))
            }
            _ => None,
        })
        .collect();
    launched.sort_unstable();
    assert_eq!(launched, [(0, 896, 512), (1, 896, 512), (2, 1024, 1024)]);
    assert_eq!(rig.view().workers[0].memory_used, Memory::mib(896 + 896 + 1024));
}

#[test]
fn failing_executors_end_the_application_t_rc_05() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(worker("w1", 10, 3702));
    let (_, id, effects) = rig.enter(app("t", None, 1024, None));
    let mut launched = launched_executors(&effects);
    for failure in 1..=10 {
        let executor = launched.remove(0).1.executor;
        assert_eq!(executor.id.0, failure - 1);
        launched = launched_executors(&rig.tell(session, executor_ended(&executor, ExecutorState::Failed, None)));
    }
    assert!(launched.is_empty());
    assert!(rig.view().apps.is_empty());
    let ended = rig.view().ended_apps.remove(0);
    assert_eq!((ended.id, ended.state), (id, ApplicationState::Failed));
}

#[test]
fn a_running_executor_forgives_failures_ex_02_ex_03() {
    let mut rig = Rig::alive_with(MasterConfig { max_executor_retries: Some(2), ..config() });
    let (session, _) = rig.join(worker("w1", 2, 2048));
    let (_, _, effects) = rig.enter(app("t", Some(1), 256, None));
    let two = launched_executors(&effects);
    let running = |executor: &ExecutorRef| executor_ended(executor, ExecutorState::Running, None);
    let forwarded = rig.tell(session, running(&two[0].1.executor));
    assert!(matches!(notices(&forwarded)[..], [AppNotice::ExecutorUpdated { state: ExecutorState::Running, .. }]));
    let again = rig.tell(session, running(&two[0].1.executor));
    assert!(notices(&again).is_empty(), "a repeated report changes nothing");
    let mut failing = two[1].1.executor.clone();
    for _ in 0..5 {
        let effects = rig.tell(session, executor_ended(&failing, ExecutorState::Exited, Some(1)));
        failing = launched_executors(&effects).remove(0).1.executor;
    }
    assert_eq!(rig.view().apps.len(), 1, "one of its executors runs");
    rig.tell(session, executor_ended(&two[0].1.executor, ExecutorState::Exited, Some(0)));
    rig.tell(session, executor_ended(&failing, ExecutorState::Exited, Some(1)));
    assert!(rig.view().apps.is_empty());
}

/// As a worker of Spark tells those that it has ended before itself.
#[test]
fn executors_that_are_lost_with_their_worker_are_no_failures_of_their_application_ex_03() {
    let mut rig = Rig::alive_with(MasterConfig { max_executor_retries: Some(1), ..config() });
    let (session, _) = rig.join(worker("w1", 2, 2048));
    let (_, _, effects) = rig.enter(app("t", Some(1), 256, None));
    for (_, launched) in launched_executors(&effects) {
        rig.tell(session, executor_ended(&launched.executor, ExecutorState::Lost, None));
    }
    assert_eq!(rig.view().apps.len(), 1);
}

#[test]
fn a_lost_worker_costs_its_executors_and_they_are_replaced_hb_05() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(worker("w1", 2, 2048));
    let (_, id, _) = rig.enter(app("t", Some(1), 256, Some(2)));
    rig.join(worker("w2", 2, 2048));
    rig.send(Event::SessionClosed { session });
    let peer = Peer::Worker(WorkerId::new("w1").unwrap());
    let effects = rig.send(Event::Probed { peer, session: Some(session), finding: Finding::Gone });
    let lost = notices(&effects)
        .into_iter()
        .filter(|n| matches!(n, AppNotice::ExecutorUpdated { state: ExecutorState::Lost, worker_host: Some(_), .. }))
        .count();
    assert_eq!(lost, 2);
    assert!(notices(&effects).iter().any(|n| matches!(n, AppNotice::WorkerRemoved { .. })));
    let new: Vec<ExecutorRef> = launched_executors(&effects).into_iter().map(|(_, e)| e.executor).collect();
    let expected = [2, 3].map(|n| ExecutorRef { app: id.clone(), id: ExecutorId(n) });
    assert_eq!(new, expected, "I8: numbers are never used again");
}

#[test]
fn a_client_that_is_gone_may_restart_for_a_while_ap_05() {
    let mut rig = Rig::alive();
    rig.join(worker("w1", 1, 2048));
    let (session, id, _) = rig.enter(RegisterApplication { number: 9, ..app("t", Some(1), 256, None) });
    app_gone(&mut rig, session, &id, Finding::Gone);
    assert_eq!(rig.view().apps[0].state, ApplicationState::Unreachable);
    rig.pass(Duration::from_secs(4));
    let (later, again, _) =
        rig.enter(RegisterApplication { executors: vec![ExecutorId(0)], ..app("t", Some(1), 256, None) });
    assert_eq!(id, again);
    rig.send(Event::SessionClosed { session: later });
    let peer = Peer::App(id.clone());
    rig.send(Event::Probed { peer, session: Some(session), finding: Finding::Gone });
    rig.pass(Duration::from_secs(20));
    assert_eq!(rig.view().apps.len(), 1, "a finding from before its last session is void");
    let (session, _, _) =
        rig.enter(RegisterApplication { executors: vec![ExecutorId(0)], ..app("t", Some(1), 256, None) });
    assert_eq!(rig.view().apps[0].executors.len(), 1);
    app_gone(&mut rig, session, &id, Finding::Gone);
    let effects = rig.pass(Duration::from_secs(5));
    assert!(commands(&effects).iter().any(|(_, c)| matches!(c, WorkerCommand::KillExecutor { .. })));
    assert_eq!(rig.view().ended_apps[0].state, ApplicationState::Finished);
    let late = RegisterApplication { known_as: Some(id.clone()), ..app("t", Some(1), 256, None) };
    assert_eq!(refused(&mut rig, late), format!("application {id} has ended"), "ended work never comes back (I7)");
}

#[test]
fn a_client_that_is_silent_is_kept_for_ten_minutes() {
    let mut rig = Rig::alive();
    let (worker_session, _) = rig.join(worker("w1", 1, 2048));
    let (session, id, _) = rig.enter(app("t", Some(1), 256, None));
    app_gone(&mut rig, session, &id, Finding::Silent);
    for _ in 0..20 {
        assert_eq!(rig.view().apps[0].executors.len(), 1);
        rig.pass(Duration::from_secs(30));
        rig.tell(worker_session, WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 });
    }
    assert!(rig.view().apps.is_empty());
}

#[test]
fn what_it_missed_is_told_when_it_is_back() {
    let mut rig = Rig::alive();
    let (worker_session, _) = rig.join(worker("w1", 1, 2048));
    let (session, id, effects) = rig.enter(app("t", Some(1), 256, None));
    let first = launched_executors(&effects).remove(0).1.executor;
    app_gone(&mut rig, session, &id, Finding::Silent);
    let effects = rig.tell(worker_session, executor_ended(&first, ExecutorState::Exited, Some(1)));
    assert!(launched_executors(&effects).is_empty(), "nothing new for an application that cannot be told");
    let (_, _, effects) = rig.enter(RegisterApplication { executors: vec![first.id], ..app("t", Some(1), 256, None) });
    let ended = AppNotice::ExecutorUpdated {
        executor: first.id,
        state: ExecutorState::Exited,
        message: None,
        exit_status: None,
        worker_host: None,
    };
    assert!(notices(&effects).contains(&ended), "{effects:?}");
    assert_eq!(launched_executors(&effects).len(), 1);
}

#[test]
fn an_operator_can_end_one_ap_11() {
    let mut rig = Rig::alive();
    let (_, id, _) = rig.enter(app("t", Some(1), 256, None));
    let (reply, effects) = rig.request(ClientRequest::KillApplication { app: id.clone() });
    assert!(matches!(reply, ClientReply::KillRequested { found: true, .. }));
    assert!(notices(&effects).iter().any(|n| matches!(n, AppNotice::ApplicationRemoved { .. })));
    assert_eq!(rig.view().ended_apps[0].state, ApplicationState::Killed);
    assert!(matches!(
        rig.request(ClientRequest::KillApplication { app: id }).0,
        ClientReply::KillRequested { found: false, .. }
    ));
}

#[test]
fn unfit_registrations_name_the_field() {
    let mut rig = Rig::alive();
    let zero_cores = app("t", Some(0), 256, None);
    let no_memory = app("t", None, 0, None);
    let no_core_at_all = app("t", None, 256, Some(0));
    let cases = [
        (zero_cores, "default_profile.cores"),
        (no_memory, "default_profile.memory"),
        (no_core_at_all, "max_cores"),
        (RegisterApplication { profiles: vec![ResourceProfile::default()], ..app("t", None, 1, None) }, "profiles"),
        (RegisterApplication { endpoint: String::new().into(), ..app("t", None, 1, None) }, "endpoint"),
        (RegisterApplication { protocol: 0, ..app("t", None, 1, None) }, "protocol version 0"),
        (RegisterApplication { cluster: Some(ClusterId::new("x").unwrap()), ..app("t", None, 1, None) }, "cluster x"),
    ];
    for (registration, field) in cases {
        let reason = refused(&mut rig, registration);
        assert!(reason.contains(field), "{reason}");
    }
}

#[test]
fn an_applications_registration_that_was_overtaken_is_void_ap_08() {
    let mut rig = Rig::alive();
    let wants =
        |number, total| RegisterApplication { number, targets: targets(&[(0, total)]), ..app("t", Some(1), 256, None) };
    rig.enter(wants(1, 3));
    let overtaken = rig.session();
    let (session, _, _) = rig.enter(wants(3, 1));
    let late = AppToMaster::Register(Box::new(wants(2, 3)));
    assert_eq!(rig.say(overtaken, late), [Effect::CloseSession { session: overtaken }]);
    assert_eq!(rig.view().apps[0].executor_limit, Some(1));
    let seen = Effect::ToApp { session, message: MasterToApp::HeartbeatSeen };
    assert_eq!(rig.say(session, AppToMaster::Heartbeat), [seen], "the later session stands");
}

#[test]
fn what_has_ended_and_was_forgotten_does_not_come_back_i7() {
    let mut rig = Rig::alive();
    let (_, id, _) = rig.enter(app("t", None, 1, None));
    rig.request(ClientRequest::KillApplication { app: id.clone() });
    rig.request(ClientRequest::ClearCompleted);
    let heard = rig.leader().term;
    let back =
        RegisterApplication { known_as: Some(id.clone()), heard: Some(heard.clone()), ..app("t", None, 1, None) };
    let session = rig.session();
    let effects = rig.say(session, AppToMaster::Register(Box::new(back.clone())));
    assert!(matches!(
        &effects[0],
        Effect::ToApp { message: MasterToApp::RegistrationRefused { reason }, .. } if reason.contains("has ended")
    ));
    let before = Term { generation: Generation(0), epoch: Epoch(0), ..heard };
    rig.generation = 1;
    rig.elect();
    let (_, same, _) = rig.enter(RegisterApplication { heard: Some(before), ..back });
    assert_eq!(same, id, "a restored store may be older than the application");
}

#[test]
fn a_client_that_has_heard_of_a_higher_term_makes_us_step_down_i9() {
    let mut rig = Rig::alive();
    let heard = Term { epoch: Epoch(99), ..rig.leader().term };
    let session = rig.session();
    let registration = RegisterApplication { heard: Some(heard), ..app("t", None, 1, None) };
    let effects = rig.say(session, AppToMaster::Register(Box::new(registration)));
    assert!(matches!(effects[..], [Effect::StepDown { .. }]), "{effects:?}");
}
