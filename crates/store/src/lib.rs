//! What is durable, and who may change it.
//!
//! | module | holds |
//! |---|---|
//! | [`key`] | where each record lies |
//! | [`engine`] | [`PersistenceEngine`]: revisions, compares, guarded transactions, in the terms of etcd |
//! | [`election`] | [`LeaderElection`]: standing for office, holding and leaving it |
//! | [`journal`] | [`Journal`]: changes of the core in, guarded transactions out; loading what a predecessor left |
//! | [`intent`] | what operators want of the masters |
//! | [`embedded`] | [`EmbeddedStore`]: the backend for one host |
//! | [`etcd`] | [`EtcdStore`]: the backend for several hosts |
//! | [`meta`] | records about the cluster itself |
//! | [`envelope`] | the form of every value, with its checksum |
//! | [`error`] | what can go wrong, sorted by what it means |
//! | `conformance` | the suite that every backend must pass (feature `conformance`) |
//! | [`failpoint`] | where tests may order faults |
//! | [`clock`], [`chance`] | the two clocks; random numbers |
//! | `simulated` | a host of the simulator in place of the operating system (feature `simulated`) |
//!
//! What deliberately is not here: any decision about workers, applications or drivers, and any retry schedule. Who
//! tries again, and when, is decided by the master's shell.

pub mod chance;
pub mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod election;
pub mod embedded;
pub mod engine;
pub mod envelope;
pub mod error;
pub mod etcd;
pub mod failpoint;
mod form;
pub mod intent;
pub mod journal;
pub mod key;
pub mod meta;
mod record;
#[cfg(feature = "simulated")]
pub mod simulated;
mod term;

pub use election::{
    Candidate, Heard, LeaderElection, LeaderRecord, LeaseStatus, Loss, MemberRecord, MirrorStatus, Progress,
    Resignation, Standing, Tenure, Trouble,
};
pub use embedded::EmbeddedStore;
pub use engine::{Committed, Expect, Guard, Operation, PersistenceEngine, Revision, Transaction, Versioned};
pub use error::{CommitError, ElectionError, ForeignStore, StoreError};
pub use etcd::EtcdStore;
pub use intent::{Handover, Intent, IntentChange, Pause};
pub use journal::Journal;
pub use key::{Family, Key, KeyPrefix, Name};
