//! What goes to and comes from a master (WR-*, HB-*, protocol 5 and 6).

use super::context::Ctx;
use super::effect::{Effect, Trouble};
use super::event::Timer;
use super::reports::{REPEAT_AFTER, Report};
use super::{Decommission, Worker};
use crate::model::{DriverOnWorker, DriverState, Inventory, WorkerKind};
use crate::msg::{Fenced, MasterToWorker, PROTOCOL_VERSION, RegisterWorker, WorkerCommand, WorkerToMaster};
use crate::time::Mono;
use crate::tracking::{Fence, LinkId, Step, Tracker};
use crate::units::Memory;

impl Worker {
    /// Lets the tracking decide and does what it says.
    pub(super) fn track(&mut self, ctx: &mut Ctx<'_>, decide: impl FnOnce(&mut Tracker, Mono, &mut Vec<Step>)) {
        let mut steps = Vec::new();
        decide(&mut self.tracker, ctx.now.mono, &mut steps);
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
            Step::Adopt { term, cluster } => ctx.effects.push(Effect::SaveTerm { term, cluster }),
            Step::Register { link, address } => {
                let message = WorkerToMaster::Register(Box::new(self.registration(link, address)));
                ctx.effects.push(Effect::Send { link, message });
            }
            Step::Connected { link } => self.connected(link, ctx),
            Step::Lost => {}
            Step::Heartbeat { link } => {
                ctx.effects.push(Effect::Send { link, message: self.heartbeat() });
            }
            Step::GiveUp { reason } => self.stop(1, reason, ctx),
            Step::Warn(trouble) => ctx.warn(trouble),
        }
    }

    fn connected(&mut self, link: LinkId, ctx: &mut Ctx<'_>) {
        if self.decommission == Decommission::Untold {
            self.decommission = Decommission::Yes;
            ctx.effects.push(Effect::Send { link, message: WorkerToMaster::Decommissioning });
        }
        self.outbox.forget_sent();
        self.send_reports(ctx);
        self.watch_cleanup(ctx);
    }

    fn registration(&self, link: LinkId, master_address: String) -> RegisterWorker {
        let identity = self.config.identity.clone();
        RegisterWorker {
            id: identity.id,
            incarnation: identity.incarnation,
            number: link.0,
            host: identity.host,
            port: identity.port,
            kind: WorkerKind::Own,
            ui_url: identity.ui_url,
            cores: self.config.cores,
            memory: self.config.memory,
            resources: self.config.resources.clone(),
            master_address,
            cluster: self.tracker.cluster().cloned(),
            protocol: PROTOCOL_VERSION,
            heard: self.tracker.heard().cloned(),
            decommissioned: self.is_decommissioned(),
            accepts_work: self.accepts_work(),
            refused_commands: self.tracker.refused_acts(),
            inventory: self.inventory(),
        }
    }

    /// Everything that runs here, every end that no master has acknowledged, and who has scratch directories here. A driver is RUNNING from its launch
    /// on (DR-11).
    pub(super) fn inventory(&self) -> Inventory {
        let drivers = self.drivers.iter().map(|((driver, attempt), known)| DriverOnWorker {
            driver: driver.clone(),
            attempt: *attempt,
            state: DriverState::Running,
            booking: known.booking.clone(),
        });
        let executors = self.executors.values().map(|known| known.description.clone());
        let scratch_of = self.scratch_of.iter().cloned().collect();
        let mut inventory = Inventory { executors: executors.collect(), drivers: drivers.collect(), scratch_of };
        self.outbox.add_finals(&mut inventory);
        inventory
    }

    /// Whether new work may be placed here, apart from decommissioning, which is told by itself.
    pub(super) fn accepts_work(&self) -> bool {
        !self.disk_low && self.stopping.is_none()
    }

    pub(super) fn hear(&mut self, link: LinkId, message: MasterToWorker, ctx: &mut Ctx<'_>) {
        let registered = self.tracker.heard_on(ctx.now.mono, link);
        match message {
            MasterToWorker::Registered(answer) => {
                let before = self.worker_timeout.replace(answer.worker_timeout);
                self.track(ctx, |tracker, now, steps| {
                    tracker.registered(now, link, answer.leader, answer.heartbeat_every, steps);
                });
                if self.tracker.session() != Some(link) {
                    self.worker_timeout = before;
                }
                self.renew_limit(ctx);
            }
            MasterToWorker::Standby { leader } => {
                self.track(ctx, |tracker, now, steps| tracker.standby(now, link, leader.as_ref(), steps));
            }
            MasterToWorker::RegistrationRefused { reason } => {
                self.track(ctx, |tracker, _, steps| tracker.refused(link, reason, steps));
            }
            MasterToWorker::Reconnect => {
                self.track(ctx, |tracker, now, steps| tracker.unknown_session(now, link, steps));
            }
            MasterToWorker::HeartbeatSeen => {
                self.tracker.heartbeat_seen(link);
                self.renew_limit(ctx);
            }
            MasterToWorker::Acknowledged { report } if registered => self.acknowledged(report, ctx),
            MasterToWorker::Command(command) if registered => self.commanded(link, command, ctx),
            // From a session that is not, or no longer, the one with the leader. Only foreign workers are greeted.
            MasterToWorker::Acknowledged { .. } | MasterToWorker::Command(_) | MasterToWorker::Greet { .. } => {}
        }
    }

    fn acknowledged(&mut self, report: crate::ids::ReportId, ctx: &mut Ctx<'_>) {
        self.outbox.acknowledged(report);
        self.exit_if_done(ctx);
    }

    fn commanded(&mut self, link: LinkId, command: Fenced<WorkerCommand>, ctx: &mut Ctx<'_>) {
        let Fenced { term, id, body } = command;
        let mut verdict = Fence::Obey;
        self.track(ctx, |tracker, _, steps| verdict = tracker.fence(&term, steps));
        match verdict {
            Fence::Obey => self.obey(body, ctx),
            Fence::Refuse { heard } => {
                let message = WorkerToMaster::StaleCommand { command: id, of: term, heard };
                ctx.effects.push(Effect::Send { link, message });
            }
        }
    }

    /// All of it may come twice. A worker that stops takes nothing new and says nothing: it will be gone at once.
    fn obey(&mut self, command: WorkerCommand, ctx: &mut Ctx<'_>) {
        match command {
            WorkerCommand::LaunchExecutor { .. } | WorkerCommand::LaunchDriver { .. } if self.stopping.is_some() => {}
            WorkerCommand::LaunchExecutor { executor, heap, app, client: _ } => {
                self.launch_executor(executor, heap, app, ctx);
            }
            WorkerCommand::LaunchDriver { driver, attempt, description, booking } => {
                self.launch_driver((driver, attempt), description, booking, ctx);
            }
            WorkerCommand::KillExecutor { executor } => self.kill_executor(&executor, ctx),
            WorkerCommand::KillDriver { driver, attempt } => self.kill_driver(&driver, attempt, ctx),
            WorkerCommand::ApplicationFinished { app } => self.application_finished(&app, ctx),
            WorkerCommand::Decommission => {
                // Whoever commands it knows it.
                self.decommission(ctx);
            }
        }
    }

    /// Says something that need not be repeated: the next registration says the same.
    pub(super) fn send(&mut self, message: WorkerToMaster, ctx: &mut Ctx<'_>) {
        if let Some(link) = self.tracker.session() {
            ctx.effects.push(Effect::Send { link, message });
        }
    }

    /// Says something that is repeated until it is acknowledged.
    pub(super) fn report(&mut self, report: Report, ctx: &mut Ctx<'_>) {
        self.outbox.push(report);
        self.send_reports(ctx);
    }

    pub(super) fn send_reports(&mut self, ctx: &mut Ctx<'_>) {
        let Some(link) = self.tracker.session() else { return };
        let due = self.outbox.due(ctx.now.mono);
        ctx.effects.extend(due.into_iter().map(|message| Effect::Send { link, message }));
        if self.outbox.len() > 0 && !self.reports_armed {
            self.reports_armed = true;
            ctx.effects.push(Effect::Arm { timer: Timer::Reports, at: ctx.now.mono + REPEAT_AFTER });
        }
    }

    /// DC-02: the operator asks on this host; the master is told.
    pub(super) fn decommission_here(&mut self, ctx: &mut Ctx<'_>) {
        if !self.decommission(ctx) {
            return;
        }
        match self.tracker.session() {
            Some(link) => ctx.effects.push(Effect::Send { link, message: WorkerToMaster::Decommissioning }),
            None => self.decommission = Decommission::Untold,
        }
    }

    pub(super) fn is_decommissioned(&self) -> bool {
        self.decommission != Decommission::No
    }

    /// True if this is new.
    fn decommission(&mut self, ctx: &mut Ctx<'_>) -> bool {
        if !self.config.behaviour.decommission_enabled {
            ctx.warn(Trouble::DecommissionDisabled);
            return false;
        }
        if self.is_decommissioned() {
            ctx.warn(Trouble::DecommissionedAlready);
            return false;
        }
        self.decommission = Decommission::Yes;
        true
    }

    /// Free disk space was measured; what runs goes on either way.
    pub(super) fn disk_measured(&mut self, free: Memory, ctx: &mut Ctx<'_>) {
        let low = free < self.config.behaviour.disk_floor;
        if low == self.disk_low {
            return;
        }
        self.disk_low = low;
        ctx.warn(Trouble::Disk { free, floor: self.config.behaviour.disk_floor, accepts: !low });
        self.heartbeat_now(ctx);
    }

    /// The master is to know now whether this worker takes work.
    pub(super) fn heartbeat_now(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(link) = self.tracker.extra_heartbeat(ctx.now.mono) {
            ctx.effects.push(Effect::Send { link, message: self.heartbeat() });
        }
    }

    fn heartbeat(&self) -> WorkerToMaster {
        WorkerToMaster::Heartbeat { accepts_work: self.accepts_work(), refused_commands: self.tracker.refused_acts() }
    }
}
