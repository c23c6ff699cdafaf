//! The simulated etcd and a real one, asked the same by the same client: every field of every answer is compared.
//!
//! A few thousand operations are done with every test; more with `cargo xtask conform --operations 100000 --seed 7`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod operation;
mod pair;
mod request;
mod side;
mod timing;

use std::time::Instant;

use operation::{Operation, sequence};
use pair::{Difference, Pair};

/// Operations of one pair, from empty.
const EPISODE: usize = 1000;

/// What is done with every test.
const OPERATIONS: usize = 5000;

/// How many shorter sequences are tried where the two part.
const SHRINKS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_requests_have_the_same_answers() {
    let wanted = |name: &str, default: u64| match std::env::var(name) {
        Ok(number) => number.parse().unwrap_or_else(|_| panic!("{name} is {number:?}, which must be a number")),
        Err(_) => default,
    };
    let operations = usize::try_from(wanted("TANIST_CONFORM_OPERATIONS", OPERATIONS as u64)).unwrap();
    let first = wanted("TANIST_CONFORM_SEED", 1);
    let began = Instant::now();
    let (mut done, mut compared) = (0, 0);
    for seed in first.. {
        if done >= operations {
            break;
        }
        let sequence = sequence(seed, EPISODE.min(operations - done));
        match Box::pin(run(&sequence)).await {
            Ok(answers) => (done, compared) = (done + sequence.len(), compared + answers),
            Err(difference) => panic!("{}", Box::pin(report(seed, sequence, difference)).await),
        }
        println!("{done} operations, {compared} answers compared, {:.0} s", began.elapsed().as_secs_f64());
    }
}

/// Says how many answers were the same.
async fn run(sequence: &[Operation]) -> Result<usize, Difference> {
    let mut pair = Pair::start().await;
    pair.run(sequence).await.map(|()| pair.compared)
}

/// The shortest sequence found that still shows that the two differ.
async fn report(seed: u64, mut sequence: Vec<Operation>, mut difference: Difference) -> String {
    sequence.truncate(difference.place + 1);
    let mut tries = 0;
    let mut part = sequence.len() / 2;
    while part > 0 && tries < SHRINKS {
        let mut start = 0;
        while start < sequence.len() && tries < SHRINKS {
            let mut shorter = sequence.clone();
            shorter.drain(start..(start + part).min(sequence.len()));
            tries += 1;
            match Box::pin(run(&shorter)).await {
                Err(found) => {
                    shorter.truncate(found.place + 1);
                    (sequence, difference) = (shorter, found);
                }
                Ok(_) => start += part,
            }
        }
        part /= 2;
    }
    let steps: Vec<String> = sequence.iter().map(|operation| format!("  {operation:?}")).collect();
    format!("seed {seed}: {difference}\nafter {tries} tries to shorten it:\n{}", steps.join("\n"))
}
