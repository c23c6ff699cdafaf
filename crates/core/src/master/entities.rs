//! The leader's records in memory: what is durable plus what only lives with the term.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::config::EXECUTOR_ID_BLOCK;
use super::view::ExecutorView;
use crate::address::host_port;
use crate::ended::EndedExecutors;
use crate::ids::{AppId, Attempt, DriverId, ExecutorId, ExecutorRef, ProfileId, SessionId, WorkerId};
use crate::model::{Booking, DriverState, ExecutorState, WorkerState};
use crate::msg::AppNotice;
use crate::record::{AppRecord, DriverRecord, WorkerRecord};
use crate::time::{Mono, Wall};

/// A worker that is not lost.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    /// The durable part.
    pub(super) record: WorkerRecord,
    /// ALIVE, or UNKNOWN until it has reported in this term.
    pub(super) unknown: bool,
    /// The last registration that was taken; one of the same process with a lower number was overtaken by it.
    pub(super) registration: u64,
    /// When its own endpoint was last found to be answered by it.
    pub(super) proven_alive: Option<Mono>,
    /// The session to talk on; none while it is cut off.
    pub(super) session: Option<SessionId>,
    /// The latest session in this term, open or ended: what is found about its endpoint counts only if it was asked since.
    pub(super) last_session: Option<SessionId>,
    /// When it was last heard, or announced to.
    pub(super) last_heard: Mono,
    /// The same for people.
    pub(super) last_heard_wall: Wall,
    /// It has disk space for new work.
    pub(super) accepts_work: bool,
    /// As it says: acts of masters that it has refused because of their term.
    pub(super) refused_commands: u64,
    /// Live executors placed here.
    pub(super) executors: BTreeSet<ExecutorRef>,
    /// Live driver attempts placed here.
    pub(super) drivers: BTreeSet<DriverId>,
    /// Of those, what a foreign worker has not named when it came, and was never seen to have: the launch may be on its way.
    pub(super) unseen: BTreeSet<DriverId>,
    /// Work that was told to end and still occupies its booking until the worker reports the end.
    pub(super) leaving: BTreeMap<Leaving, Booking>,
    /// Applications whose records have executors here, while it has not spoken in this term.
    pub(super) awaited_by: BTreeSet<AppId>,
}

/// Something that is ending on a worker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Leaving {
    /// An executor of a live or an ended application.
    Executor(ExecutorRef),
    /// A driver attempt that was replaced, or whose driver is not known.
    Driver(DriverId, Attempt),
}

impl Worker {
    pub(super) fn new(record: WorkerRecord, last_heard: Mono, last_heard_wall: Wall) -> Self {
        Self {
            record,
            unknown: false,
            registration: 0,
            proven_alive: None,
            session: None,
            last_session: None,
            last_heard,
            last_heard_wall,
            accepts_work: true,
            refused_commands: 0,
            executors: BTreeSet::new(),
            drivers: BTreeSet::new(),
            unseen: BTreeSet::new(),
            leaving: BTreeMap::new(),
            awaited_by: BTreeSet::new(),
        }
    }

    /// `host:port` of its own endpoint.
    pub(super) fn endpoint(&self) -> String {
        endpoint_of(&self.record)
    }

    /// The state as shown.
    pub(super) fn state(&self) -> WorkerState {
        if self.record.decommissioned {
            WorkerState::Decommissioned
        } else if self.unknown {
            WorkerState::Unknown
        } else {
            WorkerState::Alive
        }
    }

    /// Whether new work may be placed here now: it must be able to hear of it at once.
    pub(super) fn schedulable(&self) -> bool {
        self.session.is_some() && !self.unknown && !self.record.decommissioned && self.accepts_work
    }
}

/// Where a worker is reached.
pub(super) fn endpoint_of(record: &WorkerRecord) -> String {
    host_port(&record.host, record.port)
}

/// A lost worker, listed for a while (HB-04).
#[derive(Debug, Clone)]
pub(super) struct DeadWorker {
    pub(super) record: WorkerRecord,
    pub(super) last_heard: Mono,
    pub(super) last_heard_wall: Wall,
}

/// An application that has not ended.
#[derive(Debug, Clone)]
pub(super) struct App {
    /// The durable part.
    pub(super) record: AppRecord,
    /// What is known of its client.
    pub(super) contact: Contact,
    /// The last registration that was taken; one with a lower number was overtaken by it.
    pub(super) registration: u64,
    /// The session to talk on.
    pub(super) session: Option<SessionId>,
    /// The latest session in this term, open or ended.
    pub(super) last_session: Option<SessionId>,
    /// When its client was last heard, or announced to.
    pub(super) last_heard: Mono,
    /// Live executors.
    pub(super) executors: BTreeMap<ExecutorId, Executor>,
    /// Numbers of executors that ended in this term. They never come back.
    pub(super) ended: EndedExecutors,
    /// The last ended ones, for people.
    pub(super) ended_views: VecDeque<ExecutorView>,
    /// Executors its client believes to have and that no worker has reported yet.
    pub(super) claimed: BTreeSet<ExecutorId>,
    /// Workers that its record has executors on and that have not spoken in this term.
    pub(super) awaits: BTreeSet<WorkerId>,
    /// The latest ends and decommissionings of executors, for a client that does not know what it has.
    pub(super) changes: VecDeque<AppNotice>,
    /// The next number to give out; below the durable high-water mark.
    pub(super) next_executor: ExecutorId,
    /// Executor failures in a row (EX-03).
    pub(super) failures: u32,
    /// Why a worker refused its executors for good, the last one that did.
    pub(super) refused: Option<String>,
    /// It has had an executor (RUNNING, AP-04).
    pub(super) ran: bool,
    /// Workers that ran something of it, to be told of its end (DIR-03).
    pub(super) workers: BTreeSet<WorkerId>,
}

/// What is known of an application's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contact {
    /// It has spoken in this term and its session is open, or has just closed.
    Heard,
    /// Known from before a change of leader; has not spoken.
    Unknown,
    /// Its session broke and its endpoint does not answer.
    Unreachable,
    /// Its session broke and its process is gone; it may restart until then.
    Gone(Mono),
}

impl App {
    pub(super) fn new(mut record: AppRecord, contact: Contact, now: Mono) -> Self {
        let next_executor = if contact == Contact::Unknown { record.executor_ids_below } else { ExecutorId(0) };
        if record.endpoint.is_foreign() && next_executor == ExecutorId(0) {
            record.executors.get_or_insert_default();
        }
        Self {
            awaits: BTreeSet::new(),
            changes: VecDeque::new(),
            record,
            contact,
            registration: 0,
            session: None,
            last_session: None,
            last_heard: now,
            executors: BTreeMap::new(),
            ended: EndedExecutors::default(),
            ended_views: VecDeque::new(),
            claimed: BTreeSet::new(),
            next_executor,
            failures: 0,
            refused: None,
            ran: false,
            workers: BTreeSet::new(),
        }
    }

    /// Whether it may have executors that nobody has reported yet.
    pub(super) fn may_have_others(&self) -> bool {
        !self.claimed.is_empty() || !self.awaits.is_empty() || self.is_unrecorded()
    }

    /// A live executor more. True: the record has changed, and must be durable before anybody hears of it.
    pub(super) fn add(&mut self, id: ExecutorId, executor: Executor) -> bool {
        let is_beyond = id >= self.record.executor_ids_below;
        if is_beyond {
            self.record.executor_ids_below = ExecutorId(id.0.saturating_add(EXECUTOR_ID_BLOCK));
        }
        let is_listed = self.list(id, &executor.worker);
        self.executors.insert(id, executor);
        is_beyond || is_listed
    }

    /// One less. What is stored of it goes with the next write.
    pub(super) fn remove(&mut self, id: ExecutorId) -> Option<Executor> {
        let executor = self.executors.remove(&id)?;
        self.strike(id, &executor.worker);
        Some(executor)
    }
}

/// A live executor.
#[derive(Debug, Clone)]
pub(super) struct Executor {
    pub(super) worker: WorkerId,
    pub(super) profile: ProfileId,
    pub(super) booking: Booking,
    pub(super) state: ExecutorState,
}

/// A driver that has not ended.
#[derive(Debug, Clone)]
pub(super) struct Driver {
    /// The durable part.
    pub(super) record: DriverRecord,
}

impl Driver {
    /// The state as shown; `unknown` = its worker has not reported in this term.
    pub(super) fn state(&self, unknown: bool) -> DriverState {
        match (&self.record.placement, self.record.attempt.0) {
            (Some(_), _) if unknown => DriverState::Unknown,
            (Some(_), _) => DriverState::Running,
            (None, 0) => DriverState::Submitted,
            (None, _) => DriverState::Relaunching,
        }
    }
}
