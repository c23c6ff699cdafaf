//! Registration, silence, loss (WR-*, HB-*).

use std::time::Duration;

use super::rig::*;
use crate::ids::*;
use crate::master::{Effect, Event, Finding, Peer};
use crate::model::*;
use crate::msg::*;

fn registered(effects: &[Effect]) -> Option<RegisteredWorker> {
    effects.iter().find_map(|effect| match effect {
        Effect::ToWorker { message: MasterToWorker::Registered(answer), .. } => Some((**answer).clone()),
        _ => None,
    })
}

fn refusal(effects: &[Effect]) -> String {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::ToWorker { message: MasterToWorker::RegistrationRefused { reason }, .. } => Some(reason.clone()),
            _ => None,
        })
        .expect("refused")
}

fn gone(id: &str, asked: SessionId) -> Event {
    let peer = Peer::Worker(WorkerId::new(id).unwrap());
    Event::Probed { peer, session: Some(asked), finding: Finding::Gone }
}

#[test]
fn a_standby_answers_with_the_leader_and_keeps_nothing_t_rc_12() {
    let mut rig = Rig::standby(config());
    let leader = rig.leader();
    rig.send(Event::LeaderSeen(Some(leader.clone())));
    let (session, effects) = rig.join(worker("w1", 4, 1024));
    let message = MasterToWorker::Standby { leader: Some(leader) };
    assert_eq!(effects, vec![Effect::ToWorker { session, message }]);
    assert!(rig.view().workers.is_empty());
}

#[test]
fn the_address_used_is_echoed_t_rc_04() {
    let mut rig = Rig::alive();
    let registration = RegisterWorker { master_address: "localhost2:10000".to_owned(), ..worker("w1", 4, 1024) };
    let (_, effects) = rig.join(registration);
    let answer = registered(&effects).unwrap();
    assert_eq!(answer.master_address, "localhost2:10000");
    assert!(!answer.duplicate);
    assert_eq!(answer.heartbeat_every, Duration::from_secs(15), "HB-01");
}

#[test]
fn the_same_id_again_replaces_the_session_wr_09() {
    let mut rig = Rig::alive();
    let (first, _) = rig.join(worker("w1", 4, 1024));
    let (_, effects) = rig.join(worker("w1", 4, 1024));
    assert!(registered(&effects).unwrap().duplicate);
    assert!(effects.contains(&Effect::CloseSession { session: first }));
    let late = rig.send(Event::SessionClosed { session: first });
    assert!(late.is_empty(), "the end of the replaced session means nothing");
    assert_eq!(rig.view().workers.len(), 1, "I4");
}

#[test]
fn a_new_id_at_a_known_address_replaces_it_rc_18() {
    let mut rig = Rig::alive();
    let place = |id: &str| RegisterWorker { host: "h".to_owned(), ..worker(id, 4, 1024) };
    rig.join(place("w1"));
    let (id, _) = rig.submit(driver(1, 1));
    let (_, effects) = rig.join(place("w2"));
    assert!(registered(&effects).is_some());
    assert_eq!(rig.view().workers.len(), 1, "the old entry is not even listed as dead (WR-11)");
    assert_eq!(rig.status(&id).state, DriverState::Error);
}

#[test]
fn unknown_work_is_told_to_end_t_ms_22() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(worker("w1", 10, 128));
    let stranger = |n: u32| ExecutorDescription {
        executor: ExecutorRef { app: AppId::new(&n.to_string()).unwrap(), id: ExecutorId(n) },
        profile: ProfileId(0),
        cores: crate::units::Cores(1),
        memory: crate::units::Memory::mib(1),
        resources: Addresses::default(),
        state: ExecutorState::Running,
    };
    let lone = |n: u32| DriverOnWorker {
        driver: DriverId::new(&n.to_string()).unwrap(),
        attempt: Attempt(1),
        state: DriverState::Running,
        booking: Booking::default(),
    };
    let (executors, drivers) = ((0..3).map(stranger).collect(), (0..2).map(lone).collect());
    let inventory = Inventory { executors, drivers, ..Inventory::default() };
    let effects = rig.tell(session, WorkerToMaster::Inventory(inventory));
    let told: Vec<WorkerCommand> = commands(&effects).into_iter().map(|(_, command)| command).collect();
    let mut expected: Vec<WorkerCommand> = (0..2)
        .map(|n| WorkerCommand::KillDriver { driver: DriverId::new(&n.to_string()).unwrap(), attempt: Attempt(1) })
        .collect();
    expected.extend((0..3).map(|n| WorkerCommand::KillExecutor { executor: stranger(n).executor }));
    assert_eq!(told, expected);
    assert_eq!(rig.view().workers[0].cores_used.0, 3, "what is ending occupies its place until it has ended");
    rig.tell(session, executor_ended(&stranger(1).executor, ExecutorState::Killed, Some(143)));
    assert_eq!(rig.view().workers[0].cores_used.0, 2);
}

#[test]
fn silence_ends_in_loss_after_the_time_out_and_not_before_hb_02() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(worker("w1", 4, 1024));
    rig.pass(Duration::from_secs(59));
    let effects = rig.tell(session, WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 });
    assert!(!effects.iter().any(Effect::waits_for_commit), "heartbeats pass the barrier");
    rig.pass(Duration::from_secs(59));
    assert_eq!(rig.view().workers[0].state, WorkerState::Alive);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.view().workers[0].state, WorkerState::Dead);
    rig.pass(Duration::from_secs(16 * 60));
    assert!(rig.view().workers.is_empty(), "HB-04");
}

#[test]
fn who_is_not_known_is_asked_to_register_hb_06() {
    let mut rig = Rig::alive();
    let session = rig.session();
    let effects = rig.tell(session, WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 });
    assert_eq!(effects, vec![Effect::ToWorker { session, message: MasterToWorker::Reconnect }]);
}

#[test]
fn a_broken_session_is_no_death_and_a_refused_endpoint_is_hb_03() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(worker("w1", 4, 1024));
    let effects = rig.send(Event::SessionClosed { session });
    let peer = Peer::Worker(WorkerId::new("w1").unwrap());
    let probe =
        |session| Effect::Probe { peer: peer.clone(), endpoint: "host-w1:7078".to_owned(), session: Some(session) };
    assert_eq!(effects, vec![probe(session)]);
    let (id, effects) = rig.submit(driver(1, 1));
    assert!(launched_drivers(&effects).is_empty(), "nothing is placed where it cannot be heard of");
    rig.send(Event::Probed { peer: peer.clone(), session: Some(session), finding: Finding::Silent });
    assert_eq!(rig.view().workers[0].state, WorkerState::Alive);
    let (_, effects) = rig.join(worker("w1", 4, 1024));
    assert_eq!(launched_drivers(&effects).len(), 1, "back, and {id} is placed");
    rig.send(gone("w1", session));
    assert_eq!(rig.view().workers[0].state, WorkerState::Alive, "a late finding about a worker that is back");
    let later = SessionId(2);
    assert_eq!(rig.send(Event::SessionClosed { session: later }), vec![probe(later)]);
    rig.send(gone("w1", session));
    assert_eq!(rig.view().workers[0].state, WorkerState::Alive, "a finding from before its last session is void");
    rig.send(gone("w1", later));
    assert_eq!(rig.view().workers[0].state, WorkerState::Dead);
}

#[test]
fn many_silent_workers_are_given_up_slowly() {
    let mut rig = Rig::alive();
    for n in 0..40 {
        rig.join(worker(&format!("w{n:02}"), 4, 1024));
    }
    let dead = |rig: &Rig| rig.view().workers.iter().filter(|w| w.state == WorkerState::Dead).count();
    rig.pass(Duration::from_secs(61));
    assert_eq!(dead(&rig), 4, "10 % of 40");
    rig.pass(Duration::from_secs(60));
    assert_eq!(dead(&rig), 7, "10 % of the 36 that are left");
}

#[test]
fn misfits_are_told_field_value_and_what_is_allowed() {
    let mut rig = Rig::alive();
    let cases = [
        (RegisterWorker { protocol: 9, ..worker("w", 1, 1) }, "protocol version 9"),
        (RegisterWorker { cluster: Some(ClusterId::new("other").unwrap()), ..worker("w", 1, 1) }, "cluster other"),
        (worker("w", 0, 1), "cores = 0"),
        (worker("w", 1, 0), "memory = 0m"),
        (RegisterWorker { port: 0, ..worker("w", 1, 1) }, "1-65535"),
    ];
    for (registration, text) in cases {
        let (session, effects) = rig.join(registration);
        assert!(refusal(&effects).contains(text), "{effects:?}");
        assert!(effects.contains(&Effect::CloseSession { session }));
    }
    assert!(rig.view().workers.is_empty());
}

#[test]
fn a_worker_that_obeys_a_higher_term_ends_this_one_i9() {
    let mut rig = Rig::alive();
    let mut heard = rig.leader().term;
    heard.epoch = heard.epoch.next();
    let (_, effects) = rig.join(RegisterWorker { heard: Some(heard.clone()), ..worker("w1", 1, 1) });
    assert!(matches!(effects.as_slice(), [Effect::StepDown { .. }]), "{effects:?}");
    let (session, _) = rig.join(worker("w1", 1, 1));
    let of = rig.leader().term;
    rig.tell(session, WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 3 });
    assert_eq!(rig.view().workers[0].refused_commands, 3);
    let effects = rig.tell(session, WorkerToMaster::StaleCommand { command: CommandId(1), of, heard });
    assert!(matches!(effects.as_slice(), [Effect::StepDown { .. }]), "{effects:?}");
}

#[test]
fn a_worker_without_disk_space_gets_nothing_new() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(worker("w1", 4, 1024));
    rig.tell(session, WorkerToMaster::Heartbeat { accepts_work: false, refused_commands: 0 });
    let (_, effects) = rig.submit(driver(1, 1));
    assert!(commands(&effects).is_empty());
    let effects = rig.tell(session, WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 });
    assert_eq!(launched_drivers(&effects).len(), 1);
}

#[test]
fn suspended_means_nothing_is_decided_and_nothing_is_lost() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(worker("w1", 4, 1024));
    let (id, effects) = rig.submit(driver(1, 1));
    let running = launched_drivers(&effects).remove(0).1;
    rig.send(Event::Suspended);
    assert_eq!(rig.master.role(), MasterRole::Suspended);
    assert!(rig.tell(session, driver_ended(&running, DriverState::Finished, Some(0))).is_empty(), "not acknowledged");
    let (reply, _) = rig.request(ClientRequest::SubmitDriver { request: None, description: Box::new(driver(1, 1)) });
    assert!(matches!(reply, ClientReply::NotLeading(NotLeading { role: MasterRole::Suspended, .. })));
    rig.pass(Duration::from_secs(600));
    rig.send(Event::Resumed);
    rig.pass(Duration::from_secs(30));
    assert_eq!(rig.view().workers[0].state, WorkerState::Alive, "ten deaf minutes are nobody's silence");
    assert_eq!(rig.status(&id).state, DriverState::Running);
    rig.tell(session, driver_ended(&running, DriverState::Finished, Some(0)));
    assert_eq!(rig.status(&id).state, DriverState::Finished);
}

#[test]
fn whose_session_broke_during_suspension_is_asked_afterwards() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(worker("w1", 4, 1024));
    let (app_session, app, _) = rig.enter(app("t", Some(1), 256, None));
    rig.send(Event::Suspended);
    assert!(rig.send(Event::SessionClosed { session }).is_empty());
    rig.send(Event::SessionClosed { session: app_session });
    let effects = rig.send(Event::Resumed);
    let w1 = Peer::Worker(WorkerId::new("w1").unwrap());
    for (peer, endpoint, latest) in [(w1, "host-w1:7078", session), (Peer::App(app), "t:1", app_session)] {
        let probe = Effect::Probe { peer, endpoint: endpoint.to_owned(), session: Some(latest) };
        assert!(effects.contains(&probe), "{effects:?}");
    }
}

#[test]
fn a_start_that_a_suspended_leader_hears_counts_rc_13() {
    let mut rig = Rig::alive();
    let (session, _) = rig.join(worker("w1", 4, 1024));
    let (id, effects) = rig.submit(driver(1, 1));
    let DriverOnWorker { driver, attempt, .. } = launched_drivers(&effects).remove(0).1;
    rig.send(Event::Suspended);
    rig.tell(session, WorkerToMaster::DriverStarted { driver, attempt });
    rig.send(Event::Resumed);
    let (_, effects) = rig.join(RegisterWorker { incarnation: Incarnation(2), ..worker("w1", 4, 1024) });
    assert!(launched_drivers(&effects).is_empty(), "it has run: it is not begun again unless it is supervised");
    assert_eq!(rig.status(&id).state, DriverState::Error);
}

#[test]
fn an_application_that_was_cut_off_during_suspension_gets_nothing_until_it_is_back() {
    let mut rig = Rig::alive();
    let (session, _, _) = rig.enter(app("t", Some(1), 256, None));
    rig.send(Event::Suspended);
    rig.send(Event::SessionClosed { session });
    rig.send(Event::Resumed);
    let (_, effects) = rig.join(worker("w1", 4, 1024));
    assert!(launched_executors(&effects).is_empty(), "its client cannot be told");
    let (_, _, effects) = rig.enter(app("t", Some(1), 256, None));
    assert_eq!(launched_executors(&effects).len(), 4);
}

#[test]
fn a_client_that_was_gone_before_a_suspension_has_its_grace_after_it() {
    let mut rig = Rig::alive();
    let (session, id, _) = rig.enter(app("t", None, 1, None));
    rig.send(Event::SessionClosed { session });
    rig.send(Event::Probed { peer: Peer::App(id.clone()), session: Some(session), finding: Finding::Gone });
    rig.send(Event::Suspended);
    rig.pass(Duration::from_secs(60));
    rig.send(Event::Resumed);
    rig.pass(Duration::from_secs(4));
    assert_eq!(rig.view().apps.len(), 1, "it could not come back while nobody was taken in");
    rig.send(Event::Probed { peer: Peer::App(id), session: Some(session), finding: Finding::Gone });
    rig.pass(Duration::from_secs(6));
    assert!(rig.view().apps.is_empty());
}

#[test]
fn whoever_obeys_another_term_of_our_rank_makes_us_step_down_i9() {
    let mut rig = Rig::alive();
    let other = Term { nonce: Nonce::new("other").unwrap(), ..rig.leader().term };
    let message = |heard: Term| {
        let registration = RegisterWorker { heard: Some(heard), ..worker("w1", 1, 1) };
        WorkerToMaster::Register(Box::new(registration))
    };
    let session = rig.session();
    assert!(matches!(rig.tell(session, message(other))[..], [Effect::StepDown { .. }]));
    let ours = rig.leader().term;
    assert!(rig.tell(session, message(ours)).iter().all(|effect| !matches!(effect, Effect::StepDown { .. })));
}

#[test]
fn a_registration_that_was_overtaken_by_a_later_one_is_void_i4_i6() {
    let mut rig = Rig::alive();
    rig.enter(app("t", Some(1), 256, Some(1)));
    let overtaken = rig.session();
    let (session, effects) = rig.join(RegisterWorker { number: 2, ..worker("w1", 4, 1024) });
    assert_eq!(launched_executors(&effects).len(), 1);
    // Sent earlier on a session that has been closed since: without the executor.
    let message = WorkerToMaster::Register(Box::new(RegisterWorker { number: 1, ..worker("w1", 4, 1024) }));
    assert_eq!(rig.tell(overtaken, message), [Effect::CloseSession { session: overtaken }]);
    assert!(rig.send(Event::SessionClosed { session: overtaken }).is_empty());
    let heartbeat = WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 };
    let seen = Effect::ToWorker { session, message: MasterToWorker::HeartbeatSeen };
    assert_eq!(rig.tell(session, heartbeat), [seen], "the later session stands");
    assert_eq!(rig.view().apps[0].executors.len(), 1);
    let restarted = RegisterWorker { incarnation: Incarnation(2), number: 1, ..worker("w1", 4, 1024) };
    assert!(registered(&rig.join(restarted).1).is_some(), "another process counts for itself");
}

/// Found by the model: what a process has sent before it died may arrive after its successor's registration.
#[test]
fn what_a_dead_process_has_sent_is_void_once_its_successor_was_heard_i3() {
    for id in ["w1", "w1-started-earlier"] {
        let mut rig = Rig::alive();
        let (session, _) = rig.join(RegisterWorker { incarnation: Incarnation(2), ..worker("w1", 4, 1024) });
        let (driver, effects) = rig.submit(driver(1, 1));
        let DriverOnWorker { attempt, .. } = launched_drivers(&effects).remove(0).1;
        rig.tell(session, WorkerToMaster::DriverStarted { driver: driver.clone(), attempt });
        rig.join(worker("w2", 4, 1024));
        let there = worker("w1", 4, 1024);
        let late = RegisterWorker { id: WorkerId::new(id).unwrap(), incarnation: Incarnation(1), number: 9, ..there };
        let (dead, effects) = rig.join(late);
        assert_eq!(effects, [Effect::CloseSession { session: dead }], "{id}");
        assert_eq!(rig.status(&driver).attempt, Attempt(1), "{id}: it runs where it runs");
    }
}

#[test]
fn a_worker_is_taken_once_it_knows_the_term_protocol_4() {
    let mut rig = Rig::alive();
    let before = rig.leader().term;
    rig.join(worker("w1", 4, 1024));
    let (id, effects) = rig.submit(driver(1, 1));
    let DriverOnWorker { driver, attempt, .. } = launched_drivers(&effects).remove(0).1;
    let (session, _) = rig.join(worker("w1", 4, 1024));
    rig.tell(session, WorkerToMaster::DriverStarted { driver, attempt });
    rig.fail_over(config());
    // Sent to this master when it was a standby, before the driver was launched; it arrives only now.
    for heard in [None, Some(before)] {
        let session = rig.session();
        let late = WorkerToMaster::Register(Box::new(RegisterWorker { heard, ..worker("w1", 4, 1024) }));
        let leader = Some(rig.leader());
        let told = Effect::ToWorker { session, message: MasterToWorker::Standby { leader } };
        assert_eq!(rig.tell(session, late), [told]);
    }
    assert_eq!(rig.status(&id).state, DriverState::Unknown, "what it says of what runs is out of date");
}

#[test]
fn two_workers_with_one_id_the_one_that_works_keeps_it() {
    let mut rig = Rig::alive();
    let (first, effects) = rig.join(worker("w1", 4, 1024));
    assert!(registered(&effects).is_some());
    let (driver, _) = rig.submit(driver(1, 1));
    let rival =
        || RegisterWorker { incarnation: Incarnation(2), host: "elsewhere".to_owned(), ..worker("w1", 4, 1024) };
    // Perhaps the first one is just ending: its endpoint is asked, and the second one tries again.
    let peer = Peer::Worker(WorkerId::new("w1").unwrap());
    let (session, effects) = rig.join(rival());
    let probe = Effect::Probe { peer: peer.clone(), endpoint: "host-w1:7078".to_owned(), session: Some(first) };
    assert_eq!(effects, [probe, Effect::CloseSession { session }]);
    rig.send(Event::Probed { peer, session: Some(first), finding: Finding::Alive });
    let (_, effects) = rig.join(rival());
    let reason = refusal(&effects);
    assert!(reason.contains("worker.id w1") && reason.contains("host-w1:7078"), "{reason}");
    assert_eq!(rig.status(&driver).state, DriverState::Running, "nothing of the first one is touched");
    rig.send(Event::SessionClosed { session: first });
    rig.send(gone("w1", first));
    assert!(registered(&rig.join(rival()).1).is_some(), "once the first one is gone the id is free");
}

#[test]
fn a_worker_that_is_cut_off_keeps_its_id_until_it_is_gone_or_lost_i3() {
    let isolated = || DriverDescription { on_isolation: OnIsolation::Kill, supervise: true, ..driver(1, 1) };
    for fail_over in [false, true] {
        let mut rig = Rig::alive();
        let (first, _) = rig.join(worker("w1", 4, 1024));
        let (id, effects) = rig.submit(isolated());
        let DriverOnWorker { driver, attempt, .. } = launched_drivers(&effects).remove(0).1;
        rig.tell(first, WorkerToMaster::DriverStarted { driver, attempt });
        if fail_over {
            rig.fail_over(config());
        } else {
            rig.send(Event::SessionClosed { session: first });
        }
        // The same id was given to a worker elsewhere. What runs on the first one is not to be started again yet.
        let rival =
            || RegisterWorker { incarnation: Incarnation(2), host: "elsewhere".to_owned(), ..worker("w1", 4, 1024) };
        for finding in [Finding::Silent, Finding::Alive] {
            let (session, effects) = rig.join(rival());
            assert!(effects.contains(&Effect::CloseSession { session }) && launched_drivers(&effects).is_empty());
            let asked = (!fail_over).then_some(first);
            rig.send(Event::Probed { peer: Peer::Worker(WorkerId::new("w1").unwrap()), session: asked, finding });
        }
        assert_eq!(rig.status(&id).attempt, Attempt(1));
        rig.pass(Duration::from_secs(61));
        let (_, effects) = rig.join(rival());
        assert_eq!(launched_drivers(&effects)[0].1.attempt, Attempt(2), "it was lost meanwhile");
    }
}
