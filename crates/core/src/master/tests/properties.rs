//! Random lives of a small cluster: honest workers and applications, broken sessions, lost messages, changes of
//! leader. After every event all invariants hold (the rig checks them), and after the faults have ended everything
//! pending runs (L3).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::rig::*;
use crate::ids::*;
use crate::master::{Effect, Event, ExecutorView, Finding, MasterConfig, Peer, Recalled};
use crate::model::*;
use crate::msg::*;

#[derive(Debug, Clone)]
enum Step {
    Join(u8),
    Cut(u8),
    CrashWorker(u8),
    Submit { cores: u8, supervise: bool },
    KillDriver(u8),
    FinishDriver(u8, i32),
    EnterApp(u8),
    CutApp(u8),
    LeaveApp(u8),
    Want(u8, u8),
    EndExecutor(u8, i32),
    KillExecutor(u8),
    Decommission(u8),
    Pass(u16),
    FailOver,
    Suspend,
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0u8..4;
    prop_oneof![
        4 => n.clone().prop_map(Step::Join),
        2 => n.clone().prop_map(Step::Cut),
        1 => n.clone().prop_map(Step::CrashWorker),
        4 => (1u8..4, any::<bool>()).prop_map(|(cores, supervise)| Step::Submit { cores, supervise }),
        1 => any::<u8>().prop_map(Step::KillDriver),
        3 => (any::<u8>(), 0i32..2).prop_map(|(n, code)| Step::FinishDriver(n, code)),
        3 => n.clone().prop_map(Step::EnterApp),
        1 => n.clone().prop_map(Step::CutApp),
        1 => n.clone().prop_map(Step::LeaveApp),
        2 => (n.clone(), 0u8..6).prop_map(|(app, total)| Step::Want(app, total)),
        3 => (any::<u8>(), 0i32..2).prop_map(|(n, code)| Step::EndExecutor(n, code)),
        1 => any::<u8>().prop_map(Step::KillExecutor),
        1 => n.prop_map(Step::Decommission),
        2 => (1u16..90).prop_map(Step::Pass),
        1 => Just(Step::FailOver),
        1 => Just(Step::Suspend),
        2 => Just(Step::Resume),
    ]
}

/// A worker process as it really is: it obeys what it hears and keeps what it runs, whoever leads.
#[derive(Debug, Default)]
struct Host {
    session: Option<SessionId>,
    /// Its latest session with this leader, open or ended.
    latest: Option<SessionId>,
    starts: u64,
    inventory: Inventory,
}

#[derive(Debug, Default)]
struct Client {
    session: Option<SessionId>,
    id: Option<AppId>,
    starts: u64,
    executors: BTreeSet<ExecutorId>,
}

struct World {
    rig: Rig,
    hosts: Vec<Host>,
    clients: Vec<Client>,
    drivers: Vec<DriverId>,
    /// What was said and is not delivered yet: a session keeps its order, whatever is answered meanwhile.
    under_way: VecDeque<Effect>,
    delivering: bool,
}

fn settings() -> MasterConfig {
    MasterConfig { max_executor_retries: None, mass_loss_percent: 100, ..config() }
}

/// This client does not know which executors it has.
const FOREIGN: usize = 3;

impl World {
    fn new() -> Self {
        let hosts = (0..4).map(|_| Host::default()).collect();
        let clients = (0..4).map(|_| Client::default()).collect();
        let (rig, drivers, under_way) = (Rig::alive_with(settings()), Vec::new(), VecDeque::new());
        Self { rig, hosts, clients, drivers, under_way, delivering: false }
    }

    /// Delivers what a master says to those who still listen.
    fn deliver(&mut self, effects: Vec<Effect>) {
        self.under_way.extend(effects);
        if std::mem::replace(&mut self.delivering, true) {
            return;
        }
        while let Some(effect) = self.under_way.pop_front() {
            match effect {
                Effect::ToWorker { session, message: MasterToWorker::Command(command) } => {
                    if let Some(n) = self.hosts.iter().position(|host| host.session == Some(session)) {
                        self.obey(n, command.body);
                    }
                }
                Effect::ToApp { session, message: MasterToApp::Notice(notice) } => {
                    if let Some(client) = self.clients.iter_mut().find(|client| client.session == Some(session)) {
                        client.hear(&notice.body);
                    }
                }
                Effect::ToApp { session, message: MasterToApp::RegistrationRefused { .. } } => {
                    if let Some(client) = self.clients.iter_mut().find(|client| client.session == Some(session)) {
                        *client = Client { starts: client.starts + 1, ..Client::default() };
                    }
                }
                Effect::Recall { registration: Recalled::App(id, registration), session } => {
                    self.call(id, *registration, session);
                }
                Effect::CloseSession { session } => {
                    self.hosts.iter_mut().filter(|h| h.session == Some(session)).for_each(|h| h.session = None);
                    self.clients.iter_mut().filter(|c| c.session == Some(session)).for_each(|c| c.session = None);
                }
                _ => {}
            }
        }
        self.delivering = false;
    }

    fn obey(&mut self, n: usize, command: WorkerCommand) {
        let Host { session: Some(session), inventory, .. } = &mut self.hosts[n] else { return };
        let session = *session;
        let report = match command {
            WorkerCommand::LaunchExecutor { executor, .. } => {
                let name = executor.executor.clone();
                inventory.executors.push(ExecutorDescription { state: ExecutorState::Running, ..executor });
                Some(executor_ended(&name, ExecutorState::Running, None))
            }
            WorkerCommand::LaunchDriver { driver, attempt, booking, .. } => {
                let live = inventory.drivers.iter().filter(|d| d.driver == driver).count();
                assert_eq!(live, 0, "I3: {driver} runs here already");
                inventory.drivers.push(DriverOnWorker {
                    driver: driver.clone(),
                    attempt,
                    state: DriverState::Running,
                    booking,
                });
                Some(WorkerToMaster::DriverStarted { driver, attempt })
            }
            WorkerCommand::KillExecutor { executor } => {
                inventory.executors.retain(|e| e.executor != executor);
                Some(executor_ended(&executor, ExecutorState::Killed, Some(143)))
            }
            WorkerCommand::KillDriver { driver, attempt } => {
                let (killed, kept) = std::mem::take(&mut inventory.drivers)
                    .into_iter()
                    .partition(|d| d.driver == driver && d.attempt <= attempt);
                inventory.drivers = kept;
                let killed: Vec<DriverOnWorker> = killed;
                killed.first().map(|d| driver_ended(d, DriverState::Killed, Some(143)))
            }
            WorkerCommand::ApplicationFinished { .. } | WorkerCommand::Decommission => None,
        };
        if let Some(report) = report {
            let effects = self.rig.tell(session, report);
            self.deliver(effects);
        }
    }

    fn registration(&self, n: usize) -> RegisterWorker {
        let host = &self.hosts[n];
        let id = format!("w{n}-{}", host.starts);
        let heard = Some(self.rig.leader().term);
        let place = RegisterWorker { host: format!("h{n}"), heard, ..worker(&id, 6, 6000) };
        RegisterWorker { inventory: host.inventory.clone(), ..place }
    }

    fn join(&mut self, n: usize) {
        if self.hosts[n].session.is_some() || self.rig.master.role() == MasterRole::Suspended {
            return;
        }
        let registration = self.registration(n);
        let session = self.rig.session();
        self.hosts[n].session = Some(session);
        self.hosts[n].latest = Some(session);
        let message = WorkerToMaster::Register(Box::new(registration));
        let effects = self.rig.send(Event::Worker { session, message });
        self.deliver(effects);
    }

    fn cut(&mut self, n: usize) {
        if let Some(session) = self.hosts[n].session.take() {
            let effects = self.rig.send(Event::SessionClosed { session });
            self.deliver(effects);
        }
    }

    fn enter(&mut self, n: usize) {
        let client = &self.clients[n];
        let plain = app(&format!("t{n}-{}", client.starts), [None, Some(1), Some(2), Some(3)][n], 500, Some(5));
        if n != FOREIGN {
            let executors = client.executors.iter().copied().collect();
            self.register(n, RegisterApplication { known_as: client.id.clone(), executors, ..plain });
        } else if client.id.is_none() {
            let (address, registration) = (plain.endpoint.address().to_owned(), Vec::new());
            let endpoint = AppEndpoint::Foreign(Arc::new(ForeignClient { address, registration }));
            self.register(n, RegisterApplication { endpoint, ..plain });
        }
    }

    /// A client that never comes back by itself is called: whoever answers is it, or it is gone.
    fn call(&mut self, id: AppId, registration: RegisterApplication, session: Option<SessionId>) {
        if self.clients[FOREIGN].id.as_ref() == Some(&id) {
            self.register(FOREIGN, registration);
        } else {
            let peer = Peer::App(id);
            let effects = self.rig.send(Event::Probed { peer, session, finding: Finding::Gone });
            self.deliver(effects);
        }
    }

    fn register(&mut self, n: usize, registration: RegisterApplication) {
        if self.clients[n].session.is_some() || self.rig.master.role() == MasterRole::Suspended {
            return;
        }
        let session = self.rig.session();
        self.clients[n].session = Some(session);
        let effects = self.rig.say(session, AppToMaster::Register(Box::new(registration)));
        for effect in &effects {
            if let Effect::ToApp { message: MasterToApp::Registered(answer), .. } = effect {
                let before = self.clients[n].id.replace(answer.app.clone());
                assert!(before.is_none_or(|id| id == answer.app), "one token, one application");
            }
        }
        self.deliver(effects);
    }

    fn driver_at(&self, pick: u8) -> Option<(usize, DriverOnWorker)> {
        let all: Vec<_> = self
            .hosts
            .iter()
            .enumerate()
            .filter(|(_, h)| h.session.is_some())
            .flat_map(|(n, h)| h.inventory.drivers.iter().map(move |d| (n, d.clone())))
            .collect();
        all.get(usize::from(pick) % all.len().max(1)).cloned()
    }

    fn executor_at(&self, pick: u8) -> Option<(usize, ExecutorRef)> {
        let all: Vec<_> = self
            .hosts
            .iter()
            .enumerate()
            .filter(|(_, h)| h.session.is_some())
            .flat_map(|(n, h)| h.inventory.executors.iter().map(move |e| (n, e.executor.clone())))
            .collect();
        all.get(usize::from(pick) % all.len().max(1)).cloned()
    }

    fn tell(&mut self, n: usize, message: WorkerToMaster) {
        if let Some(session) = self.hosts[n].session {
            let effects = self.rig.tell(session, message);
            self.deliver(effects);
        }
    }

    fn say(&mut self, n: usize, message: AppToMaster) {
        if let Some(session) = self.clients[n].session {
            let effects = self.rig.say(session, message);
            self.deliver(effects);
        }
    }

    fn fail_over(&mut self) {
        let effects = self.rig.fail_over(settings());
        self.hosts.iter_mut().for_each(|host| (host.session, host.latest) = (None, None));
        self.clients.iter_mut().for_each(|client| client.session = None);
        self.deliver(effects);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Join(n) => self.join(n.into()),
            Step::Cut(n) => self.cut(n.into()),
            Step::CrashWorker(n) => self.crash(n.into()),
            Step::EnterApp(n) => self.enter(n.into()),
            Step::CutApp(n) => self.cut_app(n.into()),
            Step::Submit { cores, supervise } => {
                self.submit(DriverDescription { supervise, ..driver(cores.into(), 500) });
            }
            Step::KillDriver(n) => self.kill_driver(n.into()),
            Step::Pass(seconds) => self.pass(seconds),
            Step::FailOver => self.fail_over(),
            Step::Suspend => drop(self.rig.send(Event::Suspended)),
            Step::Resume => {
                let effects = self.rig.send(Event::Resumed);
                self.deliver(effects);
            }
            // Peers speak only to a leader that answers; a suspended one would make them repeat themselves.
            _ if self.rig.master.role() == MasterRole::Suspended => {}
            Step::FinishDriver(pick, code) => self.finish_driver(pick, code),
            Step::LeaveApp(n) => self.leave(n.into()),
            Step::Want(n, total) => {
                let targets = BTreeMap::from([(ProfileId(0), u32::from(total))]);
                self.say(n.into(), AppToMaster::RequestExecutors { request: 1, profiles: Vec::new(), targets });
            }
            Step::EndExecutor(pick, code) => self.end_executor(pick, code),
            Step::KillExecutor(pick) => self.kill_executor(pick),
            Step::Decommission(n) => self.tell(n.into(), WorkerToMaster::Decommissioning),
        }
    }

    fn crash(&mut self, n: usize) {
        let id = self.registration(n).id;
        self.cut(n);
        let host = &mut self.hosts[n];
        let asked = host.latest;
        *host = Host { starts: host.starts + 1, ..Host::default() };
        let effects = self.rig.send(Event::Probed { peer: Peer::Worker(id), session: asked, finding: Finding::Gone });
        self.deliver(effects);
    }

    fn cut_app(&mut self, n: usize) {
        if let Some(session) = self.clients[n].session.take() {
            let effects = self.rig.send(Event::SessionClosed { session });
            self.deliver(effects);
        }
    }

    fn submit(&mut self, description: DriverDescription) {
        let request = ClientRequest::SubmitDriver { request: None, description: Box::new(description) };
        let (reply, effects) = self.rig.request(request);
        if let ClientReply::Submitted { driver } = reply {
            self.drivers.push(driver);
        }
        self.deliver(effects);
    }

    fn kill_driver(&mut self, pick: usize) {
        if let Some(driver) = self.drivers.get(pick % self.drivers.len().max(1)).cloned() {
            let (_, effects) = self.rig.request(ClientRequest::KillDriver { driver });
            self.deliver(effects);
        }
    }

    /// Time passes, and who has a session sends its heartbeats.
    fn pass(&mut self, seconds: u16) {
        let mut left = Duration::from_secs(seconds.into());
        while left > Duration::ZERO {
            let part = left.min(Duration::from_secs(15));
            let effects = self.rig.pass(part);
            self.deliver(effects);
            for n in 0..4 {
                self.tell(n, WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 });
            }
            left -= part;
        }
    }

    fn finish_driver(&mut self, pick: u8, code: i32) {
        let Some((n, running)) = self.driver_at(pick) else { return };
        self.hosts[n].inventory.drivers.retain(|d| *d != running);
        let state = if code == 0 { DriverState::Finished } else { DriverState::Failed };
        self.tell(n, driver_ended(&running, state, Some(code)));
    }

    fn leave(&mut self, n: usize) {
        self.say(n, AppToMaster::Unregister);
        let client = &mut self.clients[n];
        *client = Client { starts: client.starts + 1, ..Client::default() };
    }

    fn end_executor(&mut self, pick: u8, code: i32) {
        let Some((n, executor)) = self.executor_at(pick) else { return };
        self.hosts[n].inventory.executors.retain(|e| e.executor != executor);
        self.tell(n, executor_ended(&executor, ExecutorState::Exited, Some(code)));
    }

    fn kill_executor(&mut self, pick: u8) {
        let Some((_, executor)) = self.executor_at(pick) else { return };
        if let Some(n) = self.clients.iter().position(|client| client.id.as_ref() == Some(&executor.app)) {
            self.say(n, AppToMaster::KillExecutors { request: 2, executors: vec![executor.id] });
        }
    }

    /// What lives of a client that does not know it is in its record, on the worker where it is.
    fn is_recorded(&self) {
        let records = self.rig.store.recovered().apps;
        for record in records.iter().filter(|record| record.endpoint.is_foreign()) {
            let seen = self.rig.view().apps.into_iter().find(|app| app.id == record.id).expect("an application");
            let listed = |executor: &ExecutorView| {
                let there = record.executors.as_ref().and_then(|list| list.get(&executor.worker));
                there.is_some_and(|there| there.contains(&executor.id))
            };
            assert!(seen.executors.iter().all(listed), "{:?} are listed, {:?} live", record.executors, seen.executors);
        }
    }

    /// Faults end: everybody is there and stays.
    fn heal(&mut self) {
        self.step(&Step::Resume);
        self.fail_over();
        for n in 0..4 {
            self.join(n);
            self.enter(n);
        }
        self.pass(60);
    }

    /// I5, I6, I7: what the master believes is what runs.
    fn agree(self) {
        let view = self.rig.view();
        assert_eq!(view.role, MasterRole::Alive);
        for (n, host) in self.hosts.iter().enumerate() {
            let id = format!("w{n}-{}", host.starts);
            let seen = view.workers.iter().find(|worker| worker.id.as_str() == id).expect("registered");
            assert_eq!(seen.executors, host.inventory.executors.len(), "executors on {id}");
            let mut runs: Vec<&DriverId> = host.inventory.drivers.iter().map(|d| &d.driver).collect();
            runs.sort();
            assert_eq!(seen.drivers.iter().collect::<Vec<_>>(), runs, "drivers on {id}");
            let cores: u32 = host.inventory.executors.iter().map(|e| e.cores.0).sum::<u32>()
                + host.inventory.drivers.iter().map(|d| d.booking.cores.0).sum::<u32>();
            assert_eq!(seen.cores_used.0, cores.min(6), "cores used on {id}");
        }
        for driver in &self.drivers.clone() {
            let state = self.rig.status(driver).state;
            assert!(
                state.is_final()
                    || matches!(state, DriverState::Running | DriverState::Submitted | DriverState::Relaunching),
                "I7: {driver} is {state}"
            );
        }
        for client in &self.clients {
            let seen = view.apps.iter().find(|app| Some(&app.id) == client.id.as_ref()).expect("registered");
            let has: Vec<ExecutorId> = client.executors.iter().copied().collect();
            let lives: Vec<ExecutorId> =
                seen.executors.iter().filter(|e| e.state != ExecutorState::Decommissioned).map(|e| e.id).collect();
            assert_eq!(has, lives, "executors of {}", seen.id);
        }
    }
}

impl Client {
    fn hear(&mut self, notice: &AppNotice) {
        match *notice {
            AppNotice::ExecutorAdded { executor, .. } => drop(self.executors.insert(executor)),
            AppNotice::ExecutorUpdated { executor, state, .. } => {
                if state.is_finished() || state == ExecutorState::Decommissioned {
                    self.executors.remove(&executor);
                }
            }
            AppNotice::ApplicationRemoved { .. } => {
                *self = Client { starts: self.starts + 1, session: self.session, ..Client::default() };
            }
            AppNotice::WorkerRemoved { .. } | AppNotice::Answer { .. } => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn all_invariants_hold_in_any_life(steps in proptest::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        for step in steps {
            world.step(&step);
            world.is_recorded();
        }
        world.heal();
        world.agree();
    }
}
