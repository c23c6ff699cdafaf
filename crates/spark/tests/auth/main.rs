//! Authentication and encryption of Spark's connections: as Spark does it, both ends against each other, and against
//! ends that lie.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod foreign;
mod handshakes;
mod pair;
mod vectors;
