//! Draws a scenario from a seed: the same seed of the same version gives the same scenario, to the letter.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tanist_core::rng::Rng;
use tanist_core::time::millis;

use super::{Cluster, Crowd, Fault, Scenario, Step, Way, When, Who, Work};

/// Raised whenever a change makes old seeds mean something else.
pub(crate) const GENERATOR: u32 = 1;

/// Before the first fault.
const QUIET: Duration = Duration::from_secs(5);
/// Pause between the beginnings of two faults.
const LEAST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(14);

/// What a scenario is drawn from, with the version of the generator that it is for: `v1-1234`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(pub(crate) u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{GENERATOR}-{}", self.0)
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (version, number) = match text.strip_prefix('v').and_then(|rest| rest.split_once('-')) {
            Some((version, number)) => (version.parse().ok(), number),
            None => (Some(GENERATOR), text),
        };
        let allowed =
            format!("a whole number, or one with this generator's version before it, such as v{GENERATOR}-1234");
        match (version, number.parse()) {
            (Some(GENERATOR), Ok(number)) => Ok(Self(number)),
            (Some(other), Ok(_)) => Err(format!(
                "it is for version {other} of the generator, this one is version {GENERATOR} and would draw another scenario; \
                 replay the scenario file of that run instead; allowed: {allowed}"
            )),
            _ => Err(format!("allowed: {allowed}")),
        }
    }
}

/// Faults all over this time.
pub(crate) fn draw(seed: Seed, length: Duration) -> Scenario {
    let mut dice = Dice(Rng::new(seed.0));
    let cluster = Cluster { worker_timeout: dice.one(&[20, 30, 60].map(Duration::from_secs)), ..Cluster::default() };
    let mut steps = Vec::new();
    let mut at = QUIET;
    while at < length {
        let fault = dice.fault(length.saturating_sub(at));
        let twice = dice.chance(15);
        steps.push(Step { when: When::At(at), fault });
        if twice {
            let fault = dice.fault(length.saturating_sub(at));
            steps.push(Step { when: When::At(at + dice.millis(0, 1500)), fault });
        }
        at += dice.millis(millis(LEAST_PAUSE), millis(LONGEST_PAUSE));
    }
    Scenario { about: format!("Random faults, drawn from seed {seed}"), cluster, work: Work::default(), steps }
}

/// Random choices.
struct Dice(Rng);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.between(0, bound)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// To the next 50 ms, so that scenarios are pleasant to read.
    fn millis(&mut self, least: u64, most: u64) -> Duration {
        let steps = (most - least) / 50 + 1;
        Duration::from_millis(least + 50 * self.below(steps))
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        let place = usize::try_from(self.below(of.len() as u64)).unwrap_or_default();
        of[place].clone()
    }

    fn who(&mut self, of: &[Crowd]) -> Who {
        Who(vec![self.one(of)])
    }

    /// One that is over in time.
    fn fault(&mut self, left: Duration) -> Fault {
        let most = millis(left).clamp(1000, 12_000);
        let lasts = self.millis(500.min(most), most);
        let master = [Crowd::Leader, Crowd::Leader, Crowd::AStandby, Crowd::Standbys];
        let member = [Crowd::EtcdLeader, Crowd::EtcdFollowers, Crowd::Etcd, Crowd::Host("e2".to_owned())];
        let worker = || Crowd::Host("w1".to_owned());
        let side = [Crowd::Etcd, Crowd::EtcdLeader, Crowd::Standbys, Crowd::Workers, Crowd::Others, Crowd::Clients];
        match self.below(20) {
            0..=2 => Fault::Kill { who: self.who(&master), lasts },
            3 => Fault::Term { who: self.who(&master), lasts },
            4..=5 => Fault::Stop { who: self.who(&master), lasts },
            6 => Fault::Kill { who: self.who(&member), lasts },
            7 => Fault::Stop { who: self.who(&member), lasts },
            8 => Fault::Restart { who: self.who(&[Crowd::Workers, worker()]) },
            9..=11 => {
                let way = self.one(&[Way::Both, Way::Both, Way::Forth]);
                Fault::Cut { from: Who(vec![Crowd::Leader]), to: self.who(&side), way, lasts }
            }
            12 => Fault::Cut { from: self.who(&side[..2]), to: Who(vec![Crowd::Leader]), way: Way::Forth, lasts },
            13 => {
                let to = Who(vec![Crowd::Masters]);
                Fault::Cut { from: self.who(&[worker(), Crowd::Workers]), to, way: Way::Both, lasts }
            }
            14 => {
                let by = self.millis(50, 800);
                Fault::Slow { from: Who(vec![Crowd::Masters]), to: self.who(&[Crowd::Etcd, Crowd::Workers]), by, lasts }
            }
            15 => {
                Fault::HalfOpen { from: Who(vec![Crowd::Leader]), to: self.who(&[Crowd::Etcd, Crowd::Workers]), lasts }
            }
            16 => Fault::Switchover { to: self.one(&[None, Some(Who(vec![Crowd::AStandby]))]) },
            17 => self.one(&[Fault::StepDown, Fault::RevokeLease, Fault::DeleteLeader]),
            18 => self.one(&[Fault::Pause { lasts }, Fault::Compact]),
            _ => self.one(&[Fault::Corrupt, Fault::Compact]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse;

    #[test]
    fn a_seed_gives_one_scenario_and_it_can_be_written_down() {
        let length = Duration::from_secs(600);
        for seed in 0..200 {
            let drawn = draw(Seed(seed), length);
            assert_eq!(drawn, draw(Seed(seed), length));
            assert_eq!(parse(&drawn.to_string()), Ok(drawn.clone()), "{drawn}");
            assert!(drawn.length() <= length + LONGEST_PAUSE, "{:?}", drawn.length());
        }
        assert_ne!(draw(Seed(1), length).steps, draw(Seed(2), length).steps);
    }

    #[test]
    fn all_kinds_of_faults_are_drawn() {
        let steps: Vec<Step> = (0..50).flat_map(|seed| draw(Seed(seed), Duration::from_secs(600)).steps).collect();
        for verb in "kill term stop restart cut slow half-open switchover step-down pause revoke-lease delete-leader \
                     compact corrupt"
            .split_whitespace()
        {
            assert!(steps.iter().any(|step| step.fault.verb() == verb), "{verb}");
        }
    }

    #[test]
    fn a_seed_of_another_version_is_refused_in_words() {
        assert_eq!("v1-77".parse(), Ok(Seed(77)));
        assert_eq!("77".parse(), Ok(Seed(77)));
        let error = "v9-77".parse::<Seed>().unwrap_err();
        assert!(error.contains("version 9 of the generator, this one is version 1"), "{error}");
        for bad in ["", "v1", "v1-", "x-1", "-5"] {
            let error = bad.parse::<Seed>().unwrap_err();
            assert!(error.starts_with("allowed: a whole number"), "{bad}: {error}");
        }
    }
}
