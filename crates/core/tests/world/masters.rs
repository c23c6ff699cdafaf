//! Master processes: the machine, and the commit loop around it as the shell has it.
//!
//! One transaction is under way at a time. What waits for the commit leaves when the transaction of its batch has gone
//! through; a refusal ends the term, and everything of it is dropped. A master whose lead was taken away goes on
//! believing in it until it hears of that, or until the store refuses it.

use std::collections::{BTreeMap, BTreeSet};

use tanist_core::ids::{ClusterId, Epoch, MasterId, ReplyToken, SessionId, Term};
use tanist_core::master::{Effect, Event, Master, Peer};
use tanist_core::model::{LeaderInfo, MasterRole};
use tanist_core::msg::ClientRequest;
use tanist_core::record::{Change, Recovered};

use crate::net::{Cargo, Process, Side};
use crate::settings;
use crate::world::{Happening, World, millis};

/// Masters of a world.
pub(crate) const MASTERS: usize = 2;

/// The lead is believed in for this long after it was lost: a lease of five seconds, less one.
const BELIEVES_MILLIS: u64 = 4000;

pub(crate) struct MasterProcess {
    /// None: the process is dead.
    machine: Option<Master>,
    /// Which process this is.
    life: u32,
    pub(crate) office: Option<Office>,
    /// Who is to be told of a leader above the term it has heard of.
    pub(crate) questions: BTreeMap<Process, Option<Term>>,
}

/// What a shell holds for one term.
pub(crate) struct Office {
    pub(crate) term: Term,
    /// Before the local deadline.
    may_act: bool,
    /// The machine was told that it may not act.
    suspended: bool,
    leaving: bool,
    pending: Batch,
    under_way: Option<Vec<Effect>>,
    pub(crate) announcing: BTreeSet<Peer>,
}

#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    effects: Vec<Effect>,
}

impl Office {
    fn new(term: Term) -> Self {
        Self {
            term,
            may_act: true,
            suspended: false,
            leaving: false,
            pending: Batch::default(),
            under_way: None,
            announcing: BTreeSet::new(),
        }
    }
}

impl MasterProcess {
    pub(crate) fn new() -> Self {
        Self { machine: None, life: 0, office: None, questions: BTreeMap::new() }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.machine.is_some()
    }

    pub(crate) fn machine(&self) -> Option<&Master> {
        self.machine.as_ref()
    }

    /// The term that it believes to be in.
    pub(crate) fn term(&self) -> Option<&Term> {
        self.office.as_ref().map(|office| &office.term)
    }

    /// What is held for a term, if it is the present one.
    pub(crate) fn office(&mut self, epoch: Epoch) -> Option<&mut Office> {
        self.office.as_mut().filter(|office| office.term.epoch == epoch)
    }
}

/// How a master is named in a term.
pub(crate) fn leader_info(master: usize, term: Term) -> LeaderInfo {
    LeaderInfo {
        cluster: ClusterId::new("world").unwrap(),
        term,
        master: MasterId::new(&format!("m{master}")).unwrap(),
        address: settings::master_address(master),
        ui_url: String::new(),
    }
}

impl World {
    pub(crate) fn master_starts(&mut self, master: usize) {
        if self.masters[master].is_up() {
            return;
        }
        let seed = self.rng.bits();
        self.masters[master].machine = Some(Master::new(settings::master(), seed));
        self.stands_soon(master);
        self.see_leader(master);
    }

    pub(crate) fn master_crashes(&mut self, master: usize) {
        let process = &mut self.masters[master];
        process.machine = None;
        process.office = None;
        process.questions.clear();
        process.life += 1;
        for session in self.net.sessions_of_master(master) {
            self.break_session(session);
            self.broke(session, Side::Master);
        }
        if let Some(lead) = self.store.lead.clone().filter(|lead| lead.master == master) {
            // Deposed by a standby, or by the end of the lease.
            let wait = self.moment(5000);
            self.agenda.after(wait, Happening::LeaseEnds { term: lead.term });
        }
    }

    /// The lead is free from now on, whatever its holder believes.
    pub(crate) fn lead_ends(&mut self, term: &Term) {
        let Some(lead) = self.store.lead.take_if(|lead| lead.term == *term) else { return };
        let wait = millis(self.rng.between(0, BELIEVES_MILLIS));
        self.agenda.after(wait, Happening::LearnsLoss { master: lead.master, epoch: lead.term.epoch });
        for master in 0..MASTERS {
            self.stands_soon(master);
        }
    }

    fn stands_soon(&mut self, master: usize) {
        let wait = self.moment(100);
        self.agenda.after(wait, Happening::Stands { master });
    }

    /// A master that leads no more, as far as it knows, tries to.
    pub(crate) fn stands(&mut self, master: usize) {
        let process = &self.masters[master];
        if !process.is_up() || process.office.is_some() {
            return;
        }
        let Some((term, recovered)) = self.store.acquire(master) else { return };
        let life = self.masters[master].life;
        let wait = self.moment(50);
        self.agenda.after(wait, Happening::TakesOffice { master, life, term, recovered: Box::new(recovered) });
        for other in 0..MASTERS {
            let wait = self.moment(20);
            self.agenda.after(wait, Happening::SeesLeader { master: other });
        }
    }

    /// The records are read. A lead that was lost meanwhile is not begun.
    pub(crate) fn takes_office(&mut self, master: usize, life: u32, term: Term, recovered: Box<Recovered>) {
        let process = &mut self.masters[master];
        if process.life != life || self.store.lead.as_ref().is_none_or(|lead| lead.term != term) {
            return;
        }
        process.office = Some(Office::new(term.clone()));
        self.master_handles(master, Event::Elected { leader: leader_info(master, term), recovered });
        self.answer_questions(master);
    }

    /// A master that does not lead knows who does, as far as the election shows.
    pub(crate) fn see_leader(&mut self, master: usize) {
        if self.masters[master].office.is_none() {
            let seen = self.store.lead.clone().map(|lead| leader_info(lead.master, lead.term));
            self.master_handles(master, Event::LeaderSeen(seen));
            self.answer_questions(master);
        }
    }

    /// Who leads, as this master answers when it is asked.
    pub(crate) fn leader_known_to(&self, master: usize) -> Option<LeaderInfo> {
        let process = &self.masters[master];
        match &process.office {
            Some(office) => Some(leader_info(master, office.term.clone())),
            None => process.machine.as_ref()?.view(self.agenda.now().wall).leader,
        }
    }

    /// Its role, while it believes to lead.
    pub(crate) fn role_in_office(&self, master: usize) -> Option<MasterRole> {
        let office = self.masters[master].office.as_ref()?;
        Some(if office.suspended { MasterRole::Suspended } else { MasterRole::Alive })
    }

    /// A master that is past its local deadline does not reach the store, and hears nothing of it either.
    pub(crate) fn learns_loss(&mut self, master: usize, epoch: Epoch) {
        if self.masters[master].office(epoch).is_some_and(|office| office.may_act) {
            self.ends_term(master, epoch);
        }
    }

    pub(crate) fn ends_term(&mut self, master: usize, epoch: Epoch) {
        let Some(office) = self.masters[master].office.take_if(|office| office.term.epoch == epoch) else { return };
        self.master_handles(master, Event::Deposed);
        self.lead_ends(&office.term);
        for session in self.net.sessions_of_master(master) {
            self.end_session(session, Side::Master);
        }
        self.see_leader(master);
        self.stands_soon(master);
    }

    /// The local deadline passes without a renewal.
    pub(crate) fn suspends(&mut self, master: usize) {
        let Some(office) = self.masters[master].office.as_mut().filter(|office| office.may_act) else { return };
        office.may_act = false;
        if !std::mem::replace(&mut office.suspended, true) {
            self.master_handles(master, Event::Suspended);
        }
    }

    /// A renewal succeeds, if the lead is still there; the way back takes a guarded transaction, too.
    pub(crate) fn renews(&mut self, master: usize) {
        let Some(office) = self.masters[master].office.as_mut() else { return };
        let epoch = office.term.epoch;
        if self.store.lead.as_ref().is_some_and(|lead| lead.term == office.term) {
            office.may_act = true;
            self.starts_commit(master);
        } else if !office.may_act {
            self.ends_term(master, epoch);
        }
    }

    pub(crate) fn master_hears(&mut self, master: usize, session: SessionId, cargo: Cargo) {
        match cargo {
            Cargo::FromWorker(message) => self.master_handles(master, Event::Worker { session, message }),
            Cargo::FromApp(message) => self.master_handles(master, Event::App { session, message }),
            other => panic!("a master hears {other:?}"),
        }
    }

    pub(crate) fn master_session_closed(&mut self, master: usize, session: SessionId) {
        self.master_handles(master, Event::SessionClosed { session });
    }

    pub(crate) fn asked(&mut self, master: usize, reply: ReplyToken, request: ClientRequest) {
        self.master_handles(master, Event::Request { reply, request });
    }

    /// What belongs to a term and comes after it is dropped.
    pub(crate) fn master_event(&mut self, master: usize, epoch: Epoch, event: Event) {
        if self.masters[master].office(epoch).is_some() {
            self.master_handles(master, event);
        }
    }

    /// Feeds one event to the machine and sorts what comes out, as the commit loop does.
    fn master_handles(&mut self, master: usize, event: Event) {
        let now = self.agenda.now();
        let Some(machine) = self.masters[master].machine.as_mut() else { return };
        let mut effects = Vec::new();
        let shown = self.trace.then(|| format!("{event:?}"));
        machine.handle(now, event, &mut effects);
        let broken = machine.check();
        if let Some(event) = shown {
            self.note(format_args!("m{master} ← {event}\n      {effects:?}"));
        }
        assert!(broken.is_empty(), "m{master}: {broken:#?}");
        self.observe_decisions(master, &effects);
        for effect in effects {
            let office = self.masters[master].office.as_mut();
            match (effect, office) {
                (Effect::StepDown { .. }, Some(office)) => {
                    office.leaving = true;
                    let epoch = office.term.epoch;
                    let wait = self.moment(2);
                    self.agenda.after(wait, Happening::EndsTerm { master, epoch });
                }
                (Effect::Persist(changes), Some(office)) => office.pending.changes.extend(changes),
                (effect, Some(office)) if effect.waits_for_commit() => office.pending.effects.push(effect),
                (Effect::Persist(changes), None) => panic!("m{master} writes without an office: {changes:?}"),
                (effect, _) => self.master_carries_out(master, effect),
            }
        }
        self.starts_commit(master);
    }

    fn starts_commit(&mut self, master: usize) {
        let Some(office) = &mut self.masters[master].office else { return };
        let idle = office.pending.changes.is_empty() && office.pending.effects.is_empty();
        if !office.may_act || office.leaving || office.under_way.is_some() || (idle && !office.suspended) {
            return;
        }
        let Batch { changes, effects } = std::mem::take(&mut office.pending);
        office.under_way = Some(effects);
        let term = office.term.clone();
        let wait = self.moment(5);
        self.agenda.after(wait, Happening::Commits { master, term, changes });
    }

    /// The transaction reaches the store, even if the one who sent it is dead by now.
    pub(crate) fn commits(&mut self, master: usize, term: &Term, changes: &[Change]) {
        let done = self.store.commit(term, changes);
        if done {
            self.observe_changes(changes);
        }
        let wait = self.moment(5);
        self.agenda.after(wait, Happening::Committed { master, epoch: term.epoch, done });
    }

    pub(crate) fn committed(&mut self, master: usize, epoch: Epoch, done: bool) {
        let Some(office) = self.masters[master].office(epoch) else { return };
        let mut effects = office.under_way.take().unwrap_or_default();
        if !done {
            return self.ends_term(master, epoch);
        }
        if !office.may_act {
            // The changes are durable. What may leave only in office waits for the next proof of it.
            effects.append(&mut office.pending.effects);
            office.pending.effects = effects;
            return;
        }
        let resumes = std::mem::take(&mut office.suspended);
        for effect in effects {
            self.master_carries_out(master, effect);
        }
        if resumes {
            self.master_handles(master, Event::Resumed);
            self.answer_questions(master);
        }
        self.starts_commit(master);
    }
}
