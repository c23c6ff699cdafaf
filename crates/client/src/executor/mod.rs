//! What a program needs to be an executor: it registers at its driver, runs tasks on its cores, and ends with it.
//!
//! The worker starts it with the arguments of ERN-08 ([`ExecutorArgs`]); it ends with a code of [`exit`]. It needs not
//! watch its worker: the kernel ends it together with that (DW-05).

mod args;
mod backend;
pub mod exit;
mod functions;

pub use args::ExecutorArgs;
pub use backend::{Exit, run};
pub use functions::{Functions, TaskContext};
