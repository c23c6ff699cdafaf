//! The life of one launch, the same for drivers and executors: prepare, start, run, be ended (DRN-08, ERN-06).

use std::time::Duration;

use super::effect::Effect;
use super::event::{RunId, Timer};
use crate::time::Mono;

/// How long SIGKILL may take to help before people are told (DRN-08 waits its terminate time-out again).
pub(super) const KILL_SETTLES: Duration = Duration::from_secs(10);

/// Where a launch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// An earlier attempt of the same driver has not ended yet.
    Blocked,
    /// Directory and files are being made.
    Preparing,
    /// Its process was asked for.
    Starting,
    /// Its process runs.
    Running { pid: u32, since: Mono },
    /// A supervised driver waits for its next start.
    Waiting,
}

/// Who wants it to end. The first wish counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The master.
    Request,
    /// A later attempt of the same driver was launched here.
    Superseded,
    /// Its own rule for a worker that is cut off.
    Isolation,
    /// The worker stops.
    Shutdown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Ending {
    cause: Cause,
    kill_at: Mono,
    killed_at: Option<Mono>,
}

/// One launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) run: RunId,
    pub(super) phase: Phase,
    ending: Option<Ending>,
}

/// What came of a kill alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KillDue {
    /// Nothing to be done.
    Nothing,
    /// SIGKILL was sent long ago, and it still runs.
    Orphaned,
}

impl Process {
    pub(super) fn new(run: RunId, phase: Phase) -> Self {
        Self { run, phase, ending: None }
    }

    /// Why it is being ended, if it is.
    pub(super) fn ended_by(&self) -> Option<Cause> {
        self.ending.as_ref().map(|ending| ending.cause)
    }

    /// The process id, while there is a process.
    pub(super) fn pid(&self) -> Option<u32> {
        match self.phase {
            Phase::Running { pid, .. } => Some(pid),
            _ => None,
        }
    }

    /// Whether a process exists or may exist.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Running { .. })
    }

    /// Ends it: SIGTERM now, SIGKILL at `kill_at`, or earlier if that was wished before; only that if it is time for it.
    /// Either breaks a start off, which may take for ever otherwise. True = there is no process, so it is over.
    pub(super) fn end(&mut self, cause: Cause, now: Mono, kill_at: Mono, effects: &mut Vec<Effect>) -> bool {
        let first = self.ending.is_none();
        let ending = self.ending.get_or_insert(Ending { cause, kill_at, killed_at: None });
        let sooner = kill_at < ending.kill_at;
        ending.kill_at = ending.kill_at.min(kill_at);
        if now >= ending.kill_at {
            self.kill_due(now, effects);
        } else if self.is_live() {
            if first {
                effects.push(Effect::Terminate { run: self.run });
            }
            if first || sooner {
                effects.push(Effect::Arm { timer: Timer::Kill(self.run), at: kill_at });
            }
        }
        !self.is_live()
    }

    /// Somebody else has seen to its end.
    pub(super) fn ended_without_us(&mut self, cause: Cause, now: Mono) {
        self.ending.get_or_insert(Ending { cause, kill_at: now, killed_at: Some(now) });
    }

    /// Its process runs. What it was told while it started reaches it all the same.
    pub(super) fn started(&mut self, pid: u32, now: Mono) {
        self.phase = Phase::Running { pid, since: now };
    }

    /// An alarm for SIGKILL, or for looking whether it helped.
    pub(super) fn kill_due(&mut self, now: Mono, effects: &mut Vec<Effect>) -> KillDue {
        let live = self.is_live();
        let Some(ending) = self.ending.as_mut().filter(|ending| live && now >= ending.kill_at) else {
            return KillDue::Nothing;
        };
        match ending.killed_at {
            None => {
                ending.killed_at = Some(now);
                effects.push(Effect::Kill { run: self.run });
                effects.push(Effect::Arm { timer: Timer::Kill(self.run), at: now + KILL_SETTLES });
                KillDue::Nothing
            }
            Some(killed_at) if now - killed_at >= KILL_SETTLES => KillDue::Orphaned,
            Some(_) => KillDue::Nothing,
        }
    }
}
