//! The report as a page in Markdown.

use std::fmt::Write as _;

use super::failovers::{self, Failover};
use crate::check::Verdict;
use crate::run::Outcome;

pub(super) fn page(outcome: &Outcome, failovers: &[Failover]) -> String {
    let mut page = String::new();
    let color = if outcome.is_green() { "green" } else { "**red**" };
    let _ = writeln!(page, "# {}: {color}\n\n{}\n", outcome.name, outcome.scenario.about);
    let _ = writeln!(page, "Hosts: {}.", outcome.kind);
    if let Some(why) = &outcome.fallback {
        let _ = writeln!(page, "Namespaces were not used: {why}.");
    }
    let patience = outcome.histories.setting.patience;
    if patience > 1 {
        let _ = writeln!(
            page,
            "Everything was allowed to take {patience} times as long as promised (`--patience {patience}`)."
        );
    }
    verdicts(&mut page, outcome);
    faults(&mut page, outcome);
    let _ = writeln!(page, "![What has happened](timeline.svg)\n");
    page.push_str(&failovers::tables(failovers));
    submissions(&mut page, outcome);
    let _ = writeln!(page, "## Scenario\n\n```text\n{}```", outcome.scenario);
    page
}

fn verdicts(page: &mut String, outcome: &Outcome) {
    let _ = writeln!(page, "\n## Verdicts\n\n| | promise | verdict | ground |\n|---|---|---|---|");
    for finding in &outcome.findings {
        let (verdict, ground) = match &finding.verdict {
            Verdict::Held(ground) => ("held", ground.clone()),
            Verdict::NotJudged(why) => ("not judged", why.clone()),
            Verdict::Violated(cases) => ("**violated**", cases.join("<br>")),
        };
        let _ = writeln!(page, "| {} | {} | {verdict} | {ground} |", finding.property, finding.promise);
    }
    let _ = writeln!(page);
}

fn submissions(page: &mut String, outcome: &Outcome) {
    let sample = failovers::latencies(&outcome.histories);
    let cells = sample.cells(&[50, 90, 99, 100]).join(" | ");
    let _ = writeln!(page, "## Submissions\n\nMilliseconds from when they were due to their answer.\n");
    let _ =
        writeln!(page, "| n | p50 | p90 | p99 | max |\n|---:|---:|---:|---:|---:|\n| {} | {cells} |\n", sample.count());
}

fn faults(page: &mut String, outcome: &Outcome) {
    let told = &outcome.histories;
    let began = told.began.unwrap_or_default();
    let _ = writeln!(page, "## Faults\n\n| at | until | fault | hosts | |\n|---:|---:|---|---|---|");
    for fault in &told.faults {
        let at = fault.from.since(began).as_secs_f64();
        let until = fault.to.map_or_else(String::new, |to| format!("{:.2}", to.since(began).as_secs_f64()));
        let botched = fault.botched.clone().unwrap_or_default();
        let _ = writeln!(page, "| {at:.2} | {until} | {} | {} | {botched} |", fault.text, fault.hosts.join(" "));
    }
    let _ = writeln!(page);
}
