//! Workers coming, speaking and being cut off (WR-*, HB-*, protocol 6).
//!
//! Registration is one idempotent upsert for all roles and states: by (worker id, incarnation). A known id replaces
//! its session, and no executor ends for it (RC-17, WR-09); only another process that was given the id of a live worker is
//! refused, by name (ADR 6). What the worker runs comes with the registration and is settled at once (`reconcile`).

use std::time::Duration;

use super::entities::Worker;
use super::event::{Finding, Peer, Timer};
use super::executors::ExecutorChange;
use super::leader::{Ctx, Leader};
use crate::ids::{SessionId, Term, WorkerId};
use crate::msg::{MasterToWorker, PROTOCOL_VERSION, RegisterWorker, RegisteredWorker, WorkerToMaster};
use crate::record::{Change, WorkerRecord};
use crate::time::Now;
use crate::units::{Cores, Memory};

/// For so long after a worker's endpoint was answered, another process under its id is refused without asking again.
const PROOF_HOLDS: Duration = Duration::from_secs(10);

impl Leader {
    pub(super) fn worker_said(&mut self, session: SessionId, message: WorkerToMaster, ctx: &mut Ctx<'_>) {
        if let WorkerToMaster::Register(registration) = message {
            return self.register_worker(session, *registration, ctx);
        }
        let Some(Peer::Worker(id)) = self.sessions.get(&session).cloned() else {
            // HB-06: whoever is not known here is asked to register, whatever it says.
            return ctx.say_to_worker(session, MasterToWorker::Reconnect);
        };
        self.note_worker_alive(session, ctx.now);
        match message {
            WorkerToMaster::Register(_) => {}
            WorkerToMaster::Heartbeat { accepts_work, refused_commands } => {
                ctx.say_to_worker(session, MasterToWorker::HeartbeatSeen);
                self.note_heartbeat(&id, accepts_work, refused_commands, ctx);
            }
            WorkerToMaster::Inventory(inventory) => self.said_again(&id, inventory, ctx),
            WorkerToMaster::ExecutorStateChanged { report, executor, state, message, exit_status } => {
                self.executor_changed(&id, &executor, ExecutorChange { state, message, exit_status }, ctx);
                ctx.say_to_worker(session, MasterToWorker::Acknowledged { report });
            }
            WorkerToMaster::ExecutorRefused { report, executor, why } => {
                self.executor_refused(&id, &executor, &why, ctx);
                ctx.say_to_worker(session, MasterToWorker::Acknowledged { report });
            }
            WorkerToMaster::DriverStarted { driver, attempt } => self.driver_started(&id, &driver, attempt, ctx),
            WorkerToMaster::DriverEnded { report, driver, attempt, outcome } => {
                self.driver_ended(&id, &driver, attempt, outcome, ctx);
                ctx.say_to_worker(session, MasterToWorker::Acknowledged { report });
            }
            WorkerToMaster::Decommissioning => self.decommission(&id, ctx),
            WorkerToMaster::StaleCommand { command, of, heard } => {
                if self.is_outranked_by(&heard) {
                    let why = format!("worker {id} refused command {command} of term {of}: it obeys term {heard}");
                    ctx.step_down(why);
                }
            }
        }
    }

    fn register_worker(&mut self, session: SessionId, registration: RegisterWorker, ctx: &mut Ctx<'_>) {
        if let Err(reason) = self.admit(&registration) {
            ctx.say_to_worker(session, MasterToWorker::RegistrationRefused { reason });
            return ctx.close(session);
        }
        if let Some(heard) = registration.heard.as_ref().filter(|heard| self.is_outranked_by(heard)) {
            let why = format!("worker {} obeys term {heard}", registration.id);
            return ctx.step_down(why);
        }
        if self.is_overtaken(&registration) {
            return ctx.close(session);
        }
        if self.turn_rival_away(session, &registration, ctx) {
            return;
        }
        if registration.heard.as_ref() != Some(self.term()) {
            if registration.kind.is_foreign() {
                return ctx.say_to_worker(session, MasterToWorker::Greet { leader: self.info.clone() });
            }
            return self.answer_worker_as_stranger(session, ctx);
        }
        if self.ends_both_sessions(session, &registration, ctx) {
            return;
        }
        let (id, it_knows) = (registration.id.clone(), registration.decommissioned);
        let decommissioned = it_knows || self.was_asked_to_go(&registration);
        let registration = RegisterWorker { decommissioned, ..registration };
        self.drop_namesakes(&registration, ctx);
        let former = self.workers.get(&id);
        let (duplicate, former_session) = (former.is_some(), former.and_then(|worker| worker.session));
        self.bind_session(session, Peer::Worker(id.clone()), former_session, ctx);
        self.upsert_worker(session, &registration, ctx);
        ctx.say_to_worker(
            session,
            MasterToWorker::Registered(Box::new(RegisteredWorker {
                leader: self.info.clone(),
                master_address: registration.master_address,
                duplicate,
                heartbeat_every: ctx.config.heartbeat_every(),
                worker_timeout: ctx.config.worker_timeout,
            })),
        );
        self.reconcile(&id, registration.inventory, ctx);
        self.settle_decommission(&id, it_knows, ctx);
        self.settle_recovery(ctx);
        self.schedule(ctx);
    }

    /// A later session of the same process was quicker, or a later process at the same place: what this registration says
    /// has changed since, or is gone with its process.
    fn is_overtaken(&self, registration: &RegisterWorker) -> bool {
        let RegisterWorker { incarnation, number, host, port, .. } = registration;
        let there = self.places.get(&(host.clone(), *port)).and_then(|id| self.workers.get(id));
        there.is_some_and(|known| (known.record.incarnation, known.registration) > (*incarnation, *number))
    }

    /// Another process under an id whose holder is not lost, at another place. Either the holder is just ending, then the
    /// newcomer succeeds in a moment; or two workers were given one id, and the one that works keeps it. Its own endpoint
    /// tells which. A holder that is cut off may run what must not run twice: it keeps the id until it is gone or lost.
    fn turn_rival_away(&mut self, session: SessionId, registration: &RegisterWorker, ctx: &mut Ctx<'_>) -> bool {
        let RegisterWorker { id, incarnation, host, port, .. } = registration;
        let holds = |known: &&Worker| {
            let WorkerRecord { incarnation: other, host: its_host, port: its_port, .. } = &known.record;
            // All foreign ones have the same incarnation, and none of them moves.
            (other != incarnation || known.is_foreign()) && (its_host != host || its_port != port)
        };
        let Some(known) = self.workers.get(id).filter(holds) else { return false };
        let proven = known.proven_alive.is_some_and(|at| ctx.now.mono - at < PROOF_HOLDS);
        if known.session.is_some() && (proven || known.is_foreign()) {
            let reason = format!(
                "worker.id {id} belongs to another worker, which runs at {}; every worker needs an id of its own",
                known.endpoint()
            );
            ctx.say_to_worker(session, MasterToWorker::RegistrationRefused { reason });
        } else if !known.is_foreign() {
            // A foreign one is being called already.
            self.look_for_worker(known, ctx);
        }
        ctx.close(session);
        true
    }

    /// Whoever obeys this term does not obey ours: it is higher, or of the same rank with another nonce.
    pub(super) fn is_outranked_by(&self, heard: &Term) -> bool {
        heard.rank() >= self.term().rank() && heard != self.term()
    }

    /// What makes a worker unfit to join, as a sentence that names field, value and what is allowed.
    fn admit(&self, registration: &RegisterWorker) -> Result<(), String> {
        let RegisterWorker { id, protocol, cluster, cores, memory, host, port, .. } = registration;
        if *protocol != PROTOCOL_VERSION {
            return Err(format!(
                "worker {id} speaks protocol version {protocol}; this master speaks version {PROTOCOL_VERSION}"
            ));
        }
        if let Some(cluster) = cluster.as_ref().filter(|cluster| **cluster != self.info.cluster) {
            return Err(format!(
                "worker {id} belongs to cluster {cluster}; this master serves cluster {}",
                self.info.cluster
            ));
        }
        if *cores == Cores::ZERO {
            return Err(format!("worker {id} offers cores = 0; at least 1 is needed"));
        }
        if *memory == Memory::ZERO {
            return Err(format!("worker {id} offers memory = 0m; at least 1m is needed"));
        }
        if host.is_empty() || host.contains(char::is_whitespace) || *port == 0 {
            return Err(format!(
                "worker {id} names its endpoint {host:?}:{port}; a host name and a port in 1-65535 are needed"
            ));
        }
        Ok(())
    }

    /// Once asked to go, a process stays asked, over all its sessions and changes of leader, and where it is back after it was
    /// given up. To start it again is how it is taken back.
    fn was_asked_to_go(&self, RegisterWorker { id, incarnation, .. }: &RegisterWorker) -> bool {
        let known = self.workers.get(id).map(|known| &known.record);
        let record = known.or_else(|| self.dead_workers.get(id).map(|dead| &dead.record));
        record.is_some_and(|record| record.decommissioned && record.incarnation == *incarnation)
    }

    /// A new id at the address of a known worker means that the process was restarted: the old entry goes first
    /// (RC-18). Dead entries at that address go too (WR-11).
    fn drop_namesakes(&mut self, registration: &RegisterWorker, ctx: &mut Ctx<'_>) {
        let RegisterWorker { id, host, port, .. } = registration;
        let there = self.places.get(&(host.clone(), *port)).filter(|there| *there != id).cloned();
        if let Some(old) = there {
            self.lose_worker(&old, "Worker replaced by a new worker with same address", ctx);
        }
        self.dead_workers.forget(id);
        self.dead_workers.forget_at(host, *port);
    }

    fn upsert_worker(&mut self, session: SessionId, registration: &RegisterWorker, ctx: &mut Ctx<'_>) {
        let id = &registration.id;
        let known = self.workers.get(id);
        let record = WorkerRecord {
            id: id.clone(),
            incarnation: registration.incarnation,
            host: registration.host.clone(),
            port: registration.port,
            kind: registration.kind.clone(),
            ui_url: registration.ui_url.clone(),
            cores: registration.cores,
            memory: registration.memory,
            resources: registration.resources.clone(),
            decommissioned: registration.decommissioned,
            registered_at: known.map_or(ctx.now.wall, |worker| worker.record.registered_at),
        };
        if known.is_none_or(|worker| worker.record != record) {
            ctx.persist_one(Change::PutWorker(record.clone()));
        }
        self.scheduler.worker_up(id, record.cores, record.memory, &record.resources);
        self.scheduler.worker_is_foreign(id, record.kind.is_foreign());
        if let Some(known) = known {
            self.places.remove(&(known.record.host.clone(), known.record.port));
        }
        self.places.insert((record.host.clone(), record.port), id.clone());
        let new = known.is_none();
        let worker =
            self.workers.entry(id.clone()).or_insert_with(|| Worker::new(record.clone(), ctx.now.mono, ctx.now.wall));
        worker.record = record;
        let was_unknown = std::mem::take(&mut worker.unknown);
        worker.registration = registration.number;
        worker.session = Some(session);
        worker.last_session = Some(session);
        worker.accepts_work = registration.accepts_work;
        worker.refused_commands = registration.refused_commands;
        (worker.last_heard, worker.last_heard_wall) = (ctx.now.mono, ctx.now.wall);
        let paused = !worker.schedulable();
        self.worker_is_settled(was_unknown);
        self.scheduler.worker_paused(id, paused);
        if new {
            ctx.arm(Timer::Worker(id.clone()), ctx.now.mono + ctx.config.worker_timeout);
        }
    }

    pub(super) fn note_worker_alive(&mut self, session: SessionId, now: Now) {
        let Some(Peer::Worker(id)) = self.sessions.get(&session) else { return };
        if let Some(worker) = self.workers.get_mut(id) {
            (worker.last_heard, worker.last_heard_wall) = (now.mono, now.wall);
        }
    }

    fn note_heartbeat(&mut self, id: &WorkerId, accepts_work: bool, refused_commands: u64, ctx: &mut Ctx<'_>) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.refused_commands = refused_commands;
        if worker.accepts_work == accepts_work {
            return;
        }
        worker.accepts_work = accepts_work;
        let paused = !worker.schedulable();
        self.scheduler.worker_paused(id, paused);
        self.schedule(ctx);
    }

    /// HB-03 changed: a broken session is no death. Nothing new is placed there, and its own endpoint is asked.
    pub(super) fn worker_cut_off(&mut self, id: &WorkerId, session: SessionId, ctx: &mut Ctx<'_>) {
        let Some(worker) = self.workers.get_mut(id).filter(|worker| worker.session == Some(session)) else { return };
        worker.session = None;
        self.scheduler.worker_paused(id, true);
        if let Some(worker) = self.workers.get(id) {
            self.look_for_worker(worker, ctx);
        }
    }

    /// A worker whose process is gone is lost at once: its children ended with it. Any other finding leaves it to
    /// its time-out, and one from before its latest session is void.
    pub(super) fn worker_probed(
        &mut self,
        id: &WorkerId,
        asked: Option<SessionId>,
        finding: Finding,
        ctx: &mut Ctx<'_>,
    ) {
        let concerned = |worker: &&mut Worker| worker.last_session == asked;
        let Some(worker) = self.workers.get_mut(id).filter(concerned) else { return };
        if finding == Finding::Alive {
            worker.proven_alive = Some(ctx.now.mono);
        }
        let cut_off = worker.session.is_none();
        if finding == Finding::Gone && cut_off {
            self.lose_worker(id, "its process is gone", ctx);
            self.settle_recovery(ctx);
            self.schedule(ctx);
        }
    }
}
