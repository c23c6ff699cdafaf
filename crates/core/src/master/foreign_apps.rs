//! Applications whose client speaks the protocol of a face, such as a driver of Spark (ADR 14).
//!
//! Such a client has no name of its own, does not know which executors it has, and never comes back by itself. So it is
//! known by where it listens; what it missed is kept for it; and a master that does not hear it calls it.

use super::effect::{Effect, Recalled};
use super::entities::App;
use super::event::Peer;
use super::executors::ExecutorChange;
use super::leader::{Ctx, Leader};
use crate::ids::{AppId, ExecutorRef, SessionId, WorkerId};
use crate::model::{AppEndpoint, ExecutorState};
use crate::msg::{AppNotice, MasterToApp, PROTOCOL_VERSION, RegisterApplication};

/// So many changes of executors that were told are kept for each application, to be told again.
pub(super) const CHANGES_KEPT: usize = 1000;

impl App {
    pub(super) fn is_foreign(&self) -> bool {
        self.record.endpoint.is_foreign()
    }

    /// Whatever its client is told may be lost with the connection, and this cannot be known. One of our own says what it
    /// has when it comes again; a foreign one is told again what became of its executors, which it may know already.
    pub(super) fn keep(&mut self, notice: &AppNotice) {
        let AppNotice::ExecutorUpdated { state, .. } = notice else { return };
        if !self.is_foreign() || !(state.is_finished() || *state == ExecutorState::Decommissioned) {
            return;
        }
        self.changes.push_back(notice.clone());
        // While nobody hears, nothing is launched either: what happens then is bounded by what runs.
        while self.session.is_some() && self.changes.len() > CHANGES_KEPT {
            self.changes.pop_front();
        }
    }

    /// What became of executors that it has no more, in this order.
    pub(super) fn changes_to_repeat(&self) -> Vec<AppNotice> {
        let is_over = |notice: &&AppNotice| match notice {
            AppNotice::ExecutorUpdated { executor, .. } => !self.executors.contains_key(executor),
            _ => false,
        };
        self.changes.iter().filter(is_over).cloned().collect()
    }
}

impl Leader {
    /// Looks for a client that is not heard: asks its own endpoint whether it lives, or has it called by its face.
    pub(super) fn look_for_app(&self, id: &AppId, ctx: &mut Ctx<'_>) {
        let Some(app) = self.apps.get(id) else { return };
        let session = app.last_session;
        match &app.record.endpoint {
            AppEndpoint::Own(endpoint) => {
                let endpoint = endpoint.clone();
                ctx.effect(Effect::Probe { peer: Peer::App(id.clone()), endpoint, session });
            }
            AppEndpoint::Foreign(_) => self.recall(app, ctx),
        }
    }

    /// A new leader makes itself known.
    pub(super) fn announce_to_app(&self, id: &AppId, app: &App, ctx: &mut Ctx<'_>) {
        match &app.record.endpoint {
            AppEndpoint::Own(endpoint) => {
                ctx.effect(Effect::Announce { peer: Peer::App(id.clone()), endpoint: endpoint.clone() });
            }
            AppEndpoint::Foreign(_) => self.recall(app, ctx),
        }
    }

    /// Once the client has said that it is this application, it comes as if it registered again.
    fn recall(&self, app: &App, ctx: &mut Ctx<'_>) {
        let record = &app.record;
        let registration = RegisterApplication {
            token: record.token.clone(),
            known_as: Some(record.id.clone()),
            number: app.registration,
            description: record.description.clone(),
            profiles: Vec::new(),
            targets: std::collections::BTreeMap::new(),
            executors: Vec::new(),
            endpoint: record.endpoint.clone(),
            cluster: Some(self.info.cluster.clone()),
            heard: Some(self.info.term.clone()),
            protocol: PROTOCOL_VERSION,
        };
        let session = app.last_session;
        let registration = Recalled::App(record.id.clone(), Box::new(registration));
        ctx.effect(Effect::Recall { registration, session });
    }

    /// The application whose place somebody else seems to have taken: who registers anew at its client's address does not
    /// know its id. Either it is another process, or the answer to its first registration was lost.
    pub(super) fn place_taken(&self, session: SessionId, registration: &RegisterApplication) -> Option<AppId> {
        if !registration.endpoint.is_foreign() || registration.known_as.is_some() {
            return None;
        }
        let known = self.app_tokens.get(&registration.token)?;
        // On the same connection it is the same process, which has only not heard its answer yet.
        self.apps.get(known).filter(|app| app.session != Some(session)).map(|app| app.record.id.clone())
    }

    /// Where a foreign client listens is no secret, so that is no proof to whoever speaks another protocol.
    pub(super) fn check_kind(&self, registration: &RegisterApplication) -> Result<(), String> {
        let RegisterApplication { token, endpoint, .. } = registration;
        let holder = self.app_tokens.get(token).and_then(|id| self.apps.get(id));
        let is_another = |app: &&App| app.is_foreign() != endpoint.is_foreign();
        let Some(app) = holder.filter(is_another) else { return Ok(()) };
        Err(format!(
            "endpoint: {} speaks another protocol than the client of application {}, whose registration token this is; only \
             a client of the same kind may use it",
            endpoint.address(),
            app.record.id
        ))
    }

    /// Nobody inherits an application: its client is asked who it is, and who came registers once that is known.
    pub(super) fn doubt_app(&mut self, id: &AppId, session: SessionId, ctx: &mut Ctx<'_>) {
        if let Some(former) = self.apps.get(id).and_then(|app| app.session) {
            self.sessions.remove(&former);
            ctx.close(former);
            self.app_cut_off(id, former, ctx);
        }
        ctx.say_to_app(session, MasterToApp::Standby { leader: Some(self.info.clone()) });
    }

    /// An executor of a former term has ended that this leader never saw: nobody else will tell its client.
    pub(super) fn old_executor_ended(
        &mut self,
        id: &WorkerId,
        executor: &ExecutorRef,
        change: ExecutorChange,
        ctx: &mut Ctx<'_>,
    ) {
        let is_old = |app: &&mut App| {
            let unseen = !app.executors.contains_key(&executor.id) && !app.ended.contains(executor.id);
            // Only the worker that has it knows of its end.
            let is_here = !app.is_listed_elsewhere(executor.id, id);
            app.is_foreign() && executor.id < app.next_executor && unseen && is_here
        };
        let Some(app) = self.apps.get_mut(&executor.app).filter(is_old) else { return };
        if change.state.is_finished() {
            app.ended.insert(executor.id);
            if self.workers.get(id).is_some_and(|worker| worker.record.decommissioned) {
                self.notify(&executor.app, self.decommissioned(executor.id, id), ctx);
            }
            self.tell_executor_change(executor, change, None, ctx);
        }
    }
}
