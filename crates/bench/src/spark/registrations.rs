//! What a master needs for an application that comes and goes, without any executor: one after another, and many at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tanist_testkit::Spark;
use tanist_testkit::measure::{Sample, say, table};
use tokio::task::JoinSet;

use super::scripted::{Driver, Script};
use super::system::{Running, System};
use crate::machine;
use crate::raw::RawList;

/// Applications that are not counted: caches are filled, and a Java machine is compiled.
const WARM_UP: usize = 1000;

/// How many come and go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) rounds: usize,
    pub(crate) one_after_another: usize,
    pub(crate) at_once: usize,
}

/// What came of one system.
#[derive(Debug, Default)]
struct Outcome {
    /// From the connection to the id, each.
    alone: Vec<Duration>,
    /// One after another: all of it, ends included, for each application.
    took: Vec<Duration>,
    /// Processor time of the master, for each application.
    busy: Vec<Duration>,
    /// At once: from the first connection to each id, and to the last one.
    together: Vec<Duration>,
    last: Vec<Duration>,
}

/// Measures these systems in turn. All of them run all the time; those that are not measured have nothing to do.
///
/// # Errors
/// If a system does not start, or an application is not registered.
pub(crate) async fn run(spark: &Spark, systems: &[System], numbers: Numbers, raw: &mut RawList) -> Result<()> {
    let script = Script::read()?;
    let mut all = Vec::new();
    for &system in systems {
        let started = system.start(spark, 1, 0)?;
        one_after_another(&script, &started, WARM_UP).await.with_context(|| format!("warming up {system}"))?;
        all.push((system, started, Outcome::default()));
    }
    for round in 1..=numbers.rounds {
        for (system, running, outcome) in &mut all {
            measure(&script, running, numbers, outcome).await.with_context(|| format!("{system}, round {round}"))?;
            let figures = [
                ("one application, with its end", &outcome.took),
                ("processor time of the master", &outcome.busy),
                ("at once: the last", &outcome.last),
            ];
            for (what, all) in figures {
                let figure = all.last().map_or(0.0, |last| last.as_secs_f64() * 1000.0);
                raw.write(&[what.to_owned(), system.to_string(), round.to_string(), format!("{figure:.3}")])?;
            }
        }
    }
    report(numbers, &all);
    Ok(())
}

fn report(numbers: Numbers, all: &[(System, Running, Outcome)]) {
    let Numbers { rounds, one_after_another, at_once } = numbers;
    say(&format!(
        "scripted applications without executors, {rounds} rounds of {one_after_another} one after another and {at_once} at \
         once, after {WARM_UP} that are not counted; milliseconds"
    ));
    let sample = |all: &[Duration]| all.iter().copied().collect::<Sample>();
    let row = |(system, _, outcome): &(System, Running, Outcome)| {
        let alone = sample(&outcome.alone).cells(&[50, 99, 100]);
        let each = [&outcome.took, &outcome.busy].map(|all| sample(all).cells(&[50])).concat();
        let together = [sample(&outcome.together).cells(&[50]), sample(&outcome.last).cells(&[50, 100])].concat();
        [vec![system.to_string()], alone, each, together].concat()
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let head = [
        "",
        "registered p50",
        "p99",
        "max",
        "one application, with its end",
        "processor time of the master",
        "at once: registered p50",
        "the last p50",
        "the last max",
    ];
    table(&head, &rows);
}

async fn measure(script: &Arc<Script>, running: &Running, numbers: Numbers, outcome: &mut Outcome) -> Result<()> {
    let (_, master) = running.leader()?;
    let applications = u32::try_from(numbers.one_after_another).context("the number of applications")?.max(1);
    let (begun, busy) = (Instant::now(), machine::processor_time(master)?);
    outcome.alone.extend(one_after_another(script, running, numbers.one_after_another).await?);
    outcome.took.push(begun.elapsed() / applications);
    outcome.busy.push(machine::processor_time(master)?.saturating_sub(busy) / applications);
    let together = at_once(script, running, numbers.at_once).await?;
    outcome.last.extend(together.iter().max());
    outcome.together.extend(together);
    Ok(())
}

/// How long each registration took.
async fn one_after_another(script: &Arc<Script>, running: &Running, count: usize) -> Result<Vec<Duration>> {
    let (master, _) = running.leader()?;
    let mut latencies = Vec::new();
    for _ in 0..count {
        let driver = Driver::start(script).await?;
        let begun = Instant::now();
        let application = driver.register(master).await?;
        latencies.push(begun.elapsed());
        application.end().await?;
    }
    Ok(latencies)
}

/// How long after the first began each of them was registered.
async fn at_once(script: &Arc<Script>, running: &Running, count: usize) -> Result<Vec<Duration>> {
    let (master, _) = running.leader()?;
    let mut all = JoinSet::new();
    let mut drivers = Vec::new();
    for _ in 0..count {
        drivers.push(Driver::start(script).await?);
    }
    let begun = Instant::now();
    for driver in drivers {
        let master = master.to_owned();
        all.spawn(async move {
            let application = driver.register(&master).await?;
            anyhow::Ok((application, begun.elapsed()))
        });
    }
    let mut latencies = Vec::new();
    let mut applications = Vec::new();
    while let Some(registered) = all.join_next().await {
        let (application, latency) = registered.context("a driver")??;
        latencies.push(latency);
        applications.push(application);
    }
    for application in applications {
        application.end().await?;
    }
    Ok(latencies)
}
