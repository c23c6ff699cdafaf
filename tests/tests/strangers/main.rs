//! Strangers at the port of a master that serves programs of Spark: what they say and what they leave unsaid takes nothing
//! from it, and disturbs nobody beside them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crowd;
#[path = "../../../crates/spark/tests/wire/damage.rs"]
mod damage;
mod driver;
mod nonsense;
mod streams;
