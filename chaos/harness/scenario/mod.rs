//! A scenario: which cluster, which work, and what is done to it when. Plain data; `parse` reads it from a file as a person
//! writes it, `print` writes it so, and `random` draws one from a seed.

mod parse;
mod print;
mod random;
mod who;

use std::time::Duration;

pub(crate) use parse::parse;
pub(crate) use print::time;
pub(crate) use random::{Seed, draw};
pub(crate) use who::{Crowd, Kind, Who, names};

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// One sentence for people.
    pub(crate) about: String,
    pub(crate) cluster: Cluster,
    pub(crate) work: Work,
    /// In the order of the file.
    pub(crate) steps: Vec<Step>,
}

/// How many of each, and the two time-outs that matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) etcd: usize,
    pub(crate) masters: usize,
    pub(crate) workers: usize,
    /// Lease of a leader.
    pub(crate) lease: Duration,
    /// Silence after which a worker is lost.
    pub(crate) worker_timeout: Duration,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { etcd: 3, masters: 3, workers: 4, lease: Duration::from_secs(5), worker_timeout: Duration::from_secs(60) }
    }
}

/// What the cluster does meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    /// Drivers that run to the end of the scenario, by kind.
    pub(crate) plain: u32,
    pub(crate) supervised: u32,
    pub(crate) once: u32,
    /// Executors of an application whose client runs beside the operators; 0 = no application.
    pub(crate) executors: u32,
    /// A short driver is submitted so often.
    pub(crate) submit_every: Duration,
}

impl Default for Work {
    fn default() -> Self {
        Self { plain: 2, supervised: 2, once: 2, executors: 4, submit_every: Duration::from_millis(250) }
    }
}

/// What is done when. The clock of a scenario starts once all work is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) when: When,
    pub(crate) fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    At(Duration),
    /// Again and again: at `from`, and so often until `until`, which is not reached.
    Every {
        every: Duration,
        from: Duration,
        until: Duration,
    },
    /// As soon as the next leader has its key, after the step before has begun.
    UponElection,
}

/// In which direction nothing arrives any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the first to the second.
    Forth,
    Both,
}

/// What is done. Whatever lasts is undone afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9`; started again afterwards.
    Kill { who: Who, lasts: Duration },
    /// SIGTERM; started again afterwards.
    Term { who: Who, lasts: Duration },
    /// SIGSTOP, then SIGCONT.
    Stop { who: Who, lasts: Duration },
    /// `kill -9`, and started again at once.
    Restart { who: Who },
    /// Packets are lost.
    Cut { from: Who, to: Who, way: Way, lasts: Duration },
    /// Bytes arrive so much later, both ways.
    Slow { from: Who, to: Who, by: Duration, lasts: Duration },
    /// Connections that stand fall silent and are not told; new ones work. Afterwards the silent ones are reset.
    HalfOpen { from: Who, to: Who, lasts: Duration },
    /// The disk of a member of etcd or of a worker has no space left.
    Fill { who: Who, lasts: Duration },
    /// `tanist ctl switchover`.
    Switchover { to: Option<Who> },
    /// `tanist ctl step-down`.
    StepDown,
    /// `tanist ctl pause`.
    Pause { lasts: Duration },
    /// `tanist ctl resume`.
    Resume,
    /// The hosts of these workers are decommissioned: they get nothing new, for good.
    Drain { who: Who },
    /// The lease of the leader is revoked behind its back.
    RevokeLease,
    /// `ha/leader` is deleted behind its back.
    DeleteLeader,
    /// etcd forgets all old revisions.
    Compact,
    /// A record that nobody can read appears in the store.
    Corrupt,
}

impl Fault {
    /// The word that a scenario has for it.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::Term { .. } => "term",
            Self::Stop { .. } => "stop",
            Self::Restart { .. } => "restart",
            Self::Cut { .. } => "cut",
            Self::Slow { .. } => "slow",
            Self::HalfOpen { .. } => "half-open",
            Self::Fill { .. } => "fill",
            Self::Switchover { .. } => "switchover",
            Self::StepDown => "step-down",
            Self::Pause { .. } => "pause",
            Self::Resume => "resume",
            Self::Drain { .. } => "drain",
            Self::RevokeLease => "revoke-lease",
            Self::DeleteLeader => "delete-leader",
            Self::Compact => "compact",
            Self::Corrupt => "corrupt",
        }
    }

    /// How long it lasts; none where it is over at once.
    pub(crate) fn lasts(&self) -> Option<Duration> {
        match self {
            Self::Kill { lasts, .. }
            | Self::Term { lasts, .. }
            | Self::Stop { lasts, .. }
            | Self::Cut { lasts, .. }
            | Self::Slow { lasts, .. }
            | Self::HalfOpen { lasts, .. }
            | Self::Fill { lasts, .. }
            | Self::Pause { lasts } => Some(*lasts),
            _ => None,
        }
    }
}

impl Scenario {
    /// Whether links go through proxies even where hosts have networks of their own: no rule of a packet filter makes
    /// bytes late.
    pub(crate) fn needs_proxies(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.fault, Fault::Slow { .. } | Fault::HalfOpen { .. }))
    }

    /// Whether hosts need small disks of their own.
    pub(crate) fn needs_disks(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.fault, Fault::Fill { .. }))
    }

    /// When the last planned fault is over, as far as that is known beforehand.
    pub(crate) fn length(&self) -> Duration {
        let ends = self.steps.iter().map(|step| {
            let begins = match step.when {
                When::At(at) => at,
                When::Every { until, .. } => until,
                When::UponElection => Duration::ZERO,
            };
            begins + step.fault.lasts().unwrap_or_default()
        });
        ends.max().unwrap_or_default()
    }
}
