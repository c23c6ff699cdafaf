//! Clusters of real processes for end-to-end tests.
//!
//! Everything runs on free loopback ports and in one temporary directory, and everything ends when the [`Cluster`] is
//! dropped, whatever became of the test. Waiting is always for a condition with a deadline ([`wait_for`]).

mod cluster;
mod etcd;
mod node;
mod processes;
mod wait;

pub use cluster::{Cluster, Finished, Shape};
pub use etcd::{Admin, Entry, Etcd, etcd_binary};
pub use node::{Node, binary};
pub use processes::{Marker, alive, kill_nine};
pub use wait::wait_for;
