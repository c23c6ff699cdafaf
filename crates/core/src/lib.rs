//! The decisions of Tanist: pure state machines, and nothing else.
//!
//! **The rule of this crate**: events go in together with the current time, effects come out. No clock, no network, no
//! file, no thread, no `async`, no global, no randomness of its own, no iteration in random order. Whoever carries the
//! effects out — the real processes, the simulator, the model checker — decides nothing.
//!
//! | module | holds |
//! |---|---|
//! | [`ids`], [`address`], [`units`], [`time`], [`rng`], [`secrets`] | names, places, amounts, clocks, the seeded generator, what is not shown |
//! | [`model`] | what is managed: applications, drivers, executors, workers, resources |
//! | [`msg`] | what is said between master, worker, application client and submitter |
//! | [`record`] | what is durable |
//! | [`master`] | role, registry, scheduling, recovery |
//! | [`worker`] | which master to obey, launches, reports, clean-up |
//! | [`app`] | an application's view of its registration and executors |
//! | [`tracking`] | finding and following the leader, shared by worker and application client |
//! | [`agreement`], [`observer`] | what all of them must come to agree on, and what must hold at every moment: for tests |

pub mod address;
pub mod agreement;
pub mod app;
mod ended;
pub mod ids;
pub mod master;
pub mod model;
pub mod msg;
pub mod observer;
pub mod record;
pub mod rng;
pub mod secrets;
pub mod time;
pub mod tracking;
pub mod units;
pub mod worker;
