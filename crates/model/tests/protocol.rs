//! Everything holds within the normal bounds, and everything that is to be seen is seen. The mutants are hunted beside the
//! normal form (`src/normal/tests.rs`).
#![allow(clippy::panic, reason = "a test fails by panicking")]

use rstest::rstest;
use tanist_model::check::check;
use tanist_model::scope::{NORMAL, Scope};

#[rstest]
#[case::office(Scope::OFFICE)]
#[case::lost_worker(Scope::LOST_WORKER)]
#[case::restart(Scope::RESTART)]
#[case::dead_letters(Scope::DEAD_LETTERS)]
#[case::overtaking(Scope::OVERTAKING)]
#[case::operators(Scope::OPERATORS)]
#[case::cold_start(Scope::COLD)]
#[case::late_copies(Scope::COPIES)]
fn everything_holds(#[case] scope: Scope) {
    assert!(NORMAL.contains(&scope));
    if let Some(failure) = check(scope, None).failure() {
        panic!("{failure}");
    }
}

#[test]
fn bounds_that_are_too_wide_to_be_seen_whole_fail() {
    let outcome = check(Scope { steps: 10_000, ..Scope::OFFICE }, None);
    let failure = outcome.failure().unwrap_or_default();
    assert!(!outcome.complete && failure.contains("not every state was seen"), "{failure}");
}
