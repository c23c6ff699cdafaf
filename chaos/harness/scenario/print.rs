//! A scenario as a file has it.

use std::fmt;
use std::time::Duration;

use super::{Fault, Scenario, Step, Way, When};

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cluster, work) = (&self.cluster, &self.work);
        writeln!(f, "about {}", self.about)?;
        writeln!(f, "etcd {}\nmasters {}\nworkers {}", cluster.etcd, cluster.masters, cluster.workers)?;
        writeln!(f, "lease {}\nworker-timeout {}", time(cluster.lease), time(cluster.worker_timeout))?;
        writeln!(f, "drivers plain {}, supervised {}, once {}", work.plain, work.supervised, work.once)?;
        writeln!(f, "executors {}\nsubmit every {}", work.executors, time(work.submit_every))?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.when {
            When::At(at) => write!(f, "at {}", time(at))?,
            When::Every { every, from, until } => {
                write!(f, "every {} from {} until {}", time(every), time(from), time(until))?;
            }
            When::UponElection => write!(f, "upon election")?,
        }
        write!(f, " {}", self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = self.verb();
        match self {
            Self::Kill { who, lasts }
            | Self::Term { who, lasts }
            | Self::Stop { who, lasts }
            | Self::Fill { who, lasts } => {
                write!(f, "{verb} {who} for {}", time(*lasts))
            }
            Self::Restart { who } | Self::Drain { who } => write!(f, "{verb} {who}"),
            Self::Cut { from, to, way, lasts } => {
                let word = if *way == Way::Both { "from" } else { "to" };
                write!(f, "{verb} {from} {word} {to} for {}", time(*lasts))
            }
            Self::Slow { from, to, by, lasts } => {
                write!(f, "{verb} {from} to {to} by {} for {}", time(*by), time(*lasts))
            }
            Self::HalfOpen { from, to, lasts } => write!(f, "{verb} {from} to {to} for {}", time(*lasts)),
            Self::Switchover { to: Some(to) } => write!(f, "{verb} to {to}"),
            Self::Pause { lasts } => write!(f, "{verb} for {}", time(*lasts)),
            Self::Switchover { to: None }
            | Self::StepDown
            | Self::Resume
            | Self::RevokeLease
            | Self::DeleteLeader
            | Self::Compact
            | Self::Corrupt => f.write_str(verb),
        }
    }
}

/// In the largest unit that leaves a whole number.
pub(crate) fn time(length: Duration) -> String {
    let millis = length.as_millis();
    if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}
