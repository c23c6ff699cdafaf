//! A whole cluster on this host: masters and workers as child processes of this one.
//!
//! | file | holds |
//! |---|---|
//! | `child` | one child process: starting it, hearing that it is ready, its end |
//! | `cluster` | all of them, in order up and in order down |
//! | `place` | the directory they share |

mod child;
mod cluster;
mod place;

pub(crate) use cluster::{Cluster, Shape};
pub(crate) use place::Place;
