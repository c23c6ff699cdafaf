//! How long a user of a real `spark-submit` waits for the first task: one application after another, and many at once.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use tanist_testkit::measure::{Sample, millis, say, table};
use tanist_testkit::{Spark, SparkDriver};
use tokio::time::sleep;

use super::system::{Running, System};
use crate::raw::RawList;

/// One small executor, and everything on loopback.
const PROPERTIES: [&str; 8] = [
    "spark.driver.memory=512m",
    "spark.driver.host=127.0.0.1",
    "spark.driver.bindAddress=127.0.0.1",
    "spark.executor.memory=512m",
    "spark.executor.cores=1",
    "spark.cores.max=1",
    "spark.ui.enabled=false",
    "spark.app.name=bench",
];

/// How long applications may take, all at once on a small machine.
const ENDS_WITHIN: Duration = Duration::from_secs(900);

/// How often it is looked whether one has ended. Its moments are in its own words, exact all the same.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Between two applications: what the one before has started may end.
const REST: Duration = Duration::from_secs(3);

/// How the driver says that it comes, that it is registered, and that it is given an executor.
const CONNECTING: &str = "Connecting to master spark://";
const REGISTERED: &str = "Connected to Spark cluster with app ID";
const GRANTED: &str = "Granted executor ID";

/// Steps of an application, and which moments they lie between.
const STEPS: [(&str, usize, usize); 6] = [
    ("`spark-submit` → the driver connects", 0, 1),
    ("the driver connects → it is registered", 1, 2),
    ("registered → it is told of an executor", 2, 3),
    ("told of an executor → the executor is there", 3, 4),
    ("the executor is there → first task", 4, 5),
    ("**`spark-submit` → first task**", 0, 5),
];

/// Milliseconds since 1970: the process is started, the driver connects, it is registered, it is told of an executor, the
/// executor has come, the first task begins.
type Moments = [f64; 6];

/// Measures single applications of these systems in turn. All of the systems run all the time.
///
/// # Errors
/// If a system does not start, or an application fails.
pub(crate) async fn one_after_another(
    spark: &Spark,
    systems: &[System],
    rounds: usize,
    raw: &mut RawList,
) -> Result<()> {
    let mut all = Vec::new();
    for &system in systems {
        all.push((system, system.start(spark, 1, 1)?, Vec::new()));
    }
    for round in 0..=rounds {
        for (system, running, found) in &mut all {
            let moments = together(spark, running, 1).await.with_context(|| format!("{system}, round {round}"))?;
            write(raw, "one", *system, round, &moments)?;
            // The first one fills the caches of the machine.
            found.extend(moments.into_iter().filter(|_| round > 0));
            sleep(REST).await;
        }
    }
    say(&format!(
        "a real spark-submit of pi.py, {rounds} rounds after one that is not counted; milliseconds, p50 (min–max)"
    ));
    report(&all);
    Ok(())
}

/// Measures so many applications at once, of these systems in turn, each on processes of its own.
///
/// # Errors
/// As [`one_after_another`].
pub(crate) async fn at_once(
    spark: &Spark,
    systems: &[System],
    (rounds, apps): (usize, usize),
    raw: &mut RawList,
) -> Result<()> {
    let mut all: Vec<(System, (), Vec<Moments>)> = systems.iter().map(|system| (*system, (), Vec::new())).collect();
    for round in 1..=rounds {
        for (system, (), found) in &mut all {
            let running = system.start(spark, 1, 1)?;
            let moments = together(spark, &running, apps).await.with_context(|| format!("{system}, round {round}"))?;
            write(raw, "at once", *system, round, &moments)?;
            found.extend(moments);
            sleep(REST).await;
        }
    }
    say(&format!("{apps} real spark-submits of pi.py at once, {rounds} rounds; milliseconds, p50 (min–max)"));
    report(&all);
    Ok(())
}

fn report<T>(all: &[(System, T, Vec<Moments>)]) {
    let cell = |found: &[Moments], from: usize, to: usize| {
        let sample: Sample = found.iter().map(|moments| moments[to] - moments[from]).collect();
        let [least, middle, most] = [0, 50, 100].map(|percent| millis(sample.percentile(percent)));
        format!("{middle} ({least}–{most})")
    };
    let row = |&(name, from, to): &(&str, usize, usize)| {
        let cells = all.iter().map(|(_, _, found)| cell(found, from, to));
        [name.to_owned()].into_iter().chain(cells).collect()
    };
    let rows: Vec<Vec<String>> = STEPS.iter().map(row).collect();
    let names: Vec<String> = all.iter().map(|(system, _, _)| system.to_string()).collect();
    let head: Vec<&str> = [""].into_iter().chain(names.iter().map(String::as_str)).collect();
    table(&head, &rows);
}

fn write(raw: &mut RawList, how: &str, system: System, round: usize, all: &[Moments]) -> Result<()> {
    for moments in all {
        for (step, from, to) in STEPS {
            let what = format!("{how}: {}", step.trim_matches('*'));
            raw.write(&[what, system.to_string(), round.to_string(), format!("{:.0}", moments[to] - moments[from])])?;
        }
    }
    Ok(())
}

/// Runs so many applications at once to their ends.
async fn together(spark: &Spark, running: &Running, apps: usize) -> Result<Vec<Moments>> {
    let logging = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/spark/log4j2.properties");
    let (masters, program) = (format!("spark://{}", running.masters()), spark.home.join("examples/pi.py"));
    let program = program.display().to_string();
    let properties = PROPERTIES.iter().flat_map(|property| ["--conf", property]);
    let words: Vec<&str> =
        ["--master", &masters].into_iter().chain(properties).chain([program.as_str(), "1"]).collect();
    let start = |_| Ok((Timestamp::now(), spark.start(&logging, &words)?));
    let started = (0..apps).map(start).collect::<Result<Vec<(Timestamp, SparkDriver)>>>()?;
    let mut all = Vec::new();
    for (at, driver) in started {
        all.push(moments(at, driver).await?);
    }
    Ok(all)
}

/// What happened when, once it has ended.
async fn moments(started: Timestamp, mut driver: SparkDriver) -> Result<Moments> {
    let deadline = Instant::now() + ENDS_WITHIN;
    while !driver.has_ended() {
        ensure!(Instant::now() < deadline, "not ended after {ENDS_WITHIN:?}: {}", driver.stderr());
        sleep(LOOK_EVERY).await;
    }
    let ended = driver.wait_for_end(LOOK_EVERY);
    ensure!(ended.code == 0 && ended.stdout.contains("Pi is roughly"), "an application has failed: {ended:?}");
    let said = |words: &str| said_at(&ended.stderr, words).with_context(|| format!("{words:?} in {}", ended.stderr));
    let event = |kind: &str, field: &[&str]| {
        let first = driver.events(kind).into_iter().next().with_context(|| format!("no event {kind}"))?;
        let at = field.iter().fold(&first, |value, name| &value[*name]);
        at.as_f64().with_context(|| format!("no {field:?} in {first}"))
    };
    Ok([
        started.as_millisecond() as f64,
        said(CONNECTING)?,
        said(REGISTERED)?,
        said(GRANTED)?,
        event("ExecutorAdded", &["Timestamp"])?,
        event("TaskStart", &["Task Info", "Launch Time"])?,
    ])
}

/// When a driver has first said these words; see `log4j2.properties`.
fn said_at(log: &str, words: &str) -> Option<f64> {
    let line = log.lines().find(|line| line.contains(words))?;
    line.split_once(' ')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_driver_says_is_found_with_its_time() {
        let log = "WARNING: something\n1764364800123 Connecting to master spark://127.0.0.1:7077...\n\
                   1764364800456 Connected to Spark cluster with app ID app-1\n1764364800789 Granted executor ID app-1/0";
        let found = [CONNECTING, REGISTERED, GRANTED].map(|words| said_at(log, words));
        assert_eq!(found, [Some(1_764_364_800_123.0), Some(1_764_364_800_456.0), Some(1_764_364_800_789.0)]);
        assert_eq!((said_at(log, "something"), said_at(log, "nothing")), (None, None));
    }
}
