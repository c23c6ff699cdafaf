//! The library for programs: finding the leader, submitting drivers, and being an application with executors.
//!
//! | module | holds |
//! |---|---|
//! | [`masters`] | lists of masters, who of them leads, and the one place where a call is tried again |
//! | [`submit`] | drivers of the cluster: submit, kill, status; what operators ask and order |
//! | [`ha`] | the office: who leads and who could, handing it over, pausing failover |
//! | [`logs`] | what a driver or executor writes, read from its worker |
//! | [`app`] | an application: registered, re-attached to each new leader, told of its executors |
//! | [`scheduler`] | what a program needs to be the driver of executors |
//! | [`executor`] | what a program needs to be an executor |
//! | [`Application`] | application client and scheduler in one |
//! | [`pi`] | the example: an application with driver and executors |
//! | `net` | connections: how they are opened, how their failures are told |
//! | `retry` | the one schedule by which calls are tried again |
//! | `clock` | what time it is for the core's machines |
//! | `error` | what can go wrong for a program that talks to the cluster |

pub mod app;
mod application;
mod call;
mod clock;
mod error;
pub mod executor;
pub mod ha;
pub mod logs;
pub mod masters;
mod net;
pub mod pi;
mod retry;
pub mod scheduler;
pub mod submit;

pub use app::{AppClient, AppOptions, Listener, Notice};
pub use application::{Application, ApplicationOptions};
pub use call::CallName;
pub use error::{Attempts, ClientError};
pub use ha::HaClient;
pub use logs::{DriverTail, LogTail};
pub use masters::{MASTERS_VARIABLE, MasterList, Masters};
pub use submit::{Ended, SubmissionClient};
