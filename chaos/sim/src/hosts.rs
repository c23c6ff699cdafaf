//! Worker processes, the programs that they really run, and the keepers that know until when each of those may run.
//!
//! The machine's effects are carried out as the shell does: preparing takes time and may fail, a program ends when it
//! likes, some do not listen to SIGTERM, and all of them end with the worker process.

use std::collections::BTreeMap;
use std::time::Duration;

use tanist_core::ids::{ClusterId, Incarnation, Term, WorkerId};
use tanist_core::msg::MasterToWorker;
use tanist_core::observer::Work;
use tanist_core::time::Mono;
use tanist_core::worker::{Effect, Event, Limit, Ready, RunId, SIGKILL_HELPS_WITHIN, Timer, What, Worker};

use crate::agenda::{Clock, millis};
use crate::net::{Party, Process};
use crate::settings;
use crate::world::{Happening, World};

/// A worker's host.
pub struct Host {
    /// How many processes there were.
    pub life: u32,
    /// None: the process is dead.
    pub machine: Option<Worker>,
    /// Who it is.
    pub id: WorkerId,
    /// Its clocks.
    pub clock: Clock,
    /// On its disk.
    pub saved: Option<(Term, ClusterId)>,
    /// What is on an old copy of its disk.
    pub old_disk: Option<(Term, ClusterId)>,
    runs: BTreeMap<RunId, Run>,
    spawned: u64,
    /// It was told to stop.
    pub stopping: bool,
    /// The process does not run before this moment.
    pub still_until: Mono,
    /// What happens to it when it goes on.
    waiting: Vec<Happening>,
}

/// A run that the machine has asked for and not forgotten.
#[derive(Debug, Clone)]
struct Run {
    work: Work,
    program: Option<Program>,
    /// As its keeper knows it.
    limit: Option<Limit>,
    /// It was told to end while it started.
    given_up: bool,
}

/// A program that runs.
#[derive(Debug, Clone, Copy)]
struct Program {
    serial: u64,
    heeds_sigterm: bool,
    /// It was ended for its limit.
    at_limit: bool,
}

/// What a keeper does at a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtLimit {
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
}

impl Host {
    /// A host without a process.
    pub fn new(host: usize, now: Mono) -> Self {
        Self {
            life: 0,
            machine: None,
            id: settings::worker_id(host, 0),
            clock: Clock::right(now),
            saved: None,
            old_disk: None,
            runs: BTreeMap::new(),
            spawned: 0,
            stopping: false,
            still_until: Mono(0),
            waiting: Vec::new(),
        }
    }

    /// What really runs here.
    pub fn programs(&self) -> impl Iterator<Item = (RunId, &Work)> {
        self.runs.iter().filter(|(_, run)| run.program.is_some()).map(|(id, run)| (*id, &run.work))
    }
}

impl World {
    fn worker_process(&self, host: usize) -> Process {
        (Party::Worker(host), self.hosts[host].life)
    }

    /// The process starts, under a new id or the one it had.
    pub fn worker_starts(&mut self, host: usize, same_id: bool) {
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
    pub fn worker_dies(&mut self, host: usize) {
        let process = self.worker_process(host);
        let known = &mut self.hosts[host];
        if known.machine.take().is_none() {
            return;
        }
        known.still_until = Mono(0);
        known.waiting.clear();
        let ended: Vec<Work> = known.programs().map(|(_, work)| work.clone()).collect();
        known.runs.clear();
        for work in ended {
            self.observe_program_ended(host, &work);
        }
        self.lines_end(process);
    }

    /// Something happens to a process, if it is still the same one.
    pub fn worker_event(&mut self, host: usize, life: u32, event: Event) {
        if self.hosts[host].life == life {
            match event {
                Event::FromMaster { link, message } => self.worker_hears(host, link, message),
                event => self.worker_handles(host, event),
            }
        }
    }

    /// An event of the operator or of the system around it.
    pub fn worker_is_told(&mut self, host: usize, event: Event) {
        self.hosts[host].stopping |= event == Event::Stop;
        self.worker_handles(host, event);
    }

    fn worker_hears(&mut self, host: usize, link: tanist_core::tracking::LinkId, message: MasterToWorker) {
        let event = |message| Event::FromMaster { link, message };
        let MasterToWorker::Command(command) = &message else { return self.worker_handles(host, event(message)) };
        if self.is_still(host) {
            return self.worker_handles(host, event(message));
        }
        let term = command.term.clone();
        self.observe_command(host, &term, &command.body);
        let heard = self.hosts[host].machine.as_ref().and_then(|worker| worker.heard().cloned());
        let stale = heard.is_some_and(|heard| heard.rank() > term.rank());
        let before: Vec<RunId> = self.hosts[host].runs.keys().copied().collect();
        self.worker_handles(host, event(message));
        let after: Vec<RunId> = self.hosts[host].runs.keys().copied().collect();
        assert!(!stale || before == after, "I9: w{host} obeys term {term}");
    }

    fn worker_handles(&mut self, host: usize, event: Event) {
        if self.is_still(host) {
            let process = self.worker_process(host);
            return self.hosts[host].waiting.push(Happening::Worker { process, event });
        }
        let known = &mut self.hosts[host];
        let now = known.clock.now(self.agenda.now());
        let life = known.life;
        let Some(machine) = known.machine.as_mut() else { return };
        let heard = machine.heard().cloned();
        let mut effects = Vec::new();
        let shown = self.trace.has_words().then(|| format!("{event:?}"));
        machine.handle(now, event, &mut effects);
        let broken = machine.check();
        let heard_now = machine.heard().cloned();
        if let Some(event) = shown {
            self.trace.note(self.agenda.now(), format_args!("w{host} ← {event}\n          {effects:?}"));
        }
        assert!(broken.is_empty(), "w{host}: {broken:#?}");
        assert!(heard.map(|term| term.rank()) <= heard_now.map(|term| term.rank()), "I9: w{host} goes back");
        for effect in effects {
            if self.hosts[host].life == life && self.hosts[host].machine.is_some() {
                self.worker_carries_out(host, effect);
            }
        }
    }

    fn worker_carries_out(&mut self, host: usize, effect: Effect) {
        let process = self.worker_process(host);
        match effect {
            Effect::Track(effect) => self.tracks(process, effect),
            Effect::Send { link, message } => self.say_worker(process, link, &message),
            Effect::SaveTerm { term, cluster } => {
                let known = &mut self.hosts[host];
                known.old_disk = known.saved.replace((term, cluster));
            }
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
                let rings = self.hosts[host].clock.when(at);
                self.agenda.at(rings, Happening::WorkerAlarm { process, at, timer });
            }
            Effect::Warn(trouble) => self.observe_trouble(host, &trouble),
            Effect::Exit { .. } => {
                assert!(self.hosts[host].stopping, "I4: w{host} gives up");
                self.worker_dies(host);
            }
        }
    }

    /// An alarm rings, unless the clock was slowed down meanwhile: then later.
    pub fn worker_alarm(&mut self, process: Process, at: Mono, timer: Timer) {
        let (Party::Worker(host), life) = process else { return };
        let clock = self.hosts[host].clock;
        if clock.mono(self.agenda.now()) < at {
            return self.agenda.at(clock.when(at), Happening::WorkerAlarm { process, at, timer });
        }
        self.worker_event(host, life, Event::Timer(timer));
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

    /// A program is started.
    pub fn spawns(&mut self, process: Process, run: RunId) {
        let (Party::Worker(host), life) = process else { return };
        if self.hosts[host].life != life || !self.hosts[host].runs.contains_key(&run) {
            return;
        }
        if self.is_still(host) {
            return self.hosts[host].waiting.push(Happening::Spawns { process, run });
        }
        if self.hosts[host].runs[&run].given_up || self.one_in(20) {
            let event = Event::StartFailed { run, message: "no such program".to_owned() };
            return self.worker_handles(host, event);
        }
        if self.is_too_late(host, self.hosts[host].runs[&run].limit) {
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
        if let Work::Driver(..) = work {
            // Some end by themselves, some are ended by others.
            let (lasts, code) = (self.rng.between(1_000, 90_000), i32::from(self.one_in(4)));
            self.agenda.after(millis(lasts), Happening::Exits { process, run, serial: program.serial, code });
        }
        let pid = u32::try_from(program.serial).unwrap();
        self.worker_handles(host, Event::Started { run, pid });
    }

    /// A program ends, by itself or by a signal.
    pub fn exits(&mut self, (party, life): Process, run: RunId, serial: u64, code: i32) {
        let Party::Worker(host) = party else { return };
        if self.hosts[host].life != life {
            return;
        }
        let Some(known) = self.hosts[host].runs.get_mut(&run) else { return };
        if let Some(program) = known.program.take_if(|program| program.serial == serial) {
            let work = known.work.clone();
            self.observe_program_ended(host, &work);
            if program.at_limit {
                self.worker_handles(host, Event::LimitReached { run });
            }
            self.worker_handles(host, Event::Exited { run, code });
        }
    }

    /// One of all the programs that run now ends by itself.
    pub fn some_program_exits(&mut self, pick: usize, code: i32) {
        let running =
            (0..self.hosts.len()).flat_map(|host| self.hosts[host].programs().map(move |(run, _)| (host, run)));
        let running: Vec<(usize, RunId)> = running.collect();
        let Some((host, run)) = running.get(pick % running.len().max(1)).copied() else { return };
        let process = self.worker_process(host);
        if let Some(program) = self.hosts[host].runs.get(&run).and_then(|run| run.program) {
            self.exits(process, run, program.serial, code);
        }
    }

    // Keepers, which go on while their worker stands still.

    /// A worker process stops running, and is continued later. What it would have heard waits for it.
    pub fn worker_stands_still(&mut self, host: usize, length: u64) {
        let until = self.agenda.now() + millis(length);
        let still_until = &mut self.hosts[host].still_until;
        *still_until = until.max(*still_until);
        let until = *still_until;
        self.agenda.at(until, Happening::GoesOn { party: Party::Worker(host) });
    }

    /// It goes on, unless it was stopped again meanwhile.
    pub fn worker_goes_on(&mut self, host: usize) {
        if !self.is_still(host) {
            for happening in std::mem::take(&mut self.hosts[host].waiting) {
                self.agenda.after(Duration::ZERO, happening);
            }
        }
    }

    /// Whether the process does not run.
    pub fn is_still(&self, host: usize) -> bool {
        self.agenda.now() < self.hosts[host].still_until
    }

    fn keeper_hears(&mut self, process: Process, run: RunId, limit: Option<Limit>) {
        let Party::Worker(host) = process.0 else { return };
        let clock = self.hosts[host].clock;
        let Some(known) = self.hosts[host].runs.get_mut(&run) else { return };
        known.limit = limit;
        if let Some(Limit { terminate_at, kill_at }) = limit {
            for (at, what) in [(terminate_at, AtLimit::Terminate), (kill_at, AtLimit::Kill)] {
                self.agenda.at(clock.when(at), Happening::Limit { process, run, what });
            }
        }
    }

    /// A limit has come, unless it was put off.
    pub fn limit_comes(&mut self, process: Process, run: RunId, what: AtLimit) {
        let (Party::Worker(host), life) = process else { return };
        let now = self.hosts[host].clock.mono(self.agenda.now());
        if self.hosts[host].life != life {
            return;
        }
        let Some(known) = self.hosts[host].runs.get_mut(&run) else { return };
        let at = |limit: Limit| if what == AtLimit::Kill { limit.kill_at } else { limit.terminate_at };
        let Some(limit) = known.limit.map(at) else { return };
        if limit > now {
            // Put off, or the clock was slowed down.
            let comes = self.hosts[host].clock.when(limit);
            return self.agenda.at(comes, Happening::Limit { process, run, what });
        }
        let Some(program) = known.program.as_mut() else { return };
        program.at_limit = true;
        let (serial, heeds_sigterm) = (program.serial, program.heeds_sigterm);
        match what {
            AtLimit::Terminate if heeds_sigterm => {
                let wait = self.moment(2000);
                self.agenda.after(wait, Happening::Exits { process, run, serial, code: 143 });
            }
            AtLimit::Terminate => {}
            AtLimit::Kill => self.is_killed(process, run, serial),
        }
    }

    fn is_killed(&mut self, process: Process, run: RunId, serial: u64) {
        let wait = self.moment(20).min(SIGKILL_HELPS_WITHIN / 2);
        self.agenda.after(wait, Happening::Exits { process, run, serial, code: 137 });
    }

    /// A program whose limit has passed is not started any more.
    fn is_too_late(&self, host: usize, limit: Option<Limit>) -> bool {
        let now = self.hosts[host].clock.mono(self.agenda.now());
        limit.is_some_and(|limit| limit.terminate_at <= now)
    }
}
