//! What many applications cost that have nothing to do, and how soon all of them know another master.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tanist_testkit::Spark;
use tanist_testkit::measure::{Sample, say, table};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::scripted::{Application, Driver, Script};
use super::system::{Running, System};
use crate::machine;
use crate::raw::RawList;

/// Registrations under way at a time.
const REGISTERED_AT_A_TIME: usize = 20;

/// How long processes have nothing to do before they are at rest.
const UNTIL_AT_REST: Duration = Duration::from_secs(5);

/// How long all applications may take to be called. A session of ZooKeeper alone lasts 40 s.
const CALLED_WITHIN: Duration = Duration::from_secs(120);

/// What a master uses.
#[derive(Debug, Clone, Copy)]
struct Usage {
    mib: f64,
    threads: f64,
    files: usize,
}

impl Usage {
    fn of(process: i32) -> Result<Self> {
        Ok(Self {
            mib: machine::resident_mib(process)?,
            threads: machine::threads(process)?,
            files: machine::open_files(process)?,
        })
    }
}

/// What came of one round.
struct Outcome {
    before: Usage,
    after: Usage,
    /// From the kill to each call of the next master; none if there is no other.
    called: Vec<Duration>,
}

/// Measures these systems in turn, each on processes of its own.
///
/// # Errors
/// If a system does not start, or an application is not registered.
pub(crate) async fn run(
    spark: &Spark,
    systems: &[System],
    (rounds, apps): (usize, usize),
    raw: &mut RawList,
) -> Result<()> {
    let script = Script::read()?;
    let mut rows = Vec::new();
    for round in 1..=rounds {
        for &system in systems {
            let measured = measure(spark, system, apps, &script).await;
            let outcome = measured.with_context(|| format!("{system}, round {round}"))?;
            let called: Sample = outcome.called.iter().copied().collect();
            let last = called.percentile(100).map_or_else(String::new, |last| format!("{last:.3}"));
            let mib = format!("{:.1}", outcome.after.mib - outcome.before.mib);
            for (what, figure) in [("idle: more MiB", mib), ("idle: the last is called", last)] {
                raw.write(&[what.to_owned(), system.to_string(), round.to_string(), figure])?;
            }
            rows.push([vec![format!("{system}, round {round}")], outcome.cells(apps, &called)].concat());
        }
    }
    say(&format!(
        "{apps} idle applications (scripted, no worker): the leading master before and with them, and its kill -9"
    ));
    let head = ["", "MiB", "KiB per application", "threads", "open files", "called", "first ms", "p50 ms", "last ms"];
    table(&head, &rows);
    Ok(())
}

impl Outcome {
    fn cells(&self, apps: usize, called: &Sample) -> Vec<String> {
        let Self { before, after, .. } = self;
        let mut cells = vec![
            format!("{:.0} → {:.0}", before.mib, after.mib),
            format!("{:.0}", (after.mib - before.mib) * 1024.0 / apps as f64),
            format!("{:.0} → {:.0}", before.threads, after.threads),
            format!("{} → {}", before.files, after.files),
            called.count().to_string(),
        ];
        cells.extend(called.cells(&[0, 50, 100]));
        cells
    }
}

async fn measure(spark: &Spark, system: System, apps: usize, script: &Arc<Script>) -> Result<Outcome> {
    let masters = if system.has_standby() { 2 } else { 1 };
    let mut running = system.start(spark, masters, 0)?;
    let (master, process) = running.leader()?;
    sleep(UNTIL_AT_REST).await;
    let before = Usage::of(process)?;
    let register = |_| async { Driver::start(script).await?.register(master).await };
    let registered = stream::iter(0..apps).map(register).buffer_unordered(REGISTERED_AT_A_TIME);
    let registered: Vec<Application> = registered.try_collect().await?;
    sleep(UNTIL_AT_REST).await;
    let after = Usage::of(process)?;
    let called = if system.has_standby() { replaced(&mut running, registered).await? } else { Vec::new() };
    Ok(Outcome { before, after, called })
}

/// Kills the leader; how long after that each application obeys another one, as far as they do in time.
async fn replaced(running: &mut Running, applications: Vec<Application>) -> Result<Vec<Duration>> {
    let (say, mut hear) = mpsc::unbounded_channel();
    let mut all = JoinSet::new();
    for mut application in applications {
        let say = say.clone();
        all.spawn(async move {
            application.called().await?;
            say.send(Instant::now()).context("nobody listens")?;
            // Its connection stays.
            std::future::pending::<Result<()>>().await
        });
    }
    drop(say);
    let killed = running.kill_leader();
    let mut called = Vec::new();
    let listening = async {
        while let Some(at) = hear.recv().await {
            called.push(at - killed);
            if called.len() == all.len() {
                break;
            }
        }
    };
    // Who was not called in time is missing in the number.
    let _ = timeout(CALLED_WITHIN, listening).await;
    Ok(called)
}
