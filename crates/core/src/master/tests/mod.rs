//! The master's behaviour, by the ids of the original's tests and of the inventory.

mod apps;
mod decommission;
mod drivers;
mod properties;
mod recovery;
mod rig;
mod workers;
