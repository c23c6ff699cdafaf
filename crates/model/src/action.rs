//! Everything that can happen in the small world.

/// One step. Numbers are those of [`crate::state`]; a last number named `choice` tells decisions of a machine apart that
/// chooses at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "fields are what they are called")]
pub enum Action {
    /// The lease of the leader ends, or somebody deposes it, whatever it believes.
    KeyIsLost,
    /// A standby reads how things are and sends a bid for the office.
    Bids { master: u8 },
    /// The bid reaches the store and wins.
    BidLands { master: u8, choice: u8 },
    /// A standby reads, bids and wins at one moment.
    TakesOffice { master: u8, choice: u8 },
    /// A leader crashes, or gives up for whatever reason.
    Quits { master: u8 },
    /// The transaction of a leader reaches the store and is applied.
    Lands { master: u8 },
    /// A copy that nobody waits for does.
    StrayLands { stray: u8 },
    /// A leader hears that its transaction was applied.
    Answered { master: u8 },
    /// The client submits its driver, for the first time or again.
    Submits { master: u8, choice: u8 },
    /// A registration arrives.
    Arrives { worker: u8, place: u8, choice: u8 },
    /// It never does.
    IsLost { worker: u8, place: u8 },
    /// A worker's word that the driver runs arrives.
    SaysStarted { worker: u8, attempt: u8, choice: u8 },
    /// A leader hears that a worker's session has ended.
    SessionEnds { master: u8, worker: u8, choice: u8 },
    /// A leader gives a worker up that could not be reached for the whole time-out.
    GivesUp { master: u8, worker: u8, choice: u8 },
    /// A leader finds that the process of a worker is gone.
    FindsGone { master: u8, worker: u8, choice: u8 },
    /// A worker hears who leads in this epoch, from anybody, early or late.
    HearsOf { worker: u8, epoch: u8 },
    /// A worker's session ends.
    LinkEnds { worker: u8, master: u8 },
    /// A worker tries again.
    Retries { worker: u8 },
    /// A worker hears on its session that it is registered.
    HearsRegistered { worker: u8, master: u8 },
    /// A worker hears on its session that it is to launch an attempt.
    HearsLaunch { worker: u8, master: u8, attempt: u8 },
    /// A worker hears on its session that it is to end an attempt and earlier ones.
    HearsKill { worker: u8, master: u8, attempt: u8 },
    /// A program that was told to end does.
    Exits { worker: u8, attempt: u8 },
    /// A worker process dies with everything on it, and is started again under its id.
    Crashes { worker: u8 },
    /// A worker reaches nobody from now on.
    IsCutOff { worker: u8 },
    /// It reaches everybody again.
    IsMended { worker: u8 },
    /// An operator pauses failover.
    Pauses,
    /// An operator ends the pause.
    Resumes,
    /// An operator hands the office over: the leader leaves in favour of another master.
    HandsOver { master: u8, to: u8 },
    /// The leader does not hear what came of that and goes on.
    StaysInDoubt { master: u8 },
    /// The others do not wait for the named master any longer.
    HandoverExpires,
}
