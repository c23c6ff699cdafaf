//! The state of the small world: plain numbers and fixed arrays, because millions of them are copied and hashed.
//!
//! Masters and workers are numbered from 0; epochs, attempts, incarnations and session numbers from 1, with 0 for
//! none. An `u8` named after several attempts is a set of them: bit `n` stands for attempt `n + 1`.

use crate::scope::{ATTEMPTS, EPOCHS, MASTERS, STRAYS, UNDER_WAY, WORKERS};

/// A key of the store: how often it was written, and what is there now. The number stands for the mod revision of etcd,
/// of which only equality is ever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Slot<T> {
    /// Rises with every write, removals included.
    pub version: u8,
    /// None = the key does not exist.
    pub content: Option<T>,
}

/// What a term knows of a key: what it compares before it writes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seen {
    /// The version that was there.
    pub version: u8,
    /// Whether anything was there.
    pub present: bool,
}

impl<T> Slot<T> {
    /// What somebody knows who has read it now.
    pub fn seen(&self) -> Seen {
        Seen { version: self.version, present: self.content.is_some() }
    }

    /// Writes, or removes.
    pub fn write(&mut self, content: Option<T>) {
        self.version += 1;
        self.content = content;
    }
}

/// `state/drivers/<id>`: the one driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Driver {
    /// The epoch under which it was submitted; its id is made from it.
    pub born: u8,
    /// The copy launched last, 0 = none.
    pub attempt: u8,
    /// Where that copy is.
    pub place: Option<Place>,
}

/// Where a driver was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// On which worker.
    pub worker: u8,
    /// Under which epoch.
    pub epoch: u8,
    /// Its worker said that it runs.
    pub started: bool,
}

/// `ha/intent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wishes {
    /// Failover is paused.
    pub paused: bool,
    /// Who is to lead.
    pub target: Option<u8>,
    /// The time for which the others wait for the target is over.
    pub expired: bool,
}

/// The store: one atomic object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Store {
    /// `ha/leader`: the term in office.
    pub office: Option<u8>,
    /// `ha/epoch`: the last epoch issued.
    pub epoch: u8,
    /// Which master won each epoch.
    pub holders: [u8; EPOCHS + 1],
    /// `state/drivers/<id>`
    pub driver: Slot<Driver>,
    /// `state/requests/<id>`: the driver that was made for the one request, by its birth.
    pub request: Slot<u8>,
    /// `state/workers/<id>`: the incarnation.
    pub workers: [Slot<u8>; WORKERS],
    /// `ha/intent`
    pub intent: Slot<Wishes>,
}

/// What a leader knows of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Known {
    /// It is not in the books.
    #[default]
    Absent,
    /// It is known from before the term and has not reported.
    Unknown {
        /// Of the process that registered last.
        incarnation: u8,
    },
    /// It has registered in this term.
    Heard {
        /// Of that process.
        incarnation: u8,
        /// Of the session on which it registered.
        number: u8,
        /// Whether that session is open, as far as the leader knows.
        open: bool,
    },
}

/// What a leader has in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Memory {
    /// The driver, if it was submitted.
    pub driver: Option<Driver>,
    /// The workers.
    pub workers: [Known; WORKERS],
}

/// What is done to a worker's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Write {
    /// Nothing.
    #[default]
    Keep,
    /// Written, with this incarnation.
    Put(u8),
    /// Removed.
    Remove,
}

/// The changes of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Writes {
    /// The driver's record is written.
    pub driver: Option<Driver>,
    /// The request's record is written.
    pub request: bool,
    /// The workers' records.
    pub workers: [Write; WORKERS],
}

impl Writes {
    /// Only the guard is compared.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is said to a worker on one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Saying {
    /// On which session.
    pub number: u8,
    /// It is registered.
    pub registered: bool,
    /// These attempts are to be launched.
    pub launch: u8,
    /// These are to end.
    pub kill: u8,
}

/// What leaves a master once its transaction is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Says {
    /// The submission is acknowledged.
    pub acknowledge: bool,
    /// To each worker.
    pub to: [Saying; WORKERS],
}

/// What goes through the barrier together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Batch {
    /// What becomes durable.
    pub writes: Writes,
    /// What leaves then.
    pub says: Says,
    /// Attempts whose worker was given up because it could not be reached.
    pub excuses: u8,
}

impl Batch {
    /// Nothing is to be committed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a term knows of every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ledger {
    /// Of the driver.
    pub driver: Seen,
    /// Of the request.
    pub request: Seen,
    /// Of the workers.
    pub workers: [Seen; WORKERS],
}

/// The end of a term, as its leader writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resignation {
    /// Who is to follow.
    pub target: u8,
    /// What was read at `ha/intent`.
    pub intent: Seen,
}

/// A transaction of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Transaction {
    /// Of which term.
    pub epoch: u8,
    /// What it writes.
    pub writes: Writes,
    /// What it compares.
    pub ledger: Ledger,
    /// It ends the term.
    pub resignation: Option<Resignation>,
    /// See [`Batch::excuses`].
    pub excuses: u8,
}

/// The one transaction of a leader that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commit {
    /// What it makes durable and lets out.
    pub batch: Batch,
    /// It ends the term.
    pub resignation: Option<Resignation>,
    /// The store has applied it; its answer may be lost or late.
    pub applied: bool,
}

/// A master that believes to be in office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leader {
    /// Its term.
    pub epoch: u8,
    /// What its machine has in memory; runs ahead of the store.
    pub memory: Memory,
    /// What its journal knows of the store.
    pub ledger: Ledger,
    /// The transaction under way.
    pub commit: Option<Commit>,
    /// What has come together since.
    pub pending: Batch,
}

/// A try to take the office that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bid {
    /// What was read at `ha/epoch`.
    pub epoch: u8,
    /// What was read at `ha/intent`.
    pub intent: Seen,
}

/// Where a worker stands with masters (`tanist_core::tracking`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Bootstrapping.
    Boot {
        /// Somebody has named a leader.
        hinted: bool,
    },
    /// Registered with this master.
    Connected(u8),
    /// This master is to be found.
    Lost(u8),
}

/// A session that a worker holds open with a master, with all that the master ever said on it. It may arrive in any
/// order and any number of times, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// Which session.
    pub number: u8,
    /// The highest epoch that the worker had heard of when it registered here.
    pub heard: u8,
    /// Under which epoch the master speaks here, 0 = it has said nothing.
    pub epoch: u8,
    /// It said that the worker is registered.
    pub registered: bool,
    /// It said that these attempts are to be launched.
    pub launch: u8,
    /// It said that these are to end.
    pub kill: u8,
}

/// Where an attempt stands on a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Run {
    /// It was never here.
    #[default]
    None,
    /// It waits until an earlier one has ended.
    Blocked,
    /// Its process runs.
    Live,
    /// Its process was told to end, and runs.
    Ending,
    /// It has ended.
    Ended,
}

/// All attempts on a worker, from the first one on.
pub type Runs = [Run; ATTEMPTS];

/// A worker process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Worker {
    /// Which process under this id.
    pub incarnation: u8,
    /// Whom it follows.
    pub mode: Mode,
    /// The highest epoch that it has heard of; also on its disk.
    pub heard: u8,
    /// Its session with each master.
    pub links: [Option<Link>; MASTERS],
    /// What runs on it.
    pub runs: Runs,
    /// A master has answered this process.
    pub answered: bool,
    /// It reaches nobody.
    pub cut: bool,
}

/// A registration on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Registration {
    /// To which master.
    pub to: u8,
    /// From which process of the worker.
    pub incarnation: u8,
    /// On which session.
    pub number: u8,
    /// What that process had heard of.
    pub heard: u8,
    /// The attempts that it runs.
    pub runs: u8,
}

/// How much may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Budget {
    /// Workers cut off.
    pub cuts: u8,
    /// Workers crashed.
    pub crashes: u8,
    /// Sessions broken.
    pub breaks: u8,
    /// Orders of operators.
    pub orders: u8,
}

/// What was seen to be wrong as it happened; what can be seen in a state is not noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is one thing that must not be")]
pub struct Wrongs {
    /// A term wrote whose key was gone.
    pub written: bool,
    /// A second driver was made for the request.
    pub twice: bool,
    /// A master refused a registration.
    pub refused: bool,
    /// A worker acted on a lower epoch than one it had heard of.
    pub obeyed: bool,
    /// The office was taken while failover was paused.
    pub paused: bool,
    /// A machine did something that the model has no words for.
    pub unknown: bool,
}

/// The small world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// The store.
    pub store: Store,
    /// The masters that believe to be in office; the others are standbys.
    pub leaders: [Option<Leader>; MASTERS],
    /// Bids under way.
    pub bids: [Option<Bid>; MASTERS],
    /// Transactions under way that nobody waits for.
    pub strays: [Option<Transaction>; STRAYS],
    /// The workers.
    pub workers: [Worker; WORKERS],
    /// Registrations under way, by worker.
    pub registrations: [[Option<Registration>; UNDER_WAY]; WORKERS],
    /// The submitter was told that its driver is taken.
    pub acknowledged: bool,
    /// Attempts that may have a second copy beside them: their worker could not be reached.
    pub excused: u8,
    /// An office was handed over to the one who was named.
    pub handed_over: bool,
    /// What may still happen.
    pub budget: Budget,
    /// What went wrong.
    pub wrongs: Wrongs,
}

impl State {
    /// Whether both sides hold a session open.
    pub fn is_held_open(&self, master: u8, worker: u8, session: u8) -> bool {
        let link = self.workers[usize::from(worker)].links[usize::from(master)];
        let leader = self.leaders[usize::from(master)];
        let known = leader.map(|leader| leader.memory.workers[usize::from(worker)]);
        link.is_some_and(|link| link.number == session)
            && matches!(known, Some(Known::Heard { number, open: true, .. }) if number == session)
    }
}

/// The set of one attempt.
pub fn bit(attempt: u8) -> u8 {
    1 << (attempt - 1)
}

/// The attempts of a set, in order.
pub fn attempts(set: u8) -> impl Iterator<Item = u8> {
    (1..=8u8).filter(move |attempt| set & bit(*attempt) != 0)
}

impl Worker {
    /// The attempts whose process exists.
    pub fn alive(&self) -> u8 {
        let alive = self.runs.iter().enumerate().filter(|(_, run)| matches!(run, Run::Live | Run::Ending));
        alive.fold(0, |set, (at, _)| set | (1 << at))
    }
}
