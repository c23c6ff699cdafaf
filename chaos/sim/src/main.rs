//! `cargo xtask sim`: see [`tanist_sim::cli::USAGE`].
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it tells what it finds")]

use std::cell::RefCell;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use tanist_sim::campaign::{Figures, run_all};
use tanist_sim::cli::{self, Asked, USAGE, shown};
use tanist_sim::run::{Case, Outcome, run};
use tanist_sim::settings::SMALL_CLUSTER;
use tanist_sim::shrink::shrink;

/// Seeds that are run on every change. With their ten minutes of faults, and the time to heal, over a hundred hours.
const FIXED: u64 = 560;

/// Seeds that are run after them, others each time, and told if they fail.
const FRESH: u64 = 40;

/// Fresh seeds lie above all fixed ones.
const FRESH_FROM: u64 = 1_000_000;

/// Runs that may be spent to make a failing case small.
const SHRINK_RUNS: usize = 60;

/// Of a long trace this many lines are shown.
const LINES: usize = 400;

thread_local! {
    static PANICKED_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

fn main() -> ExitCode {
    let asked = match cli::parse(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("sim: {error:#}");
            return ExitCode::from(2);
        }
    };
    if asked.help {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    if cfg!(not(tokio_unstable)) {
        eprintln!("sim: without `--cfg tokio_unstable` a run is not the same twice; use `cargo xtask sim`");
        return ExitCode::from(2);
    }
    // What does not hold is told by whoever asked for the run.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        PANICKED_AT.with_borrow_mut(|panicked_at| *panicked_at = at);
    }));
    let failed = match asked.seed {
        Some(seed) => alone(&asked, seed),
        None => many(&asked),
    };
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn case(asked: &Asked, seed: u64) -> Case {
    let (length, faults) = (asked.minutes * 60_000, asked.faults.clone());
    Case { seed, size: SMALL_CLUSTER, length, faults, broken: asked.broken }
}

fn alone(asked: &Asked, seed: u64) -> bool {
    let case = case(asked, seed);
    let outcome = run(&case, asked.trace);
    outcome.lines.iter().for_each(|line| println!("{line}"));
    let Outcome { number, length, terms, healing, .. } = &outcome;
    println!("seed {}: {number:016x}, {} s, {terms} terms, {healing:?}", shown(seed), length.as_secs());
    if outcome.violation.is_some() && !asked.trace {
        tell(asked, &case, &outcome);
    }
    if let Some(violation) = &outcome.violation {
        println!("{violation}\n  at {}", PANICKED_AT.with_borrow(Clone::clone));
    }
    outcome.violation.is_some()
}

fn many(asked: &Asked) -> bool {
    let per_run = Duration::from_secs(asked.minutes * 60);
    let seeds = asked.seeds.or_else(|| asked.hours.map(|hours| hours * 3600 / per_run.as_secs() + 1));
    if let Some(seeds) = seeds {
        return stretch(asked, asked.from, seeds);
    }
    let failed = stretch(asked, 1, FIXED);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if stretch(asked, FRESH_FROM + since * 100, FRESH) {
        // Whoever changes something else is not held up by what nobody knew before.
        println!("a fresh seed fails: mend it, and it fails no more; the fixed seeds alone decide");
    }
    failed
}

/// Runs seeds that follow each other. Whether one failed.
fn stretch(asked: &Asked, first: u64, seeds: u64) -> bool {
    let (figures, failed) = run_all(|number| (number < seeds).then(|| case(asked, first + number)));
    tell_figures(&figures);
    if let Some((case, outcome)) = &failed {
        tell(asked, case, outcome);
    }
    failed.is_some()
}

fn tell_figures(figures: &Figures) {
    let Figures { runs, terms, writes, faults, slowest: [leader, adopted, peace], took, .. } = figures;
    let all: u64 = faults.values().sum();
    println!(
        "{runs} seeds, {} simulated hours, {terms} leaders took office, {writes} writes looked at, {all} faults; {} s",
        figures.hours(),
        took.as_secs()
    );
    println!(
        "slowest to heal: a leader after {} ms, all workers its own {} ms later, all in order after {} ms",
        leader.as_millis(),
        adopted.as_millis(),
        peace.as_millis()
    );
    let kinds: Vec<String> = faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    println!("faults: {}", kinds.join(", "));
}

/// A failing case, made small, with the command that runs it again and what happens in it.
fn tell(asked: &Asked, case: &Case, outcome: &Outcome) {
    let seed = shown(case.seed);
    println!("\nseed {seed} fails: {}", outcome.violation.as_deref().unwrap_or_default());
    let (faults, _) = shrink(case, outcome, SHRINK_RUNS);
    let again = run(&Case { faults: Some(faults.clone()), ..case.clone() }, true);
    let skipped = again.lines.len().saturating_sub(LINES);
    if skipped > 0 {
        println!("… {skipped} lines before");
    }
    again.lines.iter().skip(skipped).for_each(|line| println!("{}", cut(line)));
    let violation = again.violation.unwrap_or_default();
    println!("{violation}\n  at {}", PANICKED_AT.with_borrow(Clone::clone));
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let mut command = format!("cargo xtask sim --seed {seed} --minutes {}", asked.minutes);
    if let Some(broken) = case.broken {
        command.push_str(" --broken ");
        command.push_str(broken.name());
    }
    println!("again: {command} --faults {} --trace", faults.join(","));
}

fn cut(line: &str) -> String {
    line.chars().take(600).collect()
}
