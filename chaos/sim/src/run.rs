//! One run: a seed, a plan, and what came of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::agenda::millis;
use crate::broken::Broken;
use crate::logs;
use crate::peace::Healing;
use crate::plan::{Fault, Plan};
use crate::settings::{MASTERS, Size};
use crate::world::{Happening, World};

/// What is run.
#[derive(Debug, Clone)]
pub struct Case {
    /// Everything follows from it.
    pub seed: u64,
    /// How many workers and applications there are.
    pub size: Size,
    /// How long faults come, in milliseconds.
    pub length: u64,
    /// Which of the plan's faults; all if none is named.
    pub faults: Option<Vec<usize>>,
    /// What is deliberately wrong.
    pub broken: Option<Broken>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// A number that is the same whenever it is run again.
    pub number: u64,
    /// Simulated time.
    pub length: Duration,
    /// How often the office was taken.
    pub terms: u64,
    /// Changes of keys in the store.
    pub writes: u64,
    /// How long it took to heal.
    pub healing: Option<Healing>,
    /// What did not hold.
    pub violation: Option<String>,
    /// What happened, if words were wanted.
    pub lines: Vec<String>,
}

/// The faults of a case, each with its number.
pub fn plan_of(case: &Case) -> Vec<(usize, u64, Fault)> {
    let plan: Plan = crate::plan::draw(case.seed, case.size, case.length);
    let numbered = plan.into_iter().enumerate().map(|(number, (at, fault))| (number, at, fault));
    numbered.filter(|(number, ..)| case.faults.as_ref().is_none_or(|wanted| wanted.contains(number))).collect()
}

/// Runs a case.
pub fn run(case: &Case, words: bool) -> Outcome {
    run_plan(case, plan_of(case), words)
}

/// Runs a case, but for its plan.
pub fn run_plan(case: &Case, plan: Vec<(usize, u64, Fault)>, words: bool) -> Outcome {
    logs::listen(words);
    let mut world = World::new(case.seed, case.size, case.broken, words);
    let begun = world.agenda.now();
    world.faults_until = begun + millis(case.length);
    for (number, at, fault) in plan {
        world.agenda.at(begun + millis(at), Happening::Fault(number, fault));
    }
    let ended = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..case.length / 1000 {
            world.pass(millis(1000));
            for master in 0..MASTERS {
                if let Some(why) = world.masters[master].ended() {
                    panic!("m{master} has ended: {why}");
                }
            }
        }
        world.heals()
    }));
    let (healing, violation) = match ended {
        Ok(healing) => (Some(healing), None),
        Err(panicked) => (None, Some(words_of(&*panicked))),
    };
    Outcome {
        number: world.trace.number(),
        length: world.agenda.now() - begun,
        terms: world.ledger.terms,
        writes: world.ledger.writes,
        healing,
        violation,
        lines: world.trace.lines().to_vec(),
    }
}

fn words_of(panicked: &(dyn std::any::Any + Send)) -> String {
    let text = panicked.downcast_ref::<String>().cloned();
    text.or_else(|| panicked.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "a panic".to_owned())
}

/// A large cluster, whose leader is gone when all have registered: the next one has them all within L1 and L2.
pub fn failover_at_size(seed: u64, size: Size) -> Outcome {
    let mut world = World::new(seed, size, None, false);
    let begun = world.agenda.now();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let first = world.heals_with(crate::peace::AT_SIZE);
        let leader = world.leader().unwrap();
        world.master_crashes(leader);
        let second = world.heals_with(crate::peace::AT_SIZE);
        (first, second)
    }));
    let (healing, violation) = match ended {
        Ok((_, healing)) => (Some(healing), None),
        Err(panicked) => (None, Some(words_of(&*panicked))),
    };
    Outcome {
        number: world.trace.number(),
        length: world.agenda.now() - begun,
        terms: world.ledger.terms,
        writes: world.ledger.writes,
        healing,
        violation,
        lines: Vec::new(),
    }
}
