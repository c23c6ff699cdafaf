//! What the model takes for granted about the core's master, held against it.

use stateright::{Checker, Model};
use tanist_core::master::Master;
use tanist_core::rng::Rng;

use super::*;
use crate::protocol::Protocol;
use crate::scope::Scope;
use crate::state::{Driver, Place};

/// A machine that lives on from one event to the next, as a real one does.
struct Alive {
    machine: Master,
    now: Now,
    epoch: u8,
    memory: Memory,
    /// Of the next session.
    number: u8,
    masters: Masters,
}

impl Alive {
    fn new(seed: u64, rng: &mut Rng) -> Self {
        let epoch = 2;
        let place = Place { worker: 0, epoch: 1, started: rng.between(0, 2) == 0 };
        let driver = Driver { born: 1, attempt: 1, place: Some(place).filter(|_| rng.between(0, 3) > 0) };
        let known = Known::Unknown { incarnation: 1 };
        let memory = match rng.between(0, 3) {
            0 => Memory::default(),
            1 => Memory { driver: None, workers: [known; 2] },
            _ => Memory { driver: Some(driver), workers: [known; 2] },
        };
        let mut effects = Vec::new();
        let machine = past::elected(seed, epoch, memory, &mut effects);
        let now = names::NOW;
        let mut alive = Self { machine, now, epoch, memory, number: 0, masters: Masters::default() };
        alive.compare(Happening::Elected, effects);
        alive
    }

    fn happens(&mut self, happening: Happening) {
        let (now, event) = event(self.now, self.memory, happening);
        self.now = now;
        let mut effects = Vec::new();
        self.machine.handle(now, event, &mut effects);
        self.compare(happening, effects);
    }

    /// What it did is among what the model takes for possible.
    fn compare(&mut self, happening: Happening, effects: Vec<Effect>) {
        let mut told = Told::new(self.memory, happening);
        for effect in effects {
            told.effect(effect);
        }
        let decision = told.decision;
        past::memory_shown(&self.machine, &decision.memory).unwrap();
        let possible = self.masters.decide(self.epoch, self.memory, happening);
        assert!(possible.contains(&decision), "{happening:?} after {:?}: {decision:?}, not {possible:?}", self.memory);
        self.memory = decision.memory;
    }

    /// Something that may happen to it now.
    fn chance(&mut self, rng: &mut Rng) -> Happening {
        let worker = u8::try_from(rng.between(0, 2)).unwrap();
        let attempt = self.memory.driver.map_or(0, |driver| driver.attempt);
        match (rng.between(0, 6), self.memory.workers[usize::from(worker)]) {
            (0, _) => Happening::Submitted,
            (1, Known::Heard { open: true, .. }) => Happening::Started(worker, attempt.max(1)),
            (2, Known::Heard { open: true, .. }) => Happening::Closed(worker),
            (3, Known::Unknown { .. } | Known::Heard { .. }) => Happening::Silent(worker),
            (4, Known::Unknown { .. } | Known::Heard { open: false, .. }) => Happening::Gone(worker),
            (_, known) => {
                let incarnation = match known {
                    Known::Absent => 1,
                    Known::Unknown { incarnation } | Known::Heard { incarnation, .. } => incarnation,
                };
                self.number += 1;
                let again = u8::from(rng.between(0, 4) == 0);
                let number = self.number - u8::from(rng.between(0, 4) == 0);
                let runs = u8::try_from(rng.between(0, 1 << attempt)).unwrap();
                let incarnation = incarnation + again;
                let runs = if again == 1 { 0 } else { runs };
                Happening::Registers(worker, Registration { to: 0, incarnation, number, heard: self.epoch, runs })
            }
        }
    }
}

#[test]
fn nothing_but_its_memory_counts_for_a_leader() {
    let mut happened = 0;
    for seed in 0..200 {
        let rng = &mut Rng::new(seed);
        let mut alive = Alive::new(seed % SEEDS, rng);
        while alive.memory.driver.is_none_or(|driver| driver.attempt < 5) && alive.number < 12 {
            let happening = alive.chance(rng);
            alive.happens(happening);
            happened += 1;
        }
    }
    assert!(happened > 1000, "only {happened}");
}

/// All memories of leaders within small bounds.
fn memories() -> (Masters, Vec<(u8, Memory)>) {
    let scope = Scope { epochs: 2, attempts: 2, breaks: 0, pipelined: false, ..Scope::OFFICE };
    let checker = Protocol::new(scope, None).checker().spawn_bfs().join();
    let memories = checker.model().masters.memories();
    assert!(memories.len() > 50, "only {} memories", memories.len());
    (Masters::default(), memories)
}

#[test]
fn a_registration_counts_only_with_a_leader_whose_term_it_knows() {
    let (masters, memories) = memories();
    for (epoch, memory) in memories {
        for (worker, heard) in (0..2).flat_map(|worker| (0..=epoch + 1).map(move |heard| (worker, heard))) {
            let registration = Registration { to: 0, incarnation: 9, number: 200, heard, runs: 0 };
            for decision in masters.decide(epoch, memory, Happening::Registers(worker, registration)).iter() {
                let counts =
                    decision.memory != memory || decision.says != Says::default() || !decision.writes.is_empty();
                assert_eq!(counts, heard == epoch, "epoch {epoch}, {registration:?}: {decision:?}");
                assert_eq!(decision.steps_down, heard > epoch, "epoch {epoch}, {registration:?}: {decision:?}");
            }
        }
    }
}

#[test]
fn chance_decides_nothing_but_where_a_driver_is_launched() {
    let (_, memories) = memories();
    for (epoch, memory) in memories {
        for happening in [Happening::Submitted, Happening::Silent(0), Happening::Silent(1)] {
            let mut decisions: Vec<Decision> = Vec::new();
            for seed in 0..2 * SEEDS {
                let decision = ask(seed, epoch, memory, happening);
                if !decisions.contains(&decision) {
                    decisions.push(decision);
                }
            }
            let chosen = choices(epoch, memory, happening);
            assert_eq!(decisions.len(), chosen.len(), "{happening:?} of {memory:?}");
            assert!(chosen.iter().all(|decision| decisions.contains(decision)), "{happening:?} of {memory:?}");
        }
    }
}
