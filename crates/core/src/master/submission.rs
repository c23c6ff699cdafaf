//! Requests of submitters and operators (DR-01 … DR-10, MSG-07).

use std::sync::Arc;

use super::drivers::need;
use super::entities::Driver;
use super::leader::{Ctx, Leader};
use crate::ids::{AppId, Attempt, DriverId, ReplyToken, RequestId};
use crate::model::{ApplicationState, DriverDescription, DriverOutcome, DriverState};
use crate::msg::{ClientReply, ClientRequest, WorkerCommand};
use crate::record::{Change, DriverRecord, RequestRecord};
use crate::units::{Cores, Memory};

impl Leader {
    pub(super) fn requested(&mut self, to: ReplyToken, request: ClientRequest, ctx: &mut Ctx<'_>) {
        let reply = match request {
            ClientRequest::SubmitDriver { request, description } => self.submit(request, *description, ctx),
            ClientRequest::KillDriver { driver } => self.kill_driver(&driver, ctx),
            ClientRequest::KillAllDrivers => self.kill_all_drivers(ctx),
            ClientRequest::ClearCompleted => self.clear_completed(ctx),
            ClientRequest::Ready => ClientReply::Ready(true),
            ClientRequest::KillApplication { app } => self.kill_application(&app, ctx),
            ClientRequest::DecommissionHosts { hosts } => {
                ClientReply::Decommissioning { workers: self.decommission_hosts(&hosts, ctx) }
            }
        };
        ctx.reply(to, reply);
        self.schedule(ctx);
    }

    /// DR-01, and the same answer to the same request again.
    fn submit(&mut self, request: Option<RequestId>, description: DriverDescription, ctx: &mut Ctx<'_>) -> ClientReply {
        if let Some((driver, _)) = request.as_ref().and_then(|request| self.requests.get(request)) {
            return ClientReply::Submitted { driver: driver.clone() };
        }
        if let Err(reason) = check_driver(&description) {
            return ClientReply::Invalid { reason };
        }
        let taken =
            |id: &DriverId| self.drivers.contains_key(id) || self.done_drivers.iter().any(|done| done.id == *id);
        let id = self.names.driver(ctx, taken);
        let record = DriverRecord {
            id: id.clone(),
            description: Arc::new(description),
            submitted_at: ctx.now.wall,
            request: request.clone(),
            attempt: Attempt(0),
            placement: None,
            kill_requested: false,
        };
        let mut changes = vec![Change::PutDriver(record.clone())];
        if let Some(request) = request {
            self.requests.insert(request.clone(), (id.clone(), ctx.now.wall));
            changes.push(Change::PutRequest(RequestRecord { id: request, driver: id.clone(), at: ctx.now.wall }));
        }
        ctx.persist(changes);
        self.scheduler.queue_driver(&id, need(&record.description));
        self.drivers.insert(id.clone(), Driver { record });
        ClientReply::Submitted { driver: id }
    }

    /// DR-04: a queued driver ends here and now, a placed one when its worker says so. The wish is durable.
    fn kill_driver(&mut self, id: &DriverId, ctx: &mut Ctx<'_>) -> ClientReply {
        let Some(known) = self.drivers.get_mut(id) else {
            let message = format!("Driver {id} has already finished or does not exist");
            return ClientReply::KillRequested { found: false, message };
        };
        let message = format!("Kill request for {id} submitted");
        let Some(worker) = known.record.placement.as_ref().map(|place| place.worker.clone()) else {
            let outcome = DriverOutcome { state: DriverState::Killed, exit_code: None, message: None };
            self.finish_driver(id, outcome, None, ctx);
            return ClientReply::KillRequested { found: true, message };
        };
        let attempt = known.record.attempt;
        if !known.record.kill_requested {
            known.record.kill_requested = true;
            ctx.persist_one(Change::PutDriver(known.record.clone()));
        }
        self.command(&worker, WorkerCommand::KillDriver { driver: id.clone(), attempt }, ctx);
        ClientReply::KillRequested { found: true, message }
    }

    /// DR-05
    fn kill_all_drivers(&mut self, ctx: &mut Ctx<'_>) -> ClientReply {
        let all: Vec<DriverId> = self.drivers.keys().cloned().collect();
        for driver in &all {
            self.kill_driver(driver, ctx);
        }
        ClientReply::KillAllRequested { drivers: u32::try_from(all.len()).unwrap_or(u32::MAX) }
    }

    /// AP-11
    fn kill_application(&mut self, id: &AppId, ctx: &mut Ctx<'_>) -> ClientReply {
        if !self.apps.contains_key(id) {
            let message = format!("Application {id} has already finished or does not exist");
            return ClientReply::KillRequested { found: false, message };
        }
        let message = "killed by request".to_owned();
        self.finish_app(id, ApplicationState::Killed, Some(message), ctx);
        ClientReply::KillRequested { found: true, message: format!("Application {id} killed") }
    }

    /// DR-10
    fn clear_completed(&mut self, ctx: &mut Ctx<'_>) -> ClientReply {
        for done in std::mem::take(&mut self.done_drivers) {
            ctx.persist_one(Change::ForgetDriver(done.id));
        }
        for done in std::mem::take(&mut self.done_apps) {
            ctx.persist_one(Change::ForgetApp(done.id));
        }
        ClientReply::Cleared
    }
}

/// What makes a submission unfit, as a sentence that names field, value and what is allowed.
fn check_driver(description: &DriverDescription) -> Result<(), String> {
    let DriverDescription { cores, memory, command, artifact, .. } = description;
    if *cores == Cores::ZERO {
        return Err("cores: 0; at least 1 is needed".to_owned());
    }
    if *memory == Memory::ZERO {
        return Err("memory: 0m; at least 1m is needed".to_owned());
    }
    if command.program.name().trim().is_empty() {
        return Err("command.program: must not be blank".to_owned());
    }
    if artifact.as_ref().is_some_and(|artifact| artifact.trim().is_empty()) {
        return Err("artifact: must not be blank where it is given".to_owned());
    }
    Ok(())
}
