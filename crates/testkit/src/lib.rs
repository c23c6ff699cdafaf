//! Clusters of real processes for end-to-end tests.
//!
//! Everything runs on free loopback ports and in one temporary directory, and everything ends when the [`Cluster`] is
//! dropped, whatever became of the test. Waiting is always for a condition with a deadline ([`wait_for`]).

mod cluster;
mod command;
mod etcd;
pub mod measure;
mod node;
mod processes;
mod proxy;
mod shape;
mod wait;

pub use cluster::Cluster;
pub use command::{Finished, tanist};
pub use etcd::{Admin, Entry, Etcd, etcd_binary, free_port};
pub use node::{Node, binary};
pub use processes::{Marker, alive, descendants, kill_nine};
pub use proxy::{BEHIND, Mode, Modes, Proxy, Whose};
pub use shape::{InEtcd, Shape, Store};
pub use wait::wait_for;
