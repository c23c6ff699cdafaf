//! Spark as it is: `spark-submit` of every release at hand against three masters on etcd, and the same requests for a master
//! of Spark's and for ours.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod application;
mod auth;
mod builds;
mod client;
mod compat;
mod dialect;
mod elastic;
mod faults;
mod homes;
mod line;
mod migration;
mod orders;
mod submit;
mod uids;
mod world;
