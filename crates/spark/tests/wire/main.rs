//! What real Spark processes said to each other, and what they never would.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod absurd;
mod captured;
mod damage;
mod foreign;
mod messages;
mod mutants;
mod rewritten;
mod said;
mod shown;
mod streams;
mod taken;
mod uids;
mod workers;
