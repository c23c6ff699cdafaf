//! What is managed: data and the questions it can answer about itself. Who changes it when is decided elsewhere.

mod app;
mod command;
mod driver;
mod executor;
mod master;
mod resources;
mod worker;

pub use app::{AppEndpoint, ApplicationDescription, ApplicationState, ForeignClient, ResourceProfile};
pub use command::{Command, JavaProgram, Program};
pub use driver::{DriverDescription, DriverOutcome, DriverState, OnIsolation};
pub use executor::{ExecutorDescription, ExecutorState};
pub use master::{LeaderInfo, MasterRole};
pub use resources::{Addresses, Amounts};
pub use worker::{Booking, DriverOnWorker, Inventory, WorkerKind, WorkerState};
