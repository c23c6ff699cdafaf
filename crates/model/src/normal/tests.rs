//! The normal form loses nothing: whatever happens without it happens with it.

use std::collections::{HashSet, VecDeque};

use rstest::rstest;
use stateright::{Checker, Expectation, HasDiscoveries, Model};
use tanist_core::rng::Rng;

use crate::action::Action;
use crate::protocol::{Protocol, World};
use crate::scope::{ANY, Mutant, Scope};
use crate::state::State;
use crate::tell;

/// Small enough to be seen whole in a moment.
const SMALL: Scope = Scope { name: "small office", epochs: 2, attempts: 2, pipelined: false, ..Scope::OFFICE };

fn plain(scope: Scope) -> Scope {
    Scope { reduced: false, ..scope }
}

fn next(protocol: &Protocol, state: &State) -> Vec<State> {
    let mut actions: Vec<Action> = Vec::new();
    protocol.actions(state, &mut actions);
    actions.into_iter().filter_map(|action| protocol.next_state(state, action)).collect()
}

/// Every state within the bounds.
fn all(protocol: &Protocol) -> HashSet<State> {
    let mut seen: HashSet<State> = protocol.init_states().into_iter().collect();
    let mut waiting: Vec<State> = seen.iter().copied().collect();
    while let Some(state) = waiting.pop() {
        waiting.extend(next(protocol, &state).into_iter().filter(|state| seen.insert(*state)));
    }
    seen
}

fn normal(protocol: &Protocol, state: &State) -> State {
    let mut world = World { protocol, state: *state };
    world.settle();
    world.state
}

/// The properties that do not hold.
fn broken(protocol: &Protocol, state: &State) -> Vec<&'static str> {
    let always = protocol.properties().into_iter().filter(|property| property.expectation == Expectation::Always);
    always.filter(|property| !(property.condition)(protocol, state)).map(|property| property.name).collect()
}

/// Lives of the plain model, each state of which must have its form among those that the reduced model reaches, with the
/// same verdict.
fn holds_against_plain_lives(scope: Scope, lives: u64) {
    let (reduced, plain) = (Protocol::new(scope, None), Protocol::new(plain(scope), None));
    let reached = all(&reduced);
    let mut compared = HashSet::new();
    for seed in 0..lives {
        let rng = &mut Rng::new(seed);
        let mut states = plain.init_states();
        for _ in 0..60 {
            let Some(at) = usize::try_from(rng.between(0, states.len() as u64)).ok().filter(|_| !states.is_empty())
            else {
                break;
            };
            let state = states.swap_remove(at);
            let form = normal(&reduced, &state);
            assert!(reached.contains(&form), "life {seed} in {}: {state:#?}\nbecomes\n{form:#?}", scope.name);
            assert_eq!(broken(&plain, &state), broken(&reduced, &form), "life {seed} in {}", scope.name);
            assert_eq!(normal(&reduced, &form), form, "a form is its own form");
            compared.insert(form);
            states = next(&plain, &state);
        }
    }
    assert!(compared.len() > 200, "only {} of {} forms", compared.len(), reached.len());
}

/// Steps in a row that change nothing but what the normal form leaves out.
const STUTTERS: usize = 3;

/// Whether the plain model has a life through these forms, one after the other, that ends where this does not hold.
fn has_plain_life(reduced: &Protocol, plain: &Protocol, forms: &[State], property: &str) -> bool {
    let mut waiting: VecDeque<(State, usize, usize)> =
        plain.init_states().into_iter().map(|state| (state, 0, 0)).collect();
    let mut seen = HashSet::new();
    while let Some((state, at, stutters)) = waiting.pop_front() {
        if at == forms.len() - 1 {
            return broken(plain, &state).contains(&property);
        }
        for next in next(plain, &state) {
            let form = normal(reduced, &next);
            let step = if form == forms[at + 1] {
                (next, at + 1, 0)
            } else if form == forms[at] && stutters < STUTTERS {
                (next, at, stutters + 1)
            } else {
                continue;
            };
            if seen.insert((next, step.1)) {
                waiting.push_back(step);
            }
        }
    }
    false
}

#[test]
fn plain_lives_have_their_forms() {
    let office = SMALL;
    let lost_worker = Scope { name: "small lost-worker", cuts: 1, attempts: 3, breaks: 0, ..SMALL };
    let restart = Scope { name: "small restart", epochs: 1, crashes: 1, breaks: 0, registrations: 2, ..SMALL };
    let overtaking = Scope { name: "small overtaking", registrations: 2, epochs: 1, ..SMALL };
    let pipelined = Scope { name: "small pipelined", pipelined: true, breaks: 0, ..SMALL };
    let operators = Scope { name: "small operators", orders: 2, breaks: 0, ..SMALL };
    let copies = Scope { name: "small late-copies", copies: true, breaks: 0, ..SMALL };
    for scope in [office, lost_worker, restart, overtaking, pipelined, operators, copies] {
        assert!(scope.breaks == ANY || scope.breaks == 0, "a form may need fewer breaks than its lives");
        holds_against_plain_lives(scope, 1000);
    }
}

#[rstest]
fn a_mutant_is_caught_and_the_way_there_is_a_plain_life(
    #[values(
        Mutant::NoGuard,
        Mutant::NoCompare,
        Mutant::NoFence,
        Mutant::NoBarrier,
        Mutant::NoPatience,
        Mutant::BlindRegistration,
        Mutant::LeaseTrusted,
        Mutant::NoOrder,
        Mutant::LooseFindings,
        Mutant::NoIntent
    )]
    mutant: Mutant,
) {
    let (scope, property) = mutant.hunted();
    let plain = Protocol::new(plain(scope), Some(mutant));
    let search = Protocol::new(scope, Some(mutant)).checker().finish_when(HasDiscoveries::AnyFailures);
    let checker = search.target_state_count(scope.steps).spawn_bfs().join();
    let way = checker.discoveries().remove(property);
    let way =
        way.unwrap_or_else(|| panic!("{property:?} does not catch {mutant:?} ({} states)", checker.state_count()));
    let forms = way.clone().into_states();
    let told = tell::retell(checker.model(), &way.into_actions()).join("\n");
    assert!(has_plain_life(checker.model(), &plain, &forms, property), "{mutant:?}: no plain life like this:\n{told}");
}
