//! What is measured of a change of leader: its moments, found in the logs of the masters, and figures out of many of them.

mod log;
mod milestones;
mod stats;

pub use log::{Line, Log, millis_between};
pub use milestones::Milestones;
pub use stats::{Sample, millis, say, table};
