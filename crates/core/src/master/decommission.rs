//! Workers that are asked to go (DC-*). The wish is durable: it survives a change of leader (the original forgets it).

use super::leader::{Ctx, Leader};
use crate::ids::{ExecutorId, ExecutorRef, WorkerId};
use crate::model::ExecutorState;
use crate::msg::{AppNotice, WorkerCommand};
use crate::record::Change;

impl Leader {
    /// DC-05: all workers on these hosts, compared without case; the number matched, done already or not.
    pub(super) fn decommission_hosts(&mut self, hosts: &[String], ctx: &mut Ctx<'_>) -> u32 {
        let matches = |host: &str| hosts.iter().any(|wanted| wanted.eq_ignore_ascii_case(host));
        let matched: Vec<WorkerId> =
            self.workers.values().filter(|w| matches(&w.record.host)).map(|w| w.record.id.clone()).collect();
        for id in &matched {
            self.decommission(id, ctx);
            self.command(id, WorkerCommand::Decommission, ctx);
        }
        u32::try_from(matched.len()).unwrap_or(u32::MAX)
    }

    /// DC-04: nothing new is placed here; its executors run on and no longer count as the application's.
    pub(super) fn decommission(&mut self, id: &WorkerId, ctx: &mut Ctx<'_>) {
        let Some(worker) = self.workers.get_mut(id).filter(|worker| !worker.record.decommissioned) else { return };
        worker.record.decommissioned = true;
        ctx.persist_one(Change::PutWorker(worker.record.clone()));
        self.scheduler.worker_paused(id, true);
        let executors: Vec<ExecutorRef> = worker.executors.iter().cloned().collect();
        for executor in executors {
            self.decommission_executor(&executor, ctx);
        }
        self.schedule(ctx);
    }

    /// A worker has registered. Either side may have missed that it is asked to go: the other one tells it.
    pub(super) fn settle_decommission(&mut self, id: &WorkerId, it_knows: bool, ctx: &mut Ctx<'_>) {
        let Some(worker) = self.workers.get(id).filter(|worker| worker.record.decommissioned) else { return };
        let executors: Vec<ExecutorRef> = worker.executors.iter().cloned().collect();
        if !it_knows {
            self.command(id, WorkerCommand::Decommission, ctx);
        }
        for executor in executors {
            self.decommission_executor(&executor, ctx);
        }
    }

    /// The application may have a replacement for this executor, which itself runs on.
    pub(super) fn decommission_executor(&mut self, executor: &ExecutorRef, ctx: &mut Ctx<'_>) {
        let Some(app) = self.apps.get_mut(&executor.app) else { return };
        let Some(known) = app.executors.get_mut(&executor.id) else { return };
        if known.state == ExecutorState::Decommissioned {
            return;
        }
        known.state = ExecutorState::Decommissioned;
        self.scheduler.executor_removed(&executor.app, known.profile, known.booking.cores);
        let worker = known.worker.clone();
        self.notify(&executor.app, self.decommissioned(executor.id, &worker), ctx);
    }

    /// What an application is told of an executor whose worker is asked to go.
    pub(super) fn decommissioned(&self, executor: ExecutorId, worker: &WorkerId) -> AppNotice {
        AppNotice::ExecutorUpdated {
            executor,
            state: ExecutorState::Decommissioned,
            message: Some("worker decommissioned".to_owned()),
            exit_status: None,
            worker_host: self.workers.get(worker).map(|worker| worker.record.host.clone()),
        }
    }
}
