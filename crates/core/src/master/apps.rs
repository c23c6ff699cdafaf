//! Applications: registration by token, being cut off, the end (AP-*, protocol 4 and 6).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::entities::{App, Contact};
use super::event::{Finding, Peer, Timer};
use super::leader::{Ctx, Leader};
use super::schedule::{AppDemand, ProfileNeed};
use crate::ids::{AppId, ExecutorId, ExecutorRef, ProfileId, SessionId, Term, WorkerId};
use crate::model::{ApplicationDescription, ApplicationState, ExecutorState, ResourceProfile};
use crate::msg::{
    AppNotice, AppToMaster, MasterToApp, PROTOCOL_VERSION, RegisterApplication, RegisteredApplication, WorkerCommand,
};
use crate::record::{AppRecord, Change, DoneApp};
use crate::time::Now;
use crate::units::{Cores, Memory};

impl Leader {
    pub(super) fn app_said(&mut self, session: SessionId, message: AppToMaster, ctx: &mut Ctx<'_>) {
        if let AppToMaster::Register(registration) = message {
            return self.register_app(session, *registration, ctx);
        }
        let Some(Peer::App(id)) = self.sessions.get(&session).cloned() else {
            return ctx.say_to_app(session, MasterToApp::Reconnect);
        };
        self.note_app_alive(session, ctx.now);
        match message {
            AppToMaster::Register(_) => {}
            AppToMaster::Heartbeat => ctx.say_to_app(session, MasterToApp::HeartbeatSeen),
            AppToMaster::Unregister => {
                self.finish_app(&id, ApplicationState::Finished, None, ctx);
                self.schedule(ctx);
            }
            AppToMaster::RequestExecutors { request, profiles, targets } => {
                let accepted = match check_profiles(&profiles) {
                    Ok(()) => self.want_executors(&id, profiles, targets, ctx),
                    Err(_) => false,
                };
                self.answer_app(session, request, accepted, ctx);
                self.schedule(ctx);
            }
            AppToMaster::KillExecutors { request, executors } => {
                self.kill_executors(session, &id, request, &executors, ctx);
            }
        }
    }

    pub(super) fn answer_app(&mut self, session: SessionId, request: u64, accepted: bool, ctx: &mut Ctx<'_>) {
        if let Some(Peer::App(id)) = self.sessions.get(&session).cloned() {
            self.notify(&id, AppNotice::Answer { request, accepted }, ctx);
        }
    }

    fn register_app(&mut self, session: SessionId, registration: RegisterApplication, ctx: &mut Ctx<'_>) {
        if let Err(reason) = self.admit_app(&registration) {
            ctx.say_to_app(session, MasterToApp::RegistrationRefused { reason });
            return ctx.close(session);
        }
        if let Some(heard) = registration.heard.as_ref().filter(|heard| self.is_outranked_by(heard)) {
            let why = format!("an application client obeys term {heard}");
            return ctx.step_down(why);
        }
        let known = self.app_tokens.get(&registration.token).cloned();
        if known.as_ref().and_then(|id| self.apps.get(id)).is_some_and(|app| app.registration > registration.number) {
            // A later session of the same client was quicker.
            return ctx.close(session);
        }
        if let Some(holder) = self.place_taken(session, &registration) {
            return self.doubt_app(&holder, session, ctx);
        }
        let id = match known {
            Some(id) => self.reattach_app(id, &registration, ctx),
            None => self.new_app(&registration, ctx),
        };
        let former = self.apps.get(&id).and_then(|app| app.session);
        self.bind_session(session, Peer::App(id.clone()), former, ctx);
        let Some(app) = self.apps.get_mut(&id) else { return };
        app.registration = registration.number;
        app.session = Some(session);
        app.last_session = Some(session);
        let before = std::mem::replace(&mut app.contact, Contact::Heard);
        app.last_heard = ctx.now.mono;
        app.claimed =
            registration.executors.into_iter().filter(|executor| !app.executors.contains_key(executor)).collect();
        // A client may remember numbers that this leader has never seen.
        let beyond_claimed = app.claimed.last().map_or(ExecutorId(0), |last| last.next());
        app.next_executor = app.next_executor.max(beyond_claimed);
        let live: Vec<(ExecutorId, ExecutorState, WorkerId)> =
            app.executors.iter().map(|(id, known)| (*id, known.state, known.worker.clone())).collect();
        let changes = app.changes_to_repeat();
        let ended: Vec<ExecutorId> = app.claimed.iter().copied().filter(|id| app.ended.contains(*id)).collect();
        self.app_is_settled(before, Some(Contact::Heard));
        let heartbeat_every = ctx.config.heartbeat_every();
        let answer = RegisteredApplication { app: id.clone(), leader: self.info.clone(), heartbeat_every };
        ctx.say_to_app(session, MasterToApp::Registered(Box::new(answer)));
        for (executor, state, worker) in live {
            self.tell_executor_added(&ExecutorRef { app: id.clone(), id: executor }, ctx);
            if state == ExecutorState::Decommissioned {
                self.notify_again(&id, self.decommissioned(executor, &worker), ctx);
            }
        }
        for executor in ended {
            self.tell_ended_again(&id, executor, ctx);
        }
        for notice in changes {
            self.notify_again(&id, notice, ctx);
        }
        self.settle_claims(&id, ctx);
        self.settle_recovery(ctx);
        self.schedule(ctx);
    }

    /// The client missed the end of one of its executors while it was cut off.
    fn tell_ended_again(&mut self, app: &AppId, executor: ExecutorId, ctx: &mut Ctx<'_>) {
        let Some(known) = self.apps.get_mut(app) else { return };
        known.claimed.remove(&executor);
        let state = known.ended_views.iter().find(|view| view.id == executor).map(|view| view.state);
        let state = state.unwrap_or(ExecutorState::Lost);
        self.tell_executor_state(&ExecutorRef { app: app.clone(), id: executor }, state, ctx);
    }

    /// What makes a registration unfit, as a sentence that names field, value and what is allowed.
    fn admit_app(&self, registration: &RegisterApplication) -> Result<(), String> {
        let RegisterApplication { description, profiles, protocol, cluster, endpoint, known_as, token, heard, .. } =
            registration;
        if *protocol != PROTOCOL_VERSION {
            return Err(format!(
                "the application client speaks protocol version {protocol}; this master speaks version {PROTOCOL_VERSION}"
            ));
        }
        if let Some(cluster) = cluster.as_ref().filter(|cluster| **cluster != self.info.cluster) {
            return Err(format!(
                "the application client belongs to cluster {cluster}; this master serves cluster {}",
                self.info.cluster
            ));
        }
        if let Some(id) = known_as.as_ref().filter(|id| self.has_ended(id, heard.as_ref())) {
            return Err(format!("application {id} has ended"));
        }
        if self.app_tokens.get(token).is_some_and(|id| known_as.as_ref().is_some_and(|known| known != id)) {
            return Err("registration token: already used by another application".to_owned());
        }
        if endpoint.address().is_empty() {
            return Err("endpoint: must not be blank; host:port of the client's own endpoint is needed".to_owned());
        }
        self.check_kind(registration)?;
        check_description(description)?;
        check_profiles(profiles)
    }

    /// Whether this application has ended (I7). One that is not in the books at all has ended and been forgotten, if the
    /// store is still the one that its client knew; a store that was restored since may be older than the application.
    fn has_ended(&self, id: &AppId, heard: Option<&Term>) -> bool {
        let same_store = heard.is_some_and(|heard| heard.generation == self.term().generation);
        self.done_apps.iter().any(|done| done.id == *id) || (same_store && !self.apps.contains_key(id))
    }

    fn new_app(&mut self, registration: &RegisterApplication, ctx: &mut Ctx<'_>) -> AppId {
        // An id that a restored store does not know yet is kept, so that its executors are recognised.
        let taken = |id: &AppId| self.apps.contains_key(id) || self.done_apps.iter().any(|done| done.id == *id);
        let id = match registration.known_as.clone().filter(|id| !taken(id)) {
            Some(known) => known,
            None => self.names.app(&registration.description.name, ctx, taken),
        };
        let mut targets = registration.targets.clone();
        if let Some(limit) = registration.description.initial_executor_limit {
            targets.entry(ProfileId(0)).or_insert(limit);
        }
        let record = AppRecord {
            id: id.clone(),
            token: registration.token.clone(),
            description: Arc::clone(&registration.description),
            profiles: registration.profiles.clone(),
            targets,
            endpoint: registration.endpoint.clone(),
            registered_at: ctx.now.wall,
            executor_ids_below: ExecutorId(0),
            executors: None,
        };
        ctx.persist_one(Change::PutApp(record.clone()));
        self.insert_app(App::new(record, Contact::Heard, ctx.now.mono), ctx);
        id
    }

    /// Puts an application into all books.
    pub(super) fn insert_app(&mut self, app: App, ctx: &Ctx<'_>) {
        let id = app.record.id.clone();
        self.scheduler.app_up(&id, demand(&app.record, ctx.config.default_cores));
        self.app_tokens.insert(app.record.token.clone(), id.clone());
        self.missing.apps += usize::from(app.contact == Contact::Unknown);
        self.apps.insert(id, app);
    }

    /// Registering twice with one token is one application, across leaders too.
    fn reattach_app(&mut self, id: AppId, registration: &RegisterApplication, ctx: &mut Ctx<'_>) -> AppId {
        if let Some(app) = self.apps.get_mut(&id).filter(|app| app.record.endpoint != registration.endpoint) {
            app.record.endpoint.clone_from(&registration.endpoint);
            ctx.persist_one(Change::PutApp(app.stored()));
        }
        if !registration.targets.is_empty() {
            self.want_executors(&id, registration.profiles.clone(), registration.targets.clone(), ctx);
        }
        id
    }

    /// AP-08: absolute targets; lowering one ends nothing. False for profiles that were never described, and for more of them
    /// than the application's record has room for.
    fn want_executors(
        &mut self,
        id: &AppId,
        profiles: Vec<ResourceProfile>,
        targets: std::collections::BTreeMap<ProfileId, u32>,
        ctx: &mut Ctx<'_>,
    ) -> bool {
        let Some(app) = self.apps.get_mut(id) else { return false };
        let mut record = app.record.clone();
        for profile in profiles {
            record.profiles.retain(|known| known.id != profile.id);
            record.profiles.push(profile);
        }
        let described = |id: &ProfileId| id.0 == 0 || record.profiles.iter().any(|profile| profile.id == *id);
        let room = ROOM_FOR_PROFILES.max(stored_bytes(&app.record.profiles));
        if !targets.keys().all(described) || stored_bytes(&record.profiles) > room {
            return false;
        }
        record.targets.extend(targets);
        if record != app.record {
            app.record = record;
            ctx.persist_one(Change::PutApp(app.stored()));
            let demand = demand(&app.record, ctx.config.default_cores);
            self.scheduler.app_targets(id, demand.profiles, demand.targets);
        }
        true
    }

    /// An application gets nothing new while its client cannot be told, or while it may have executors that nobody
    /// has reported yet.
    pub(super) fn pause_app_if_due(&mut self, id: &AppId) {
        if let Some(app) = self.apps.get(id) {
            self.scheduler.app_paused(id, app.session.is_none() || app.may_have_others());
        }
    }

    pub(super) fn note_app_alive(&mut self, session: SessionId, now: Now) {
        let Some(Peer::App(id)) = self.sessions.get(&session) else { return };
        if let Some(app) = self.apps.get_mut(id) {
            app.last_heard = now.mono;
        }
    }

    /// AP-05 changed: a broken session ends nothing; the client's own endpoint is asked.
    pub(super) fn app_cut_off(&mut self, id: &AppId, session: SessionId, ctx: &mut Ctx<'_>) {
        let Some(app) = self.apps.get_mut(id).filter(|app| app.session == Some(session)) else { return };
        app.session = None;
        app.last_heard = ctx.now.mono;
        self.pause_app_if_due(id);
        ctx.arm(Timer::App(id.clone()), ctx.now.mono + ctx.config.app_timeout);
        self.look_for_app(id, ctx);
    }

    pub(super) fn app_probed(&mut self, id: &AppId, asked: Option<SessionId>, finding: Finding, ctx: &mut Ctx<'_>) {
        let concerned = |app: &&mut App| app.session.is_none() && app.last_session == asked;
        let Some(app) = self.apps.get_mut(id).filter(concerned) else { return };
        let before = app.contact;
        match finding {
            Finding::Alive => {}
            Finding::Silent => app.contact = Contact::Unreachable,
            // Who comes to its place is somebody else.
            Finding::Gone if app.is_foreign() => return self.app_gone(id, ctx),
            Finding::Gone => {
                let until = ctx.now.mono + ctx.config.app_gone_grace;
                app.contact = Contact::Gone(until);
                // Who comes with this token now is another process, which counts for itself.
                app.registration = 0;
                ctx.arm(Timer::App(id.clone()), until);
            }
        }
        let now = app.contact;
        self.app_is_settled(before, Some(now));
        self.settle_recovery(ctx);
    }

    /// AP-06: leaves the books, its executors end, the outcome stays readable.
    pub(super) fn finish_app(
        &mut self,
        id: &AppId,
        state: ApplicationState,
        message: Option<String>,
        ctx: &mut Ctx<'_>,
    ) {
        let Some(app) = self.apps.get(id) else { return };
        let executors: Vec<ExecutorId> = app.executors.keys().copied().collect();
        // What Spark's workers had under earlier terms they do not say.
        let foreign = self.workers.iter().filter(|(_, worker)| worker.is_foreign()).map(|(id, _)| id);
        let workers: BTreeSet<WorkerId> = app.workers.iter().chain(foreign).cloned().collect();
        if state != ApplicationState::Finished {
            let message = message.clone().unwrap_or_else(|| state.name().to_owned());
            self.notify(id, AppNotice::ApplicationRemoved { message }, ctx);
        }
        for executor in executors {
            self.kill_executor(&ExecutorRef { app: id.clone(), id: executor }, "its application has ended", ctx);
        }
        for worker in workers {
            self.command(&worker, WorkerCommand::ApplicationFinished { app: id.clone() }, ctx);
        }
        self.scheduler.app_down(id);
        self.await_no_more(id);
        let Some(app) = self.apps.remove(id) else { return };
        self.app_is_settled(app.contact, None);
        self.claiming.remove(id);
        self.app_tokens.remove(&app.record.token);
        if let Some(session) = app.session {
            self.sessions.remove(&session);
            ctx.close(session);
        }
        let done = DoneApp {
            id: id.clone(),
            description: app.record.description,
            registered_at: app.record.registered_at,
            ended_at: ctx.now.wall,
            state,
            message,
        };
        ctx.persist_one(Change::FinishApp(done.clone()));
        self.done_apps.push_back(done);
        // AP-07
        let excess = excess(self.done_apps.len(), ctx.config.retained_apps);
        for forgotten in self.done_apps.drain(..excess) {
            ctx.persist_one(Change::ForgetApp(forgotten.id));
        }
    }
}

/// AP-07, DR-08: one over the cap drops a tenth of it, at least one.
pub(super) fn excess(len: usize, cap: usize) -> usize {
    if len > cap { (cap / 10).max(1).max(len - cap).min(len) } else { 0 }
}

/// What the scheduler must know of an application.
pub(super) fn demand(record: &AppRecord, default_cores: Cores) -> AppDemand {
    let default = &record.description.default_profile;
    let foreign = record.endpoint.is_foreign();
    let need = |profile: &ResourceProfile| {
        let profile = profile.inheriting(default);
        let memory = profile.booked_memory();
        (profile.id, ProfileNeed { cores: profile.cores, memory, resources: profile.resources, foreign })
    };
    AppDemand {
        max_cores: record.description.max_cores.unwrap_or(default_cores),
        profiles: std::iter::once(default).chain(&record.profiles).map(need).collect(),
        targets: record.targets.clone(),
    }
}

/// Longest application name, in bytes.
const MAX_NAME_BYTES: usize = 1000;

fn check_description(description: &ApplicationDescription) -> Result<(), String> {
    let ApplicationDescription { name, max_cores, default_profile, command, .. } = description;
    if name.len() > MAX_NAME_BYTES {
        return Err(format!("name: {} bytes long; at most {MAX_NAME_BYTES} are allowed", name.len()));
    }
    if *max_cores == Some(Cores::ZERO) {
        return Err("max_cores: 0; at least 1 is needed, or none for the cluster's default".to_owned());
    }
    if command.program.name().trim().is_empty() {
        return Err("command.program: must not be blank".to_owned());
    }
    if default_profile.id != ProfileId(0) {
        return Err(format!("default_profile.id: {}; it must be 0", default_profile.id));
    }
    if default_profile.memory.is_none_or(|memory| memory == Memory::ZERO) {
        return Err("default_profile.memory: at least 1m per executor is needed".to_owned());
    }
    if default_profile.cores == Some(Cores::ZERO) {
        return Err("default_profile.cores: 0; at least 1 is needed, or none for all cores of a worker".to_owned());
    }
    Ok(())
}

/// Room that profiles have in an application's record, in bytes, beyond those that it has registered with: what cannot be
/// stored would end the term.
const ROOM_FOR_PROFILES: usize = 64 << 10;

/// At most so many bytes are these in their stored form.
fn stored_bytes(profiles: &[ResourceProfile]) -> usize {
    const PROFILE: usize = 128;
    const RESOURCE: usize = 32;
    // A character may take six places.
    let resources =
        |profile: &ResourceProfile| profile.resources.iter().map(|(name, _)| RESOURCE + 6 * name.len()).sum::<usize>();
    profiles.iter().map(|profile| PROFILE + resources(profile)).sum()
}

fn check_profiles(profiles: &[ResourceProfile]) -> Result<(), String> {
    for ResourceProfile { id, memory, cores, .. } in profiles {
        if *id == ProfileId(0) {
            return Err("profiles: id 0 is the default profile; others need another id".to_owned());
        }
        if *memory == Some(Memory::ZERO) || *cores == Some(Cores::ZERO) {
            return Err(format!("profiles[{id}]: memory and cores must be at least 1m and 1 where they are given"));
        }
    }
    Ok(())
}
