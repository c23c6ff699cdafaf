//! A check from its beginning to its end, and what came of it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::protocol::Protocol;
use crate::scope::{Mutant, Scope};
use crate::tell;

/// What came of a check.
#[derive(Debug)]
pub struct Outcome {
    /// The bounds.
    pub scope: Scope,
    /// The rule that was left out.
    pub mutant: Option<Mutant>,
    /// Different states.
    pub states: usize,
    /// Steps of the shortest way to the state that is farthest from the beginning.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Every state within the bounds was seen.
    pub complete: bool,
    /// What does not hold.
    pub broken: Vec<Broken>,
    /// Goals that were never reached.
    pub missed: Vec<&'static str>,
    /// Questions that the core's machines were asked.
    pub questions: usize,
}

/// A property that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which one.
    pub property: &'static str,
    /// The shortest way to a state that shows it, in words.
    pub way: Vec<String>,
}

/// Looks at every state within the bounds, or, of a mutant, at as many as it takes to find something broken.
pub fn check(scope: Scope, mutant: Option<Mutant>) -> Outcome {
    let begun = Instant::now();
    let protocol = Protocol::new(scope, mutant);
    let properties = protocol.properties();
    let until = if mutant.is_some() { HasDiscoveries::AnyFailures } else { HasDiscoveries::All };
    let checker = protocol.checker().finish_when(until).target_state_count(scope.steps).spawn_bfs().join();
    let mut found = checker.discoveries();
    let mut broken = Vec::new();
    let mut missed = Vec::new();
    for Property { name, expectation, .. } in properties {
        match (found.remove(name), expectation.discovery_is_failure()) {
            (Some(path), true) => {
                broken.push(Broken { property: name, way: tell::retell(checker.model(), &path.into_actions()) });
            }
            (None, false) => missed.push(name),
            (Some(_), false) | (None, true) => {}
        }
    }
    Outcome {
        scope,
        mutant,
        states: checker.unique_state_count(),
        depth: checker.max_depth() - 1,
        took: begun.elapsed(),
        complete: checker.state_count() < scope.steps,
        broken,
        missed,
        questions: checker.model().masters.questions() + checker.model().workers.questions(),
    }
}

impl Outcome {
    /// What is wrong with it, if anything: of the protocol itself, that something does not hold, was not reached, or was
    /// not looked at; of a mutant, that it was not caught by the property that is there for it.
    pub fn failure(&self) -> Option<String> {
        let name = self.scope.name;
        let mut wrong = String::new();
        match self.mutant {
            Some(mutant) => {
                let (_, property) = mutant.hunted();
                if self.broken.iter().any(|broken| broken.property == property) {
                    return None;
                }
                let _ =
                    writeln!(wrong, "{mutant:?} in {name}: \"{property}\" does not catch it ({} states)", self.states);
            }
            None if !self.complete => {
                let _ = writeln!(wrong, "{name}: not every state was seen: stopped after {} steps", self.scope.steps);
            }
            None => {}
        }
        for goal in self.missed.iter().filter(|_| self.mutant.is_none()) {
            let _ = writeln!(wrong, "{name}: \"{goal}\" was never reached");
        }
        for Broken { property, way } in &self.broken {
            let _ = writeln!(
                wrong,
                "{name}: \"{property}\" does not hold; the shortest way there has {} steps:",
                way.len()
            );
            for (at, step) in (1..).zip(way) {
                let _ = writeln!(wrong, "  {at:>3}  {step}");
            }
        }
        (!wrong.is_empty()).then_some(wrong)
    }
}
