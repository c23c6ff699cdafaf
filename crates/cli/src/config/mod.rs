//! Settings: where they come from, which one wins, and how each one is named when it is wrong.
//!
//! Precedence, highest first: flag, environment variable (`TANIST_…`), configuration file, default. One list of
//! settings per component ([`shared`], [`cluster`], [`client`], [`master`],
//! [`worker`]) is the source of everything else: the struct
//! with its defaults, the keys of the file, the variables, the flags with their help.
//!
//! | file | holds |
//! |---|---|
//! | `value` | types of settings, read from and shown as text |
//! | `section` | one component's list of settings, and the macro that writes it |
//! | `file` | the TOML file with the line of every key |
//! | `env` | the variables |
//! | `flags` | the same settings as flags |
//! | `resolve` | putting the sources over each other |
//! | `shared`, `cluster`, `client`, `master` (with `etcd`), `worker` | the settings themselves |

mod client;
mod cluster;
mod env;
mod etcd;
mod file;
mod flags;
mod master;
mod resolve;
mod section;
mod shared;
mod value;
mod worker;

pub(crate) use client::{ClientSettings, OutputFormat};
pub(crate) use cluster::ClusterSettings;
pub(crate) use env::Environment;
pub(crate) use file::ConfigFile;
pub(crate) use flags::{Flags, GENERAL};
pub(crate) use master::MasterSettings;
pub(crate) use resolve::{Layers, Problems, Resolved, Source, missing};
pub(crate) use section::{Section, Setting};
pub(crate) use shared::{LogFormat, SharedSettings};
pub(crate) use value::{Refused, Value, show_duration};
pub(crate) use worker::{Roll, WorkerSettings};

#[cfg(test)]
mod tests;
