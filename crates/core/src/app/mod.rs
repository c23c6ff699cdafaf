//! An application's view of its registration and executors (AC-*).
//!
//! ```text
//! event ──▶ AppClient::handle(now, event, &mut effects)
//!              registration by token, found and followed with [`crate::tracking`]; again under the same token
//!              requests    kept until a leader answers, said again after every registration
//!              executors   told to the program once each, however often the masters repeat themselves
//! ```
//!
//! Unlike the original (AC-01, AC-04), a client that has lost its master looks for it by itself and, unless told so,
//! never gives up: its executors run on meanwhile.

mod effect;
mod event;
#[cfg(test)]
mod tests;

pub use effect::{Effect, Loss, Notice};
pub use event::{Event, Timer};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::ended::EndedExecutors;
use crate::ids::{AppId, AppToken, ExecutorId, ExecutorRef, Generation, ProfileId, Term};
use crate::model::{ApplicationDescription, ExecutorState, ResourceProfile};
use crate::msg::{
    AppNotice, AppToMaster, Fenced, MasterToApp, PROTOCOL_VERSION, RegisterApplication, RegisteredApplication,
};
use crate::rng::Rng;
use crate::time::{Mono, Now};
use crate::tracking::{Fence, Following, LinkId, Step, Tracker, TrackingConfig, Trouble};

/// How long the master may take to hear that the application has ended. After that it finds the client's endpoint
/// gone and comes to the same conclusion.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Number of a request that the program has not made, so that its answer is nobody's. Callers count from below.
const UNASKED: u64 = u64::MAX;

/// Settings of an application client.
#[derive(Debug, Clone)]
pub struct AppConfig {
    /// Its secret name, random and new for every application: registering twice with it is one application.
    pub token: AppToken,
    /// What it asks for.
    pub description: Arc<ApplicationDescription>,
    /// `host:port` of its own gRPC endpoint.
    pub endpoint: String,
    /// The masters, and how to look for them.
    pub tracking: TrackingConfig,
}

/// The machine of one application.
#[derive(Debug)]
pub struct AppClient {
    config: AppConfig,
    tracker: Tracker,
    id: Option<AppId>,
    /// Named in requests that a master has taken.
    profiles: BTreeMap<ProfileId, ResourceProfile>,
    targets: BTreeMap<ProfileId, u32>,
    /// Requests without an answer, as they are said.
    pending: BTreeMap<u64, AppToMaster>,
    executors: BTreeMap<ExecutorId, Executor>,
    /// Those that the program was told are gone, of this generation of the store.
    ended: EndedExecutors,
    generation: Generation,
    stage: Stage,
}

/// What the program was told of an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Executor {
    Added,
    Decommissioned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Serving,
    /// The end was said on this session.
    Stopping(LinkId),
    Over,
}

struct Ctx<'a> {
    now: Mono,
    effects: &'a mut Vec<Effect>,
}

impl AppClient {
    /// A client that knows no master yet. All its random choices follow from `seed`.
    pub fn new(config: AppConfig, seed: u64) -> Self {
        Self {
            tracker: Tracker::new(config.tracking.clone(), None, &mut Rng::new(seed)),
            config,
            id: None,
            profiles: BTreeMap::new(),
            targets: BTreeMap::new(),
            pending: BTreeMap::new(),
            executors: BTreeMap::new(),
            ended: EndedExecutors::default(),
            generation: Generation::default(),
            stage: Stage::Serving,
        }
    }

    /// The highest term heard of: the answer to an announcement (`MasterChangedAck`).
    pub fn heard(&self) -> Option<&Term> {
        self.tracker.heard()
    }

    /// The application's id, once registered.
    pub fn id(&self) -> Option<&AppId> {
        self.id.as_ref()
    }

    /// Which master it follows.
    pub fn following(&self) -> Following {
        self.tracker.following()
    }

    /// The executors it believes to have.
    pub fn executors(&self) -> impl Iterator<Item = ExecutorId> {
        self.executors.keys().copied()
    }

    /// Handles one event; what is to be done is appended to `effects` in order.
    pub fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        let ctx = &mut Ctx { now: now.mono, effects };
        match self.stage {
            Stage::Serving => self.serve(event, ctx),
            Stage::Stopping(last) => self.wind_down(last, event, ctx),
            Stage::Over => refuse_requests(&event, ctx),
        }
    }

    fn serve(&mut self, event: Event, ctx: &mut Ctx<'_>) {
        match event {
            Event::Start => self.track(ctx, Tracker::start),
            Event::LinkOpened { link } => self.track(ctx, |tracker, now, steps| tracker.opened(now, link, steps)),
            Event::LinkClosed { link } => self.track(ctx, |tracker, now, steps| tracker.closed(now, link, steps)),
            Event::FromMaster { link, message } => self.hear(link, message, ctx),
            Event::LeaderNotice(leader) => {
                self.track(ctx, |tracker, now, steps| tracker.announced(now, &leader, steps));
            }
            Event::LeaderAnswer(leader) => {
                self.track(ctx, |tracker, now, steps| tracker.answered(now, &leader, steps));
            }
            Event::Timer(Timer::Tracking(timer)) => {
                self.track(ctx, |tracker, now, steps| tracker.due(now, timer, steps));
            }
            Event::Timer(Timer::StopDeadline) => {}
            Event::RequestExecutors { request, profiles, targets } => {
                self.request(request, AppToMaster::RequestExecutors { request, profiles, targets }, ctx);
            }
            Event::KillExecutors { request, executors } => {
                self.request(request, AppToMaster::KillExecutors { request, executors }, ctx);
            }
            Event::Stop => self.stop(ctx),
        }
    }

    fn track(&mut self, ctx: &mut Ctx<'_>, decide: impl FnOnce(&mut Tracker, Mono, &mut Vec<Step>)) {
        let mut steps = Vec::new();
        decide(&mut self.tracker, ctx.now, &mut steps);
        for step in steps {
            self.carry_out(step, ctx);
        }
    }

    fn carry_out(&mut self, step: Step, ctx: &mut Ctx<'_>) {
        match step {
            Step::Arm { timer, at } => {
                ctx.effects.push(Effect::Arm { timer: Timer::Tracking(timer), at });
            }
            Step::Do(effect) => ctx.effects.push(Effect::Track(effect)),
            // A client forgets with its process: nothing is saved. A restored store may use numbers of executors again.
            Step::Adopt { term, .. } if term.generation != self.generation => {
                self.generation = term.generation;
                self.ended = EndedExecutors::default();
            }
            Step::Adopt { .. } => {}
            Step::Register { link, .. } => {
                let message = AppToMaster::Register(Box::new(self.registration(link)));
                ctx.effects.push(Effect::Send { link, message });
            }
            Step::Connected { link } => self.connected(link, ctx),
            Step::Lost => ctx.effects.push(Effect::Tell(Notice::Disconnected)),
            Step::Heartbeat { link } => ctx.effects.push(Effect::Send { link, message: AppToMaster::Heartbeat }),
            // Refused: the master has forgotten or ended this application; it can only start anew.
            Step::GiveUp { reason } | Step::Warn(Trouble::Refused { reason, .. }) => self.die(reason, ctx),
            Step::Warn(trouble) => ctx.effects.push(Effect::Warn(trouble)),
        }
    }

    fn registration(&self, link: LinkId) -> RegisterApplication {
        RegisterApplication {
            token: self.config.token.clone(),
            known_as: self.id.clone(),
            number: link.0,
            description: Arc::clone(&self.config.description),
            profiles: self.profiles.values().cloned().collect(),
            targets: self.wanted(),
            executors: self.executors.keys().copied().collect(),
            endpoint: self.config.endpoint.clone().into(),
            cluster: self.tracker.cluster().cloned(),
            heard: self.tracker.heard().cloned(),
            protocol: PROTOCOL_VERSION,
        }
    }

    /// The latest wish for each profile that a master has taken. A request without an answer may have been taken too, and
    /// must not be undone by this registration; one that names new profiles waits for its answer.
    fn wanted(&self) -> BTreeMap<ProfileId, u32> {
        let mut wanted = self.targets.clone();
        for request in self.pending.values() {
            if let AppToMaster::RequestExecutors { profiles, targets, .. } = request {
                let named = |id: &ProfileId| id.0 == 0 || self.profiles.contains_key(id);
                wanted.extend(targets.iter().filter(|(id, _)| profiles.is_empty() && named(id)));
            }
        }
        wanted
    }

    fn connected(&mut self, link: LinkId, ctx: &mut Ctx<'_>) {
        if let (Some(app), Following::Connected(leader)) = (self.id.clone(), self.tracker.following()) {
            ctx.effects.push(Effect::Tell(Notice::Connected { app, leader }));
        }
        let requests = self.pending.values().cloned();
        ctx.effects.extend(requests.map(|message| Effect::Send { link, message }));
    }

    fn hear(&mut self, link: LinkId, message: MasterToApp, ctx: &mut Ctx<'_>) {
        let registered = self.tracker.heard_on(ctx.now, link);
        match message {
            MasterToApp::Registered(answer) => {
                let RegisteredApplication { app, leader, heartbeat_every } = *answer;
                let before = self.id.replace(app);
                self.track(ctx, |tracker, now, steps| tracker.registered(now, link, leader, heartbeat_every, steps));
                if self.tracker.session() != Some(link) {
                    self.id = before;
                }
            }
            MasterToApp::Standby { leader } => {
                self.track(ctx, |tracker, now, steps| tracker.standby(now, link, leader.as_ref(), steps));
            }
            MasterToApp::RegistrationRefused { reason } => {
                self.track(ctx, |tracker, _, steps| tracker.refused(link, reason, steps));
            }
            MasterToApp::Reconnect => {
                self.track(ctx, |tracker, now, steps| tracker.unknown_session(now, link, steps));
            }
            MasterToApp::HeartbeatSeen => self.tracker.heartbeat_seen(link),
            MasterToApp::Notice(notice) if registered => self.noticed(notice, ctx),
            // From a session that is not, or no longer, the one with the leader.
            MasterToApp::Notice(_) => {}
        }
    }

    fn noticed(&mut self, notice: Fenced<AppNotice>, ctx: &mut Ctx<'_>) {
        let mut verdict = Fence::Obey;
        self.track(ctx, |tracker, _, steps| verdict = tracker.fence(&notice.term, steps));
        if verdict != Fence::Obey {
            return;
        }
        match notice.body {
            AppNotice::ExecutorAdded { executor, worker, worker_address, cores, memory, profile } => {
                if self.executors.contains_key(&executor) {
                    return;
                }
                if self.ended.contains(executor) {
                    return self.end_again(executor, ctx);
                }
                let Some(executor) = self.full_id(executor) else { return };
                self.executors.insert(executor.id, Executor::Added);
                let added = Notice::ExecutorAdded { executor, worker, worker_address, cores, memory, profile };
                ctx.effects.push(Effect::Tell(added));
            }
            AppNotice::ExecutorUpdated { executor, state, message, exit_status, worker_host } => {
                self.updated(executor, (state, exit_status), message.unwrap_or_default(), worker_host, ctx);
            }
            AppNotice::WorkerRemoved { worker, host, message } => {
                ctx.effects.push(Effect::Tell(Notice::WorkerRemoved { worker, host, message }));
            }
            AppNotice::ApplicationRemoved { message } => {
                self.die(format!("Master removed our application: {message}"), ctx);
            }
            AppNotice::Answer { request, accepted } => self.answered(request, accepted, ctx),
        }
    }

    /// The program was told that this executor has ended. A later leader has found it all the same, on a worker that was
    /// given up or where its end is not complete, and cannot know. What has ended stays so (I7).
    fn end_again(&self, executor: ExecutorId, ctx: &mut Ctx<'_>) {
        let Some(link) = self.tracker.session() else { return };
        let message = AppToMaster::KillExecutors { request: UNASKED, executors: vec![executor] };
        ctx.effects.push(Effect::Send { link, message });
    }

    /// AC-06.
    fn updated(
        &mut self,
        id: ExecutorId,
        (state, exit_status): (ExecutorState, Option<i32>),
        message: String,
        worker_host: Option<String>,
        ctx: &mut Ctx<'_>,
    ) {
        let (Some(known), Some(executor)) = (self.executors.get(&id).copied(), self.full_id(id)) else { return };
        let notice = if state.is_finished() {
            self.executors.remove(&id);
            self.ended.insert(id);
            Notice::ExecutorRemoved { executor, message, loss: Loss::of(state, exit_status, worker_host) }
        } else if state != ExecutorState::Decommissioned {
            Notice::ExecutorChanged { executor: id, state }
        } else if known == Executor::Added {
            self.executors.insert(id, Executor::Decommissioned);
            Notice::ExecutorDecommissioned { executor, message, worker_host }
        } else {
            return;
        };
        ctx.effects.push(Effect::Tell(notice));
    }

    fn full_id(&self, id: ExecutorId) -> Option<ExecutorRef> {
        Some(ExecutorRef { app: self.id.clone()?, id })
    }

    /// AC-08. While the master is away the request waits; it is said again after every registration until answered.
    fn request(&mut self, request: u64, message: AppToMaster, ctx: &mut Ctx<'_>) {
        if self.id.is_none() {
            ctx.effects.push(Effect::Answer { request, accepted: false });
            return;
        }
        self.pending.insert(request, message.clone());
        if let Some(link) = self.tracker.session() {
            ctx.effects.push(Effect::Send { link, message });
        }
    }

    /// Only what a master has taken becomes part of later registrations: one with a refused profile would be refused
    /// as a whole.
    fn answered(&mut self, request: u64, accepted: bool, ctx: &mut Ctx<'_>) {
        let Some(asked) = self.pending.remove(&request) else { return };
        if let (true, AppToMaster::RequestExecutors { profiles, targets, .. }) = (accepted, asked) {
            self.profiles.extend(profiles.into_iter().map(|profile| (profile.id, profile)));
            self.targets.extend(targets);
        }
        ctx.effects.push(Effect::Answer { request, accepted });
    }

    fn die(&mut self, reason: String, ctx: &mut Ctx<'_>) {
        ctx.effects.push(Effect::Tell(Notice::Dead { reason }));
        self.end(ctx);
    }

    /// AC-09: the master is told if it can hear it.
    fn stop(&mut self, ctx: &mut Ctx<'_>) {
        let Some(link) = self.tracker.session() else { return self.end(ctx) };
        self.stage = Stage::Stopping(link);
        ctx.effects.push(Effect::Send { link, message: AppToMaster::Unregister });
        ctx.effects.push(Effect::Arm { timer: Timer::StopDeadline, at: ctx.now + STOP_PATIENCE });
    }

    /// The master closes the session once the end is durable.
    fn wind_down(&mut self, last: LinkId, event: Event, ctx: &mut Ctx<'_>) {
        match event {
            Event::LinkClosed { link } if link == last => self.end(ctx),
            Event::Timer(Timer::StopDeadline) | Event::Stop => self.end(ctx),
            event => refuse_requests(&event, ctx),
        }
    }

    fn end(&mut self, ctx: &mut Ctx<'_>) {
        self.stage = Stage::Over;
        let unanswered = std::mem::take(&mut self.pending).into_keys();
        ctx.effects.extend(unanswered.map(|request| Effect::Answer { request, accepted: false }));
        self.track(ctx, |tracker, _, steps| tracker.stop(steps));
        ctx.effects.push(Effect::Ended);
    }
}

/// Nobody waits in vain for an answer.
fn refuse_requests(event: &Event, ctx: &mut Ctx<'_>) {
    if let Event::RequestExecutors { request, .. } | Event::KillExecutors { request, .. } = event {
        ctx.effects.push(Effect::Answer { request: *request, accepted: false });
    }
}
