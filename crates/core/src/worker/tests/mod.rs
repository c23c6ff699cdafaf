//! A worker with one master that answers at once and processes that do as they are told, on a virtual clock.

mod drivers;
mod executors;
mod isolation;
mod overlap;
mod random;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::ids::*;
use crate::model::*;
use crate::msg::*;
use crate::time::Wall;
use crate::tracking::{self, LinkId};
use crate::units::{Cores, Memory};

pub(super) const MASTER: &str = "m1:7077";
pub(super) const OTHER: &str = "m2:7077";
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn term(epoch: u64) -> Term {
    Term { generation: Generation(0), epoch: Epoch(epoch), nonce: Nonce::new(&format!("n{epoch}")).unwrap() }
}

pub(super) fn leader(address: &str, epoch: u64) -> LeaderInfo {
    LeaderInfo {
        cluster: ClusterId::new("cluster").unwrap(),
        term: term(epoch),
        master: MasterId::new(address).unwrap(),
        address: address.to_owned(),
        ui_url: String::new(),
    }
}

pub(super) fn config() -> WorkerConfig {
    let identity = WorkerIdentity {
        id: WorkerId::new("worker-1").unwrap(),
        incarnation: Incarnation(7),
        host: "host".to_owned(),
        port: 4000,
        ui_url: "http://host:8081/".to_owned(),
    };
    let mut config = WorkerConfig::new(identity, Cores(8), Memory::mib(8192));
    config.resources = Addresses::new([("gpu".to_owned(), vec!["0".to_owned(), "1".to_owned()])]);
    config.tracking.masters = vec![MASTER.to_owned()];
    config
}

pub(super) fn behaving(change: impl FnOnce(&mut Behaviour)) -> WorkerConfig {
    let mut config = config();
    change(&mut config.behaviour);
    config
}

pub(super) struct Bench {
    pub(super) worker: Worker,
    pub(super) now: u64,
    pub(super) effects: Vec<Effect>,
    pub(super) alarms: Vec<(crate::time::Mono, Timer)>,
    pub(super) link: LinkId,
    pub(super) epoch: u64,
    pub(super) timeout: Duration,
}

impl Bench {
    /// Not started.
    pub(super) fn new(config: WorkerConfig) -> Self {
        let worker = Worker::new(config, 1);
        Self { worker, now: 1000, effects: Vec::new(), alarms: Vec::new(), link: LinkId(0), epoch: 1, timeout: TIMEOUT }
    }

    /// Registered with the master under term 1.
    pub(super) fn registered(config: WorkerConfig) -> Self {
        let mut bench = Self::new(config);
        bench.event(Event::Start);
        bench.register();
        bench
    }

    pub(super) fn at(&self) -> Now {
        Now { mono: crate::time::Mono(self.now), wall: Wall(1_000_000_000 + self.now) }
    }

    /// Feeds one event; the effects that are not alarms are returned and kept until the next event.
    pub(super) fn event(&mut self, event: Event) -> &[Effect] {
        let mut effects = Vec::new();
        self.worker.handle(self.at(), event, &mut effects);
        assert_eq!(self.worker.check(), [] as [&str; 0], "after {effects:?}");
        for effect in &effects {
            match effect {
                Effect::Arm { timer, at } => self.alarms.push((*at, *timer)),
                Effect::Track(tracking::Effect::Connect { link, address }) if address == MASTER => self.link = *link,
                _ => {}
            }
        }
        effects.retain(|effect| !matches!(effect, Effect::Arm { .. }));
        self.effects = effects;
        &self.effects
    }

    /// Opens the session with the master that was asked for last, and registers on it.
    pub(super) fn register(&mut self) -> Vec<Effect> {
        let link = self.link;
        let mut all = self.event(Event::LinkOpened { link }).to_vec();
        all.extend(self.answer_registration().to_vec());
        all
    }

    pub(super) fn answer_registration(&mut self) -> &[Effect] {
        let answer = RegisteredWorker {
            leader: leader(MASTER, self.epoch),
            master_address: MASTER.to_owned(),
            duplicate: false,
            heartbeat_every: TIMEOUT / 4,
            worker_timeout: self.timeout,
        };
        self.say(MasterToWorker::Registered(Box::new(answer)))
    }

    pub(super) fn say(&mut self, message: MasterToWorker) -> &[Effect] {
        let link = self.link;
        self.event(Event::FromMaster { link, message })
    }

    pub(super) fn command_of(&mut self, term: &Term, body: WorkerCommand) -> &[Effect] {
        self.say(MasterToWorker::Command(Fenced { term: term.clone(), id: CommandId(1), body }))
    }

    pub(super) fn command(&mut self, body: WorkerCommand) -> &[Effect] {
        self.command_of(&term(self.epoch), body)
    }

    pub(super) fn close(&mut self) -> &[Effect] {
        let link = self.link;
        self.event(Event::LinkClosed { link })
    }

    /// Lets time pass; alarms fire at their times, heartbeats are not answered.
    pub(super) fn pass(&mut self, length: Duration) -> Vec<Effect> {
        self.pass_with(length, false)
    }

    pub(super) fn pass_with(&mut self, length: Duration, answer_heartbeats: bool) -> Vec<Effect> {
        let until = self.now + u64::try_from(length.as_millis()).unwrap();
        let mut all = Vec::new();
        loop {
            let next =
                self.alarms.iter().enumerate().filter(|(_, (at, _))| at.0 <= until).min_by_key(|(_, (at, _))| *at);
            let Some((index, _)) = next else { break };
            let (at, timer) = self.alarms.remove(index);
            self.now = self.now.max(at.0);
            all.extend(self.event(Event::Timer(timer)).to_vec());
            if answer_heartbeats && matches!(timer, Timer::Tracking(tracking::Timer::Heartbeat(_))) {
                self.say(MasterToWorker::HeartbeatSeen);
            }
        }
        self.now = until;
        all
    }

    /// The run of the effect that asks for something.
    pub(super) fn run(&self) -> RunId {
        self.effects
            .iter()
            .find_map(|effect| match effect {
                Effect::Prepare { run, .. } | Effect::Spawn { run, .. } => Some(*run),
                _ => None,
            })
            .expect("something is prepared or spawned")
    }

    /// Launches a driver attempt; returns its run, prepared and running.
    pub(super) fn run_driver(&mut self, attempt: u32, description: DriverDescription) -> RunId {
        self.launch_driver(attempt, description);
        let run = self.run();
        self.event(Event::Prepared { run, ready: Ready::default() });
        self.event(Event::Started { run, pid: 42 });
        run
    }

    pub(super) fn launch_driver(&mut self, attempt: u32, description: DriverDescription) -> &[Effect] {
        let booking = Booking { cores: description.cores, memory: description.memory, resources: Addresses::default() };
        let (driver, attempt) = (driver_id(), Attempt(attempt));
        self.command(WorkerCommand::LaunchDriver { driver, attempt, description: Arc::new(description), booking })
    }

    pub(super) fn launch_executor(&mut self, id: u32, cores: u32) -> &[Effect] {
        self.command(WorkerCommand::LaunchExecutor {
            executor: executor(id, cores),
            heap: Memory::mib(384),
            app: Arc::new(app()),
            client: None,
        })
    }

    /// Launches an executor; returns its run, prepared and running.
    pub(super) fn run_executor(&mut self, id: u32, cores: u32) -> RunId {
        self.launch_executor(id, cores);
        let run = self.run();
        self.event(Event::Prepared { run, ready: Ready::default() });
        self.event(Event::Started { run, pid: 43 });
        run
    }

    /// What was said to masters in the last effects.
    pub(super) fn said(&self) -> Vec<WorkerToMaster> {
        said(&self.effects)
    }

    /// Acknowledges everything.
    pub(super) fn acknowledge_all(&mut self) {
        for report in 1..1000 {
            self.say(MasterToWorker::Acknowledged { report: ReportId(report) });
        }
    }
}

pub(super) fn said(effects: &[Effect]) -> Vec<WorkerToMaster> {
    let said = effects.iter().filter_map(|effect| match effect {
        Effect::Send { message, .. } => Some(message.clone()),
        _ => None,
    });
    said.collect()
}

/// The outcomes of drivers that were reported.
pub(super) fn outcomes(effects: &[Effect]) -> Vec<DriverOutcome> {
    let outcomes = said(effects).into_iter().filter_map(|message| match message {
        WorkerToMaster::DriverEnded { outcome, .. } => Some(outcome),
        _ => None,
    });
    outcomes.collect()
}

/// The states of executors that were reported, with message and exit code.
pub(super) fn executor_states(effects: &[Effect]) -> Vec<(ExecutorState, Option<String>, Option<i32>)> {
    let states = said(effects).into_iter().filter_map(|message| match message {
        WorkerToMaster::ExecutorStateChanged { state, message, exit_status, .. } => Some((state, message, exit_status)),
        _ => None,
    });
    states.collect()
}

pub(super) fn driver_id() -> DriverId {
    DriverId::new("driver-1").unwrap()
}

pub(super) fn driver(supervise: bool) -> DriverDescription {
    DriverDescription {
        memory: Memory::mib(1024),
        cores: Cores(1),
        supervise,
        command: Command { program: Program::Executable("/bin/job".to_owned()), ..Command::default() },
        ..DriverDescription::default()
    }
}

pub(super) fn app_id() -> AppId {
    AppId::new("app-1").unwrap()
}

pub(super) fn executor(id: u32, cores: u32) -> ExecutorDescription {
    ExecutorDescription {
        executor: ExecutorRef { app: app_id(), id: ExecutorId(id) },
        profile: ProfileId(0),
        cores: Cores(cores),
        memory: Memory::mib(512),
        resources: Addresses::default(),
        state: ExecutorState::Launching,
    }
}

pub(super) fn app() -> ApplicationDescription {
    ApplicationDescription {
        name: "app".to_owned(),
        user: "user".to_owned(),
        command: Command { program: Program::Executable("/bin/executor".to_owned()), ..Command::default() },
        default_profile: ResourceProfile { memory: Some(Memory::mib(512)), ..ResourceProfile::default() },
        ..ApplicationDescription::default()
    }
}

#[test]
fn dir_02_old_directories_go_and_those_of_what_runs_stay() {
    let mut bench = Bench::registered(config());
    bench.run_executor(0, 1);
    let effects = bench.pass_with(Duration::from_mins(30), true);
    assert!(effects.contains(&Effect::ListDirs), "T-WK-09: first after one interval");
    let dir = |kind, id: &str| DirRef { path: format!("/work/{id}"), kind, id: id.to_owned() };
    let old = |dir| DirListed { dir, newest: Wall(0) };
    let listing = vec![
        old(dir(DirKind::App, "app-1")),
        old(dir(DirKind::App, "app-0")),
        old(dir(DirKind::Driver, "driver-0")),
        DirListed { dir: dir(DirKind::Driver, "driver-9"), newest: bench.at().wall },
    ];
    let doomed = vec![dir(DirKind::App, "app-0"), dir(DirKind::Driver, "driver-0")];
    assert_eq!(bench.event(Event::DirListing(listing)), [Effect::DeleteDirs(doomed)]);
    let again = bench.pass_with(Duration::from_mins(30), true);
    assert!(again.contains(&Effect::ListDirs));
}

#[test]
fn dir_02_can_be_switched_off() {
    let mut bench = Bench::registered(behaving(|behaviour| behaviour.cleanup_enabled = false));
    assert!(!bench.pass_with(Duration::from_hours(2), true).contains(&Effect::ListDirs));
}

#[test]
fn the_view_shows_what_runs_and_what_ran() {
    let mut bench = Bench::registered(config());
    let gone = bench.run_driver(1, driver(false));
    bench.event(Event::Exited { run: gone, code: 3 });
    bench.run_executor(0, 2);
    let view = bench.worker.view(bench.at().wall);
    assert_eq!((view.cores, view.cores_used), (Cores(8), Cores(2)));
    assert_eq!((view.memory_used, view.unacknowledged), (Memory::mib(512), 2));
    assert_eq!(view.executors.len(), 1);
    assert_eq!((view.executors[0].phase, view.executors[0].pid), (RunPhase::Running, Some(43)));
    let ended = &view.ended_drivers[0];
    assert_eq!((ended.phase, ended.program.as_str()), (RunPhase::Ended, "/bin/job"));
    assert_eq!(ended.outcome.as_ref().and_then(|outcome| outcome.exit_code), Some(3));
    assert_eq!(view.following.leader().map(|leader| leader.address.as_str()), Some(MASTER));
}

#[test]
fn environment_of_substitution_names_the_log_pages() {
    let direct = Bench::new(config()).worker.surroundings;
    assert_eq!(direct.worker_url, "spark://Worker@host:4000");
    assert_eq!(direct.log_pages.as_deref(), Some("http://host:8081"));
    let mut sixth = config();
    sixth.identity.host = "fd00::5".to_owned();
    let sixth = Bench::new(sixth).worker.surroundings;
    assert_eq!((sixth.worker_url.as_str(), sixth.host.as_str()), ("spark://Worker@[fd00::5]:4000", "[fd00::5]"));
    let mut proxied = config();
    proxied.behaviour.reverse_proxy_url = Some("https://proxy/".to_owned());
    let proxied = Bench::new(proxied).worker.surroundings;
    assert_eq!(proxied.log_pages.as_deref(), Some("https://proxy/proxy/worker-1"), "ERN-04");
}
