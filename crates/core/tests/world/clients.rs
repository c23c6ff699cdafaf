//! Application processes: the client's machine and the program that listens to it.

use std::collections::BTreeMap;

use tanist_core::agreement::ToldExecutors;
use tanist_core::app::{AppClient, Effect, Event};
use tanist_core::ids::{AppId, ExecutorId, ProfileId, Term};
use tanist_core::master::Peer;
use tanist_core::model::LeaderInfo;
use tanist_core::tracking::{self, LinkId};

use crate::net::{Cargo, Process, Who};
use crate::settings;
use crate::world::{Happening, World};

/// Application clients of a world.
pub(crate) const CLIENTS: usize = 2;

pub(crate) struct Client {
    pub(crate) life: u32,
    /// None: the process has ended.
    pub(crate) machine: Option<AppClient>,
    requests: u64,
    told: ToldExecutors,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self { life: 0, machine: None, requests: 0, told: ToldExecutors::default() }
    }

    /// The application's id, while its process lives.
    pub(crate) fn id(&self) -> Option<&AppId> {
        self.machine.as_ref()?.id()
    }
}

impl World {
    fn app_process(&self, client: usize) -> Process {
        (Who::App(client), self.clients[client].life)
    }

    /// A new application.
    pub(crate) fn app_starts(&mut self, client: usize) {
        let seed = self.rng.bits();
        let known = &mut self.clients[client];
        if known.machine.is_some() {
            return;
        }
        *known = Client { life: known.life + 1, requests: known.requests, ..Client::new() };
        known.machine = Some(AppClient::new(settings::app(client, known.life), seed));
        self.app_handles(client, Event::Start);
    }

    pub(crate) fn app_dies(&mut self, client: usize) {
        let process = self.app_process(client);
        let known = &mut self.clients[client];
        if known.machine.take().is_some() {
            known.life += 1;
            for session in self.net.sessions_of(process) {
                self.break_session(session);
            }
        }
    }

    pub(crate) fn app_event(&mut self, client: usize, life: u32, event: Event) {
        if self.clients[client].life == life {
            self.app_handles(client, event);
        }
    }

    /// The program asks for so many executors.
    pub(crate) fn app_wants(&mut self, client: usize, total: u32) {
        self.clients[client].requests += 1;
        let request = self.clients[client].requests;
        let targets = BTreeMap::from([(ProfileId(0), total)]);
        self.app_handles(client, Event::RequestExecutors { request, profiles: Vec::new(), targets });
    }

    /// The program has one of its executors ended.
    pub(crate) fn app_ends_executor(&mut self, client: usize, pick: usize) {
        let has = self.clients[client].told.has();
        let Some(executor) = has.get(pick % has.len().max(1)).cloned() else { return };
        self.clients[client].requests += 1;
        let request = self.clients[client].requests;
        let executors: Vec<ExecutorId> = vec![executor.id];
        self.observer.unwanted.insert(executor);
        self.app_handles(client, Event::KillExecutors { request, executors });
    }

    pub(crate) fn app_handles(&mut self, client: usize, event: Event) {
        let now = self.agenda.now();
        let life = self.clients[client].life;
        let Some(machine) = self.clients[client].machine.as_mut() else { return };
        let mut effects = Vec::new();
        let shown = self.trace.then(|| format!("{event:?}"));
        machine.handle(now, event, &mut effects);
        if let Some(event) = shown {
            self.note(format_args!("a{client} ← {event}\n      {effects:?}"));
        }
        for effect in effects {
            if self.clients[client].life == life {
                self.app_carries_out(client, effect);
            }
        }
    }

    fn app_carries_out(&mut self, client: usize, effect: Effect) {
        let process = self.app_process(client);
        match effect {
            Effect::Track(effect) => self.tracks(process, effect),
            Effect::Send { link, message } => self.send_up(process, link, Cargo::FromApp(message)),
            Effect::Tell(notice) => self.clients[client].told.hear(notice).unwrap_or_else(|wrong| panic!("{wrong}")),
            Effect::Arm { timer, at } => self.agenda.at(at, Happening::App { process, event: Event::Timer(timer) }),
            Effect::Answer { .. } | Effect::Warn(_) => {}
            Effect::Ended => self.app_dies(client),
        }
    }

    // What is the same for workers and applications.

    pub(crate) fn peer_link_opened(&mut self, process: Process, link: LinkId) {
        match process.0 {
            Who::Worker(host) => self.worker_event(host, process.1, tanist_core::worker::Event::LinkOpened { link }),
            Who::App(client) => self.app_event(client, process.1, Event::LinkOpened { link }),
        }
    }

    pub(crate) fn peer_link_closed(&mut self, process: Process, link: LinkId) {
        match process.0 {
            Who::Worker(host) => self.worker_event(host, process.1, tanist_core::worker::Event::LinkClosed { link }),
            Who::App(client) => self.app_event(client, process.1, Event::LinkClosed { link }),
        }
    }

    pub(crate) fn peer_hears(&mut self, process: Process, link: LinkId, cargo: Cargo) {
        match (process.0, cargo) {
            (Who::Worker(host), Cargo::ToWorker(message)) if self.hosts[host].life == process.1 => {
                self.worker_hears(host, link, message);
            }
            (Who::App(client), Cargo::ToApp(message)) => {
                self.app_event(client, process.1, Event::FromMaster { link, message });
            }
            _ => {}
        }
    }

    /// Somebody asks a master who leads above this term. One question of each process stands at a master until it is
    /// answered.
    pub(crate) fn asks_leader(&mut self, process: Process, master: usize, above: Option<Term>) {
        if !self.net.is_cut(process.0, master) && self.masters[master].is_up() {
            self.masters[master].questions.entry(process).or_insert(above);
            self.answer_questions(master);
        }
    }

    /// A master answers to whom it has something to say.
    pub(crate) fn answer_questions(&mut self, master: usize) {
        let Some(leader) = self.leader_known_to(master) else { return };
        let own = self.role_in_office(master);
        let questions = &mut self.masters[master].questions;
        let answered = questions.extract_if(.., |_, above| tracking::is_answer(&leader, own, above.as_ref()));
        let answered: Vec<Process> = answered.map(|(process, _)| process).collect();
        for process in answered {
            self.answer_who_leads(process, master, leader.clone());
        }
    }

    /// A question ends with its connection.
    fn answer_who_leads(&mut self, process: Process, master: usize, leader: LeaderInfo) {
        if self.net.is_cut(process.0, master) {
            return;
        }
        let happening = match process.0 {
            Who::Worker(_) => Happening::Worker { process, event: tanist_core::worker::Event::LeaderAnswer(leader) },
            Who::App(_) => Happening::App { process, event: Event::LeaderAnswer(leader) },
        };
        let wait = self.moment(10);
        self.agenda.after(wait, happening);
    }

    /// A leader announces itself. True: this peer has heard of a higher term.
    pub(crate) fn announce_to(&mut self, who: Who, leader: &LeaderInfo) -> bool {
        let heard = match who {
            Who::Worker(host) => {
                self.worker_handles(host, tanist_core::worker::Event::LeaderNotice(leader.clone()));
                self.hosts[host].machine.as_ref().and_then(|worker| worker.heard().cloned())
            }
            Who::App(client) => {
                self.app_handles(client, Event::LeaderNotice(leader.clone()));
                self.clients[client].machine.as_ref().and_then(|app| app.heard().cloned())
            }
        };
        heard.is_some_and(|heard| heard.rank() > leader.term.rank())
    }

    /// Whether the one that is dialled is the one that was meant.
    pub(crate) fn is_meant(&self, who: Who, peer: &Peer) -> bool {
        match (who, peer) {
            (Who::Worker(host), Peer::Worker(id)) => self.hosts[host].machine.is_some() && self.hosts[host].id == *id,
            (Who::App(client), Peer::App(id)) => self.clients[client].id() == Some(id),
            _ => false,
        }
    }
}
