//! Between worker and master (MSG-03, MSG-04).

use std::sync::Arc;
use std::time::Duration;

use super::Fenced;
use crate::ids::{AppId, Attempt, ClusterId, CommandId, DriverId, ExecutorRef, Incarnation, ReportId, Term, WorkerId};
use crate::model::{
    Addresses, ApplicationDescription, Booking, DriverDescription, DriverOutcome, ExecutorDescription, ExecutorState,
    ForeignClient, Inventory, LeaderInfo, WorkerKind,
};
use crate::units::{Cores, Memory};

/// From a worker to a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerToMaster {
    /// First message of every session: who I am and what I run. An idempotent upsert (protocol 6).
    Register(Box<RegisterWorker>),
    /// I live (HB-01). `accepts_work` is false while free disk space is below the floor.
    Heartbeat {
        /// Whether new work may be placed here.
        accepts_work: bool,
        /// Acts of masters that this process has refused because of their term.
        refused_commands: u64,
    },
    /// All that I run, again.
    Inventory(Inventory),
    /// An executor changed its state (EX-01). Kept and sent again until acknowledged.
    ExecutorStateChanged {
        /// To acknowledge.
        report: ReportId,
        /// Which executor.
        executor: ExecutorRef,
        /// Its new state.
        state: ExecutorState,
        /// Why, for people.
        message: Option<String>,
        /// Exit code, 128 + n where a signal ended it; none while it runs or where nothing ran.
        exit_status: Option<i32>,
    },
    /// An executor has FAILED before it ran, and every other one of its application would here, as this host is set up: do
    /// not try again. Kept and sent again until acknowledged.
    ExecutorRefused {
        /// To acknowledge.
        report: ReportId,
        /// Which executor.
        executor: ExecutorRef,
        /// What is missing, for people.
        why: String,
    },
    /// The process of a driver attempt runs. Not repeated: the inventory says the same.
    DriverStarted {
        /// Which driver.
        driver: DriverId,
        /// Which copy.
        attempt: Attempt,
    },
    /// A driver attempt ended (DR-07). Kept and sent again until acknowledged.
    DriverEnded {
        /// To acknowledge.
        report: ReportId,
        /// Which driver.
        driver: DriverId,
        /// Which copy.
        attempt: Attempt,
        /// How.
        outcome: DriverOutcome,
    },
    /// I am being decommissioned (DC-02).
    Decommissioning,
    /// I refuse this command: I have already obeyed a higher term, or this one's epoch under another nonce.
    StaleCommand {
        /// The refused command.
        command: CommandId,
        /// The term it was given under.
        of: Term,
        /// The highest term I have obeyed.
        heard: Term,
    },
}

/// Who a worker is, what it offers and what it runs (`RegisterWorker` of MSG-03).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterWorker {
    /// Which worker.
    pub id: WorkerId,
    /// Which process at this endpoint, counting up. What one has sent is void after a later one was heard.
    pub incarnation: Incarnation,
    /// Which registration of this process this is, counting up. One that arrives after a later one is void: sessions
    /// are ordered in themselves, not among each other.
    pub number: u64,
    /// Host name or address by which others reach it.
    pub host: String,
    /// Port of its own endpoint.
    pub port: u16,
    /// How it is spoken to there.
    pub kind: WorkerKind,
    /// Address of its web pages; empty = none (WR-18).
    pub ui_url: String,
    /// Cores offered.
    pub cores: Cores,
    /// Memory offered.
    pub memory: Memory,
    /// Custom resources offered.
    pub resources: Addresses,
    /// Master address under which this session was dialled; echoed (WR-12).
    pub master_address: String,
    /// The cluster it belongs to, once it knows.
    pub cluster: Option<ClusterId>,
    /// [`super::PROTOCOL_VERSION`] of the worker.
    pub protocol: u32,
    /// The highest term it has obeyed.
    pub heard: Option<Term>,
    /// It takes no new work because it is being decommissioned.
    pub decommissioned: bool,
    /// Whether new work may be placed here now (free disk space).
    pub accepts_work: bool,
    /// Acts of masters that this process has refused because of their term.
    pub refused_commands: u64,
    /// Everything it runs.
    pub inventory: Inventory,
}

/// From a master to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterToWorker {
    /// I do not take you now. This one leads, as far as I know: it may be me, of whose term you had not heard when you
    /// registered, or who is not sure of the lead.
    Standby {
        /// The leader as far as known.
        leader: Option<LeaderInfo>,
    },
    /// You have not heard of my term yet: come again, knowing it. To foreign workers, whose face makes me known; unlike what
    /// one of ours hears, that changes whom they obey.
    Greet {
        /// I.
        leader: LeaderInfo,
    },
    /// You cannot join: wrong cluster, protocol or content. Trying again without change is useless.
    RegistrationRefused {
        /// Names field, value and what is allowed.
        reason: String,
    },
    /// You are registered.
    Registered(Box<RegisteredWorker>),
    /// I heard you.
    HeartbeatSeen,
    /// This report is durable; forget it.
    Acknowledged {
        /// Which report.
        report: ReportId,
    },
    /// I do not know this session; register again (HB-06).
    Reconnect,
    /// Do this, if you have heard of no higher term.
    Command(Fenced<WorkerCommand>),
}

/// Answer to a registration (`RegisteredWorker` of MSG-04).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredWorker {
    /// Who leads, and in which term.
    pub leader: LeaderInfo,
    /// The address by which the worker reached it (WR-12).
    pub master_address: String,
    /// The id was known already (WR-09).
    pub duplicate: bool,
    /// How often to send a heartbeat (HB-01).
    pub heartbeat_every: Duration,
    /// After how long a silence the master declares the worker lost (HB-02).
    pub worker_timeout: Duration,
}

/// What a master can ask of a worker. All of it is idempotent by attempt or executor id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerCommand {
    /// Start an executor (WL-01).
    LaunchExecutor {
        /// Which one, from which profile, with which cores, memory and resource addresses.
        executor: ExecutorDescription,
        /// How much of that memory is for the heap, if it is a program of Java.
        heap: Memory,
        /// Whose.
        app: Arc<ApplicationDescription>,
        /// Its client, if that is foreign: what it has registered with matters to a worker of its kind, and to no other.
        client: Option<Arc<ForeignClient>>,
    },
    /// End an executor.
    KillExecutor {
        /// Which one.
        executor: ExecutorRef,
    },
    /// Start a driver attempt.
    LaunchDriver {
        /// Which driver.
        driver: DriverId,
        /// Which copy.
        attempt: Attempt,
        /// What to run.
        description: Arc<DriverDescription>,
        /// What it may use.
        booking: Booking,
    },
    /// End this attempt and any lower one of the driver.
    KillDriver {
        /// Which driver.
        driver: DriverId,
        /// Up to which copy.
        attempt: Attempt,
    },
    /// The application has ended: its scratch directories may go once its executors are gone (DIR-03).
    ApplicationFinished {
        /// Which one.
        app: AppId,
    },
    /// Take no new work (DC-02).
    Decommission,
}
