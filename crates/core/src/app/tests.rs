//! An application client with masters that answer when told to.

use rstest::rstest;

use super::*;
use crate::ids::*;
use crate::model::*;
use crate::msg::RegisteredApplication;
use crate::time::Wall;
use crate::tracking;
use crate::units::{Cores, Memory};

const MASTER: &str = "m1:7077";
const OTHER: &str = "m2:7077";

fn term(epoch: u64) -> Term {
    Term { generation: Generation(0), epoch: Epoch(epoch), nonce: Nonce::new(&format!("n{epoch}")).unwrap() }
}

fn leader(address: &str, epoch: u64) -> LeaderInfo {
    LeaderInfo {
        cluster: ClusterId::new("cluster").unwrap(),
        term: term(epoch),
        master: MasterId::new(address).unwrap(),
        address: address.to_owned(),
        ui_url: String::new(),
    }
}

fn profile(id: u32) -> ResourceProfile {
    ResourceProfile {
        id: ProfileId(id),
        memory: Some(Memory::mib(1024)),
        cores: Some(Cores(5)),
        ..ResourceProfile::default()
    }
}

fn config() -> AppConfig {
    let description = ApplicationDescription {
        name: "app".to_owned(),
        user: "user".to_owned(),
        max_cores: Some(Cores(1)),
        default_profile: ResourceProfile { id: ProfileId(0), memory: Some(Memory::mib(512)), ..profile(0) },
        ..ApplicationDescription::default()
    };
    AppConfig {
        token: AppToken::new("token").unwrap(),
        description: Arc::new(description),
        endpoint: "me:1".to_owned(),
        tracking: TrackingConfig { masters: vec![MASTER.to_owned()], ..TrackingConfig::default() },
    }
}

struct Bench {
    client: AppClient,
    now: u64,
    alarms: Vec<(Mono, Timer)>,
    link: LinkId,
    epoch: u64,
}

impl Bench {
    fn new() -> Self {
        let client = AppClient::new(config(), 1);
        let mut bench = Self { client, now: 0, alarms: Vec::new(), link: LinkId(0), epoch: 1 };
        bench.event(Event::Start);
        bench
    }

    fn registered() -> Self {
        let mut bench = Self::new();
        bench.register();
        bench
    }

    /// Feeds one event; everything but alarms is returned.
    fn event(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        let now = Now { mono: Mono(self.now), wall: Wall(self.now) };
        self.client.handle(now, event, &mut effects);
        for effect in &effects {
            match effect {
                Effect::Arm { timer, at } => self.alarms.push((*at, *timer)),
                Effect::Track(tracking::Effect::Connect { link, address }) if address == MASTER => self.link = *link,
                _ => {}
            }
        }
        effects.retain(|effect| !matches!(effect, Effect::Arm { .. }));
        effects
    }

    fn say(&mut self, message: MasterToApp) -> Vec<Effect> {
        let link = self.link;
        self.event(Event::FromMaster { link, message })
    }

    fn notice(&mut self, body: AppNotice) -> Vec<Effect> {
        let term = term(self.epoch);
        self.say(MasterToApp::Notice(Fenced { term, id: CommandId(1), body }))
    }

    fn register(&mut self) -> Vec<Effect> {
        let link = self.link;
        let mut effects = self.event(Event::LinkOpened { link });
        effects.extend(self.say(MasterToApp::Registered(Box::new(RegisteredApplication {
            app: AppId::new("app-1").unwrap(),
            leader: leader(MASTER, self.epoch),
            heartbeat_every: Duration::from_secs(15),
        }))));
        effects
    }

    /// Loses the session after it has been stable, and dials again.
    fn lose(&mut self) -> Vec<Effect> {
        self.now += 60_000;
        let link = self.link;
        self.event(Event::LinkClosed { link })
    }

    fn add(&mut self, id: u32) -> Vec<Effect> {
        self.notice(AppNotice::ExecutorAdded {
            executor: ExecutorId(id),
            worker: WorkerId::new("worker-1").unwrap(),
            worker_address: "w:1".to_owned(),
            cores: Cores(1),
            memory: Memory::mib(512),
            profile: ProfileId(0),
        })
    }

    fn update(&mut self, id: u32, state: ExecutorState, exit_status: Option<i32>, host: Option<&str>) -> Vec<Effect> {
        self.notice(AppNotice::ExecutorUpdated {
            executor: ExecutorId(id),
            state,
            message: Some("why".to_owned()),
            exit_status,
            worker_host: host.map(str::to_owned),
        })
    }
}

fn told(effects: &[Effect]) -> Vec<Notice> {
    let told = effects.iter().filter_map(|effect| match effect {
        Effect::Tell(notice) => Some(notice.clone()),
        _ => None,
    });
    told.collect()
}

fn said(effects: &[Effect]) -> Vec<AppToMaster> {
    let said = effects.iter().filter_map(|effect| match effect {
        Effect::Send { message, .. } => Some(message.clone()),
        _ => None,
    });
    said.collect()
}

fn registration(effects: &[Effect]) -> RegisterApplication {
    let found = said(effects).into_iter().find_map(|message| match message {
        AppToMaster::Register(registration) => Some(*registration),
        _ => None,
    });
    found.expect("a registration was sent")
}

fn request(number: u64, profiles: &[u32], targets: &[(u32, u32)]) -> Event {
    Event::RequestExecutors {
        request: number,
        profiles: profiles.iter().map(|id| profile(*id)).collect(),
        targets: targets.iter().map(|(id, total)| (ProfileId(*id), *total)).collect(),
    }
}

#[test]
fn t_ac_03_a_request_before_the_registration_is_answered_false_at_once() {
    let mut bench = Bench::new();
    assert_eq!(bench.event(request(1, &[], &[(0, 2)])), [Effect::Answer { request: 1, accepted: false }]);
    let kill = Event::KillExecutors { request: 2, executors: vec![ExecutorId(0)] };
    assert_eq!(bench.event(kill), [Effect::Answer { request: 2, accepted: false }]);
}

#[test]
fn ac_02_the_program_is_told_once_per_connection() {
    let mut bench = Bench::new();
    let effects = bench.register();
    let connected = Notice::Connected { app: AppId::new("app-1").unwrap(), leader: leader(MASTER, 1) };
    assert_eq!(told(&effects), std::slice::from_ref(&connected));
    let again = MasterToApp::Registered(Box::new(RegisteredApplication {
        app: AppId::new("app-1").unwrap(),
        leader: leader(MASTER, 1),
        heartbeat_every: Duration::from_secs(15),
    }));
    assert_eq!(told(&bench.say(again)), [], "a repeated answer is no news");
    assert_eq!(told(&bench.lose()), [Notice::Disconnected]);
    assert_eq!(told(&bench.register()), [connected]);
}

#[test]
fn ac_04_a_lost_client_registers_again_by_itself_under_the_same_token() {
    let mut bench = Bench::registered();
    bench.add(0);
    bench.add(1);
    let dialled = bench.lose();
    let connect = Effect::Track(tracking::Effect::Connect { link: bench.link, address: MASTER.to_owned() });
    assert!(dialled.contains(&connect));
    let again = registration(&bench.register());
    assert_eq!((again.token.as_str(), again.known_as.as_ref().map(AppId::as_str)), ("token", Some("app-1")));
    assert_eq!(again.executors, [ExecutorId(0), ExecutorId(1)]);
    assert_eq!(again.cluster, Some(ClusterId::new("cluster").unwrap()));
}

#[test]
fn a_new_leader_is_followed_and_executors_are_told_once() {
    let mut bench = Bench::registered();
    assert_eq!(told(&bench.add(0)).len(), 1);
    let effects = bench.event(Event::LeaderNotice(leader(MASTER, 2)));
    assert_eq!(told(&effects), [Notice::Disconnected]);
    assert_eq!(bench.client.heard(), Some(&term(2)));
    bench.epoch = 2;
    bench.register();
    assert_eq!(told(&bench.add(0)), [], "it is still there");
    assert_eq!(told(&bench.add(1)).len(), 1);
    bench.epoch = 1;
    assert_eq!(told(&bench.add(2)), [], "a notice of a term that is over");
    assert_eq!(bench.client.executors().collect::<Vec<_>>(), [ExecutorId(0), ExecutorId(1)]);
}

#[test]
fn t_ac_02_targets_are_kept_once_taken_and_said_again_when_registering() {
    let mut bench = Bench::registered();
    let sent = said(&bench.event(request(1, &[1], &[(0, 1), (1, 2)])));
    assert!(matches!(&sent[..], [AppToMaster::RequestExecutors { request: 1, .. }]));
    let taken = bench.notice(AppNotice::Answer { request: 1, accepted: true });
    assert_eq!(taken, [Effect::Answer { request: 1, accepted: true }]);
    bench.event(request(2, &[9], &[(9, 100)]));
    bench.notice(AppNotice::Answer { request: 2, accepted: false });
    bench.lose();
    let effects = bench.register();
    let again = registration(&effects);
    assert_eq!(again.targets, BTreeMap::from([(ProfileId(0), 1), (ProfileId(1), 2)]), "not what was refused");
    assert_eq!(again.profiles, [profile(1)]);
    assert_eq!(said(&effects).len(), 2, "the registration and a heartbeat");
}

#[test]
fn ac_08_a_registration_does_not_take_back_what_was_asked_since() {
    let mut bench = Bench::registered();
    bench.event(request(1, &[1], &[(0, 5), (1, 1)]));
    bench.notice(AppNotice::Answer { request: 1, accepted: true });
    bench.event(request(2, &[], &[(0, 2)]));
    bench.event(request(3, &[7], &[(7, 9)]));
    bench.lose();
    let again = registration(&bench.register());
    assert_eq!(again.targets, BTreeMap::from([(ProfileId(0), 2), (ProfileId(1), 1)]), "the answer may be lost");
}

#[test]
fn registrations_are_numbered_and_say_which_term_was_heard_of() {
    let mut bench = Bench::new();
    let first = registration(&bench.register());
    bench.lose();
    let second = registration(&bench.register());
    assert!(first.number < second.number, "{} {}", first.number, second.number);
    assert_eq!((first.heard, second.heard), (None, Some(term(1))));
}

#[test]
fn a_restored_store_may_use_a_number_again_i8() {
    let mut bench = Bench::registered();
    bench.add(0);
    bench.update(0, ExecutorState::Exited, Some(0), None);
    let restored = Term { generation: Generation(1), ..term(2) };
    bench.event(Event::LeaderNotice(LeaderInfo { term: restored.clone(), ..leader(MASTER, 2) }));
    let link = bench.link;
    bench.event(Event::LinkOpened { link });
    bench.say(MasterToApp::Registered(Box::new(RegisteredApplication {
        app: AppId::new("app-1").unwrap(),
        leader: LeaderInfo { term: restored.clone(), ..leader(MASTER, 2) },
        heartbeat_every: Duration::from_secs(15),
    })));
    let added = AppNotice::ExecutorAdded {
        executor: ExecutorId(0),
        worker: WorkerId::new("worker-1").unwrap(),
        worker_address: "w:1".to_owned(),
        cores: Cores(1),
        memory: Memory::mib(512),
        profile: ProfileId(0),
    };
    let effects = bench.say(MasterToApp::Notice(Fenced { term: restored, id: CommandId(1), body: added }));
    assert!(matches!(told(&effects)[..], [Notice::ExecutorAdded { .. }]), "{effects:?}");
}

#[test]
fn a_request_without_an_answer_is_said_again() {
    let mut bench = Bench::registered();
    bench.event(request(1, &[], &[(0, 3)]));
    bench.lose();
    assert_eq!(bench.event(request(2, &[], &[(0, 4)])), [], "it waits for the master");
    let sent = said(&bench.register());
    let requests: Vec<u64> = sent
        .iter()
        .filter_map(|message| match message {
            AppToMaster::RequestExecutors { request, .. } => Some(*request),
            _ => None,
        })
        .collect();
    assert_eq!(requests, [1, 2]);
    bench.notice(AppNotice::Answer { request: 1, accepted: true });
    bench.notice(AppNotice::Answer { request: 2, accepted: true });
    assert_eq!(bench.notice(AppNotice::Answer { request: 2, accepted: true }), [], "once");
}

#[rstest]
#[case::heartbeat(ExecutorState::Exited, Some(56), None, Loss::Exited { code: 56, caused_by_app: false })]
#[case::disk(ExecutorState::Exited, Some(53), None, Loss::Exited { code: 53, caused_by_app: false })]
#[case::other_code(ExecutorState::Exited, Some(1), None, Loss::Exited { code: 1, caused_by_app: true })]
#[case::no_code(ExecutorState::Failed, None, None, Loss::ProcessLost { worker_host: None, caused_by_app: true })]
#[case::worker(
    ExecutorState::Lost, None, Some("h"),
    Loss::ProcessLost { worker_host: Some("h".to_owned()), caused_by_app: false }
)]
#[case::vanished(ExecutorState::Lost, None, None, Loss::ProcessLost { worker_host: None, caused_by_app: false })]
#[case::killed(ExecutorState::Killed, Some(143), None, Loss::Requested)]
fn ac_07_what_the_end_of_an_executor_means(
    #[case] state: ExecutorState,
    #[case] exit_status: Option<i32>,
    #[case] host: Option<&str>,
    #[case] expected: Loss,
) {
    let mut bench = Bench::registered();
    bench.add(3);
    let executor = ExecutorRef { app: AppId::new("app-1").unwrap(), id: ExecutorId(3) };
    let removed = Notice::ExecutorRemoved { executor, message: "why".to_owned(), loss: expected };
    assert_eq!(told(&bench.update(3, state, exit_status, host)), [removed]);
    assert_eq!(told(&bench.update(3, state, exit_status, host)), [], "told once");
}

#[test]
fn ac_06_decommissioned_is_told_once_and_the_end_after_it() {
    let mut bench = Bench::registered();
    bench.add(0);
    let state = ExecutorState::Decommissioned;
    let notice = told(&bench.update(0, state, None, Some("h")));
    assert!(matches!(&notice[..], [Notice::ExecutorDecommissioned { worker_host: Some(host), .. }] if host == "h"));
    assert_eq!(told(&bench.update(0, state, None, Some("h"))), []);
    assert!(matches!(
        told(&bench.update(0, ExecutorState::Exited, Some(0), None))[..],
        [Notice::ExecutorRemoved { .. }]
    ));
    bench.add(1);
    assert_eq!(
        told(&bench.update(1, ExecutorState::Running, None, None)),
        [Notice::ExecutorChanged { executor: ExecutorId(1), state: ExecutorState::Running }]
    );
    assert_eq!(told(&bench.update(9, ExecutorState::Exited, None, None)), [], "never heard of");
}

#[test]
fn i7_an_executor_that_was_lost_and_is_found_by_a_later_leader_ends_again() {
    let mut bench = Bench::registered();
    bench.add(0);
    bench.update(0, ExecutorState::Killed, None, None);
    bench.event(Event::LeaderNotice(leader(MASTER, 2)));
    bench.epoch = 2;
    bench.register();
    let effects = bench.add(0);
    assert_eq!(told(&effects), [], "it was told that it is gone");
    let ended = AppToMaster::KillExecutors { request: u64::MAX, executors: vec![ExecutorId(0)] };
    assert_eq!(said(&effects), [ended]);
    assert_eq!(bench.notice(AppNotice::Answer { request: u64::MAX, accepted: true }), [], "nobody asked");
    assert_eq!(bench.client.executors().count(), 0);
}

#[test]
fn hb_05_lost_workers_are_told() {
    let mut bench = Bench::registered();
    let (worker, host, message) = (WorkerId::new("worker-9").unwrap(), "h".to_owned(), "gone".to_owned());
    let removed = AppNotice::WorkerRemoved { worker: worker.clone(), host: host.clone(), message: message.clone() };
    assert_eq!(told(&bench.notice(removed)), [Notice::WorkerRemoved { worker, host, message }]);
}

fn is_dead(effects: &[Effect], why: &str) -> bool {
    let dead = |notice: &Notice| matches!(notice, Notice::Dead { reason } if reason.contains(why));
    told(effects).iter().any(dead) && effects.last() == Some(&Effect::Ended)
}

#[test]
fn ac_05_a_removed_application_is_dead() {
    let mut bench = Bench::registered();
    bench.event(request(1, &[], &[(0, 3)]));
    let effects = bench.notice(AppNotice::ApplicationRemoved { message: "KILLED".to_owned() });
    assert!(is_dead(&effects, "Master removed our application: KILLED"));
    assert!(effects.contains(&Effect::Answer { request: 1, accepted: false }), "nobody waits in vain");
    assert_eq!(bench.event(request(2, &[], &[])), [Effect::Answer { request: 2, accepted: false }]);
    assert_eq!(bench.event(Event::LeaderNotice(leader(OTHER, 9))), [], "it stays dead");
}

#[test]
fn a_refusal_is_the_end_at_any_time() {
    let refuse = |bench: &mut Bench| {
        let link = bench.link;
        bench.event(Event::LinkOpened { link });
        bench.say(MasterToApp::RegistrationRefused { reason: "application app-1 has ended".to_owned() })
    };
    assert!(is_dead(&refuse(&mut Bench::new()), "has ended"));
    let mut bench = Bench::registered();
    bench.lose();
    assert!(is_dead(&refuse(&mut bench), "has ended"));
}

#[test]
fn ac_01_a_client_gives_up_only_if_told_to() {
    let mut config = config();
    config.tracking.max_registration_retries = Some(0);
    let mut bench = Bench::new();
    bench.client = AppClient::new(config, 1);
    bench.event(Event::Start);
    let mut effects = Vec::new();
    while let Some((at, timer)) = bench.alarms.pop() {
        bench.now = bench.now.max(at.0);
        effects.extend(bench.event(Event::Timer(timer)));
    }
    assert!(is_dead(&effects, "All masters are unresponsive! Giving up."));
}

#[test]
fn ac_09_the_end_is_told_and_waited_for() {
    let mut bench = Bench::registered();
    bench.event(request(1, &[], &[(0, 3)]));
    assert_eq!(said(&bench.event(Event::Stop)), [AppToMaster::Unregister]);
    let link = bench.link;
    let effects = bench.event(Event::LinkClosed { link });
    assert_eq!(effects.last(), Some(&Effect::Ended), "the master closes the session once the end is durable");
    assert!(effects.contains(&Effect::Answer { request: 1, accepted: false }));
    assert_eq!(told(&effects), [], "it asked for it");

    let mut bench = Bench::registered();
    bench.event(Event::Stop);
    assert_eq!(bench.event(Event::Timer(Timer::StopDeadline)).last(), Some(&Effect::Ended));

    let mut bench = Bench::new();
    assert_eq!(bench.event(Event::Stop).last(), Some(&Effect::Ended), "nobody has to be told");
}
