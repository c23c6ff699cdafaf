//! Everything a leader holds for the length of its term, and the one match over events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::config::MasterConfig;
use super::dead::DeadWorkers;
use super::effect::Effect;
use super::entities::{App, Driver, Worker};
use super::event::{Event, Finding, Peer, Timer};
use super::names::Names;
use super::not_leading;
use super::schedule::Scheduler;
use super::view::Missing;
use crate::ids::{AppId, AppToken, CommandId, DriverId, ReplyToken, RequestId, SessionId, Term, WorkerId};
use crate::model::{LeaderInfo, MasterRole};
use crate::msg::{
    AppNotice, AppToMaster, ClientReply, Fenced, MasterToApp, MasterToWorker, WorkerCommand, WorkerToMaster,
};
use crate::record::{Change, DoneApp, DoneDriver};
use crate::rng::Rng;
use crate::time::{Mono, Now, Wall};

/// A timer that is due while nothing may be decided is put off by this.
const PUT_OFF: Duration = Duration::from_secs(1);

/// What one event is handled with.
pub(super) struct Ctx<'a> {
    pub(super) config: &'a MasterConfig,
    pub(super) rng: &'a mut Rng,
    pub(super) now: Now,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl Ctx<'_> {
    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Makes changes durable together.
    pub(super) fn persist(&mut self, changes: Vec<Change>) {
        self.effect(Effect::Persist(changes));
    }

    /// Makes one change durable.
    pub(super) fn persist_one(&mut self, change: Change) {
        self.persist(vec![change]);
    }

    pub(super) fn say_to_worker(&mut self, session: SessionId, message: MasterToWorker) {
        self.effect(Effect::ToWorker { session, message });
    }

    pub(super) fn say_to_app(&mut self, session: SessionId, message: MasterToApp) {
        self.effect(Effect::ToApp { session, message });
    }

    pub(super) fn close(&mut self, session: SessionId) {
        self.effect(Effect::CloseSession { session });
    }

    pub(super) fn arm(&mut self, timer: Timer, at: Mono) {
        self.effect(Effect::Arm { timer, at });
    }

    pub(super) fn reply(&mut self, to: ReplyToken, reply: ClientReply) {
        self.effect(Effect::Reply { to, reply });
    }

    pub(super) fn step_down(&mut self, why: String) {
        self.effect(Effect::StepDown { why });
    }
}

/// The state of one term.
#[derive(Debug, Clone)]
pub(super) struct Leader {
    /// How this master is named in this term.
    pub(super) info: LeaderInfo,
    /// RECOVERING, ALIVE or SUSPENDED.
    pub(super) role: MasterRole,
    /// The role to come back to from SUSPENDED.
    pub(super) resumes_as: MasterRole,
    pub(super) scheduler: Scheduler,
    /// Nothing from before the change of leader is missing any more.
    pub(super) complete: bool,
    /// How many workers and applications are UNKNOWN, counted as they come and go.
    pub(super) missing: Missing,
    /// Applications with claims that wait for workers that are missing; some may have none any more.
    pub(super) claiming: BTreeSet<AppId>,
    pub(super) workers: BTreeMap<WorkerId, Worker>,
    /// Which worker is at a host and port.
    pub(super) places: BTreeMap<(String, u16), WorkerId>,
    pub(super) dead_workers: DeadWorkers,
    pub(super) apps: BTreeMap<AppId, App>,
    pub(super) app_tokens: BTreeMap<AppToken, AppId>,
    pub(super) drivers: BTreeMap<DriverId, Driver>,
    /// How many of them have a place.
    pub(super) placed_drivers: u32,
    pub(super) done_apps: VecDeque<DoneApp>,
    pub(super) done_drivers: VecDeque<DoneDriver>,
    pub(super) requests: BTreeMap<RequestId, (DriverId, Wall)>,
    pub(super) sessions: BTreeMap<SessionId, Peer>,
    pub(super) quarantined: Vec<String>,
    /// When workers were given up for silence, within the last minute (the mass-loss brake).
    pub(super) recent_losses: VecDeque<Mono>,
    next_command: CommandId,
    pub(super) names: Names,
}

impl Leader {
    pub(super) fn new(info: LeaderInfo, config: &MasterConfig) -> Self {
        let names = Names::of(&info.term, config);
        Self {
            info,
            role: MasterRole::Recovering,
            resumes_as: MasterRole::Recovering,
            scheduler: Scheduler::new(config.scheduler.clone()),
            complete: false,
            missing: Missing::default(),
            claiming: BTreeSet::new(),
            workers: BTreeMap::new(),
            places: BTreeMap::new(),
            dead_workers: DeadWorkers::default(),
            apps: BTreeMap::new(),
            app_tokens: BTreeMap::new(),
            drivers: BTreeMap::new(),
            placed_drivers: 0,
            done_apps: VecDeque::new(),
            done_drivers: VecDeque::new(),
            requests: BTreeMap::new(),
            sessions: BTreeMap::new(),
            quarantined: Vec::new(),
            recent_losses: VecDeque::new(),
            next_command: CommandId(1),
            names,
        }
    }

    pub(super) fn term(&self) -> &Term {
        &self.info.term
    }

    /// The one match over events of a leader.
    pub(super) fn handle(&mut self, event: Event, ctx: &mut Ctx<'_>) {
        if self.role == MasterRole::Suspended {
            return self.handle_suspended(event, ctx);
        }
        match event {
            Event::Worker { session, message } => self.worker_said(session, message, ctx),
            Event::App { session, message } => self.app_said(session, message, ctx),
            Event::SessionClosed { session } => self.session_closed(session, ctx),
            Event::Probed { peer, session, finding } => self.probed(&peer, session, finding, ctx),
            Event::Request { reply, request } => self.requested(reply, request, ctx),
            Event::Timer(timer) => self.timer(timer, ctx),
            Event::Suspended => {
                self.resumes_as = self.role;
                self.role = MasterRole::Suspended;
            }
            // Election is handled above this; a leader does not learn of itself, and resuming needs a suspension.
            Event::Elected { .. } | Event::Deposed | Event::LeaderSeen(_) | Event::Resumed => {}
        }
    }

    /// SUSPENDED: memory is kept, nothing is decided. What peers report is not acknowledged, so that they repeat it;
    /// only that they live, that a session ended, and what is said only once is noted.
    fn handle_suspended(&mut self, event: Event, ctx: &mut Ctx<'_>) {
        match event {
            Event::Resumed => {
                self.role = self.resumes_as;
                self.forgive_silence(ctx);
                self.settle_recovery(ctx);
                self.schedule(ctx);
            }
            // Not as a leader answers: a worker that counts on being heard by the leader must not count this.
            Event::Worker { session, message: WorkerToMaster::Heartbeat { .. } } => {
                self.note_worker_alive(session, ctx.now);
                self.answer_worker_as_stranger(session, ctx);
            }
            Event::App { session, message: AppToMaster::Heartbeat } => {
                self.note_app_alive(session, ctx.now);
                self.answer_app_suspended(session, ctx);
            }
            Event::Worker { session, message: WorkerToMaster::Register(_) } => {
                self.answer_worker_as_stranger(session, ctx);
            }
            Event::App { session, message: AppToMaster::Register(_) } => self.answer_app_suspended(session, ctx),
            Event::Request { reply, .. } => ctx.reply(reply, not_leading(MasterRole::Suspended, Some(&self.info))),
            Event::SessionClosed { session } => self.forget_session(session),
            Event::Worker {
                session,
                message: once @ (WorkerToMaster::DriverStarted { .. } | WorkerToMaster::Decommissioning),
            } => self.worker_said(session, once, ctx),
            // Reports are repeated by their senders; requests of a client to its application must not vanish.
            Event::App { session, .. } => ctx.close(session),
            Event::Timer(timer) => ctx.arm(timer, ctx.now.mono + PUT_OFF),
            Event::Worker {
                message:
                    WorkerToMaster::Inventory(_)
                    | WorkerToMaster::ExecutorStateChanged { .. }
                    | WorkerToMaster::ExecutorRefused { .. }
                    | WorkerToMaster::DriverEnded { .. }
                    | WorkerToMaster::StaleCommand { .. },
                ..
            }
            | Event::Probed { .. }
            | Event::Elected { .. }
            | Event::Deposed
            | Event::Suspended
            | Event::LeaderSeen(_) => {}
        }
    }

    /// Neither taken nor refused: it hears of this term, and comes again knowing it. By protocol 4 a worker raises its own
    /// epoch first and then says what it runs. What it has said before may be out of date in any degree, because until
    /// then it was free to obey another leader.
    pub(super) fn answer_worker_as_stranger(&self, session: SessionId, ctx: &mut Ctx<'_>) {
        ctx.say_to_worker(session, MasterToWorker::Standby { leader: Some(self.info.clone()) });
    }

    fn answer_app_suspended(&self, session: SessionId, ctx: &mut Ctx<'_>) {
        ctx.say_to_app(session, MasterToApp::Standby { leader: Some(self.info.clone()) });
    }

    fn timer(&mut self, timer: Timer, ctx: &mut Ctx<'_>) {
        match timer {
            Timer::Recovery => self.recovery_due(ctx),
            Timer::Worker(id) => self.worker_due(&id, ctx),
            Timer::App(id) => self.app_due(&id, ctx),
            Timer::Housekeeping => self.housekeeping(ctx),
        }
    }

    fn session_closed(&mut self, session: SessionId, ctx: &mut Ctx<'_>) {
        match self.sessions.remove(&session) {
            Some(Peer::Worker(id)) => self.worker_cut_off(&id, session, ctx),
            Some(Peer::App(id)) => self.app_cut_off(&id, session, ctx),
            None => {}
        }
    }

    /// A session ended while nothing may be decided: noted, looked at when the lead is sure again.
    fn forget_session(&mut self, session: SessionId) {
        match self.sessions.remove(&session) {
            Some(Peer::Worker(id)) => {
                if let Some(worker) = self.workers.get_mut(&id).filter(|worker| worker.session == Some(session)) {
                    worker.session = None;
                    self.scheduler.worker_paused(&id, true);
                }
            }
            Some(Peer::App(id)) => {
                if let Some(app) = self.apps.get_mut(&id).filter(|app| app.session == Some(session)) {
                    app.session = None;
                    self.pause_app_if_due(&id);
                }
            }
            None => {}
        }
    }

    fn probed(&mut self, peer: &Peer, asked: Option<SessionId>, finding: Finding, ctx: &mut Ctx<'_>) {
        match peer {
            Peer::Worker(id) => self.worker_probed(id, asked, finding, ctx),
            Peer::App(id) => self.app_probed(id, asked, finding, ctx),
        }
    }

    /// Gives a command to a worker if it can hear it; what it misses is settled when it registers again.
    pub(super) fn command(&mut self, worker: &WorkerId, body: WorkerCommand, ctx: &mut Ctx<'_>) {
        let Some(session) = self.workers.get(worker).and_then(|worker| worker.session) else { return };
        let command = Fenced { term: self.info.term.clone(), id: self.take_command_id(), body };
        ctx.say_to_worker(session, MasterToWorker::Command(command));
    }

    /// Tells an application something if it can hear it; what it misses is settled when it registers again.
    pub(super) fn notify(&mut self, app: &AppId, body: AppNotice, ctx: &mut Ctx<'_>) {
        let Some(known) = self.apps.get_mut(app) else { return };
        known.keep(&body);
        self.notify_again(app, body, ctx);
    }

    /// The same for what was told before, or as good as that.
    pub(super) fn notify_again(&mut self, app: &AppId, body: AppNotice, ctx: &mut Ctx<'_>) {
        let Some(session) = self.apps.get(app).and_then(|known| known.session) else { return };
        let notice = Fenced { term: self.info.term.clone(), id: self.take_command_id(), body };
        ctx.say_to_app(session, MasterToApp::Notice(notice));
    }

    fn take_command_id(&mut self) -> CommandId {
        let id = self.next_command;
        self.next_command = id.next();
        id
    }

    /// Binds a session to a peer; a former session of the peer is closed.
    pub(super) fn bind_session(
        &mut self,
        session: SessionId,
        peer: Peer,
        former: Option<SessionId>,
        ctx: &mut Ctx<'_>,
    ) {
        if let Some(former) = former.filter(|former| *former != session) {
            self.sessions.remove(&former);
            ctx.close(former);
        }
        self.sessions.insert(session, peer);
    }
}
