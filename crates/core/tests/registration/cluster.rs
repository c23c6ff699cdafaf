//! The state of the little cluster, and what its members do to it.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use tanist_core::ids::{SessionId, Term};
use tanist_core::master::{self, Finding, Master};
use tanist_core::model::{LeaderInfo, MasterRole};
use tanist_core::msg::{MasterToWorker, WorkerToMaster};
use tanist_core::record::{Change, Recovered};
use tanist_core::time::{Mono, Now, Wall};
use tanist_core::tracking::{self, Following, LinkId};
use tanist_core::worker::{self, Worker};

use crate::pipe::{AtMaster, Flying, Pipe, Said, mix};
use crate::rules::Watcher;
use crate::setup::{leader_info, master_at};

/// One master process.
#[derive(Debug, Clone)]
pub(crate) struct MasterProcess {
    /// None: it is dead.
    pub(crate) machine: Option<Rc<Master>>,
    /// Fingerprint of the machine while it leads.
    pub(crate) state: u64,
    /// The term in which it believes to lead.
    pub(crate) office: Option<Term>,
    /// Who leads, as far as it knows, while it does not.
    pub(crate) known: Option<LeaderInfo>,
    /// What waits for the next guarded transaction.
    pub(crate) pending: Rc<Vec<master::Effect>>,
    /// Fingerprint of that.
    pub(crate) pending_print: u64,
    /// The worker's standing question.
    pub(crate) question: Option<Question>,
    /// The answer to it that is under way to the worker.
    pub(crate) answer: Option<LeaderInfo>,
    /// Announcements to the worker that are under way.
    pub(crate) notices: VecDeque<LeaderInfo>,
}

/// Who leads above this term?
#[derive(Debug, Clone)]
pub(crate) struct Question {
    above: Option<Term>,
}

/// What may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Luck {
    pub(crate) registrations: u32,
    pub(crate) retries: u32,
    /// A message that comes twice, a connection that is refused, one that breaks.
    pub(crate) faults: u32,
    pub(crate) elections: u32,
    pub(crate) deposals: u32,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) now: Now,
    pub(crate) worker: Rc<Worker>,
    /// Fingerprint of its machine.
    pub(crate) worker_state: u64,
    /// Which master it follows.
    pub(crate) following: Following,
    pub(crate) alarm: Option<tracking::Timer>,
    pub(crate) masters: [MasterProcess; 2],
    pub(crate) pipes: BTreeMap<LinkId, Pipe>,
    /// Who holds the lead, by the store.
    pub(crate) holder: Option<(usize, Term)>,
    pub(crate) epoch: u64,
    pub(crate) store: Rc<BTreeMap<String, Change>>,
    pub(crate) luck: Luck,
    pub(crate) watcher: Watcher,
}

impl MasterProcess {
    pub(crate) fn standby(machine: Master) -> Self {
        Self {
            machine: Some(Rc::new(machine)),
            state: 0,
            office: None,
            known: None,
            pending: Rc::default(),
            pending_print: 0,
            question: None,
            answer: None,
            notices: VecDeque::new(),
        }
    }

    /// What it answers when it is asked who leads.
    pub(crate) fn leader(&self, master: usize) -> Option<LeaderInfo> {
        self.machine.as_ref()?;
        self.office.as_ref().map(|term| leader_info(master, term.clone())).or_else(|| self.known.clone())
    }

    /// Answers the worker's question once there is something to say.
    fn answers(&mut self, master: usize) {
        let leader = self.leader(master);
        let own = self.office.as_ref().map(|_| MasterRole::Alive);
        let news = |question: &mut Question| {
            leader.as_ref().is_some_and(|leader| tracking::is_answer(leader, own, question.above.as_ref()))
        };
        if self.question.take_if(news).is_some() {
            self.answer = leader;
        }
    }
}

impl Cluster {
    pub(crate) fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.worker_state, self.watcher.key(), self.luck, self.epoch, self.holder.as_ref().map(|holder| holder.0))
            .hash(&mut hasher);
        for process in &self.masters {
            (process.state, process.machine.is_some(), process.pending_print).hash(&mut hasher);
            let known = [&process.known, &process.answer].map(|leader| leader.as_ref().map(|leader| leader.term.epoch));
            let asked = process.question.as_ref().map(|question| question.above.as_ref().map(|above| above.epoch));
            (known, asked, process.notices.len()).hash(&mut hasher);
        }
        for (link, pipe) in &self.pipes {
            link.hash(&mut hasher);
            pipe.key(&mut hasher);
        }
        hasher.finish()
    }

    /// The worker is told something.
    pub(crate) fn worker_handles(&mut self, event: worker::Event) {
        self.watcher.worker_is_told(&self.worker, &event);
        let mut effects = Vec::new();
        Rc::make_mut(&mut self.worker).handle(self.now, event, &mut effects);
        for effect in effects {
            self.watcher.worker_does(&effect);
            match effect {
                worker::Effect::Track(tracking::Effect::Connect { link, address }) => {
                    self.pipes.insert(link, Pipe::new(master_at(&address)));
                }
                worker::Effect::Track(tracking::Effect::Disconnect { link }) => self.worker_disconnects(link),
                worker::Effect::Track(tracking::Effect::AskLeader { address, above }) => {
                    // An earlier question stands for this one until its answer has arrived.
                    let master = master_at(&address);
                    let process = &mut self.masters[master];
                    if process.machine.is_some() && process.question.is_none() && process.answer.is_none() {
                        process.question = Some(Question { above });
                        process.answers(master);
                    }
                }
                // They say nothing about who is registered where.
                worker::Effect::Send { message: WorkerToMaster::Heartbeat { .. }, .. } => {}
                worker::Effect::Send { link, message } => {
                    if let Some(pipe) = self.pipes.get_mut(&link).filter(|pipe| pipe.worker_holds) {
                        pipe.up.push_back(Flying::new(Said::Message(message)));
                    }
                }
                worker::Effect::Arm { timer: worker::Timer::Tracking(alarm @ tracking::Timer::Retry(_)), .. } => {
                    self.alarm = Some(alarm);
                }
                _ => {}
            }
        }
        self.worker_state = mix(0, &self.worker);
        self.following = self.worker.view(self.now.wall).following;
        self.watcher.worker_stands(&self.worker, &self.following);
    }

    fn worker_disconnects(&mut self, link: LinkId) {
        let Some(pipe) = self.pipes.get_mut(&link) else { return };
        pipe.worker_holds = false;
        pipe.down.clear();
        if pipe.opened {
            pipe.up.push_back(Flying::new(Said::End));
        }
        self.drop_if_over(link);
    }

    pub(crate) fn drop_if_over(&mut self, link: LinkId) {
        if self.pipes.get(&link).is_some_and(Pipe::is_over) {
            self.pipes.remove(&link);
        }
    }

    /// A master is told something; what need not wait leaves at once.
    pub(crate) fn master_handles(&mut self, master: usize, event: master::Event) {
        let process = &mut self.masters[master];
        let Some(machine) = process.machine.as_mut() else { return };
        let mut effects = Vec::new();
        Rc::make_mut(machine).handle(self.now, event, &mut effects);
        // A standby remembers nothing but who leads.
        process.state = if process.office.is_some() { mix(0, machine) } else { 0 };
        for effect in effects {
            let leads = self.masters[master].office.is_some();
            match effect {
                master::Effect::StepDown { .. } => return self.learns_loss(master),
                effect if leads && effect.waits_for_commit() => {
                    let process = &mut self.masters[master];
                    process.pending_print = mix(process.pending_print, &effect);
                    Rc::make_mut(&mut process.pending).push(effect);
                }
                effect => self.carry_out(master, effect),
            }
        }
    }

    /// The guarded transaction of all that waits: all of it, or the end of the term.
    pub(crate) fn commits(&mut self, master: usize) {
        self.masters[master].pending_print = 0;
        let effects = Rc::unwrap_or_clone(std::mem::take(&mut self.masters[master].pending));
        let holds = self
            .holder
            .as_ref()
            .is_some_and(|(holder, term)| *holder == master && self.masters[master].office.as_ref() == Some(term));
        if !holds {
            return self.learns_loss(master);
        }
        for effect in effects {
            match effect {
                master::Effect::Persist(changes) => {
                    Watcher::is_stored(&changes);
                    let store = Rc::make_mut(&mut self.store);
                    for change in changes {
                        apply(store, change);
                    }
                }
                effect => self.carry_out(master, effect),
            }
        }
    }

    fn carry_out(&mut self, master: usize, effect: master::Effect) {
        match effect {
            master::Effect::ToWorker { session, message } => {
                Watcher::master_says(&message);
                self.say_down(session, Said::Message(message));
            }
            master::Effect::CloseSession { session } => {
                self.master_closes(session);
                self.master_handles(master, master::Event::SessionClosed { session });
            }
            // The worker lives, and its own endpoint answers at once.
            master::Effect::Probe { peer: peer @ master::Peer::Worker(_), session, .. } => {
                self.master_handles(master, master::Event::Probed { peer, session, finding: Finding::Alive });
            }
            master::Effect::Announce { peer: master::Peer::Worker(_), .. } => {
                if let Some(term) = self.masters[master].office.clone() {
                    self.masters[master].notices.push_back(leader_info(master, term));
                }
            }
            _ => {}
        }
    }

    fn say_down(&mut self, session: SessionId, said: Said<MasterToWorker>) {
        let pipe = self.pipes.get_mut(&LinkId(session.0));
        if let Some(pipe) = pipe.filter(|pipe| pipe.worker_holds && pipe.at_master == AtMaster::Open) {
            pipe.down.push_back(Flying::new(said));
        }
    }

    fn master_closes(&mut self, session: SessionId) {
        self.say_down(session, Said::End);
        if let Some(pipe) = self.pipes.get_mut(&LinkId(session.0)) {
            pipe.at_master = AtMaster::Closed;
        }
    }

    /// A master hears that its term is over: it drops all of it, and its sessions.
    pub(crate) fn learns_loss(&mut self, master: usize) {
        if self.masters[master].office.take().is_none() {
            return;
        }
        self.masters[master].pending = Rc::default();
        self.masters[master].pending_print = 0;
        self.masters[master].notices.clear();
        self.master_handles(master, master::Event::Deposed);
        let held = self.pipes.iter().filter(|(_, pipe)| pipe.master == master && pipe.at_master == AtMaster::Open);
        let held: Vec<LinkId> = held.map(|(link, _)| *link).collect();
        for link in held {
            self.master_closes(SessionId(link.0));
        }
        if self.holder.as_ref().is_some_and(|holder| holder.0 == master) {
            self.holder = None;
        }
    }

    /// A master wins the lead and begins from what is stored.
    pub(crate) fn elected(&mut self, master: usize) {
        self.epoch += 1;
        let term = crate::setup::term(self.epoch);
        self.holder = Some((master, term.clone()));
        self.masters[master].office = Some(term.clone());
        self.masters[master].known = None;
        self.masters[master].answers(master);
        let elected =
            master::Event::Elected { leader: leader_info(master, term), recovered: Box::new(recovered(&self.store)) };
        self.master_handles(master, elected);
    }

    /// A standby sees who leads.
    pub(crate) fn sees_leader(&mut self, master: usize) {
        let seen = self.holder.as_ref().map(|(holder, term)| leader_info(*holder, term.clone()));
        self.masters[master].known.clone_from(&seen);
        self.masters[master].answers(master);
        self.master_handles(master, master::Event::LeaderSeen(seen));
    }

    /// Lets time pass in which nothing happens.
    pub(crate) fn wait(&mut self, millis: u64) {
        self.now = Now { mono: Mono(self.now.mono.0 + millis), wall: Wall(self.now.wall.0 + millis) };
    }
}

fn apply(store: &mut BTreeMap<String, Change>, change: Change) {
    match &change {
        Change::PutWorker(record) => drop(store.insert(format!("worker {}", record.id), change)),
        Change::PutApp(record) => drop(store.insert(format!("app {}", record.id), change)),
        Change::PutDriver(record) => drop(store.insert(format!("driver {}", record.id), change)),
        other => panic!("{other:?} is stored, but nothing has ended and nobody was given up"),
    }
}

fn recovered(store: &BTreeMap<String, Change>) -> Recovered {
    let mut recovered = Recovered::default();
    for change in store.values().cloned() {
        match change {
            Change::PutWorker(record) => recovered.workers.push(record),
            Change::PutApp(record) => recovered.apps.push(record),
            Change::PutDriver(record) => recovered.drivers.push(record),
            other => panic!("{other:?} is kept"),
        }
    }
    recovered
}
