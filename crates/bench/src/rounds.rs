//! Rounds of one fault each: wait until all is well, inflict, watch, heal.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jiff::Timestamp;
use tanist_core::rng::Rng;
use tokio::time::sleep;

use crate::fault::{Fault, Inflicted};
use crate::fleet::Fleet;
use crate::load::Fillers;
use crate::machine;
use crate::raw::RawList;
use tanist_testkit::measure::Milestones;
use tanist_testkit::measure::{Sample, say, table};

/// A change of leader that takes longer has failed.
const ROUND_WITHIN: Duration = Duration::from_secs(60);

/// How often the logs are looked into during a round. Their stamps are exact all the same.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Faults come at any moment of the period of renewals, which is this long; otherwise all figures that depend on the
/// lease lean to one side.
const RENEWAL_PERIOD: Duration = Duration::from_millis(500);

/// A wall clock that was set during a round has spoiled its figures. Both clocks are read a moment apart.
const CLOCKS_AGREE_WITHIN: Duration = Duration::from_millis(5);

/// The cluster under test, and what has to be there before each round.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) fleet: Fleet,
    /// Work that needs a decision of every new leader; none = no decision is waited for.
    pub(crate) fillers: Option<Fillers>,
    /// Workers and applications that are to be connected.
    pub(crate) workers: usize,
    pub(crate) apps: usize,
    /// The process that plays all of them, if one does.
    pub(crate) swarm: Option<i32>,
    /// How long the cluster is left alone before each round, at least.
    pub(crate) rest: Duration,
    pub(crate) raw: RawList,
    pub(crate) rng: Rng,
}

/// What came of the rounds of one fault.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) rounds: Vec<Milestones>,
    pub(crate) failed: usize,
}

/// From one moment of a change of leader to another.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// Milliseconds, where both moments were seen.
    pub(crate) measure: fn(&Milestones) -> Option<f64>,
    /// What it is to be; empty = nothing.
    pub(crate) aim: String,
}

impl Step {
    pub(crate) fn new(name: &'static str, aim: &str, measure: fn(&Milestones) -> Option<f64>) -> Self {
        Self { name, measure, aim: aim.to_owned() }
    }
}

impl Outcome {
    /// Prints these steps as a table.
    pub(crate) fn report(&self, fault: Fault, steps: &[Step]) {
        say(&format!("{fault}: {} rounds, {} failed; milliseconds", self.rounds.len(), self.failed));
        let row = |step: &Step| {
            let sample: Sample = self.rounds.iter().filter_map(step.measure).collect();
            let figures = sample.cells(&[0, 50, 90, 100]);
            [vec![step.name.to_owned()], figures, vec![step.aim.clone()]].concat()
        };
        let rows: Vec<Vec<String>> = steps.iter().map(row).collect();
        table(&["", "min", "p50", "p90", "max", "aim"], &rows);
    }
}

impl Series {
    /// So many rounds. One that fails is told and counted.
    ///
    /// # Errors
    /// If the cluster does not become whole again.
    pub(crate) async fn run(&mut self, fault: Fault, rounds: usize) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for number in 1..=rounds {
            let leader = match self.prepare(fault).await {
                Ok(leader) => leader,
                Err(error) => return Err(self.kept(error)),
            };
            match self.round(fault, leader).await {
                Ok(round) => {
                    self.raw.write(&cells(fault, number, &round, ""))?;
                    outcome.rounds.push(round);
                }
                Err(error) => {
                    let error = self.kept(error);
                    say(&format!("{fault}, round {number}: failed: {error:#}"));
                    let nothing = Milestones::new(Timestamp::now(), self.fleet.id(leader));
                    self.raw.write(&cells(fault, number, &nothing, &format!("{error:#}")))?;
                    outcome.failed += 1;
                }
            }
        }
        Ok(outcome)
    }

    /// Keeps the logs of the masters beside the list of measurements, and says so.
    fn kept(&self, error: anyhow::Error) -> anyhow::Error {
        let folder = self.raw.path().with_extension("logs");
        match self.fleet.keep_logs(&folder) {
            Ok(()) => error.context(format!("logs of the masters: {}", folder.display())),
            Err(failure) => error.context(format!("{failure:#}")),
        }
    }

    /// Waits until all is well, and a random moment more. Returns the leader's place.
    async fn prepare(&mut self, fault: Fault) -> Result<usize> {
        self.fleet.settled(self.workers, self.apps).await?;
        let rested = Instant::now() + fault.rest().max(self.rest);
        if let Some(fillers) = &self.fillers {
            fillers.top_up(&self.fleet).await?;
        }
        let phase = self.rng.unit();
        sleep(rested.saturating_duration_since(Instant::now()) + RENEWAL_PERIOD.mul_f64(phase)).await;
        let leader = self.fleet.settled(self.workers, self.apps).await?;
        for log in &mut self.fleet.logs {
            log.news()?;
        }
        Ok(leader)
    }

    async fn round(&mut self, fault: Fault, leader: usize) -> Result<Milestones> {
        let (steady, wall, busy) = (Instant::now(), Timestamp::now(), self.busy());
        let inflicted = Inflicted::inflict(fault, &self.fleet, leader)?;
        let mut seen = Milestones::new(inflicted.at, self.fleet.id(leader));
        let watched = self.watch(fault, &mut seen).await;
        let mut spent: Vec<Option<Duration>> =
            self.busy().into_iter().zip(busy).map(|(after, before)| after?.checked_sub(before?)).collect();
        let clocks = (steady.elapsed(), Timestamp::now().duration_since(wall).unsigned_abs());
        let healed = inflicted.heal(fault, &mut self.fleet, leader).await;
        watched.and(healed)?;
        seen.peers_busy = spent.pop().flatten();
        let new = self.fleet.cluster.masters.iter().position(|master| Some(&master.id) == seen.new.as_ref());
        seen.leader_busy = new.and_then(|place| spent.get(place).copied().flatten());
        let apart = clocks.0.abs_diff(clocks.1);
        ensure!(apart <= CLOCKS_AGREE_WITHIN, "the wall clock was set by {apart:?} meanwhile");
        Ok(seen)
    }

    /// Processor time so far of all masters, by their places, and of the swarm; none where a process is gone.
    fn busy(&self) -> Vec<Option<Duration>> {
        let masters = self.fleet.cluster.masters.iter().map(|master| Some(master.pid()));
        masters.chain([self.swarm]).map(|pid| machine::processor_time(pid?).ok()).collect()
    }

    /// Reads the logs until the change of leader is complete. There is always something for a leader to decide: a
    /// leader that is gone leaves the first end to its successor; one that steps down may still see some of them.
    async fn watch(&mut self, fault: Fault, seen: &mut Milestones) -> Result<()> {
        let with_decision = self.fillers.is_some();
        let deadline = Instant::now() + ROUND_WITHIN;
        let mut ended_one = false;
        while !seen.complete(with_decision) {
            ensure!(Instant::now() < deadline, "not complete after {ROUND_WITHIN:?}: {seen:?}");
            if let Some(fillers) = &mut self.fillers
                && (!ended_one || fault == Fault::Switchover && seen.elected.is_none())
            {
                fillers.end_one();
                ended_one = true;
            }
            sleep(LOOK_EVERY).await;
            for (master, log) in self.fleet.cluster.masters.iter().zip(&mut self.fleet.logs) {
                for line in log.news()? {
                    seen.note(&master.id, &line)?;
                }
            }
        }
        Ok(())
    }
}

/// What each round is written down as.
pub(crate) const COLUMNS: &str =
    "fault,round,at,old,new,suspected_ms,elected_ms,decided_ms,adopted_ms,alive_ms,failure";

fn cells(fault: Fault, number: usize, round: &Milestones, failure: &str) -> Vec<String> {
    let moments = [round.suspected, round.elected, round.decided, round.adopted, round.over];
    let moments = moments.map(|moment| round.since_fault(moment).map_or_else(String::new, |ms| format!("{ms:.3}")));
    let new = round.new.clone().unwrap_or_default();
    let names = [fault.to_string(), number.to_string(), round.fault.to_string(), round.old.clone(), new];
    names.into_iter().chain(moments).chain([failure.to_owned()]).collect()
}
