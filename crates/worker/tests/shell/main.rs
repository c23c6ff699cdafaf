//! A whole worker with real programs, against masters that follow a script.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too: they stop at the first surprise")]

mod drivers;
mod executors;
mod fake_master;
mod host;
mod masters;
mod output;
mod rig;
mod watchers;
mod web;
