//! How each history begins: master A leads term 1, master B stands by.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tanist_core::ids::{AppToken, ClusterId, Epoch, Generation, Incarnation, MasterId, Nonce, ReplyToken};
use tanist_core::ids::{SessionId, Term, WorkerId};
use tanist_core::master::{self, Master, MasterConfig};
use tanist_core::model::{ApplicationDescription, Command, DriverDescription, LeaderInfo, Program, ResourceProfile};
use tanist_core::msg::{AppToMaster, ClientRequest, PROTOCOL_VERSION, RegisterApplication};
use tanist_core::time::{Mono, Now, Wall};
use tanist_core::tracking::{Following, LinkId, TrackingConfig};
use tanist_core::units::{Cores, Memory};
use tanist_core::worker::{self, Ready, RunId, Worker, WorkerConfig, WorkerIdentity};

use crate::cluster::{Cluster, Luck, MasterProcess};
use crate::rules::Watcher;
use crate::steps::Step;
use crate::{Fate, REGISTRATIONS};

/// The master that leads at first.
pub(crate) const A: usize = 0;
/// The other one.
pub(crate) const B: usize = 1;

/// The application's session, beside those of the worker.
const APP_SESSION: SessionId = SessionId(1_000_000);

/// What the worker has behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// It was just started.
    New,
    /// It is registered with A, and runs a driver and an executor.
    Registered,
}

pub(crate) fn term(epoch: u64) -> Term {
    Term { generation: Generation(0), epoch: Epoch(epoch), nonce: Nonce::new(&format!("nonce-{epoch}")).unwrap() }
}

fn address(master: usize) -> String {
    format!("m{master}:7077")
}

pub(crate) fn master_at(at: &str) -> usize {
    [A, B].into_iter().find(|master| address(*master) == at).unwrap()
}

pub(crate) fn leader_info(master: usize, term: Term) -> LeaderInfo {
    LeaderInfo {
        cluster: ClusterId::new("cluster").unwrap(),
        term,
        master: MasterId::new(&format!("m{master}")).unwrap(),
        address: address(master),
        ui_url: String::new(),
    }
}

pub(crate) fn worker_id() -> WorkerId {
    WorkerId::new("worker-1").unwrap()
}

fn worker() -> Worker {
    let identity = WorkerIdentity {
        id: worker_id(),
        incarnation: Incarnation(1),
        host: "host".to_owned(),
        port: 7078,
        ui_url: String::new(),
    };
    let masters = vec![address(A), address(B)];
    let plain = WorkerConfig::new(identity, Cores(4), Memory::mib(4096));
    Worker::new(WorkerConfig { tracking: TrackingConfig { masters, ..TrackingConfig::default() }, ..plain }, 1)
}

fn settings() -> MasterConfig {
    // Nobody is given up here: time stands still until the end.
    MasterConfig { worker_timeout: Duration::from_hours(10), ..MasterConfig::new().unwrap() }
}

/// The state from which everything is tried.
pub(crate) fn begin(beginning: Beginning, fate: Fate) -> Cluster {
    let machine = |seed| MasterProcess::standby(Master::new(settings(), seed));
    let mut cluster = Cluster {
        now: Now { mono: Mono(1_000_000), wall: Wall(1_795_183_200_000) },
        worker: Rc::new(worker()),
        worker_state: 0,
        following: Following::Nobody,
        alarm: None,
        masters: [machine(1), machine(2)],
        pipes: BTreeMap::new(),
        holder: None,
        epoch: 0,
        store: Rc::default(),
        luck: Luck { registrations: u32::MAX, retries: 0, faults: 0, elections: 0, deposals: 0 },
        watcher: Watcher::new(fate, beginning),
    };
    cluster.elected(A);
    cluster.commits(A);
    cluster.sees_leader(B);
    if beginning == Beginning::Registered {
        cluster.register_first();
        cluster.run_something();
        cluster.wait(60_000);
    } else {
        cluster.worker_handles(worker::Event::Start);
    }
    // A new worker has asked both masters already.
    let retries = u32::from(beginning == Beginning::Registered);
    cluster.luck = Luck { registrations: REGISTRATIONS, retries, faults: 1, elections: 1, deposals: 1 };
    cluster
}

impl Cluster {
    fn register_first(&mut self) {
        self.worker_handles(worker::Event::Start);
        self.flow();
        assert!(self.worker_is_connected());
    }

    /// Everything under way arrives.
    fn flow(&mut self) {
        let news =
            |step: &&Step| matches!(step, Step::Opens(_) | Step::Up { .. } | Step::Down { .. } | Step::Commits(_));
        while let Some(step) = self.possible().iter().find(news) {
            self.take(*step);
        }
    }

    fn run_something(&mut self) {
        let register = AppToMaster::Register(Box::new(app()));
        self.launched(master::Event::App { session: APP_SESSION, message: register });
        let request = ClientRequest::SubmitDriver { request: None, description: Box::new(driver()) };
        self.launched(master::Event::Request { reply: ReplyToken(1), request });
        let view = self.worker.view(self.now.wall);
        assert_eq!((view.executors.len(), view.drivers.len()), (1, 1));
    }

    /// Carries out by hand what the observer forbids later: the launch of a run.
    fn launched(&mut self, event: master::Event) {
        let mut effects = Vec::new();
        let process = &mut self.masters[A];
        Rc::make_mut(process.machine.as_mut().unwrap()).handle(self.now, event, &mut effects);
        let worker = Rc::make_mut(&mut self.worker);
        let mut reports = Vec::new();
        for effect in effects {
            let master::Effect::ToWorker { session, message } = effect else {
                if let master::Effect::Persist(_) = effect {
                    Rc::make_mut(&mut self.masters[A].pending).push(effect);
                }
                continue;
            };
            let link = LinkId(session.0);
            worker.handle(self.now, worker::Event::FromMaster { link, message }, &mut reports);
        }
        self.commits(A);
        let run = reports.iter().find_map(|effect| match effect {
            worker::Effect::Prepare { run, .. } => Some(*run),
            _ => None,
        });
        self.started(run.unwrap());
        self.flow();
    }

    fn started(&mut self, run: RunId) {
        let worker = Rc::make_mut(&mut self.worker);
        worker.handle(self.now, worker::Event::Prepared { run, ready: Ready::default() }, &mut Vec::new());
        self.worker_handles(worker::Event::Started { run, pid: 1 });
    }
}

fn command() -> Command {
    Command { program: Program::Executable("program".to_owned()), ..Command::default() }
}

fn driver() -> DriverDescription {
    DriverDescription {
        memory: Memory::mib(512),
        cores: Cores(1),
        supervise: true,
        command: command(),
        ..DriverDescription::default()
    }
}

fn app() -> RegisterApplication {
    let description = ApplicationDescription {
        name: "app".to_owned(),
        user: "user".to_owned(),
        max_cores: Some(Cores(1)),
        command: command(),
        default_profile: ResourceProfile {
            memory: Some(Memory::mib(512)),
            cores: Some(Cores(1)),
            ..ResourceProfile::default()
        },
        ..ApplicationDescription::default()
    };
    RegisterApplication {
        token: AppToken::new("token").unwrap(),
        known_as: None,
        number: 1,
        description: Arc::new(description),
        profiles: Vec::new(),
        targets: BTreeMap::new(),
        executors: Vec::new(),
        endpoint: "client:1".to_owned().into(),
        cluster: None,
        heard: None,
        protocol: PROTOCOL_VERSION,
    }
}
