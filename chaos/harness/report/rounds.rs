//! One fault again and again, to measure what it costs.

use std::time::Duration;

use clap::ValueEnum;

use crate::scenario::time;

/// Kinds of faults that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoundFault {
    /// kill -9 of the leader
    Kill,
    /// SIGTERM to the leader
    Term,
    /// SIGSTOP of the leader
    Stop,
    /// tanist ctl switchover
    Switchover,
    /// The leader is cut off from etcd
    CutEtcd,
    /// The leader is cut off from everybody
    CutAll,
    /// The lease is revoked
    RevokeLease,
    /// ha/leader is deleted
    DeleteLeader,
    /// kill -9 of etcd's leader
    EtcdLeader,
    /// kill -9 of both leaders at once
    BothLeaders,
}

/// Before the first round.
const QUIET: Duration = Duration::from_secs(3);
/// From round to round: a standby deposes at most once in 10 s, and who has left the office holds back for 10 s.
const ROUND: Duration = Duration::from_secs(16);

impl RoundFault {
    pub(crate) fn name(self) -> String {
        let name = self.to_possible_value().map(|value| value.get_name().to_owned());
        format!("rounds-{}", name.unwrap_or_default())
    }

    fn words(self) -> &'static str {
        match self {
            Self::Kill => "kill leader for 2s",
            Self::Term => "term leader for 2s",
            Self::Stop => "stop leader for 9s",
            Self::Switchover => "switchover to a-standby",
            Self::CutEtcd => "cut leader from etcd for 9s",
            Self::CutAll => "cut leader from others for 9s",
            Self::RevokeLease => "revoke-lease",
            Self::DeleteLeader => "delete-leader",
            Self::EtcdLeader => "kill etcd-leader for 4s",
            Self::BothLeaders => "kill leader,etcd-leader for 4s",
        }
    }

    /// So many rounds of it.
    pub(crate) fn scenario(self, rounds: u32) -> String {
        let words = self.words();
        let until = time(QUIET + ROUND * rounds);
        format!(
            "about {rounds} rounds: {words}\nsubmit every 50ms\nevery {} from {} until {until} {words}\n",
            time(ROUND),
            time(QUIET)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse;

    #[test]
    fn rounds_are_scenarios() {
        for fault in RoundFault::value_variants() {
            assert_eq!(parse(&fault.scenario(20)).map(|scenario| scenario.steps.len()), Ok(1), "{}", fault.name());
        }
    }
}
