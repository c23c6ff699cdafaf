//! The master process around the core: it turns gRPC calls, what programs of Spark say, timers and leadership into events for
//! [`tanist_core::master::Master`], and carries its effects out. It holds no rule of the cluster.
//!
//! ```text
//!  sessions, requests ──▶ inbox ──┐                       ┌──▶ sessions, replies   (once committed)
//!  timers, probes     ────────────┼──▶ commit_loop ──▶ seat ──▶ one guarded transaction at a time
//!  election, standing ────────────┘        │
//!                                          └──▶ board ──▶ readers (never enter the loop)
//!  beats of the leader ──▶ follow ──▶ its term is ended once its process is gone
//! ```
//!
//! A process lives through any number of terms: STANDBY → RECOVERING → ALIVE ⇄ SUSPENDED → STANDBY. What its store does
//! ends it in one case only, see [`Unusable`].
//!
//! | module | holds |
//! |---|---|
//! | `options` | what a master is started with |
//! | `service` | a running master, from its start to its end |
//! | `commit_loop` | the one task that owns the machine, and the barrier of protocol 3 |
//! | `seat` | standing for office, taking over, one commit at a time, leaving |
//! | `follow` | noticing at once that the leader's process is gone |
//! | `member` | being known among the masters |
//! | `ha` | the office as operators see it and change it |
//! | `doing`, `counts` | what a master does at the moment, and what it has counted |
//! | `release` | carrying out effects that may leave |
//! | `story` | what of it is told in the log |
//! | `sessions`, `replies`, `timers`, `peers`, `dial` | where effects go |
//! | `told` | who has heard of a term already, and need not be dialled |
//! | `connect` | fresh connections to others |
//! | `limits` | what is too large to be stored |
//! | `pauses` | how long to wait between tries |
//! | `error` | why something was not done |
//! | `board` | what readers see |
//! | `handle` | the way in |
//! | `grpc` | the wire |
//! | `spark` | drivers and workers of an unmodified Spark, by its own protocol |
//! | `http` | REST submissions; what is shown to browsers, scripts, Prometheus and load balancers |

mod board;
mod commit_loop;
mod connect;
mod counts;
mod dial;
mod doing;
mod error;
mod follow;
mod grpc;
mod ha;
mod handle;
mod http;
mod limits;
mod member;
mod options;
mod pauses;
mod peers;
mod release;
mod replies;
mod seat;
mod service;
mod sessions;
mod spark;
mod story;
mod timers;
mod told;

pub use board::{Leadership, Published};
pub use counts::Counted;
pub use error::{IntentError, LeaveError, MasterError, RequestError};
pub use ha::HaStatus;
pub use handle::MasterHandle;
pub use http::rest::{RestOptions, SPARK_VERSION, Variables};
pub use options::{Backend, MasterOptions, Unusable};
pub use service::{Listeners, MasterService, run};
pub use spark::{SparkOptions, SparkTls};
