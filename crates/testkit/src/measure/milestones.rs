//! The moments of a change of leader, found in the logs of the masters.

use std::time::Duration;

use jiff::Timestamp;

use super::log::{Line, millis_between};

/// A standby has found out that something is wrong with the leader.
const SUSPECTED: &str = "leader suspected";
/// The leader leaves by request, and does not act any more.
const LEAVES: &str = "office to be left by order";
/// The leader key is taken.
const ELECTED: &str = "elected";
/// The first launch under the new leader has left it.
const DECIDED: &str = "first decision of the term";
/// Every worker of the former leader has registered with the new one.
const ADOPTED: &str = "all workers answered";
/// The new leader shows ALIVE.
const OVER: &str = "recovery over";

/// A change of leader as it unfolds.
#[derive(Debug, Clone)]
pub struct Milestones {
    /// The fault was inflicted.
    pub fault: Timestamp,
    /// Who led then.
    pub old: String,
    /// Who leads now.
    pub new: Option<String>,
    /// It was first suspected by somebody, or has left by itself.
    pub suspected: Option<Timestamp>,
    /// The leader key was taken.
    pub elected: Option<Timestamp>,
    /// The first launch under the new leader left it.
    pub decided: Option<Timestamp>,
    /// Every worker of the former leader had registered with the new one.
    pub adopted: Option<Timestamp>,
    /// The new leader showed ALIVE.
    pub over: Option<Timestamp>,
    /// Processor time that the new leader has used since the fault.
    pub leader_busy: Option<Duration>,
    /// The same of the process with all workers and applications, where there is one.
    pub peers_busy: Option<Duration>,
}

impl Milestones {
    /// Nothing has followed yet.
    pub fn new(fault: Timestamp, old: &str) -> Self {
        Self {
            fault,
            old: old.to_owned(),
            new: None,
            suspected: None,
            elected: None,
            decided: None,
            adopted: None,
            over: None,
            leader_busy: None,
            peers_busy: None,
        }
    }

    /// A master has written this. Lines of one master come in order, those of different ones in any.
    ///
    /// # Errors
    /// If a second one was elected: the round measures something else than it should.
    pub fn note(&mut self, master: &str, line: &Line) -> anyhow::Result<()> {
        if line.at < self.fault {
            return Ok(());
        }
        let first = |moment: &mut Option<Timestamp>| *moment = Some(moment.map_or(line.at, |at| at.min(line.at)));
        let succeeds = self.new.as_deref() == Some(master);
        match line.message.as_str() {
            SUSPECTED if master != self.old => first(&mut self.suspected),
            LEAVES if master == self.old => first(&mut self.suspected),
            ELECTED if self.new.is_none() => {
                self.new = Some(master.to_owned());
                self.elected = Some(line.at);
            }
            ELECTED => anyhow::bail!("{master} was elected after {}", self.new.as_deref().unwrap_or_default()),
            DECIDED if succeeds => first(&mut self.decided),
            ADOPTED if succeeds => first(&mut self.adopted),
            OVER if succeeds => first(&mut self.over),
            _ => {}
        }
        Ok(())
    }

    /// Whether everything has been seen that is waited for.
    pub fn complete(&self, with_decision: bool) -> bool {
        self.adopted.is_some() && self.over.is_some() && (self.decided.is_some() || !with_decision)
    }

    /// Milliseconds from one moment to another, where both were seen.
    pub fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<f64> {
        Some(millis_between(from?, to?))
    }

    /// Milliseconds since the fault.
    pub fn since_fault(&self, moment: Option<Timestamp>) -> Option<f64> {
        Self::between(Some(self.fault), moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(millis: i64, message: &str) -> Line {
        Line { at: Timestamp::from_millisecond(millis).unwrap(), message: message.to_owned() }
    }

    #[test]
    fn only_the_successor_counts_and_only_after_the_fault() {
        let mut round = Milestones::new(Timestamp::from_millisecond(100).unwrap(), "m1");
        for (master, millis, message) in [
            ("m2", 90, ELECTED),
            ("m3", 108, SUSPECTED),
            ("m2", 107, SUSPECTED),
            ("m2", 120, ELECTED),
            ("m1", 130, OVER),
            ("m2", 140, ADOPTED),
            ("m2", 150, DECIDED),
            ("m2", 160, DECIDED),
        ] {
            round.note(master, &line(millis, message)).unwrap();
        }
        assert!(!round.complete(false), "it is not ALIVE yet");
        round.note("m2", &line(170, OVER)).unwrap();
        assert!(round.complete(true));
        let seen = [round.suspected, round.elected, round.decided, round.adopted, round.over];
        let millis = seen.map(|moment| moment.unwrap().as_millisecond() - round.fault.as_millisecond());
        assert_eq!(millis, [7, 20, 50, 40, 70]);
        assert_eq!(round.new.as_deref(), Some("m2"));
        assert!(round.note("m3", &line(200, ELECTED)).is_err());
    }
}
