//! One run: a cluster is made, gets work, suffers, calms down, and is gone again; then its histories are judged.

mod settle;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::check::{self, Finding};
use crate::client::Order;
use crate::clock::Boot;
use crate::cluster::{CLIENTS, Clients, Cluster};
use crate::history::{self, HISTORY, Histories, Note, RUN, Recorder, Role};
use crate::nemesis::Nemesis;
use crate::net::{Kind, Network, OBSERVER, Run, allowed};
use crate::observer::Observer;
use crate::report;
use crate::scenario::{self, Scenario};
use crate::stop::Stop;
use crate::story::Story;

/// How long the work of the beginning may take to be up.
const UP_WITHIN: Duration = Duration::from_secs(90);
/// Hosts of a run, and what each has recorded.
const HOSTS: &str = "hosts";

/// What the user wants of a run.
#[derive(Debug, Clone)]
pub(crate) struct Wishes {
    /// How hosts are kept apart; none = as well as the machine allows.
    pub(crate) network: Option<Kind>,
    /// Where the report goes; none = a new directory below `target/chaos`.
    pub(crate) report: Option<PathBuf>,
    /// How many times as long as promised everything may take.
    pub(crate) patience: u32,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) scenario: Scenario,
    pub(crate) kind: Kind,
    /// Why not namespaces, where they were wished for or possible.
    pub(crate) fallback: Option<String>,
    pub(crate) histories: Histories,
    pub(crate) findings: Vec<Finding>,
    pub(crate) report: PathBuf,
}

impl Outcome {
    /// Whether nothing that was promised was broken.
    pub(crate) fn is_green(&self) -> bool {
        self.broken().is_empty()
    }

    /// The properties that were broken.
    pub(crate) fn broken(&self) -> Vec<&'static str> {
        self.findings.iter().filter(|finding| finding.is_violated()).map(|finding| finding.property).collect()
    }
}

/// Runs a scenario, and leaves nothing but its report.
///
/// # Errors
/// If it could not be carried out, or was interrupted: then nothing is judged.
pub(crate) fn run(name: &str, text: &str, wishes: &Wishes, stop: &Stop) -> Result<Outcome> {
    let scenario = scenario::parse(text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("scenario {name}:\n  {}", lines.join("\n  "))
    })?;
    let binary = tanist_testkit::binary();
    ensure!(
        binary.is_file(),
        "{} is not there: run this by `cargo xtask chaos`, or say in TANIST_BIN where tanist is",
        binary.display()
    );
    tanist_testkit::etcd_binary()?;
    let place = report::Place::reserve(name, wishes.report.as_deref())?;
    let run = Run::begin()?;
    let outcome = in_run(&run, name, &scenario, wishes, stop);
    let kept = place.keep(text, &run.directory().join(HOSTS));
    let ended = run.end();
    let (kind, fallback, histories) = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            ended?;
            return Err(
                error.context(format!("{name}: not carried out, nothing is judged; logs: {}", place.path.display()))
            );
        }
    };
    kept?;
    ended?;
    let findings = check::check(&histories);
    let outcome =
        Outcome { name: name.to_owned(), scenario, kind, fallback, histories, findings, report: place.path.clone() };
    report::write(&place, &outcome)?;
    Ok(outcome)
}

type Carried = (Kind, Option<String>, Histories);

fn in_run(run: &Run, name: &str, scenario: &Scenario, wishes: &Wishes, stop: &Stop) -> Result<Carried> {
    let story = Story::default();
    story.say(&format!("{name}: {}", scenario.about));
    let (kind, fallback) = kind(&run.id, wishes.network)?;
    match &fallback {
        Some(why) => story.say(&format!("hosts are {kind}: namespaces cannot be used here: {why}")),
        None => story.say(&format!("hosts are {kind}")),
    }
    let network = Arc::new(Network::make(kind, run, scenario)?);
    let hosts = run.directory().join(HOSTS);
    let stage = Stage { run: &run.id, hosts: &hosts, scenario, stop, story: &story, patience: wishes.patience };
    stage.perform(network)?;
    let setting = report::setting(scenario, wishes.patience);
    Ok((kind, fallback, history::read(&hosts, setting)?))
}

/// The kind that is wished for, or the best one; and why it is not the best one.
fn kind(run: &str, wish: Option<Kind>) -> Result<(Kind, Option<String>)> {
    match wish {
        Some(Kind::Loopback) => Ok((Kind::Loopback, Some("loopback was asked for".to_owned()))),
        Some(Kind::Namespaces) => match allowed(run) {
            Ok(()) => Ok((Kind::Namespaces, None)),
            Err(why) => bail!("namespaces were asked for and cannot be used here: {why}"),
        },
        None => Ok(match allowed(run) {
            Ok(()) => (Kind::Namespaces, None),
            Err(why) => (Kind::Loopback, Some(why)),
        }),
    }
}

/// What all acts of a run share.
struct Stage<'a> {
    run: &'a str,
    hosts: &'a Path,
    scenario: &'a Scenario,
    stop: &'a Stop,
    story: &'a Story,
    patience: u32,
}

impl Stage<'_> {
    fn perform(&self, network: Arc<Network>) -> Result<()> {
        let (scenario, story) = (self.scenario, self.story);
        let shape = &scenario.cluster;
        story.say(&format!("starting {} etcd, {} masters, {} workers", shape.etcd, shape.masters, shape.workers));
        let cluster = Cluster::start(network, self.run, self.hosts, scenario, self.stop)?;
        let observer = Observer::start(&cluster, &self.hosts.join(OBSERVER).join(HISTORY))?;
        let recorder = Recorder::open(&self.hosts.join(OBSERVER).join(RUN))?;
        let mut clients = Clients::start(&cluster, self.run, &self.hosts.join(CLIENTS).join(HISTORY), &scenario.work)?;
        self.begin(&mut clients)?;
        clients.order(&Order::Schedule)?;
        let now = Boot::now();
        recorder.note_at(now, Note::Began)?;
        story.begin(now);
        story.say(&format!("all work is up; {} leads", observer.seen().leader.unwrap_or_default()));
        let nemesis = Nemesis::new((&cluster, &observer), (&recorder, story), (self.stop, self.run));
        nemesis.perform(scenario)?;
        self.settle((&cluster, &observer), &recorder, &mut clients)
    }

    /// Orders the work that runs to the end, and waits until it is up.
    fn begin(&self, clients: &mut Clients) -> Result<()> {
        let work = &self.scenario.work;
        clients.order(&Order::Base { plain: work.plain, supervised: work.supervised, once: work.once })?;
        let wanted = (work.plain + work.supervised + work.once + work.executors) as usize;
        let up = || history::lives(self.hosts).ok().map(|lives| lives.len()).filter(|up| *up >= wanted);
        if self.stop.wait_for(UP_WITHIN, up)?.is_none() {
            let lives = history::lives(self.hosts)?;
            let executors = lives.iter().filter(|life| life.role == Role::Executor).count();
            bail!("{} of {wanted} programs are up after {UP_WITHIN:?}, {executors} executors among them", lives.len());
        }
        Ok(())
    }
}

/// The directory of hosts as the report keeps it.
pub(crate) fn hosts_in(report: &Path) -> PathBuf {
    report.join(HOSTS)
}

/// All scenario files of the project, by name.
///
/// # Errors
/// If they cannot be listed.
pub(crate) fn scenarios() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "scn"));
    files.sort();
    Ok(files)
}
