//! Worker processes, and the programs that they really run.
//!
//! The machine's effects are carried out as the shell does: preparing takes time and may fail, a program ends when it
//! likes, some do not listen to SIGTERM, and all of them end with the worker process.

use std::collections::BTreeMap;
use std::time::Duration;

use tanist_core::ids::{ClusterId, Incarnation, Term, WorkerId};
use tanist_core::msg::MasterToWorker;
use tanist_core::observer::Work;
use tanist_core::time::Mono;
use tanist_core::tracking::{self, LinkId};
use tanist_core::worker::{Effect, Event, Limit, Ready, RunId, What, Worker};

use crate::net::{Cargo, Process, Who};
use crate::settings;
use crate::world::{Happening, World};

/// Worker hosts of a world.
pub(crate) const HOSTS: usize = 3;

pub(crate) struct Host {
    pub(crate) life: u32,
    /// None: the process is dead.
    pub(crate) machine: Option<Worker>,
    pub(crate) id: WorkerId,
    /// On its disk.
    saved: Option<(Term, ClusterId)>,
    pub(crate) runs: BTreeMap<RunId, Run>,
    spawned: u64,
    pub(crate) stopping: bool,
    /// The process does not run before this moment.
    pub(crate) still_until: Mono,
}

/// A run that the machine has asked for and not forgotten.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    work: Work,
    pub(crate) program: Option<Program>,
    /// As its keeper knows it.
    pub(crate) limit: Option<Limit>,
    /// It was told to end while it started.
    given_up: bool,
}

/// A program that runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    pub(crate) serial: u64,
    pub(crate) heeds_sigterm: bool,
    /// It was ended for its limit.
    pub(crate) at_limit: bool,
}

impl Host {
    pub(crate) fn new(host: usize) -> Self {
        let id = settings::worker_id(host, 0);
        let (runs, still_until) = (BTreeMap::new(), Mono(0));
        Self { life: 0, machine: None, id, saved: None, runs, spawned: 0, stopping: false, still_until }
    }

    /// What really runs here.
    pub(crate) fn programs(&self) -> impl Iterator<Item = (RunId, &Work)> {
        self.runs.iter().filter(|(_, run)| run.program.is_some()).map(|(id, run)| (*id, &run.work))
    }
}

impl World {
    fn worker_process(&self, host: usize) -> Process {
        (Who::Worker(host), self.hosts[host].life)
    }

    /// The process starts, under a new id or the one it had.
    pub(crate) fn worker_starts(&mut self, host: usize, same_id: bool) {
        let seed = self.rng.bits();
        let known = &mut self.hosts[host];
        if known.machine.is_some() {
            return;
        }
        known.life += 1;
        known.stopping = false;
        known.still_until = Mono(0);
        if !same_id {
            known.id = settings::worker_id(host, known.life);
            known.saved = None;
        }
        let config = settings::worker(host, known.id.clone(), Incarnation(known.life.into()), known.saved.clone());
        known.machine = Some(Worker::new(config, seed));
        self.worker_handles(host, Event::Start);
    }

    /// The process is gone, and with it all that it ran.
    pub(crate) fn worker_dies(&mut self, host: usize) {
        let process = self.worker_process(host);
        let known = &mut self.hosts[host];
        if known.machine.take().is_none() {
            return;
        }
        known.life += 1;
        let ended: Vec<Work> = known.programs().map(|(_, work)| work.clone()).collect();
        known.runs.clear();
        for work in ended {
            self.observe_program_ended(host, &work);
        }
        for session in self.net.sessions_of(process) {
            self.break_session(session);
        }
    }

    pub(crate) fn worker_event(&mut self, host: usize, life: u32, event: Event) {
        if self.hosts[host].life != life {
            return;
        }
        match event {
            Event::FromMaster { link, message } => self.worker_hears(host, link, message),
            event => self.worker_handles(host, event),
        }
    }

    /// An event of the operator or of the system around it.
    pub(crate) fn worker_is_told(&mut self, host: usize, event: Event) {
        self.hosts[host].stopping |= event == Event::Stop;
        self.worker_handles(host, event);
    }

    pub(crate) fn worker_hears(&mut self, host: usize, link: LinkId, message: MasterToWorker) {
        if self.is_still(host) {
            return self.worker_handles(host, Event::FromMaster { link, message });
        }
        let MasterToWorker::Command(command) = &message else {
            return self.worker_handles(host, Event::FromMaster { link, message });
        };
        let term = command.term.clone();
        self.observe_command(host, &term, &command.body);
        let heard = |world: &Self| world.hosts[host].machine.as_ref().and_then(|worker| worker.heard().cloned());
        let stale = heard(self).is_some_and(|heard| heard.rank() > term.rank());
        let before: Vec<RunId> = self.hosts[host].runs.keys().copied().collect();
        self.worker_handles(host, Event::FromMaster { link, message });
        let after: Vec<RunId> = self.hosts[host].runs.keys().copied().collect();
        assert!(!stale || before == after, "I9: w{host} obeys term {term}");
    }

    pub(crate) fn worker_handles(&mut self, host: usize, event: Event) {
        if self.is_still(host) {
            let (process, until) = (self.worker_process(host), self.hosts[host].still_until);
            return self.agenda.at(until, Happening::Worker { process, event });
        }
        let now = self.agenda.now();
        let life = self.hosts[host].life;
        let Some(machine) = self.hosts[host].machine.as_mut() else { return };
        let heard = machine.heard().cloned();
        let mut effects = Vec::new();
        let shown = self.trace.then(|| format!("{event:?}"));
        machine.handle(now, event, &mut effects);
        let broken = machine.check();
        let heard_now = machine.heard().cloned();
        if let Some(event) = shown {
            self.note(format_args!("w{host} ← {event}\n      {effects:?}"));
        }
        assert!(broken.is_empty(), "w{host}: {broken:#?}");
        assert!(heard.map(|term| term.rank()) <= heard_now.map(|term| term.rank()), "I9: w{host} goes back");
        for effect in effects {
            if self.hosts[host].life == life {
                self.worker_carries_out(host, effect);
            }
        }
    }

    fn worker_carries_out(&mut self, host: usize, effect: Effect) {
        let process = self.worker_process(host);
        match effect {
            Effect::Track(effect) => self.tracks(process, effect),
            Effect::Send { link, message } => self.send_up(process, link, Cargo::FromWorker(message)),
            Effect::SaveTerm { term, cluster } => self.hosts[host].saved = Some((term, cluster)),
            Effect::Prepare { run, what } => self.prepares(host, run, what),
            Effect::Spawn { run, launch } => {
                self.breaks_off(host, run, false);
                self.keeper_hears(process, run, launch.limit);
                let wait = self.moment(50);
                self.agenda.after(wait, Happening::Spawns { process, run });
            }
            Effect::Limit { run, limit } => self.keeper_hears(process, run, Some(limit)),
            Effect::Terminate { run } => {
                self.breaks_off(host, run, true);
                let program = self.hosts[host].runs.get(&run).and_then(|run| run.program);
                if let Some(program) = program.filter(|program| program.heeds_sigterm) {
                    let wait = self.moment(2000);
                    self.agenda.after(wait, Happening::Exits { process, run, serial: program.serial, code: 143 });
                }
            }
            Effect::Kill { run } => {
                self.breaks_off(host, run, true);
                if let Some(program) = self.hosts[host].runs.get(&run).and_then(|run| run.program) {
                    self.is_killed(process, run, program.serial);
                }
            }
            Effect::Forget { run } => drop(self.hosts[host].runs.remove(&run)),
            Effect::ListDirs => self.worker_later(host, Duration::ZERO, Event::DirListing(Vec::new())),
            Effect::DeleteDirs(_) | Effect::DeleteScratch { .. } => {}
            Effect::Arm { timer, at } => {
                self.agenda.at(at, Happening::Worker { process, event: Event::Timer(timer) });
            }
            Effect::Warn(trouble) => self.observe_trouble(host, &trouble),
            Effect::Exit { .. } => self.worker_dies(host),
        }
    }

    fn worker_later(&mut self, host: usize, wait: Duration, event: Event) {
        let process = self.worker_process(host);
        self.agenda.after(wait, Happening::Worker { process, event });
    }

    fn prepares(&mut self, host: usize, run: RunId, what: What) {
        self.hosts[host].runs.insert(run, Run { work: what.into(), program: None, limit: None, given_up: false });
        let event = if self.one_in(20) {
            Event::PrepareFailed { run, message: "the artifact could not be fetched".to_owned() }
        } else {
            Event::Prepared { run, ready: Ready::default() }
        };
        let wait = self.moment(500);
        self.worker_later(host, wait, event);
    }

    /// Whether a start that is under way comes to nothing.
    fn breaks_off(&mut self, host: usize, run: RunId, given_up: bool) {
        if let Some(known) = self.hosts[host].runs.get_mut(&run) {
            known.given_up = given_up;
        }
    }

    pub(crate) fn spawns(&mut self, process: Process, run: RunId) {
        let (Who::Worker(host), life) = process else { return };
        if self.hosts[host].life != life || !self.hosts[host].runs.contains_key(&run) {
            return;
        }
        if self.is_still(host) {
            return self.agenda.at(self.hosts[host].still_until, Happening::Spawns { process, run });
        }
        if self.hosts[host].runs[&run].given_up || self.one_in(20) {
            let event = Event::StartFailed { run, message: "no such program".to_owned() };
            return self.worker_handles(host, event);
        }
        if self.is_too_late(self.hosts[host].runs[&run].limit) {
            return self.worker_handles(host, Event::TooLate { run });
        }
        let heeds_sigterm = !self.one_in(4);
        let known = &mut self.hosts[host];
        known.spawned += 1;
        let program = Program { serial: known.spawned, heeds_sigterm, at_limit: false };
        let Some(started) = known.runs.get_mut(&run) else { return };
        started.program = Some(program);
        let work = started.work.clone();
        self.observe_program_started(host, &work);
        let pid = u32::try_from(program.serial).unwrap();
        self.worker_handles(host, Event::Started { run, pid });
    }

    /// A program ends, by itself or by a signal.
    pub(crate) fn exits(&mut self, (who, life): Process, run: RunId, serial: u64, code: i32) {
        let Who::Worker(host) = who else { return };
        if self.hosts[host].life != life {
            return;
        }
        let Some(known) = self.hosts[host].runs.get_mut(&run) else { return };
        if let Some(program) = known.program.take_if(|program| program.serial == serial) {
            let work = known.work.clone();
            self.observe_program_ended(host, &work);
            self.tells_end(host, run, program.at_limit, code);
        }
    }

    /// One of all the programs that run now ends by itself.
    pub(crate) fn some_program_exits(&mut self, pick: usize, code: i32) {
        let running = (0..HOSTS).flat_map(|host| self.hosts[host].programs().map(move |(run, _)| (host, run)));
        let running: Vec<(usize, RunId)> = running.collect();
        let Some((host, run)) = running.get(pick % running.len().max(1)).copied() else { return };
        let process = self.worker_process(host);
        if let Some(program) = self.hosts[host].runs.get(&run).and_then(|run| run.program) {
            self.exits(process, run, program.serial, code);
        }
    }

    /// Sessions and questions, the same for workers and applications.
    pub(crate) fn tracks(&mut self, process: Process, effect: tracking::Effect) {
        match effect {
            tracking::Effect::Connect { link, address } => {
                self.connect(process, link, settings::master_at(&address));
            }
            tracking::Effect::Disconnect { link } => self.disconnect(process, link),
            tracking::Effect::AskLeader { address, above } => {
                let wait = self.moment(10);
                let master = settings::master_at(&address);
                self.agenda.after(wait, Happening::AsksLeader { process, master, above });
            }
        }
    }
}
