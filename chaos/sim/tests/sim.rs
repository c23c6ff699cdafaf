//! What the simulator itself must be: the same twice, and able to find what is wrong. Only as it is built by
//! `cargo xtask sim`, which alone makes runs repeatable.
#![cfg(tokio_unstable)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use tanist_etcd_sim::{Effect, Mishap, Told};
use tanist_sim::broken::Broken;
use tanist_sim::net::Party;
use tanist_sim::plan::{Fault, Which};
use tanist_sim::run::{Case, run, run_plan};
use tanist_sim::settings::{MASTERS, SMALL_CLUSTER, Size};
use tanist_sim::shrink::shrink;

const MINUTES: u64 = 60_000;

fn case(seed: u64, broken: Option<Broken>) -> Case {
    Case { seed, size: SMALL_CLUSTER, length: 4 * MINUTES, faults: None, broken }
}

#[test]
fn a_seed_is_one_run_byte_for_byte() {
    for seed in 1..=4 {
        let (first, second) = (run(&case(seed, None), true), run(&case(seed, None), true));
        let different = first.lines.iter().zip(&second.lines).find(|(one, other)| one != other);
        assert_eq!(different, None, "seed {seed}");
        assert_eq!((first.number, first.length), (second.number, second.length), "seed {seed}");
        assert_ne!(first.number, run(&case(seed + 100, None), false).number, "another seed is another run");
    }
}

#[test]
fn words_change_nothing() {
    assert_eq!(run(&case(7, None), true).number, run(&case(7, None), false).number);
}

/// The first of the seeds under which this build is found out, and by which property.
fn found_out(broken: Broken, properties: &[&str]) {
    let failing = (1..=40).find_map(|seed| {
        let case = case(seed, Some(broken));
        let outcome = run(&case, false);
        outcome.violation.clone().map(|violation| (case, outcome, violation))
    });
    let (case, outcome, violation) = failing.unwrap_or_else(|| panic!("{broken:?} is not found out"));
    let named = properties.iter().any(|property| violation.starts_with(property));
    assert!(named, "{broken:?}, seed {}: {violation}", case.seed);
    assert_eq!(
        run(&Case { broken: None, ..case.clone() }, false).violation,
        None,
        "seed {} of the true build",
        case.seed
    );
    let (faults, smaller) = shrink(&case, &outcome, 30);
    let again = run(&Case { faults: Some(faults), ..case }, false);
    assert_eq!(again.violation, smaller.violation, "what was made small fails as it did");
    assert!(again.violation.is_some());
}

#[test]
fn a_build_without_guards_is_found_out() {
    found_out(Broken::NoGuard, &["I1"]);
}

#[test]
fn a_build_whose_effects_leave_first_is_found_out() {
    found_out(Broken::EffectsFirst, &["I2", "I3", "I6", "I7", "I8"]);
}

#[test]
fn a_build_that_forgets_requests_is_found_out() {
    found_out(Broken::RequestsForgotten, &["I2"]);
}

/// Its loop had an alarm that was over and that nobody looked at any more, and came round without a pause.
#[test]
fn a_leader_that_leaves_while_etcd_is_silent_waits_for_it() {
    let mishap = Mishap { effect: Effect::Never, told: Told::Silence };
    let plan = vec![
        (0, 20_000, Fault::Mishaps { mishap, times: 3 }),
        (1, 20_000, Fault::Switchover { at: Which::Leader, target: None }),
    ];
    let outcome = run_plan(&Case { length: MINUTES, ..case(1, None) }, plan, false);
    assert_eq!(outcome.violation, None);
}

/// The books have forgotten the first drivers when the clock says again what it said at their birth.
#[test]
fn a_leader_whose_clock_is_behind_names_no_driver_as_another_was_named_rc_19() {
    let submissions = |at| (0..MASTERS).map(move |master| (at, driver(master)));
    let kill = |pick| (0..MASTERS).map(move |master| (23_000, Fault::KillDriver { pick, master }));
    let kills = (0..MASTERS).flat_map(kill);
    let forgets = (0..MASTERS).map(|master| (45_000, Fault::Clear { master }));
    let dies = [(50_000, Fault::CrashMaster { master: Which::Leader, back: MINUTES })];
    let set_back = (0..MASTERS).map(|master| (60_000, Fault::Wall { party: Party::Master(master), ahead: -50_000 }));
    let plan = submissions(20_300).chain(kills).chain(forgets).chain(dies).chain(set_back).chain(submissions(70_300));
    let plan = plan.enumerate().map(|(number, (at, fault))| (number, at, fault)).collect();
    let outcome = run_plan(&Case { length: 2 * MINUTES, ..case(1, None) }, plan, true);
    assert_eq!(outcome.violation, None);
    let named = outcome.lines.iter().filter_map(|line| line.split_once("is driver-")).map(|(_, id)| id);
    let first_of_terms: BTreeSet<&str> = named.filter(|id| id.ends_with("0000")).collect();
    let stamps: BTreeSet<&str> = first_of_terms.iter().filter_map(|id| id.split('-').next()).collect();
    assert_eq!((first_of_terms.len(), stamps.len()), (2, 1), "two terms in one second: {first_of_terms:?}");
}

fn driver(master: usize) -> Fault {
    Fault::Submit { master, cores: 1, supervise: false, once: false }
}

/// Ten thousand workers lose their leader, and all have the next one within the time-out of a worker.
#[test]
fn ten_thousand_register_while_the_office_changes_hands() {
    let size = Size { hosts: 10_000, clients: 0 };
    let outcome = tanist_sim::run::failover_at_size(1, size);
    assert_eq!(outcome.violation, None);
    assert!(outcome.terms >= 2);
}
