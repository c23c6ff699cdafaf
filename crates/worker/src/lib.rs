//! The worker process around the core: it turns what masters say, timers and the ends of processes into events for
//! [`tanist_core::worker::Worker`], and carries its effects out. It holds no rule of the cluster.
//!
//! ```text
//!  sessions, announcements ──▶ inbox ──┐                  ┌──▶ links ── session ──▶ masters
//!  runs: prepared, started, ended ─────┼──▶ event_loop ───┼──▶ runs ── prepare, launch ──▶ runner
//!  stop, timers, free disk ────────────┘        │         └──▶ cleaner ──▶ runner::workdir
//!                                               └──▶ state_dir: a term is durable before anything that follows from it
//!  readers of output ──▶ endpoint ── log_stream ──▶ runner::logs (never enter the loop)
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`options`] | what a worker is started with |
//! | `service` | from the start to the end of a worker process |
//! | `handle` | the way into the loop |
//! | `event_loop`, `timers`, `story` | the one task that owns the machine; its alarms; what is told in the log |
//! | `links`, `session`, `lines` | sessions with masters and questions to them; the connections below |
//! | `endpoint`, `log_stream`, `live` | the worker's own port: its gRPC server, and reading output |
//! | `watchers` | Spark's programs that live as long as this worker, on the same port |
//! | `runs`, `prepare`, `launch`, `program` | carrying out launches |
//! | [`homes`] | the installations of Spark that programs are run with |
//! | `board`, `http` | what is shown, and the HTTP face that shows it |
//! | `place`, `cleaner`, `disk` | directories: where they are, their end, the room for them |
//! | `state_dir` | what is remembered over processes |
//! | [`runner`] | mechanisms: processes and their keepers, logs, directories, artifacts, resources |

mod board;
mod cleaner;
mod disk;
mod endpoint;
mod error;
mod event_loop;
mod handle;
pub mod homes;
mod http;
mod launch;
mod lines;
mod links;
mod live;
mod log_stream;
pub mod options;
mod place;
mod prepare;
mod program;
pub mod runner;
mod runs;
mod service;
mod session;
mod state_dir;
mod story;
mod timers;
mod watchers;

pub use error::WorkerError;
pub use handle::WorkerHandle;
pub use launch::PROGRAM_VARIABLES;
pub use options::{Naming, Offer, WorkerOptions};
pub use service::{Exit, Listeners, run};
