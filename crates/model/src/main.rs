//! Checks the protocol within all bounds and hunts all mutants, and prints what came of it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a table for people")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use tanist_model::check::{Outcome, check};
use tanist_model::scope::{LONG, Mutant, NORMAL, Scope};

const USAGE: &str = "\
usage: tanist-model [--long] [NAME ...]

  --long   bounds that take minutes and gigabytes, instead of those that every change is checked within
  NAME     only these bounds and rules, by the names in the first column
";

fn main() -> ExitCode {
    let (flags, names): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with('-'));
    let scopes: &[Scope] = if flags.is_empty() { &NORMAL } else { &LONG };
    let known = |name: &String| {
        scopes.iter().any(|scope| scope.name == name) || Mutant::ALL.iter().any(|mutant| mutant.name() == name)
    };
    let flag = flags.iter().find(|flag| *flag != "--long");
    if let Some(unknown) = flag.or_else(|| names.iter().find(|name| !known(name))) {
        let all = scopes.iter().map(|scope| scope.name).chain(Mutant::ALL.iter().map(|mutant| mutant.name()));
        eprintln!("tanist-model does not know {unknown:?}; there are {}\n", all.collect::<Vec<_>>().join(", "));
        eprint!("{USAGE}");
        return ExitCode::from(2);
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let scopes = scopes.iter().filter(|scope| wanted(scope.name)).map(|scope| (*scope, None));
    let mutants = Mutant::ALL.into_iter().filter(|mutant| wanted(mutant.name()));
    println!("{:<20}{:>12}{:>7}{:>11}{:>9}  verdict", "bounds", "states", "depth", "questions", "s");
    let mut failures = run(&scopes.collect::<Vec<_>>(), scope_row);
    println!("\n{:<20}{:<16}{:>10}{:>7}{:>8}  caught by", "rule left out", "bounds", "states", "steps", "s");
    let mutants: Vec<_> = mutants.map(|mutant| (mutant.hunted().0, Some(mutant))).collect();
    failures += run(&mutants, mutant_row);
    if failures > 0 {
        eprintln!("\n{failures} checks failed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Runs checks on all processors and prints their rows in order, each as soon as it is known. Returns how many failed.
fn run(checks: &[(Scope, Option<Mutant>)], row: fn(&Outcome) -> String) -> usize {
    let next = AtomicUsize::new(0);
    let (done, outcomes) = mpsc::channel();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|threads| {
        for _ in 0..processors {
            let (done, next) = (done.clone(), &next);
            threads.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((scope, mutant)) = checks.get(at) else { return };
                    if done.send((at, check(*scope, *mutant))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut waiting = BTreeMap::new();
        let (mut printed, mut failures) = (0, 0);
        for (at, outcome) in outcomes {
            waiting.insert(at, outcome);
            while let Some(outcome) = waiting.remove(&printed) {
                println!("{}", row(&outcome));
                printed += 1;
                if let Some(failure) = outcome.failure() {
                    failures += 1;
                    println!("\n{failure}");
                }
            }
        }
        failures
    })
}

fn scope_row(outcome: &Outcome) -> String {
    let Outcome { scope, states, depth, questions, took, .. } = outcome;
    let verdict = if outcome.failure().is_none() { "holds" } else { "FAILED" };
    format!("{:<20}{states:>12}{depth:>7}{questions:>11}{:>9.1}  {verdict}", scope.name, took.as_secs_f64())
}

fn mutant_row(outcome: &Outcome) -> String {
    let Outcome { scope, mutant, states, took, broken, .. } = outcome;
    let rule = mutant.map_or("", Mutant::name);
    let (steps, property) = match broken.first() {
        Some(broken) => (broken.way.len().to_string(), broken.property),
        None => ("-".to_owned(), "NOTHING"),
    };
    format!("{rule:<20}{:<16}{states:>10}{steps:>7}{:>8.1}  {property}", scope.name, took.as_secs_f64())
}
