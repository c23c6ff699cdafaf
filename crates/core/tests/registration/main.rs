//! SPARK-4592 in every order: a change of leader, seen by one worker that runs something.
//!
//! ```text
//!            ┌── up: registrations ──▶ master A  (leads, is deposed or dies, hears of it whenever)
//!   worker ──┤◀─ down: answers ──────              │ guarded commits, one holder at a time
//!            ├── up, down ───────────▶ master B  ──┘ (elected whenever the lead is free)
//!            └◀─ MasterChanged, answers to "who leads?"
//! ```
//!
//! The two masters and the worker are the real machines. Everything that can happen next is tried from every state: each
//! message arrives, or waits while something else happens; one is delivered twice; one connection is refused and one breaks
//! with all that is in flight. Up to [`REGISTRATIONS`] registrations are sent. What has been said on one channel keeps its
//! order, nothing else does. States that were reached with the same histories of all three machines are one, so every
//! interleaving is judged and most of the work is done once.
//!
//! At every step the [`rules`] hold, and from every end the world comes to rest with the worker registered once, with the
//! master that leads, and everything that ran running.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod cluster;
mod pipe;
mod rules;
mod setup;
mod steps;

use std::collections::BTreeMap;

use crate::cluster::Cluster;
use crate::setup::{A, Beginning, begin};

/// Registrations that the worker sends at most before the world comes to rest, repeated deliveries not counted.
pub(crate) const REGISTRATIONS: u32 = 3;

/// How the old leader goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its lead is given to somebody else, and it lives.
    Deposed,
    /// Its process is killed.
    Dies,
}

/// All interleavings from one state on.
#[derive(Debug, Default)]
struct Explored {
    /// Interleavings from each state to all ends, by state.
    known: BTreeMap<u64, u128>,
    ends: u64,
    steps: u64,
}

impl Explored {
    fn explore(&mut self, cluster: &Cluster) -> u128 {
        let key = cluster.key();
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let steps = cluster.possible();
        let mut interleavings = 0;
        for step in &steps {
            let mut next = cluster.clone();
            next.take(*step);
            self.steps += 1;
            interleavings += self.explore(&next);
        }
        if steps.is_empty() {
            self.ends += 1;
            interleavings = 1;
            cluster.clone().comes_to_rest();
        }
        self.known.insert(key, interleavings);
        interleavings
    }
}

#[allow(clippy::print_stderr, reason = "how much was tried is part of the result")]
fn explore(beginning: Beginning, fate: Fate) {
    let cluster = begin(beginning, fate);
    let mut explored = Explored::default();
    let interleavings = explored.explore(&cluster);
    let Explored { known, ends, steps } = explored;
    eprintln!(
        "{beginning:?}, master {A} {fate:?}: {interleavings} interleavings over {} states, {steps} steps, {ends} ends",
        known.len()
    );
    assert!(interleavings > 1000 && ends > 0, "nothing was tried");
}

#[test]
fn a_registered_worker_whose_leader_is_deposed_spark_4592() {
    explore(Beginning::Registered, Fate::Deposed);
}

#[test]
fn a_registered_worker_whose_leader_dies_spark_4592() {
    explore(Beginning::Registered, Fate::Dies);
}

#[test]
fn a_new_worker_while_the_leader_is_deposed_spark_4592() {
    explore(Beginning::New, Fate::Deposed);
}

#[test]
fn a_new_worker_while_the_leader_dies_spark_4592() {
    explore(Beginning::New, Fate::Dies);
}
