//! A master in a test tube: events in, effects out, invariants checked after every event, and a store beside it that
//! takes what the master persists, so that a successor can be elected from it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::ids::*;
use crate::master::{Effect, Event, Master, MasterConfig, MasterView, Timer};
use crate::model::*;
use crate::msg::*;
use crate::record::{Change, Recovered};
use crate::time::{Mono, Now, Wall};
use crate::units::{Cores, Memory};

pub(super) struct Rig {
    pub(super) master: Master,
    pub(super) now: Now,
    pub(super) store: Store,
    timers: Vec<(Mono, Timer)>,
    sessions: u64,
    replies: u64,
    epoch: u64,
    /// Raised by a restore of the store.
    pub(super) generation: u64,
}

/// The content of the store as the changes leave it.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    pub(super) content: BTreeMap<String, Change>,
}

impl Store {
    fn apply(&mut self, change: &Change) {
        let (put, removed) = match change {
            Change::PutWorker(r) => (Some(format!("w/{}", r.id)), None),
            Change::RemoveWorker(id) => (None, Some(format!("w/{id}"))),
            Change::PutApp(r) => (Some(format!("a/{}", r.id)), None),
            Change::FinishApp(r) => (Some(format!("da/{}", r.id)), Some(format!("a/{}", r.id))),
            Change::ForgetApp(id) => (None, Some(format!("da/{id}"))),
            Change::PutDriver(r) => (Some(format!("d/{}", r.id)), None),
            Change::FinishDriver(r) => (Some(format!("dd/{}", r.id)), Some(format!("d/{}", r.id))),
            Change::ForgetDriver(id) => (None, Some(format!("dd/{id}"))),
            Change::PutRequest(r) => (Some(format!("r/{}", r.id)), None),
            Change::ForgetRequest(id) => (None, Some(format!("r/{id}"))),
        };
        if let Some(key) = removed {
            self.content.remove(&key);
        }
        if let Some(key) = put {
            self.content.insert(key, change.clone());
        }
    }

    pub(super) fn recovered(&self) -> Recovered {
        let mut all = Recovered::default();
        for change in self.content.values().cloned() {
            match change {
                Change::PutWorker(r) => all.workers.push(r),
                Change::PutApp(r) => all.apps.push(r),
                Change::PutDriver(r) => all.drivers.push(r),
                Change::PutRequest(r) => all.requests.push(r),
                Change::FinishApp(r) => all.done_apps.push(r),
                Change::FinishDriver(r) => all.done_drivers.push(r),
                _ => unreachable!("only puts are content"),
            }
        }
        all
    }
}

pub(super) fn config() -> MasterConfig {
    MasterConfig::new().unwrap()
}

impl Rig {
    /// A standby.
    pub(super) fn standby(config: MasterConfig) -> Self {
        Self {
            master: Master::new(config, 7),
            now: Now { mono: Mono(1_000_000), wall: Wall(1_795_183_200_000) },
            store: Store::default(),
            timers: Vec::new(),
            sessions: 0,
            replies: 0,
            epoch: 0,
            generation: 0,
        }
    }

    /// A leader over an empty store.
    pub(super) fn alive() -> Self {
        Self::alive_with(config())
    }

    pub(super) fn alive_with(config: MasterConfig) -> Self {
        let mut rig = Self::standby(config);
        rig.elect();
        assert_eq!(rig.master.role(), MasterRole::Alive, "SPARK-46664: nothing to recover");
        rig
    }

    pub(super) fn leader(&self) -> LeaderInfo {
        LeaderInfo {
            cluster: ClusterId::new("cluster").unwrap(),
            term: Term {
                generation: Generation(self.generation),
                epoch: Epoch(self.epoch),
                nonce: Nonce::new("nonce").unwrap(),
            },
            master: MasterId::new(&format!("m{}", self.epoch)).unwrap(),
            address: "m:7077".to_owned(),
            ui_url: String::new(),
        }
    }

    /// A new term over the content of the store.
    pub(super) fn elect(&mut self) -> Vec<Effect> {
        self.epoch += 1;
        self.timers.clear();
        let recovered = Box::new(self.store.recovered());
        self.send(Event::Elected { leader: self.leader(), recovered })
    }

    /// The leader dies, another master with the same settings takes over.
    pub(super) fn fail_over(&mut self, config: MasterConfig) -> Vec<Effect> {
        self.master = Master::new(config, 8);
        self.elect()
    }

    pub(super) fn send(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        let told = event.clone();
        self.master.handle(self.now, event, &mut effects);
        let broken = self.master.check();
        assert!(broken.is_empty(), "after {told:?}: {broken:#?}");
        for effect in &effects {
            match effect {
                Effect::Persist(changes) => changes.iter().for_each(|change| self.store.apply(change)),
                Effect::Arm { timer, at } => self.timers.push((*at, timer.clone())),
                _ => {}
            }
        }
        effects
    }

    /// Lets time pass, firing timers in order.
    pub(super) fn pass(&mut self, length: Duration) -> Vec<Effect> {
        let end = self.now.mono + length;
        let start = self.now;
        let mut all = Vec::new();
        while let Some(next) = self.timers.iter().enumerate().filter(|(_, t)| t.0 <= end).min_by_key(|(i, t)| (t.0, *i))
        {
            let (at, timer) = self.timers.remove(next.0);
            self.now.mono = self.now.mono.max(at);
            self.now.wall = Wall(start.wall.0 + (self.now.mono.0 - start.mono.0));
            all.extend(self.send(Event::Timer(timer)));
        }
        self.now.mono = end;
        self.now.wall = Wall(start.wall.0 + (end.0 - start.mono.0));
        all
    }

    pub(super) fn session(&mut self) -> SessionId {
        self.sessions += 1;
        SessionId(self.sessions)
    }

    pub(super) fn request(&mut self, request: ClientRequest) -> (ClientReply, Vec<Effect>) {
        self.replies += 1;
        let to = ReplyToken(self.replies);
        let effects = self.send(Event::Request { reply: to, request });
        let reply = effects.iter().find_map(|effect| match effect {
            Effect::Reply { to: token, reply } if *token == to => Some(reply.clone()),
            _ => None,
        });
        (reply.expect("every request is answered"), effects)
    }

    pub(super) fn submit(&mut self, description: DriverDescription) -> (DriverId, Vec<Effect>) {
        let request = ClientRequest::SubmitDriver { request: None, description: Box::new(description) };
        match self.request(request) {
            (ClientReply::Submitted { driver }, effects) => (driver, effects),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn status(&self, driver: &DriverId) -> DriverStatus {
        self.view().driver_status(driver).expect("a driver that is known")
    }

    pub(super) fn view(&self) -> MasterView {
        self.master.view(self.now.wall)
    }

    /// Registers a worker over a new session.
    pub(super) fn join(&mut self, registration: RegisterWorker) -> (SessionId, Vec<Effect>) {
        let session = self.session();
        let heard = registration.heard.clone().or_else(|| Some(self.leader().term));
        let message = WorkerToMaster::Register(Box::new(RegisterWorker { heard, ..registration }));
        (session, self.send(Event::Worker { session, message }))
    }

    pub(super) fn tell(&mut self, session: SessionId, message: WorkerToMaster) -> Vec<Effect> {
        self.send(Event::Worker { session, message })
    }

    /// Registers an application over a new session.
    pub(super) fn enter(&mut self, registration: RegisterApplication) -> (SessionId, AppId, Vec<Effect>) {
        let session = self.session();
        let effects = self.send(Event::App { session, message: AppToMaster::Register(Box::new(registration)) });
        let id = effects.iter().find_map(|effect| match effect {
            Effect::ToApp { message: MasterToApp::Registered(answer), .. } => Some(answer.app.clone()),
            _ => None,
        });
        (session, id.expect("registered"), effects)
    }

    pub(super) fn say(&mut self, session: SessionId, message: AppToMaster) -> Vec<Effect> {
        self.send(Event::App { session, message })
    }
}

pub(super) fn worker(id: &str, cores: u32, memory: u64) -> RegisterWorker {
    RegisterWorker {
        id: WorkerId::new(id).unwrap(),
        incarnation: Incarnation(1),
        number: 1,
        host: format!("host-{id}"),
        port: 7078,
        kind: WorkerKind::Own,
        ui_url: String::new(),
        cores: Cores(cores),
        memory: Memory::mib(memory),
        resources: Addresses::default(),
        master_address: "m:7077".to_owned(),
        cluster: None,
        protocol: PROTOCOL_VERSION,
        heard: None,
        decommissioned: false,
        accepts_work: true,
        refused_commands: 0,
        inventory: Inventory::default(),
    }
}

pub(super) fn command(program: &str) -> Command {
    Command { program: Program::Executable(program.to_owned()), ..Command::default() }
}

pub(super) fn driver(cores: u32, memory: u64) -> DriverDescription {
    DriverDescription {
        memory: Memory::mib(memory),
        cores: Cores(cores),
        command: command("true"),
        ..DriverDescription::default()
    }
}

pub(super) fn app(token: &str, cores_per_executor: Option<u32>, memory: u64, max: Option<u32>) -> RegisterApplication {
    RegisterApplication {
        token: AppToken::new(token).unwrap(),
        known_as: None,
        number: 1,
        description: Arc::new(ApplicationDescription {
            name: token.to_owned(),
            user: "u".to_owned(),
            max_cores: max.map(Cores),
            command: command("executor"),
            default_profile: ResourceProfile {
                memory: Some(Memory::mib(memory)),
                cores: cores_per_executor.map(Cores),
                ..ResourceProfile::default()
            },
            ..ApplicationDescription::default()
        }),
        profiles: Vec::new(),
        targets: BTreeMap::new(),
        executors: Vec::new(),
        endpoint: format!("{token}:1").into(),
        cluster: None,
        heard: None,
        protocol: PROTOCOL_VERSION,
    }
}

/// The commands in effects, with the session they go to.
pub(super) fn commands(effects: &[Effect]) -> Vec<(SessionId, WorkerCommand)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::ToWorker { session, message: MasterToWorker::Command(command) } => {
                Some((*session, command.body.clone()))
            }
            _ => None,
        })
        .collect()
}

/// The notices in effects.
pub(super) fn notices(effects: &[Effect]) -> Vec<AppNotice> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::ToApp { message: MasterToApp::Notice(notice), .. } => Some(notice.body.clone()),
            _ => None,
        })
        .collect()
}

/// Executors launched, as their workers would report them once they run.
pub(super) fn launched_executors(effects: &[Effect]) -> Vec<(SessionId, ExecutorDescription)> {
    commands(effects)
        .into_iter()
        .filter_map(|(session, command)| match command {
            WorkerCommand::LaunchExecutor { executor, .. } => {
                Some((session, ExecutorDescription { state: ExecutorState::Running, ..executor }))
            }
            _ => None,
        })
        .collect()
}

/// Drivers launched, as their workers would report them once they run.
pub(super) fn launched_drivers(effects: &[Effect]) -> Vec<(SessionId, DriverOnWorker)> {
    commands(effects)
        .into_iter()
        .filter_map(|(session, command)| match command {
            WorkerCommand::LaunchDriver { driver, attempt, booking, .. } => {
                Some((session, DriverOnWorker { driver, attempt, state: DriverState::Running, booking }))
            }
            _ => None,
        })
        .collect()
}

pub(super) fn executor_ended(executor: &ExecutorRef, state: ExecutorState, exit: Option<i32>) -> WorkerToMaster {
    WorkerToMaster::ExecutorStateChanged {
        report: ReportId(1),
        executor: executor.clone(),
        state,
        message: None,
        exit_status: exit,
    }
}

pub(super) fn driver_ended(driver: &DriverOnWorker, state: DriverState, exit: Option<i32>) -> WorkerToMaster {
    WorkerToMaster::DriverEnded {
        report: ReportId(2),
        driver: driver.driver.clone(),
        attempt: driver.attempt,
        outcome: DriverOutcome { state, exit_code: exit, message: None },
    }
}
