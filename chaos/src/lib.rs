//! Fault injection on real processes: what dies, what goes on, and what must not change.
//!
//! The scenarios are in `chaos/tests`. Each starts a cluster of its own with `tanist-testkit`, gives it real work, kills
//! something with signals that cannot be caught, and then demands what the protocol promises.
