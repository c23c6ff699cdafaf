//! Making a failing case small: faults are left out as long as it still fails in the same way.

use crate::run::{Case, Outcome, plan_of, run};

/// What fails: the property, without its details.
fn property(outcome: &Outcome) -> Option<&str> {
    let violation = outcome.violation.as_deref()?;
    Some(violation.split_once(':').map_or(violation, |(property, _)| property))
}

/// The smallest list of faults that was found within so many runs, and what it leads to.
pub fn shrink(case: &Case, failed: &Outcome, runs: usize) -> (Vec<usize>, Outcome) {
    let wanted = property(failed).map(str::to_owned);
    let mut faults: Vec<usize> = plan_of(case).into_iter().map(|(number, ..)| number).collect();
    let mut best = failed.clone();
    let mut left = runs;
    let mut part = faults.len().div_ceil(2);
    while part > 0 && left > 0 {
        let mut at = 0;
        let mut smaller = false;
        while at < faults.len() && left > 0 {
            let end = (at + part).min(faults.len());
            let without: Vec<usize> = faults[..at].iter().chain(&faults[end..]).copied().collect();
            left -= 1;
            let outcome = run(&Case { faults: Some(without.clone()), ..case.clone() }, false);
            if property(&outcome).map(str::to_owned) == wanted {
                (faults, best, smaller) = (without, outcome, true);
            } else {
                at = end;
            }
        }
        if !smaller || part > faults.len() {
            part /= 2;
        }
    }
    (faults, best)
}
