//! Fault injection on real processes: what dies, what goes on, and what must not change.
//!
//! The scenarios are in `chaos/tests`. Each starts a cluster of its own with `tanist-testkit`, gives it real work, kills
//! something with signals that cannot be caught, or cuts it off, and then demands what the protocol promises. What they
//! share is here: a stage with everything on it ([`Stage`]), the work that must not be disturbed ([`Work`]), and what
//! operators are shown ([`Office`]).
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "for tests: they fail by panicking")]

mod office;
mod slot;
mod stage;
mod work;

use std::time::Duration;

pub use office::{Office, count, history, member, term};
pub use slot::Slot;
pub use stage::Stage;
pub use work::{Program, Work, ended};

/// For what takes milliseconds on an idle machine.
pub const SOON: Duration = Duration::from_secs(30);
