//! Clusters of real processes for end-to-end tests.
//!
//! Everything runs on free loopback ports and in one temporary directory, and everything ends when the [`Cluster`] is
//! dropped, whatever became of the test. Waiting is always for a condition with a deadline ([`wait_for`]).

pub mod captured;
mod cluster;
mod command;
mod etcd;
pub mod http;
pub mod measure;
mod node;
mod original;
mod processes;
pub mod prometheus;
mod proxy;
mod shape;
mod spark;
mod spark_driver;
mod spark_worker;
mod wait;

pub use captured::Captured;
pub use cluster::Cluster;
pub use command::{Finished, tanist};
pub use etcd::{Admin, Entry, Etcd, etcd_binary, free_port};
pub use node::{Node, binary};
pub use original::{Daemon, Original, OriginalShape};
pub use processes::{Marker, alive, descendants, kill_nine};
pub use proxy::{BEHIND, Mode, Modes, Proxy, Whose};
pub use shape::{InEtcd, Shape, Store};
pub use spark::Spark;
pub use spark_driver::SparkDriver;
pub use spark_worker::{SparkWorker, SparkWorkerOptions};
pub use wait::wait_for;
