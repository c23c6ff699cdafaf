//! A whole cluster in one thread, in virtual time, from one seed: see docs/simulator.md.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "what does not hold ends a run by panicking")]
#![allow(missing_docs, reason = "the fields of faults and happenings say what they are")]

pub mod agenda;
pub mod broken;
pub mod campaign;
pub mod cli;
pub mod clients;
pub mod etcd;
pub mod faults;
pub mod grpc;
pub mod hosts;
pub mod ledger;
pub mod lines;
pub mod logs;
pub mod master;
pub mod net;
pub mod operator;
pub mod peace;
pub mod plan;
pub mod port;
pub mod run;
pub mod settings;
pub mod shrink;
pub mod trace;
pub mod world;
