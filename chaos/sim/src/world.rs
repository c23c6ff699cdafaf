//! The world: everybody in it, and the one loop over what happens.

use std::collections::BTreeMap;
use std::time::Duration;

use tanist_core::rng::Rng;
use tanist_core::time::Mono;
use tanist_core::tracking::LinkId;
use tanist_core::worker::RunId;
use tanist_core::{app, worker};

use crate::agenda::{Agenda, Clock, millis};
use crate::broken::Broken;
use crate::clients::Client;
use crate::etcd::{EtcdCluster, MEMBERS, Out as FromEtcd};
use crate::hosts::{AtLimit, Host};
use crate::ledger::Ledger;
use crate::lines::Line;
use crate::master::MasterHost;
use crate::net::{Cargo, Net, Party, Process, Side};
use crate::operator::Operator;
use crate::plan::Fault;
use crate::port::{ConnId, In, Out};
use crate::settings::{MASTERS, Size};
use crate::trace::Trace;

/// Masters run so many milliseconds at a stretch while nothing is on its way to them.
const STRETCH_MILLIS: u64 = 20;

/// Everything.
pub struct World {
    /// What is going to happen.
    pub agenda: Agenda<Happening>,
    /// Chance.
    pub rng: Rng,
    /// The network.
    pub net: Net,
    /// The store.
    pub etcd: EtcdCluster,
    /// Lives of its members.
    pub etcd_lives: [u32; MEMBERS],
    /// Hosts of masters.
    pub masters: Vec<MasterHost>,
    /// Hosts of workers.
    pub hosts: Vec<Host>,
    /// Hosts of applications.
    pub clients: Vec<Client>,
    /// What connections are to those without a library.
    pub lines: BTreeMap<ConnId, Line>,
    /// Questions of theirs that are open for good, and to whom.
    pub standing: BTreeMap<(Process, String), ConnId>,
    /// Sessions of those, by their own numbers.
    pub sessions: BTreeMap<(Process, LinkId), ConnId>,
    /// Who submits.
    pub operator: Operator,
    /// No fault lasts longer than until then.
    pub faults_until: Mono,
    /// The observer's notes.
    pub ledger: Ledger,
    /// What happened.
    pub trace: Trace,
    /// A deliberately wrong build, if it is one.
    pub broken: Option<Broken>,
}

/// What happens at a moment.
#[derive(Debug)]
pub enum Happening {
    /// A fault of the plan.
    Fault(usize, Fault),
    /// A fault ends.
    Ends(Ending),
    /// Something arrives at one side of a connection.
    Arrives { conn: ConnId, to: Side, cargo: Cargo },
    /// What waits at one side may move now.
    Flows { conn: ConnId, to: Side },
    /// One side hears that a connection is over.
    Broke { conn: ConnId, side: Side },
    /// A keep-alive is due.
    KeptAlive { conn: ConnId },
    /// Who has opened a connection waits no longer.
    GivesUp { conn: ConnId },
    /// A submission is said again.
    Submits { number: usize },
    /// An event for a worker's machine.
    Worker { process: Process, event: worker::Event },
    /// An event for an application's machine.
    App { process: Process, event: app::Event },
    /// An alarm of a worker's machine, for when its own clock shows this.
    WorkerAlarm { process: Process, at: Mono, timer: worker::Timer },
    /// The same of an application's.
    AppAlarm { process: Process, at: Mono, timer: app::Timer },
    /// A program is started.
    Spawns { process: Process, run: RunId },
    /// A program ends.
    Exits { process: Process, run: RunId, serial: u64, code: i32 },
    /// A keeper's limit has come.
    Limit { process: Process, run: RunId, what: AtLimit },
    /// A host that stood still goes on.
    GoesOn { party: Party },
}

/// How a fault ends.
#[derive(Debug, Clone, Copy)]
pub enum Ending {
    /// A process that is dead starts.
    MasterStarts(usize),
    /// The same, with the id it had or a new one.
    WorkerStarts(usize, bool),
    /// A worker that takes no more work is replaced by a new one.
    WorkerReplaced(usize),
    /// A new application.
    AppStarts(usize),
    /// A member of etcd that is dead starts.
    EtcdStarts(usize),
    /// A member of etcd that is frozen goes on.
    EtcdThaws(usize),
    /// It is in touch with the others again.
    EtcdReconnects(usize),
    /// It carries out things as fast as the others.
    EtcdCatchesUp(usize),
    /// It answers reads with what the cluster agrees on.
    EtcdReads(usize),
    /// It has room again.
    EtcdHasRoom(usize),
    /// One way through the network is open again.
    Mend(Party, Party),
    /// A host is as fast as the others.
    Quick(Party),
    /// A clock runs as it should.
    ClockRight(Party),
}

impl World {
    /// Everybody starts.
    pub fn new(seed: u64, size: Size, broken: Option<Broken>, words: bool) -> Self {
        let agenda = Agenda::default();
        let now = agenda.now();
        let mut rng = Rng::new(seed);
        let mut etcd = EtcdCluster::new(rng.bits(), now.0);
        etcd.without_guards = broken == Some(Broken::NoGuard);
        let mut world = Self {
            agenda,
            rng,
            net: Net::default(),
            etcd,
            etcd_lives: [1; MEMBERS],
            masters: (0..MASTERS).map(|master| MasterHost::new(master, now)).collect(),
            hosts: (0..size.hosts).map(|host| Host::new(host, now)).collect(),
            clients: (0..size.clients).map(|_| Client::new(now)).collect(),
            lines: BTreeMap::new(),
            sessions: BTreeMap::new(),
            standing: BTreeMap::new(),
            operator: Operator::default(),
            faults_until: now,
            ledger: Ledger::default(),
            trace: Trace::new(words),
            broken,
        };
        world.everybody_starts();
        world
    }

    /// Whoever is dead starts.
    pub fn everybody_starts(&mut self) {
        (0..MEMBERS).for_each(|member| self.ends(Ending::EtcdStarts(member)));
        (0..MASTERS).for_each(|master| self.ends(Ending::MasterStarts(master)));
        (0..self.hosts.len()).for_each(|host| self.worker_starts(host, false));
        (0..self.clients.len()).for_each(|client| self.app_starts(client));
    }

    /// Lets time pass, and what happens in it happen.
    pub fn pass(&mut self, length: Duration) {
        let end = self.agenda.now() + length;
        self.everything_due();
        while self.agenda.now() < end {
            let now = self.agenda.now();
            let stretch = if self.masters.iter().any(MasterHost::is_woken) { 1 } else { STRETCH_MILLIS };
            let deadline = self.etcd.cluster.next_deadline().map(Mono);
            let next = [self.agenda.next_at(), deadline, Some(now + millis(stretch)), Some(end)];
            let next = next.into_iter().flatten().min().unwrap_or(end).max(now + millis(1));
            self.agenda.pass_to(next);
            self.masters_run_to(next);
            self.everything_due();
        }
    }

    fn everything_due(&mut self) {
        while let Some(happening) = self.agenda.due() {
            self.happens(happening);
        }
        self.etcd_runs_to(self.agenda.now());
    }

    fn masters_run_to(&mut self, next: Mono) {
        for master in 0..MASTERS {
            let process = (Party::Master(master), self.masters[master].life);
            for out in self.masters[master].run_to(next) {
                match out {
                    Out::Connect(conn, address) => self.connect(conn, process, &address),
                    Out::Frame(conn, call, frame) => self.send_frame(conn, process, call, frame),
                    Out::Close(conn) => self.close(conn, process),
                }
            }
            if self.trace.has_words() {
                for line in crate::logs::take() {
                    self.trace.note(next, format_args!("m{master} {line}"));
                }
            }
            if self.masters[master].has_stopped() {
                self.master_crashes(master);
            }
        }
    }

    fn etcd_runs_to(&mut self, next: Mono) {
        for out in self.etcd.advance(next.0) {
            match out {
                FromEtcd::Frame(conn, call, frame) => self.send_down(conn, call, frame),
                FromEtcd::Down(member) => {
                    let process = (Party::Etcd(member), self.etcd_lives[member]);
                    self.process_ended(process);
                }
                FromEtcd::Changes(changes) => self.observe_changes(&changes),
            }
        }
        self.observe_acknowledged();
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Fault(number, fault) => self.fault(number, fault),
            Happening::Ends(ending) => self.ends(ending),
            Happening::Arrives { conn, to, cargo } => self.arrives(conn, to, cargo),
            Happening::Flows { conn, to } => self.flows(conn, to),
            Happening::Broke { conn, side } => self.broke(conn, side),
            Happening::KeptAlive { conn } => self.kept_alive(conn),
            Happening::GivesUp { conn } => self.gives_up(conn),
            Happening::Submits { number } => self.says_submission(number),
            Happening::Worker { process: (Party::Worker(host), life), event } => self.worker_event(host, life, event),
            Happening::App { process: (Party::App(client), life), event } => self.app_event(client, life, event),
            Happening::Worker { .. } | Happening::App { .. } => {}
            Happening::WorkerAlarm { process, at, timer } => self.worker_alarm(process, at, timer),
            Happening::AppAlarm { process, at, timer } => self.app_alarm(process, at, timer),
            Happening::Spawns { process, run } => self.spawns(process, run),
            Happening::Exits { process, run, serial, code } => self.exits(process, run, serial, code),
            Happening::Limit { process, run, what } => self.limit_comes(process, run, what),
            Happening::GoesOn { party } => self.goes_on(party),
        }
    }

    fn goes_on(&mut self, party: Party) {
        if let Party::Master(master) = party
            && self.masters[master].still
        {
            self.masters[master].wake(self.agenda.now());
        }
        if let Party::Worker(host) = party {
            self.worker_goes_on(host);
        }
        self.flows_to(party);
    }

    /// Something has come to a process.
    pub fn hears(&mut self, (party, life): Process, conn: ConnId, what: In) {
        if self.life(party) != Some(life) {
            return;
        }
        let now = self.agenda.now().0;
        match (party, what) {
            (Party::Master(master), what) => self.masters[master].hear(conn, what),
            (Party::Etcd(member), In::Frame(call, frame)) => self.etcd.hear(now, member, conn, call, frame),
            (Party::Etcd(_), In::Broken) => self.etcd.broken(conn),
            (Party::Etcd(_), In::Accepted | In::Refused) => {}
            (_, what) => self.line_hears((party, life), conn, what),
        }
    }

    /// Which process a party is now; none if it is dead.
    pub fn life(&self, party: Party) -> Option<u32> {
        match party {
            Party::Master(master) => self.masters[master].is_up().then_some(self.masters[master].life),
            Party::Etcd(member) => self.etcd.cluster.is_up(member).then_some(self.etcd_lives[member]),
            Party::Worker(host) => self.hosts[host].machine.is_some().then_some(self.hosts[host].life),
            Party::App(client) => self.clients[client].machine.is_some().then_some(self.clients[client].life),
            Party::Operator => Some(1),
        }
    }

    /// Whether what comes to a host waits there.
    pub fn stands_still(&self, party: Party) -> bool {
        match party {
            Party::Master(master) => self.masters[master].still,
            Party::Worker(host) => self.is_still(host),
            Party::Etcd(_) | Party::App(_) | Party::Operator => false,
        }
    }

    /// The clock of a host, if it has one that may go wrong.
    pub fn clock(&mut self, party: Party) -> Option<&mut Clock> {
        match party {
            Party::Master(master) => Some(&mut self.masters[master].clock),
            Party::Worker(host) => Some(&mut self.hosts[host].clock),
            Party::App(client) => Some(&mut self.clients[client].clock),
            Party::Etcd(_) | Party::Operator => None,
        }
    }

    /// A length of time up to this, in milliseconds; now and then longer, and sometimes much longer.
    pub fn moment(&mut self, most: u64) -> Duration {
        let most = match self.rng.between(0, 100) {
            0 => most.max(2000),
            1..10 => most * 4,
            _ => most,
        };
        millis(self.rng.between(0, most) + 1)
    }

    /// Chance.
    pub fn one_in(&mut self, chances: u64) -> bool {
        self.rng.between(0, chances) == 0
    }
}
