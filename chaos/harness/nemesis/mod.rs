//! Does to the cluster what a scenario says, when it says it, and records both ends of every fault.

mod operator;
mod store;
mod targets;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::clock::Wall;
use crate::cluster::{Cluster, Part};
use crate::history::{Note, Recorder};
use crate::net::Flow;
use crate::observer::Observer;
use crate::scenario::{Fault, Scenario, Step, Way, When};
use crate::stop::{Interrupted, Stop};
use crate::story::Story;

use targets::Targets;

/// How long the election is waited for that a step hangs on.
const ELECTION_WITHIN: Duration = Duration::from_secs(60);

/// What it needs.
pub(crate) struct Nemesis<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) observer: &'a Observer,
    pub(crate) recorder: &'a Recorder,
    pub(crate) story: &'a Story,
    pub(crate) stop: &'a Stop,
    /// The id of the run.
    pub(crate) run: &'a str,
    begun: Mutex<usize>,
    records: AtomicUsize,
}

/// A step at a moment, with those that wait for elections after it.
struct Chain<'a> {
    at: Duration,
    fault: &'a Fault,
    then: Vec<&'a Fault>,
}

impl<'a> Nemesis<'a> {
    /// One that has done nothing yet.
    pub(crate) fn new(
        (cluster, observer): (&'a Cluster, &'a Observer),
        (recorder, story): (&'a Recorder, &'a Story),
        (stop, run): (&'a Stop, &'a str),
    ) -> Self {
        let (begun, records) = (Mutex::new(0), AtomicUsize::new(0));
        Self { cluster, observer, recorder, story, stop, run, begun, records }
    }

    /// Does everything, and returns once all of it is over.
    ///
    /// # Errors
    /// If it was interrupted, or a history cannot be written. A fault that cannot be inflicted is recorded as such.
    pub(crate) fn perform(&self, scenario: &Scenario) -> Result<()> {
        let start = Instant::now();
        let failure = Mutex::new(None);
        thread::scope(|scope| {
            for chain in chains(&scenario.steps) {
                let failure = &failure;
                thread::Builder::new().spawn_scoped(scope, move || {
                    if let Err(error) = self.follow(start, &chain) {
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        self.stop.ask();
                    }
                })?;
            }
            anyhow::Ok(())
        })?;
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn follow(&self, start: Instant, chain: &Chain<'_>) -> Result<()> {
        self.stop.sleep((start + chain.at).saturating_duration_since(Instant::now()))?;
        thread::scope(|scope| {
            let mut elections = self.observer.seen().elections;
            let mut running = vec![scope.spawn(|| self.execute(chain.fault))];
            for fault in &chain.then {
                let elected = || Some(self.observer.seen().elections).filter(|now| *now > elections);
                match self.stop.wait_for(ELECTION_WITHIN, elected)? {
                    Some(now) => elections = now,
                    None => {
                        self.story.say(&format!("no election within {ELECTION_WITHIN:?}: {fault} is done without one"));
                    }
                }
                running.push(scope.spawn(|| self.execute(fault)));
            }
            joined(running)
        })
    }

    /// One fault from its beginning to its end.
    fn execute(&self, fault: &Fault) -> Result<()> {
        let targets = self.targets(fault);
        let number = self.begin(fault, &targets)?;
        let targets = match targets {
            Ok(targets) => targets,
            Err(error) => return self.botch(number, fault, &error),
        };
        let outcome = self.inflict(number, fault, &targets).and_then(|()| {
            if let Some(lasts) = fault.lasts() {
                self.stop.sleep(lasts)?;
                self.undo(number, fault, &targets)?;
            }
            Ok(())
        });
        match outcome {
            Err(error) if error.is::<Interrupted>() => Err(error),
            Err(error) => self.botch(number, fault, &error),
            Ok(()) => {
                if fault.lasts().is_some() {
                    self.story.say(&format!("over: {fault}"));
                }
                self.recorder.note(Note::Healed { fault: number })
            }
        }
    }

    /// Numbers the fault, tells of it and records it, just before it begins.
    fn begin(&self, fault: &Fault, targets: &Result<Targets>) -> Result<usize> {
        let hosts = targets.as_ref().map(Targets::names).unwrap_or_default();
        self.story.say(&format!("{fault}{}", shown(fault, &hosts)));
        let leader = self.observer.seen().leader;
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *begun;
        let (text, wall) = (fault.to_string(), Wall::now());
        self.recorder.note(Note::Inflicted { fault: number, text, hosts, leader, wall })?;
        *begun += 1;
        Ok(number)
    }

    fn botch(&self, number: usize, fault: &Fault, error: &anyhow::Error) -> Result<()> {
        self.story.say(&format!("not done: {fault}: {error:#}"));
        self.recorder.note(Note::Botched { fault: number, error: format!("{error:#}") })
    }

    fn inflict(&self, number: usize, fault: &Fault, targets: &Targets) -> Result<()> {
        let network = &self.cluster.network;
        match fault {
            Fault::Kill { .. } => self.each(targets, Part::kill),
            Fault::Term { .. } => self.each(targets, |part| part.term(self.stop)),
            Fault::Stop { .. } => self.each(targets, |part| {
                part.signal(Signal::STOP);
                Ok(())
            }),
            Fault::Restart { .. } => self.each(targets, |part| part.kill().and_then(|()| part.start())),
            Fault::Cut { way, .. } => network.inflict(number, targets.rules(Flow::Lost, *way)),
            Fault::Slow { by, .. } => network.inflict(number, targets.rules(Flow::Slow(*by), Way::Both)),
            Fault::HalfOpen { .. } => {
                network.silence(&targets.pairs(), Flow::Lost);
                Ok(())
            }
            Fault::Fill { .. } => self.each(targets, Part::fill),
            Fault::Switchover { .. } | Fault::StepDown | Fault::Pause { .. } | Fault::Resume | Fault::Drain { .. } => {
                self.operate(fault, targets)
            }
            Fault::RevokeLease | Fault::DeleteLeader | Fault::Compact | Fault::Corrupt => self.meddle(fault),
        }
    }

    fn undo(&self, number: usize, fault: &Fault, targets: &Targets) -> Result<()> {
        match fault {
            Fault::Kill { .. } | Fault::Term { .. } => self.each(targets, Part::start),
            Fault::Stop { .. } => self.each(targets, |part| {
                part.signal(Signal::CONT);
                Ok(())
            }),
            Fault::Cut { .. } | Fault::Slow { .. } => self.cluster.network.heal(number),
            Fault::HalfOpen { .. } => {
                self.cluster.network.silence(&targets.pairs(), Flow::Refused);
                Ok(())
            }
            // Who could not write may have ended.
            Fault::Fill { .. } => self.each(targets, |part| part.free().and_then(|()| part.start())),
            // A pause ends by itself: that is what is promised.
            _ => Ok(()),
        }
    }

    /// Does the same to the processes of all targets at once.
    fn each(&self, targets: &Targets, act: impl Fn(&Part) -> Result<()> + Sync) -> Result<()> {
        thread::scope(|scope| {
            let parts = targets.first.iter().filter_map(|host| self.cluster.part(&host.name));
            let threads: Vec<_> =
                parts.map(|part| scope.spawn(|| act(part).with_context(|| part.name().to_owned()))).collect();
            joined(threads)
        })
    }

    /// A number for a record that nobody has yet.
    fn record(&self) -> usize {
        self.records.fetch_add(1, Ordering::Relaxed)
    }
}

/// The first failure of several threads.
fn joined(threads: Vec<ScopedJoinHandle<'_, Result<()>>>) -> Result<()> {
    let outcome =
        |thread: ScopedJoinHandle<'_, Result<()>>| thread.join().unwrap_or_else(|_| bail!("a fault has panicked"));
    threads.into_iter().try_for_each(outcome)
}

/// Who that is, where the words do not say it.
fn shown(fault: &Fault, hosts: &[String]) -> String {
    let words = fault.to_string();
    let named = hosts.iter().all(|host| words.split([' ', ',']).any(|word| word == host));
    if named { String::new() } else { format!("  ({})", hosts.join(" ")) }
}

/// In the order of their beginnings.
fn chains(steps: &[Step]) -> Vec<Chain<'_>> {
    let mut chains: Vec<Chain<'_>> = Vec::new();
    // How many chains the latest step that has a time has begun: an election is waited for after each.
    let mut latest = 0;
    for Step { when, fault } in steps {
        let chain = |at| Chain { at, fault, then: Vec::new() };
        match *when {
            When::At(at) => {
                chains.push(chain(at));
                latest = 1;
            }
            When::Every { every, from, until } => {
                let times = std::iter::successors(Some(from), |at| Some(*at + every)).take_while(|at| *at < until);
                let before = chains.len();
                chains.extend(times.map(chain));
                latest = chains.len() - before;
            }
            When::UponElection => chains.iter_mut().rev().take(latest).for_each(|chain| chain.then.push(fault)),
        }
    }
    chains.sort_by_key(|chain| chain.at);
    chains
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse;

    #[test]
    fn steps_happen_when_they_are_to() {
        let text = "about x\nat 9s compact\nevery 2s from 1s until 6s step-down\nupon election corrupt\nat 3s resume\n";
        let scenario = parse(text).unwrap();
        let told: Vec<String> = chains(&scenario.steps)
            .iter()
            .map(|chain| format!("{:?} {} {}", chain.at, chain.fault, chain.then.len()))
            .collect();
        assert_eq!(told, ["1s step-down 1", "3s step-down 1", "3s resume 0", "5s step-down 1", "9s compact 0"]);
    }
}
