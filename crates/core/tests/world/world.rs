//! The world: everybody in it, and the one loop over what happens.

use std::fmt;
use std::time::Duration;

use tanist_core::ids::{Epoch, ReplyToken, SessionId, Term};
use tanist_core::msg::ClientRequest;
use tanist_core::observer::Observer;
use tanist_core::record::{Change, Recovered};
use tanist_core::rng::Rng;
use tanist_core::worker::RunId;
use tanist_core::{app, master, worker};

use crate::agenda::Agenda;
use crate::clients::{CLIENTS, Client};
use crate::hosts::{HOSTS, Host};
use crate::keepers::AtLimit;
use crate::masters::{MASTERS, MasterProcess};
use crate::net::{Cargo, Net, Process, Side, Who};
use crate::outlets::Dial;
use crate::store::Store;
use crate::submitter::Submitter;

/// So many milliseconds.
pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) struct World {
    pub(crate) agenda: Agenda<Happening>,
    pub(crate) rng: Rng,
    pub(crate) store: Store,
    pub(crate) net: Net,
    pub(crate) masters: Vec<MasterProcess>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) clients: Vec<Client>,
    pub(crate) submitter: Submitter,
    pub(crate) observer: Observer,
    /// Tell everything (`WORLD_TRACE=1`).
    pub(crate) trace: bool,
}

/// What happens at a moment.
#[derive(Debug)]
pub(crate) enum Happening {
    // Masters and the store.
    MasterStarts { master: usize },
    Stands { master: usize },
    TakesOffice { master: usize, life: u32, term: Term, recovered: Box<Recovered> },
    SeesLeader { master: usize },
    LearnsLoss { master: usize, epoch: Epoch },
    EndsTerm { master: usize, epoch: Epoch },
    LeaseEnds { term: Term },
    Commits { master: usize, term: Term, changes: Vec<Change> },
    Committed { master: usize, epoch: Epoch, done: bool },
    Master { master: usize, epoch: Epoch, event: master::Event },
    Dials(Dial),
    Asked { master: usize, token: ReplyToken, request: ClientRequest },
    // Sessions.
    Opens { session: SessionId },
    Arrives { session: SessionId, to: Side, cargo: Cargo },
    Flows { session: SessionId, to: Side },
    Broke { session: SessionId, side: Side },
    KeptAlive { session: SessionId },
    AsksLeader { process: Process, master: usize, above: Option<Term> },
    // Workers, their programs, and applications.
    WorkerStarts { host: usize, same_id: bool },
    Worker { process: Process, event: worker::Event },
    Spawns { process: Process, run: RunId },
    Exits { process: Process, run: RunId, serial: u64, code: i32 },
    Limit { process: Process, run: RunId, what: AtLimit },
    AppStarts { client: usize },
    App { process: Process, event: app::Event },
}

impl World {
    /// Everybody starts.
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            agenda: Agenda::new(),
            rng: Rng::new(seed),
            store: Store::default(),
            net: Net::default(),
            masters: (0..MASTERS).map(|_| MasterProcess::new()).collect(),
            hosts: (0..HOSTS).map(Host::new).collect(),
            clients: (0..CLIENTS).map(|_| Client::new()).collect(),
            submitter: Submitter::default(),
            observer: Observer::default(),
            trace: std::env::var_os("WORLD_TRACE").is_some(),
        };
        world.everybody_starts();
        world
    }

    /// Whoever is dead starts.
    pub(crate) fn everybody_starts(&mut self) {
        (0..MASTERS).for_each(|master| self.master_starts(master));
        (0..HOSTS).for_each(|host| self.worker_starts(host, false));
        (0..CLIENTS).for_each(|client| self.app_starts(client));
    }

    /// Lets time pass, and what happens in it happen.
    pub(crate) fn pass(&mut self, length: Duration) {
        let end = self.agenda.now().mono + length;
        while let Some(happening) = self.agenda.next_until(end) {
            self.happens(happening);
        }
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::MasterStarts { master } => self.master_starts(master),
            Happening::Stands { master } => self.stands(master),
            Happening::TakesOffice { master, life, term, recovered } => {
                self.takes_office(master, life, term, recovered);
            }
            Happening::SeesLeader { master } => self.see_leader(master),
            Happening::LearnsLoss { master, epoch } => self.learns_loss(master, epoch),
            Happening::EndsTerm { master, epoch } => self.ends_term(master, epoch),
            Happening::LeaseEnds { term } => self.lead_ends(&term),
            Happening::Commits { master, term, changes } => self.commits(master, &term, &changes),
            Happening::Committed { master, epoch, done } => self.committed(master, epoch, done),
            Happening::Master { master, epoch, event } => self.master_event(master, epoch, event),
            Happening::Dials(dial) => self.dials(dial),
            Happening::Asked { master, token, request } => self.asked(master, token, request),
            Happening::Opens { session } => self.opens(session),
            Happening::Arrives { session, to, cargo } => self.arrives(session, to, cargo),
            Happening::Flows { session, to } => self.flows(session, to),
            Happening::Broke { session, side } => self.broke(session, side),
            Happening::KeptAlive { session } => self.kept_alive(session),
            Happening::AsksLeader { process, master, above } => self.asks_leader(process, master, above),
            Happening::WorkerStarts { host, same_id } => self.worker_starts(host, same_id),
            Happening::Worker { process: (Who::Worker(host), life), event } => self.worker_event(host, life, event),
            Happening::Spawns { process, run } => self.spawns(process, run),
            Happening::Exits { process, run, serial, code } => self.exits(process, run, serial, code),
            Happening::Limit { process, run, what } => self.limit_comes(process, run, what),
            Happening::AppStarts { client } => self.app_starts(client),
            Happening::App { process: (Who::App(client), life), event } => self.app_event(client, life, event),
            Happening::Worker { process, .. } | Happening::App { process, .. } => {
                panic!("{process:?} is the other kind")
            }
        }
    }

    /// A length of time up to this, in milliseconds; now and then longer, and sometimes much longer.
    pub(crate) fn moment(&mut self, most: u64) -> Duration {
        let most = match self.rng.between(0, 100) {
            0 => most.max(2000),
            1..10 => most * 4,
            _ => most,
        };
        millis(self.rng.between(0, most) + 1)
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.rng.between(0, chances) == 0
    }

    #[allow(clippy::print_stderr, reason = "a failing world is understood by reading what happened")]
    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        if self.trace {
            eprintln!("{:>8} {what}", self.agenda.now().mono.0 - 1_000_000);
        }
    }
}
