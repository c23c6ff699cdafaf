//! A past that leads a new machine to a given situation, with the little that a shell does for it.

use std::collections::BTreeMap;
use std::time::Duration;

use tanist_core::ids::CommandId;
use tanist_core::msg::{Fenced, MasterToWorker, RegisteredWorker, WorkerCommand};
use tanist_core::tracking::{self, Following, LinkId, TrackingConfig};
use tanist_core::worker::{Effect, Event, Ready, RunId, RunPhase, Timer, What, Worker, WorkerConfig, WorkerIdentity};

use super::{Holders, Standing, told};
use crate::names;
use crate::scope::{ATTEMPTS, MASTERS};
use crate::state::{Mode, Run, Runs};

/// The leader in the past of questions about programs.
const LEADER: u8 = 0;

/// A worker process: the machine, the sessions that it asked for, and its runs.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) machine: Worker,
    /// All sessions that it holds or asks for.
    links: BTreeMap<LinkId, u8>,
    /// Those that are not open yet.
    opening: Vec<LinkId>,
    /// The alarm for the next try.
    pub(super) retry: Option<tracking::Timer>,
    runs: BTreeMap<u8, RunId>,
}

pub(super) fn registered(master: u8, epoch: u8) -> MasterToWorker {
    MasterToWorker::Registered(Box::new(RegisteredWorker {
        leader: names::leader(master, epoch),
        master_address: names::address(master),
        duplicate: false,
        heartbeat_every: Duration::from_secs(15),
        worker_timeout: Duration::from_secs(60),
    }))
}

pub(super) fn command(epoch: u8, body: WorkerCommand) -> MasterToWorker {
    MasterToWorker::Command(Fenced { term: names::term(epoch), id: CommandId(1), body })
}

pub(super) fn launch(attempt: u8) -> WorkerCommand {
    WorkerCommand::LaunchDriver {
        driver: names::driver_id(1),
        attempt: names::attempt(attempt),
        description: names::description(),
        booking: names::booking(),
    }
}

pub(super) fn kill(attempt: u8) -> WorkerCommand {
    WorkerCommand::KillDriver { driver: names::driver_id(1), attempt: names::attempt(attempt) }
}

impl Process {
    /// A process that has just begun to look for a master, and had heard of this epoch in an earlier life.
    pub(super) fn new(masters: usize, heard: u8) -> Self {
        let identity = WorkerIdentity {
            id: names::worker_id(0),
            incarnation: names::incarnation(1),
            host: names::host(0),
            port: names::PORT,
            ui_url: String::new(),
        };
        let plain = WorkerConfig::new(identity, names::CORES, names::MEMORY);
        let masters = (0..).map(names::address).take(masters).collect();
        let config = WorkerConfig {
            tracking: TrackingConfig { masters, ..TrackingConfig::default() },
            heard: names::heard(heard).map(|term| (term, names::cluster())),
            ..plain
        };
        let machine = Worker::new(config, 1);
        let mut process =
            Self { machine, links: BTreeMap::new(), opening: Vec::new(), retry: None, runs: BTreeMap::new() };
        process.handle(Event::Start);
        process
    }

    /// A process in this standing.
    pub(super) fn with_standing(masters: usize, standing: Standing, holders: Holders) -> Self {
        let process = match standing.mode {
            Mode::Boot { hinted } => Self::looking(masters, standing, hinted, holders),
            Mode::Connected(leader) => Self::connected(masters, leader, standing.heard),
            Mode::Lost(leader) => {
                let mut process = Self::connected(masters, leader, standing.heard);
                process.close(leader);
                if standing.links[usize::from(leader)].is_some() {
                    process.tries_again();
                    process.open(leader);
                }
                process
            }
        };
        let there = process.links().map(|link| link.is_some());
        assert_eq!(there, standing.links.map(|link| link.is_some()), "the sessions of {standing:?}");
        assert_eq!(process.machine.heard(), names::heard(standing.heard).as_ref(), "what {standing:?} has heard of");
        process
    }

    /// One that no master has answered yet. It hears of one epoch after the other, and each session opens in its turn.
    fn looking(masters: usize, standing: Standing, hinted: bool, holders: Holders) -> Self {
        let lowest = standing.links.iter().flatten().copied().min().unwrap_or(standing.heard);
        let first = match (hinted, lowest < standing.heard) {
            (false, _) => standing.heard,
            (true, true) => lowest,
            (true, false) => 0,
        };
        let mut process = Self::new(masters, first);
        for epoch in first..=standing.heard {
            if epoch > first && (epoch == standing.heard || standing.links.contains(&Some(epoch))) {
                let leader = names::leader(holders[usize::from(epoch)], epoch);
                process.handle(Event::LeaderNotice(leader));
            }
            for (master, link) in (0..).zip(standing.links) {
                if link == Some(epoch) {
                    process.open(master);
                }
            }
        }
        for (master, link) in (0..).zip(standing.links) {
            if link.is_none() {
                process.close(master);
            }
        }
        process
    }

    fn connected(masters: usize, leader: u8, epoch: u8) -> Self {
        let mut process = Self::new(masters, 0);
        process.open(leader);
        if let Some(link) = process.link_with(leader) {
            process.handle(Event::FromMaster { link, message: registered(leader, epoch) });
        }
        process
    }

    /// A process with these programs.
    pub(super) fn with_runs(runs: Runs) -> Self {
        let mut process = Self::connected(1, LEADER, 1);
        for (attempt, run) in (1..).zip(runs).filter(|(_, run)| *run != Run::None) {
            process.command(launch(attempt));
            if matches!(run, Run::Ending | Run::Ended) {
                process.command(kill(attempt));
            }
            if run == Run::Ended {
                process.exits(attempt);
            }
        }
        assert_eq!(process.runs(), runs, "the programs of the past");
        process
    }

    /// Gives the machine an event and does what a shell does at once.
    pub(super) fn handle(&mut self, event: Event) -> Vec<Effect> {
        if let Event::LinkClosed { link } = event {
            self.forget(link);
        }
        let mut effects = Vec::new();
        self.machine.handle(names::NOW, event, &mut effects);
        for effect in &effects {
            match effect {
                Effect::Track(tracking::Effect::Connect { link, address }) => {
                    self.links.insert(*link, names::master_at(address));
                    self.opening.push(*link);
                }
                Effect::Track(tracking::Effect::Disconnect { link }) => self.forget(*link),
                Effect::Arm { timer: Timer::Tracking(timer @ tracking::Timer::Retry(_)), .. } => {
                    self.retry = Some(*timer);
                }
                Effect::Prepare { run, what: What::Driver { attempt, .. } } => {
                    self.runs.insert(names::attempt_of(*attempt), *run);
                }
                _ => {}
            }
        }
        effects
    }

    fn forget(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.opening.retain(|other| *other != link);
    }

    /// The session with a master.
    pub(super) fn link_with(&self, master: u8) -> Option<LinkId> {
        self.links.iter().find(|(_, with)| **with == master).map(|(link, _)| *link)
    }

    /// The sessions, by master.
    pub(super) fn links(&self) -> [Option<LinkId>; MASTERS] {
        let mut links = [None; MASTERS];
        for (link, master) in &self.links {
            let known = links[usize::from(*master)].replace(*link);
            assert!(known.is_none(), "two sessions with master {master} at once");
        }
        links
    }

    /// Sessions are opened as soon as they are asked for; a registration leaves on each.
    /// Returns what each says to run.
    pub(super) fn open_what_is_asked_for(&mut self) -> Vec<u8> {
        let opening = std::mem::take(&mut self.opening);
        let opened = opening.into_iter().map(|link| told(&self.handle(Event::LinkOpened { link })));
        opened.map(|said| said.unwrap_or_else(|| panic!("a registration is the first thing on a session"))).collect()
    }

    /// Whom it follows, and the highest epoch that it has heard of. The machine does not show whether anybody has named
    /// a leader to one that follows nobody.
    pub(super) fn shows(&self, hinted: bool) -> (Mode, u8) {
        let view = self.machine.view(names::NOW.wall);
        let mode = match &view.following {
            Following::Nobody => Mode::Boot { hinted },
            Following::Connected(leader) => Mode::Connected(names::master_at(&leader.address)),
            Following::Lost(leader) => Mode::Lost(names::master_at(&leader.address)),
        };
        (mode, view.heard.as_ref().map_or(0, names::epoch_of))
    }

    fn open(&mut self, master: u8) {
        if let Some(link) = self.link_with(master).filter(|link| self.opening.contains(link)) {
            self.opening.retain(|other| *other != link);
            self.handle(Event::LinkOpened { link });
        }
    }

    fn close(&mut self, master: u8) {
        if let Some(link) = self.link_with(master) {
            self.handle(Event::LinkClosed { link });
        }
    }

    fn tries_again(&mut self) {
        if let Some(timer) = self.retry {
            self.handle(Event::Timer(Timer::Tracking(timer)));
        }
    }

    /// Obeys a command; programs start at once where they may.
    pub(super) fn command(&mut self, body: WorkerCommand) {
        if let Some(link) = self.link_with(LEADER) {
            self.command_on(link, 1, body);
        }
    }

    pub(super) fn command_on(&mut self, link: LinkId, epoch: u8, body: WorkerCommand) {
        let effects = self.handle(Event::FromMaster { link, message: command(epoch, body) });
        self.start(&effects);
    }

    /// The program of this attempt ends; one that waited for it starts.
    pub(super) fn exits(&mut self, attempt: u8) {
        let Some(run) = self.runs.get(&attempt).copied() else { return };
        let effects = self.handle(Event::Exited { run, code: 143 });
        self.start(&effects);
    }

    fn start(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Prepare { run, .. } = effect {
                self.handle(Event::Prepared { run: *run, ready: Ready::default() });
                self.handle(Event::Started { run: *run, pid: 1 });
            }
        }
    }

    /// The attempts as the machine shows them.
    pub(super) fn runs(&self) -> Runs {
        let view = self.machine.view(names::NOW.wall);
        let mut runs = [Run::None; ATTEMPTS];
        for shown in view.drivers.iter().chain(&view.ended_drivers) {
            runs[usize::from(names::attempt_of(shown.attempt)) - 1] = match shown.phase {
                RunPhase::Blocked => Run::Blocked,
                RunPhase::Running => Run::Live,
                RunPhase::Ending => Run::Ending,
                RunPhase::Ended => Run::Ended,
                phase => panic!("{phase:?} is no phase of the model"),
            };
        }
        runs
    }

    /// Loses its session, registers again, and says what it runs.
    pub(super) fn registers_anew(&mut self) -> Option<u8> {
        self.close(LEADER);
        self.tries_again();
        let link = self.link_with(LEADER)?;
        told(&self.handle(Event::LinkOpened { link }))
    }
}
