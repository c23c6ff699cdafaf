//! What a run leaves behind: a directory with a page for people, the same as JSON, a picture, and all histories and logs.

mod compare;
mod failovers;
mod page;
mod place;
mod rounds;
mod svg;
mod timeline;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::check::{self, Verdict};
use crate::cluster::CORES;
use crate::history::{self, Setting};
use crate::net::Kind;
use crate::run::{Outcome, hosts_in};
use crate::scenario;

pub(crate) use compare::compare;
use failovers::Failover;
pub(crate) use place::Place;
pub(crate) use rounds::RoundFault;

const PAGE: &str = "report.md";
const DATA: &str = "report.json";
const PICTURE: &str = "timeline.svg";

/// Writes the report of a run.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn write(place: &Place, outcome: &Outcome) -> Result<()> {
    let failovers = failovers::failovers(&outcome.histories, &outcome.scenario, &hosts_in(&place.path))?;
    place.write(PAGE, &page::page(outcome, &failovers))?;
    place.write(DATA, &(serde_json::to_string_pretty(&data(outcome, &failovers))? + "\n"))?;
    place.write(PICTURE, &timeline::draw(outcome))
}

fn data(outcome: &Outcome, failovers: &[Failover]) -> Value {
    json!({
        "scenario": outcome.name,
        "about": outcome.scenario.about,
        "network": outcome.kind.to_string(),
        "fallback": outcome.fallback,
        "patience": outcome.histories.setting.patience,
        "green": outcome.is_green(),
        "findings": outcome.findings,
        "failovers": failovers::data(failovers, outcome.histories.began.unwrap_or_default()),
    })
}

/// Reads a report's histories and judges them again.
///
/// # Errors
/// What of the report cannot be read.
pub(crate) fn read_again(report: &Path) -> Result<Outcome> {
    let read =
        |name: &str| fs::read_to_string(report.join(name)).with_context(|| format!("reading {name} of the report"));
    let data: Value = serde_json::from_str(&read(DATA)?).with_context(|| format!("understanding {DATA}"))?;
    let text = read(place::SCENARIO)?;
    let scenario = scenario::parse(&text).map_err(|problems| anyhow::anyhow!("{}: {problems:?}", place::SCENARIO))?;
    let patience = data["patience"].as_u64().and_then(|number| u32::try_from(number).ok()).context("patience")?;
    let histories = history::read(&hosts_in(report), setting(&scenario, patience))?;
    let findings = check::check(&histories);
    let kind = if data["fallback"].is_null() { Kind::Namespaces } else { Kind::Loopback };
    Ok(Outcome {
        name: data["scenario"].as_str().unwrap_or_default().to_owned(),
        scenario,
        kind,
        fallback: data["fallback"].as_str().map(str::to_owned),
        histories,
        findings,
        report: report.to_owned(),
    })
}

/// What a scenario is run with.
pub(crate) fn setting(scenario: &scenario::Scenario, patience: u32) -> Setting {
    let names = scenario::names(&scenario.cluster).into_iter();
    Setting {
        lease: scenario.cluster.lease,
        worker_timeout: scenario.cluster.worker_timeout,
        cores: CORES,
        workers: names.filter(|name| scenario::Kind::of(name) == Some(scenario::Kind::Worker)).collect(),
        patience,
    }
}

/// Tells a person the verdict.
pub(crate) fn tell(outcome: &Outcome) {
    let mut lines = vec![String::new()];
    for finding in &outcome.findings {
        let property = finding.property;
        match &finding.verdict {
            Verdict::Held(ground) => lines.push(format!("  {property:<4} held        {ground}")),
            Verdict::NotJudged(why) => lines.push(format!("  {property:<4} not judged  {why}")),
            Verdict::Violated(cases) => {
                lines.push(format!("  {property:<4} VIOLATED    {}", finding.promise));
                lines.extend(cases.iter().take(SHOWN_CASES).map(|case| format!("                   {case}")));
                if cases.len() > SHOWN_CASES {
                    lines.push(format!("                   and {} more cases", cases.len() - SHOWN_CASES));
                }
            }
        }
    }
    let color = if outcome.is_green() { "green" } else { "RED" };
    lines.push(format!("{}: {color}; report: {}\n", outcome.name, outcome.report.display()));
    say(&lines.join("\n"));
}

/// Cases of one property that a person is told; all are in the report.
const SHOWN_CASES: usize = 5;

/// All runs in a line each, if there were several.
pub(crate) fn summarize(outcomes: &[Outcome]) {
    if outcomes.len() < 2 {
        return;
    }
    for outcome in outcomes {
        let broken = outcome.broken();
        let verdict = if broken.is_empty() { "green".to_owned() } else { format!("RED: {}", broken.join(", ")) };
        say(&format!("{:<32} {verdict}", outcome.name));
    }
}

fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}
