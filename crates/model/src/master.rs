//! What the core's own master does: `tanist_core::master::Master`, asked once for every question that comes up.
//!
//! A question is the memory of a leader and an event. The machine with that memory is made by letting a new one live
//! through a past that leads there (`past`); then it is given the event, and its effects are put into the model's
//! numbers. Nothing is decided here. Answers are kept, so that the machine runs some thousand times, not some million.

mod past;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use tanist_core::ids::{ReplyToken, SessionId};
use tanist_core::master::{Effect, Event, Finding, Peer, Timer};
use tanist_core::msg::{
    ClientReply, ClientRequest, Fenced, MasterToWorker, PROTOCOL_VERSION, RegisterWorker, WorkerCommand, WorkerToMaster,
};
use tanist_core::record::Change;
use tanist_core::time::Now;

use crate::names;
use crate::state::{Known, Memory, Registration, Says, Write, Writes, bit};

/// Machines that differ in their random choices only: enough of them to see every place that a driver may get.
const SEEDS: u64 = 12;

/// What happens to a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Happening {
    /// It takes office: its memory is the content of the store.
    Elected,
    /// The client submits its driver.
    Submitted,
    /// A worker registers.
    Registers(u8, Registration),
    /// A worker says that this attempt runs.
    Started(u8, u8),
    /// The open session of a worker ends.
    Closed(u8),
    /// A worker is silent for the whole time-out.
    Silent(u8),
    /// The process of a worker's latest session is found to be gone.
    Gone(u8),
}

/// What a leader does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decision {
    /// Its memory from then on.
    pub memory: Memory,
    /// What is to become durable.
    pub writes: Writes,
    /// What is to leave after that.
    pub says: Says,
    /// It gives up: somebody obeys a higher term.
    pub steps_down: bool,
    /// It refuses a registration.
    pub refuses: bool,
    /// It does something that the model has no words for.
    pub unknown: bool,
}

impl Decision {
    fn launches(&self) -> bool {
        self.says.to.iter().any(|saying| saying.launch != 0)
    }
}

type Question = (u8, Memory, Happening);

/// The master's machine behind a memory of its answers.
#[derive(Debug, Default)]
pub struct Masters {
    known: RwLock<HashMap<Question, Arc<[Decision]>>>,
}

impl Masters {
    /// Everything that a leader of this epoch may do: more than one decision where it chooses at random.
    pub fn decide(&self, epoch: u8, memory: Memory, happening: Happening) -> Arc<[Decision]> {
        let question = (epoch, memory, happening);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&question).cloned();
        known.unwrap_or_else(|| {
            let decisions: Arc<[Decision]> = choices(epoch, memory, happening).into();
            self.known.write().unwrap_or_else(PoisonError::into_inner).insert(question, decisions.clone());
            decisions
        })
    }

    /// How many questions there were.
    pub fn questions(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Every memory that a leader ever had, with its epoch.
    pub fn memories(&self) -> Vec<(u8, Memory)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let all: HashSet<(u8, Memory)> = known.keys().map(|(epoch, memory, _)| (*epoch, *memory)).collect();
        all.into_iter().collect()
    }
}

/// Chance decides only where a driver is launched, and there are two places.
fn choices(epoch: u8, memory: Memory, happening: Happening) -> Vec<Decision> {
    let first = ask(0, epoch, memory, happening);
    let mut decisions = vec![first];
    if first.launches() {
        let mut others = (1..SEEDS).map(|seed| ask(seed, epoch, memory, happening));
        decisions.extend(others.find(|decision| *decision != first));
    }
    decisions
}

fn ask(seed: u64, epoch: u8, memory: Memory, happening: Happening) -> Decision {
    let mut effects = Vec::new();
    let machine = if happening == Happening::Elected {
        past::elected(seed, epoch, memory, &mut effects)
    } else {
        let mut machine = past::with_memory(seed, epoch, memory);
        let (now, event) = event(names::NOW, memory, happening);
        machine.handle(now, event, &mut effects);
        machine
    };
    let mut told = Told::new(memory, happening);
    for effect in effects {
        told.effect(effect);
    }
    told.decision.unknown |= past::memory_shown(&machine, &told.decision.memory).is_err();
    told.decision
}

/// The event in the core's words, and when it comes.
fn event(now: Now, memory: Memory, happening: Happening) -> (Now, Event) {
    let latest = |worker: u8| match memory.workers[usize::from(worker)] {
        Known::Heard { number, .. } => Some(names::session(worker, number)),
        Known::Absent | Known::Unknown { .. } => None,
    };
    let event = match happening {
        Happening::Elected => panic!("a leader is elected once"),
        Happening::Submitted => Event::Request {
            reply: ReplyToken(1),
            request: ClientRequest::SubmitDriver {
                request: Some(names::request_id()),
                description: Box::new((*names::description()).clone()),
            },
        },
        Happening::Registers(worker, registration) => register(worker, registration, memory),
        Happening::Started(worker, attempt) => {
            let driver = memory.driver.map_or_else(|| names::driver_id(0), |driver| names::driver_id(driver.born));
            let message = WorkerToMaster::DriverStarted { driver, attempt: names::attempt(attempt) };
            Event::Worker { session: latest(worker).unwrap_or(SessionId(0)), message }
        }
        Happening::Closed(worker) => Event::SessionClosed { session: latest(worker).unwrap_or(SessionId(0)) },
        Happening::Silent(worker) => {
            return (past::after_silence(now), Event::Timer(Timer::Worker(names::worker_id(worker))));
        }
        Happening::Gone(worker) => {
            let peer = Peer::Worker(names::worker_id(worker));
            Event::Probed { peer, session: latest(worker), finding: Finding::Gone }
        }
    };
    (now, event)
}

/// A registration as the worker sends it.
pub(super) fn register(worker: u8, registration: Registration, memory: Memory) -> Event {
    let Registration { incarnation, number, heard, runs, to } = registration;
    let message = RegisterWorker {
        id: names::worker_id(worker),
        incarnation: names::incarnation(incarnation),
        number: u64::from(number),
        host: names::host(worker),
        port: names::PORT,
        kind: tanist_core::model::WorkerKind::Own,
        ui_url: String::new(),
        cores: names::CORES,
        memory: names::MEMORY,
        resources: tanist_core::model::Addresses::default(),
        master_address: names::address(to),
        cluster: Some(names::cluster()),
        protocol: PROTOCOL_VERSION,
        heard: names::heard(heard),
        decommissioned: false,
        accepts_work: true,
        refused_commands: 0,
        inventory: names::inventory(memory.driver, runs),
    };
    Event::Worker { session: names::session(worker, number), message: WorkerToMaster::Register(Box::new(message)) }
}

/// Puts effects into the model's numbers.
struct Told {
    decision: Decision,
    happening: Happening,
}

impl Told {
    fn new(memory: Memory, happening: Happening) -> Self {
        let mut decision = Decision {
            memory,
            writes: Writes::default(),
            says: Says::default(),
            steps_down: false,
            refuses: false,
            unknown: false,
        };
        if let Happening::Closed(worker) = happening
            && let Known::Heard { open, .. } = &mut decision.memory.workers[usize::from(worker)]
        {
            *open = false;
        }
        Self { decision, happening }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Persist(changes) => changes.into_iter().for_each(|change| self.change(change)),
            Effect::ToWorker { session, message } => self.say(session, message),
            Effect::Reply { reply: ClientReply::Submitted { .. }, .. } => self.decision.says.acknowledge = true,
            Effect::StepDown { .. } => self.decision.steps_down = true,
            // Who hears of the term when is left open anyway; a session may end at any time; so may a dial.
            Effect::Announce { .. } | Effect::CloseSession { .. } | Effect::Probe { .. } | Effect::Arm { .. } => {}
            Effect::Reply { .. } | Effect::ToApp { .. } | Effect::Recall { .. } => self.decision.unknown = true,
        }
    }

    fn change(&mut self, change: Change) {
        let Decision { memory, writes, unknown, .. } = &mut self.decision;
        match change {
            Change::PutDriver(record) => match names::driver_of(&record) {
                Some(driver) => (memory.driver, writes.driver) = (Some(driver), Some(driver)),
                None => *unknown = true,
            },
            Change::PutRequest(_) => writes.request = true,
            Change::PutWorker(record) => match names::worker_of(&record.id) {
                Some(worker) => {
                    let incarnation = u8::try_from(record.incarnation.0).unwrap_or(u8::MAX);
                    writes.workers[usize::from(worker)] = Write::Put(incarnation);
                }
                None => *unknown = true,
            },
            Change::RemoveWorker(id) => match names::worker_of(&id) {
                Some(worker) => {
                    writes.workers[usize::from(worker)] = Write::Remove;
                    memory.workers[usize::from(worker)] = Known::Absent;
                }
                None => *unknown = true,
            },
            _ => *unknown = true,
        }
    }

    fn say(&mut self, session: SessionId, message: MasterToWorker) {
        let (worker, number) = names::session_of(session);
        let Decision { memory, says, refuses, unknown, .. } = &mut self.decision;
        let saying = &mut says.to[usize::from(worker)];
        match message {
            MasterToWorker::Registered(_) => {
                saying.number = number;
                saying.registered = true;
                if let Happening::Registers(_, Registration { incarnation, .. }) = self.happening {
                    memory.workers[usize::from(worker)] = Known::Heard { incarnation, number, open: true };
                }
            }
            MasterToWorker::Command(Fenced { body, .. }) => {
                saying.number = number;
                match body {
                    WorkerCommand::LaunchDriver { attempt, .. } => saying.launch |= bit(names::attempt_of(attempt)),
                    WorkerCommand::KillDriver { attempt, .. } => saying.kill |= bit(names::attempt_of(attempt)),
                    _ => *unknown = true,
                }
            }
            MasterToWorker::RegistrationRefused { .. } => *refuses = true,
            // Says no more than what a worker may hear from anybody at any time.
            MasterToWorker::Standby { .. } | MasterToWorker::Greet { .. } | MasterToWorker::Reconnect => {}
            MasterToWorker::HeartbeatSeen | MasterToWorker::Acknowledged { .. } => *unknown = true,
        }
    }
}
