//! Many runs, on all threads, and the figures of them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::run::{Case, Outcome, plan_of, run};

/// Seeds run at the same time: as many as the smallest machine has cores.
const THREADS: usize = 2;

/// What is added up.
#[derive(Debug, Default)]
pub struct Figures {
    /// Runs.
    pub runs: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// How often an office was taken.
    pub terms: u64,
    /// Writes of keys that were looked at.
    pub writes: u64,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// The longest it took to heal: L1, L2, L3.
    pub slowest: [Duration; 3],
    /// Real time.
    pub took: Duration,
}

impl Figures {
    fn add(&mut self, case: &Case, outcome: &Outcome) {
        self.runs += 1;
        self.simulated += outcome.length;
        self.terms += outcome.terms;
        self.writes += outcome.writes;
        for (_, _, fault) in plan_of(case) {
            *self.faults.entry(fault.kind()).or_default() += 1;
        }
        if let Some(healing) = outcome.healing {
            let took = [healing.leader, healing.adopted, healing.peace];
            for (slowest, took) in self.slowest.iter_mut().zip(took) {
                *slowest = took.max(*slowest);
            }
        }
    }

    /// Simulated hours, whole ones.
    pub fn hours(&self) -> u64 {
        self.simulated.as_secs() / 3600
    }
}

/// Runs cases, as `next` names them, until it names no more; stops at the first that fails.
pub fn run_all(next: impl Fn(u64) -> Option<Case> + Sync) -> (Figures, Option<(Case, Outcome)>) {
    let begun = Instant::now();
    let (number, figures, failed) = (AtomicU64::new(0), Mutex::new(Figures::default()), Mutex::new(None));
    std::thread::scope(|threads| {
        for _ in 0..THREADS {
            threads.spawn(|| {
                while failed.lock().unwrap().is_none()
                    && let Some(case) = next(number.fetch_add(1, Ordering::Relaxed))
                {
                    let outcome = run(&case, false);
                    figures.lock().unwrap().add(&case, &outcome);
                    if outcome.violation.is_some() {
                        // Of two at a time the first in order: the same one whatever the threads do.
                        let mut failed = failed.lock().unwrap();
                        let first = failed.as_ref().is_none_or(|(earlier, _): &(Case, _)| case.seed < earlier.seed);
                        if first {
                            *failed = Some((case, outcome));
                        }
                    }
                }
            });
        }
    });
    let mut figures = figures.into_inner().unwrap();
    figures.took = begun.elapsed();
    (figures, failed.into_inner().unwrap())
}
