//! What rounds of faults have measured, side by side: a page and a picture for the documentation.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use tanist_testkit::measure::{Sample, millis};

use super::failovers::{Failover, Measure, STEPS, failovers};
use super::svg::{Anchor, Svg};
use crate::run::hosts_in;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 24.0;
const LANE: f64 = 40.0;
const TOP: f64 = 56.0;
/// Ends of the scale, as powers of ten of a millisecond.
const SCALE: (f64, f64) = (0.0, 4.3);
/// Drawn: what a scheduler is missed for, and what a client waits.
const DRAWN: [(usize, &str, &str); 2] =
    [(2, "fault → first decision", "#3b6fb6"), (4, "longest wait of a submission", "#d9822b")];

/// Rounds by fault.
type Rounds = BTreeMap<String, Vec<Failover>>;

/// Reads reports of rounds, and writes `failover.md` and `failover.svg`.
///
/// # Errors
/// What cannot be read or written.
pub(crate) fn compare(reports: &[PathBuf], into: &Path) -> Result<()> {
    ensure!(into.is_dir(), "{} is no directory", into.display());
    let mut rounds = Rounds::new();
    let mut networks = Vec::new();
    for report in reports {
        let outcome = super::read_again(report)?;
        ensure!(
            outcome.is_green(),
            "{}: {} did not hold: its figures mean nothing",
            report.display(),
            outcome.broken().join(", ")
        );
        let found = failovers(&outcome.histories, &outcome.scenario, &hosts_in(report))?;
        for failover in found {
            rounds.entry(failover.text.clone()).or_default().push(failover);
        }
        networks.push(outcome.kind.to_string());
    }
    networks.sort();
    networks.dedup();
    let write = |name: &str, text: &str| {
        let path = into.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    };
    write("failover.md", &page(&rounds, &networks.join("; ")))?;
    write("failover.svg", &picture(&rounds))
}

fn sample(failovers: &[Failover], measure: Measure) -> Sample {
    failovers.iter().filter_map(measure).collect()
}

fn page(rounds: &Rounds, networks: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut page = format!(
        "# What a failover costs\n\nMeasured by `cargo xtask chaos rounds` on clusters of 3 etcd, 3 masters and 4 workers with work, \
         leases of 5 s, and a submission every 50 ms; all hosts on one machine ({networks}) with {cores} cores, Linux {}. Written by \
         `cargo xtask chaos failover`. Milliseconds from the fault; – = it did not happen, for nobody had to take over. A \
         decision needs something to decide, which comes every 50 ms.\n\n\
         ![Each round is a dot, each bar the middle of all](failover.svg)\n",
        kernel.trim()
    );
    for (name, measure) in STEPS {
        let _ = writeln!(page, "\n## {name}\n\n| | rounds | p50 | p90 | max |\n|---|---:|---:|---:|---:|");
        for (fault, failovers) in rounds {
            let sample = sample(failovers, measure);
            let cells = sample.cells(&[50, 90, 100]).join(" | ");
            let _ = writeln!(page, "| `{fault}` | {} | {cells} |", sample.count());
        }
    }
    page
}

fn x(millis: f64) -> f64 {
    let (low, high) = SCALE;
    let place = ((millis.max(1.0).log10() - low) / (high - low)).clamp(0.0, 1.0);
    LEFT + (WIDTH - LEFT - RIGHT) * place
}

fn picture(rounds: &Rounds) -> String {
    let height = TOP + rounds.len() as f64 * LANE + 44.0;
    let bottom = height - 40.0;
    let mut svg = Svg::new(WIDTH, height);
    svg.text((16.0, 24.0), "What a failover costs", Anchor::Start, "font-size:15px;font-weight:bold");
    for (at, (_, name, color)) in DRAWN.iter().enumerate() {
        let place = LEFT + 230.0 * at as f64;
        svg.dot((place, 38.0), 4.0, color);
        svg.text((place + 9.0, 42.0), name, Anchor::Start, "font-size:11px");
    }
    for (value, name) in [(1.0, "1 ms"), (10.0, "10 ms"), (100.0, "100 ms"), (1000.0, "1 s"), (10_000.0, "10 s")] {
        svg.line([x(value), TOP, x(value), bottom], "#e6e8eb", "");
        svg.text((x(value), bottom + 16.0), name, Anchor::Middle, "font-size:10px;fill:#666");
    }
    for (lane, (fault, failovers)) in rounds.iter().enumerate() {
        let top = TOP + lane as f64 * LANE;
        svg.text((LEFT - 10.0, top + 22.0), fault, Anchor::End, "");
        for (at, (step, _, color)) in DRAWN.iter().enumerate() {
            let Some((_, measure)) = STEPS.get(*step) else { continue };
            let y = top + 13.0 + 15.0 * at as f64;
            let sample = sample(failovers, *measure);
            for value in failovers.iter().filter_map(measure) {
                svg.dot((x(value), y), 2.2, &format!("{color}66"));
            }
            if let Some(middle) = sample.percentile(50) {
                svg.rect([x(middle) - 1.5, y - 7.0, 3.0, 14.0], color, &format!("p50 {} ms", millis(Some(middle))));
            }
        }
    }
    svg.finish()
}
