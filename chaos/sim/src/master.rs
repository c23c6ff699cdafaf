//! Masters: the real process but for its sockets, each in a runtime of its own, whose clock goes as far as the simulator
//! lets it.
//!
//! A host that is suspended is not stepped, and its clock since boot has gone on when it is. A process that crashes is a
//! runtime that is dropped.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tanist_core::model::MasterRole;
use tanist_core::rng::Rng;
use tanist_core::time::{Mono, Wall};
use tanist_master::{Backend, MasterError, MasterHandle, MasterOptions, MasterService, Published, SparkOptions};
use tanist_store::EtcdStore;
use tanist_store::simulated::{self, Channel, Host, Order};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::service::Routes;

use crate::agenda::{Clock, wall};
use crate::port::{ConnId, In, Out, Port};
use crate::settings;

/// Connections of one life of one master are numbered from here on.
const CONNS_OF_A_LIFE: u64 = 1 << 40;

/// More often than this the commit loop never has reason to come round within a millisecond.
const TURNS_OF_A_MILLISECOND: u32 = 20_000;

/// The host of one master.
pub struct MasterHost {
    number: usize,
    /// How many processes there were.
    pub life: u32,
    /// Its clocks.
    pub clock: Clock,
    /// It does not run.
    pub still: bool,
    process: Option<Process>,
}

/// The process.
struct Process {
    system: Rc<System>,
    port: Arc<Port>,
    services: Routes,
    // Dropped before the runtime.
    service: Option<MasterService>,
    _store: Arc<EtcdStore>,
    runtime: Runtime,
    /// How far the runtime's clock has come.
    ran: Cell<u64>,
    /// Something waits for it.
    woken: bool,
    stopping: Option<JoinHandle<Result<(), MasterError>>>,
    view: Option<oneshot::Receiver<Published>>,
}

/// What stands for the operating system.
struct System {
    /// The runtime's clock when it began, once it has.
    began: Cell<Option<Instant>>,
    /// Time since boot when the process began, and what it has slept through since.
    booted: Cell<u64>,
    wall_ahead: Cell<i64>,
    rng: RefCell<Rng>,
    orders: RefCell<BTreeMap<String, (Order, u32)>>,
    /// Until its runtime has come so far, something waits at a fail point.
    waits_until: Cell<Duration>,
    /// How often the loop has come round in this millisecond.
    turns: Cell<(Mono, u32)>,
    port: Arc<Port>,
}

impl Host for System {
    fn mono(&self) -> Mono {
        Mono(self.booted.get()) + self.ran()
    }

    fn wall(&self) -> Wall {
        wall(self.mono(), self.wall_ahead.get())
    }

    fn random(&self) -> u64 {
        self.rng.borrow_mut().bits()
    }

    fn ordered(&self, failpoint: &str) -> Option<Order> {
        if failpoint == "master.loop.turn" {
            self.count_turn();
        }
        let mut orders = self.orders.borrow_mut();
        let (order, left) = orders.get_mut(failpoint)?;
        let order = *order;
        *left -= 1;
        if *left == 0 {
            orders.remove(failpoint);
        }
        if let Order::Wait(length) = order {
            self.waits_until.set(self.waits_until.get().max(self.ran() + length));
        }
        Some(order)
    }

    fn channel(&self, address: &str) -> Channel {
        self.port.channel(address)
    }

    fn connect(&self, address: &str) -> futures_util::future::BoxFuture<'static, io::Result<Channel>> {
        Box::pin(self.port.clone().connect(address.to_owned()))
    }
}

impl System {
    /// How long the runtime has run.
    fn ran(&self) -> Duration {
        self.began.get().map_or(Duration::ZERO, |began| Instant::now().saturating_duration_since(began))
    }

    /// A loop that comes round again and again at one moment has something due that it does not do.
    fn count_turn(&self) {
        let (at, turns) = self.turns.get();
        let now = self.mono();
        let turns = if at == now { turns + 1 } else { 1 };
        self.turns.set((now, turns));
        assert!(turns < TURNS_OF_A_MILLISECOND, "the commit loop spins");
    }
}

impl MasterHost {
    /// A host without a process.
    pub fn new(number: usize, now: Mono) -> Self {
        Self { number, life: 0, clock: Clock::right(now), still: false, process: None }
    }

    /// Whether there is a process.
    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// The process starts.
    pub fn start(&mut self, now: Mono, seed: u64) {
        if self.process.is_some() {
            return;
        }
        self.life += 1;
        let mut rng = Rng::new(seed);
        let machine_seed = rng.bits();
        let runtime = runtime(rng.bits());
        let first = CONNS_OF_A_LIFE * (1 + u64::from(self.life) * settings::MASTERS as u64 + self.number as u64);
        let port = Port::new(first);
        let system = Rc::new(System {
            began: Cell::new(None),
            booted: Cell::new(self.clock.mono(now).0),
            wall_ahead: Cell::new(self.clock.wall_ahead()),
            rng: RefCell::new(rng),
            orders: RefCell::default(),
            waits_until: Cell::new(Duration::ZERO),
            turns: Cell::new((Mono(0), 0)),
            port: port.clone(),
        });
        let _here = simulated::enter(system.clone());
        let (service, services, store) = runtime.block_on(async {
            system.began.set(Some(Instant::now()));
            let store = Arc::new(EtcdStore::open(settings::etcd()).unwrap());
            let options = MasterOptions {
                id: settings::master_id(self.number),
                advertised_host: format!("m{}", self.number),
                advertised_port: None,
                ui_url: None,
                rest: None,
                spark: SparkOptions::default(),
                config: settings::master(),
                seed: machine_seed,
            };
            let address = settings::master_address(self.number);
            let (service, services) = MasterService::simulated(options, Backend::shared(store.clone()), address);
            (service, services, store)
        });
        let service = Some(service);
        let ran = Cell::new(0);
        self.process = Some(Process {
            system,
            port,
            services,
            service,
            _store: store,
            runtime,
            ran,
            woken: true,
            stopping: None,
            view: None,
        });
    }

    /// The process is gone without a word.
    pub fn crash(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _here = simulated::enter(process.system.clone());
            drop(process.service.take());
            drop(process);
            self.still = false;
        }
    }

    /// The process is told to stop: it leaves the office first, and is gone some seconds later.
    pub fn stop(&mut self) {
        if let Some(process) = &mut self.process
            && let Some(service) = process.service.take()
        {
            let _here = simulated::enter(process.system.clone());
            process.stopping = Some(process.runtime.handle().spawn(service.stop()));
            process.woken = true;
        }
    }

    /// Whether it was told to stop, and has.
    pub fn has_stopped(&self) -> bool {
        let stopping = self.process.as_ref().and_then(|process| process.stopping.as_ref());
        stopping.is_some_and(JoinHandle::is_finished)
    }

    /// The host is woken: its runtime has slept, and its clock since boot has not.
    pub fn wake(&mut self, now: Mono) {
        self.still = false;
        if let Some(process) = &mut self.process {
            let asleep = self.clock.mono(now).0.saturating_sub(process.shown());
            process.system.booted.set(process.system.booted.get() + asleep);
            process.woken = true;
        }
    }

    /// Its clock is set.
    pub fn set_wall(&mut self, ahead: i64) {
        self.clock.set_wall(ahead);
        if let Some(process) = &self.process {
            process.system.wall_ahead.set(ahead);
        }
    }

    /// A fault at a fail point, so many times.
    pub fn order(&mut self, failpoint: &str, order: Order, times: u32) {
        if let Some(process) = &self.process {
            process.system.orders.borrow_mut().insert(failpoint.to_owned(), (order, times));
        }
    }

    /// No fault is ordered any more. True: one goes on, because its clock has stood still or is slow.
    pub fn forget_orders(&mut self) -> bool {
        let Some(process) = &self.process else { return false };
        process.system.orders.borrow_mut().clear();
        Duration::from_millis(process.ran.get()) < process.system.waits_until.get()
    }

    /// Something has come from the network.
    pub fn hear(&mut self, conn: ConnId, what: In) {
        if let Some(process) = &mut self.process {
            let _here = simulated::enter(process.system.clone());
            process.port.hear(conn, what, &process.services, process.runtime.handle());
            process.woken = true;
        }
    }

    /// Whether it has something to do at once.
    pub fn is_woken(&self) -> bool {
        !self.still && self.process.as_ref().is_some_and(|process| process.woken)
    }

    /// Runs until a moment, and gives what it has sent.
    pub fn run_to(&mut self, now: Mono) -> Vec<Out> {
        let Some(process) = self.process.as_mut().filter(|_| !self.still) else { return Vec::new() };
        let ran = self.clock.mono(now).0.saturating_sub(process.system.booted.get());
        if ran <= process.ran.get() {
            return Vec::new();
        }
        process.ran.set(ran);
        process.woken = false;
        let _here = simulated::enter(process.system.clone());
        let until = process.system.began.get().map(|began| began + Duration::from_millis(ran));
        if let Some(until) = until {
            process.runtime.block_on(async move { tokio::time::sleep_until(until).await });
        }
        process.port.take()
    }

    /// Why the process has ended by itself, if it has.
    pub fn ended(&mut self) -> Option<String> {
        let process = self.process.as_mut()?;
        let service = process.service.as_mut()?;
        let _here = simulated::enter(process.system.clone());
        let ended = process.runtime.block_on(async {
            std::future::poll_fn(|context| {
                let ended = std::pin::pin!(service.ended());
                std::task::Poll::Ready(match ended.poll(context) {
                    std::task::Poll::Ready(ended) => Some(ended),
                    std::task::Poll::Pending => None,
                })
            })
            .await
        })?;
        Some(ended.map_or_else(|error| error.to_string(), |()| "by order".to_owned()))
    }

    /// What it shows as its role.
    pub fn role(&self) -> MasterRole {
        self.handle().map_or_else(MasterRole::default, |handle| handle.leadership().borrow().role)
    }

    fn handle(&self) -> Option<&MasterHandle> {
        Some(self.process.as_ref()?.service.as_ref()?.handle())
    }

    /// Asks it for its view of the cluster; [`Self::view`] has it some milliseconds later.
    pub fn ask_view(&mut self) {
        let Some(handle) = self.handle().cloned() else { return };
        let Some(process) = &mut self.process else { return };
        let (answer, answered) = oneshot::channel();
        process.runtime.handle().spawn(async move {
            let _ = answer.send(handle.view().await);
        });
        process.view = Some(answered);
        process.woken = true;
    }

    /// Its view, if it was asked for it.
    pub fn view(&mut self) -> Option<Published> {
        self.process.as_mut()?.view.as_mut()?.try_recv().ok()
    }
}

impl Process {
    /// Time since boot, as the process knows it.
    fn shown(&self) -> u64 {
        self.system.booted.get() + self.ran.get()
    }
}

/// One thread, virtual time, and the same choices whenever it has the same seed.
fn runtime(seed: u64) -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
    #[cfg(not(tokio_unstable))]
    let _ = seed;
    builder.build().unwrap()
}
