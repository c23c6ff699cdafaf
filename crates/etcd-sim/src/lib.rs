//! etcd that runs the same way twice, for tests.
//!
//! [`Etcd`] is a cluster of etcd without I/O: members that agree and lag, a leader that is missed and replaced, keys in
//! revisions, leases, watches, and the faults that a test orders. Time comes in with each call, in milliseconds,
//! randomness from a seed; what the cluster has to say is polled.
//!
//! [`Host`] puts it behind etcd's own API. It runs by tokio's clock, also a paused one, on connections of any kind:
//!
//! ```
//! use tanist_etcd_sim::{Config, Etcd, Host};
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let host = Host::start(Etcd::new(Config::new(3), 7));
//! let (connect, connections) = tokio::sync::mpsc::unbounded_channel::<std::io::Result<tokio::io::DuplexStream>>();
//! let server = host.clone();
//! tokio::spawn(async move {
//!     let connections = tokio_stream::wrappers::UnboundedReceiverStream::new(connections);
//!     server.serve(0, connections).await
//! });
//! // A client of member 0 dials by sending one end of a pair.
//! let (_ours, theirs) = tokio::io::duplex(1 << 16);
//! connect.send(Ok(theirs)).unwrap();
//! // Faults and questions, at the present moment.
//! let leader = host.with(|etcd, _now| etcd.leader()).unwrap();
//! host.with(|etcd, now| etcd.stop(now, leader));
//! assert_eq!(host.with(|etcd, _now| etcd.leader()), None);
//! # }
//! ```
//!
//! | place | question it answers |
//! |---|---|
//! | `store`, `txn`, `replica` | what is in a member, and how does a request change it? |
//! | `watch`, `lessor` | who is told of changes, and when does a lease end? |
//! | `check`, `failure` | what is refused, and in which words? |
//! | `cluster` | who leads, what is agreed upon, what waits for what; what a test may break |
//! | `serve` | how does it speak gRPC? |
//!
//! It is like etcd 3.4 in what it does and says, which `tests/conformance` checks against a real one. What it leaves
//! out: users and roles, changes of membership, checkpoints of leases longer than 5 minutes, progress that a watch is
//! notified of every 10 minutes, quotas that fill up by themselves, and split votes.

pub mod api;
mod check;
mod cluster;
mod failure;
mod lessor;
mod message;
mod replica;
mod rng;
mod serve;
mod store;
mod txn;
mod watch;

pub use cluster::{CallId, Config, Effect, Etcd, Mishap, Output, Snapshot, StreamId, Told};
pub use failure::{Code, Failure};
pub use message::{Request, Response};
pub use serve::Host;
