//! Application processes: the client's machine and the program that listens to it.

use std::collections::BTreeMap;

use tanist_core::agreement::ToldExecutors;
use tanist_core::app::{AppClient, Effect, Event, Timer};
use tanist_core::ids::{AppId, ExecutorId, ProfileId};
use tanist_core::time::Mono;

use crate::agenda::Clock;
use crate::net::{Party, Process};
use crate::settings;
use crate::world::{Happening, World};

/// An application's host.
pub struct Client {
    /// How many processes there were.
    pub life: u32,
    /// None: the process has ended.
    pub machine: Option<AppClient>,
    /// Its clocks.
    pub clock: Clock,
    requests: u64,
    told: ToldExecutors,
}

impl Client {
    /// A host without a process.
    pub fn new(now: Mono) -> Self {
        Self { life: 0, machine: None, clock: Clock::right(now), requests: 0, told: ToldExecutors::default() }
    }

    /// The application's id, while its process lives.
    pub fn id(&self) -> Option<&AppId> {
        self.machine.as_ref()?.id()
    }
}

impl World {
    fn app_process(&self, client: usize) -> Process {
        (Party::App(client), self.clients[client].life)
    }

    /// A new application.
    pub fn app_starts(&mut self, client: usize) {
        let seed = self.rng.bits();
        let known = &mut self.clients[client];
        if known.machine.is_some() {
            return;
        }
        known.life += 1;
        known.told = ToldExecutors::default();
        known.machine = Some(AppClient::new(settings::app(client, known.life), seed));
        self.app_handles(client, Event::Start);
    }

    /// Its process is gone.
    pub fn app_dies(&mut self, client: usize) {
        let process = self.app_process(client);
        if self.clients[client].machine.take().is_some() {
            self.lines_end(process);
        }
    }

    /// Something happens to a process, if it is still the same one.
    pub fn app_event(&mut self, client: usize, life: u32, event: Event) {
        if self.clients[client].life == life {
            self.app_handles(client, event);
        }
    }

    /// The program asks for so many executors.
    pub fn app_wants(&mut self, client: usize, total: u32) {
        self.clients[client].requests += 1;
        let request = self.clients[client].requests;
        let targets = BTreeMap::from([(ProfileId(0), total)]);
        self.app_handles(client, Event::RequestExecutors { request, profiles: Vec::new(), targets });
    }

    /// The program has one of its executors ended.
    pub fn app_ends_executor(&mut self, client: usize, pick: usize) {
        let has = self.clients[client].told.has();
        let Some(executor) = has.get(pick % has.len().max(1)).cloned() else { return };
        self.clients[client].requests += 1;
        let request = self.clients[client].requests;
        let executors: Vec<ExecutorId> = vec![executor.id];
        self.ledger.observer.unwanted.insert(executor);
        self.app_handles(client, Event::KillExecutors { request, executors });
    }

    /// The program is over.
    pub fn app_stops(&mut self, client: usize) {
        self.app_handles(client, Event::Stop);
    }

    fn app_handles(&mut self, client: usize, event: Event) {
        let known = &mut self.clients[client];
        let now = known.clock.now(self.agenda.now());
        let life = known.life;
        let Some(machine) = known.machine.as_mut() else { return };
        let mut effects = Vec::new();
        let shown = self.trace.has_words().then(|| format!("{event:?}"));
        machine.handle(now, event, &mut effects);
        if let Some(event) = shown {
            self.trace.note(self.agenda.now(), format_args!("a{client} ← {event}\n          {effects:?}"));
        }
        for effect in effects {
            if self.clients[client].life == life && self.clients[client].machine.is_some() {
                self.app_carries_out(client, effect);
            }
        }
    }

    /// An alarm rings, unless the clock was slowed down meanwhile: then later.
    pub fn app_alarm(&mut self, process: Process, at: Mono, timer: Timer) {
        let (Party::App(client), life) = process else { return };
        let clock = self.clients[client].clock;
        if clock.mono(self.agenda.now()) < at {
            return self.agenda.at(clock.when(at), Happening::AppAlarm { process, at, timer });
        }
        self.app_event(client, life, Event::Timer(timer));
    }

    fn app_carries_out(&mut self, client: usize, effect: Effect) {
        let process = self.app_process(client);
        match effect {
            Effect::Track(effect) => self.tracks(process, effect),
            Effect::Send { link, message } => self.say_app(process, link, &message),
            Effect::Tell(notice) => self.clients[client].told.hear(notice).unwrap_or_else(|wrong| panic!("{wrong}")),
            Effect::Arm { timer, at } => {
                let rings = self.clients[client].clock.when(at);
                self.agenda.at(rings, Happening::AppAlarm { process, at, timer });
            }
            Effect::Answer { .. } | Effect::Warn(_) => {}
            Effect::Ended => self.app_dies(client),
        }
    }
}
