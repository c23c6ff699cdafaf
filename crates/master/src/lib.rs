//! The master process around the core: it turns gRPC calls, timers and leadership into events for
//! [`tanist_core::master::Master`], and carries its effects out. It holds no rule of the cluster.
//!
//! ```text
//!  sessions, requests ──▶ inbox ──┐                       ┌──▶ sessions, replies   (once committed)
//!  timers, probes     ────────────┼──▶ commit_loop ──▶ seat ──▶ one guarded transaction at a time
//!  election, standing ────────────┘        │
//!                                          └──▶ board ──▶ readers (never enter the loop)
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `options` | what a master is started with |
//! | `commit_loop` | the one task that owns the machine, and the barrier of ha-protocol 3 |
//! | `seat` | standing for office, taking over, one commit at a time, leaving |
//! | `release` | carrying out effects that may leave |
//! | `story` | what of it is told in the log |
//! | `sessions`, `replies`, `timers`, `peers`, `dial` | where effects go |
//! | `limits` | what is too large to be stored |
//! | `pauses` | how long to wait between tries |
//! | `board` | what readers see |
//! | `handle` | the way in |
//! | `grpc` | the wire |

mod board;
mod commit_loop;
mod dial;
mod error;
mod grpc;
mod handle;
mod limits;
mod options;
mod pauses;
mod peers;
mod release;
mod replies;
mod seat;
mod service;
mod sessions;
mod story;
mod timers;

pub use board::{Leadership, Published};
pub use error::{MasterError, RequestError};
pub use handle::MasterHandle;
pub use options::{Backend, MasterOptions, Unusable};
pub use service::{MasterService, run};
