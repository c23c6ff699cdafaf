//! The master's behaviour, by the ids of the original's tests and of the inventory.

mod apps;
mod decommission;
mod drivers;
mod foreign_apps;
mod foreign_executors;
mod foreign_workers;
mod properties;
mod recovery;
mod refusals;
mod rig;
mod workers;
