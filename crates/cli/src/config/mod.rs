//! Settings: where they come from, which one wins, and how each one is named when it is wrong.
//!
//! Precedence, highest first: flag, environment variable (`TANIST_…`), configuration file, Spark's own configuration (for
//! masters and workers), default. One list of
//! settings per component ([`shared`], [`cluster`], [`client`], [`master`],
//! [`rest`], [`worker`], [`programs`], [`auth`]) is the source of everything else: the struct
//! with its defaults, the keys of the file, the variables, the flags with their help.
//!
//! | file | holds |
//! |---|---|
//! | `value` | types of settings, read from and shown as text |
//! | `section` | one component's list of settings, and the macro that writes it |
//! | `file` | the TOML file with the line of every key |
//! | `env` | the variables |
//! | `spark` | Spark's own configuration: its names, its syntax, its units |
//! | `ssl` | one type of setting: Spark's of a worker's own host |
//! | `flags` | the same settings as flags |
//! | `resolve` | putting the sources over each other |
//! | `shared`, `cluster`, `client`, `master` (with `etcd`), `rest`, `worker`, `programs`, `auth` | the settings themselves |

mod auth;
mod client;
mod cluster;
mod env;
mod etcd;
mod file;
mod flags;
mod master;
mod programs;
mod resolve;
mod rest;
mod section;
mod shared;
mod spark;
mod ssl;
mod value;
mod worker;

pub(crate) use auth::AuthSettings;
pub(crate) use client::{ClientSettings, OutputFormat};
pub(crate) use cluster::ClusterSettings;
pub(crate) use env::Environment;
pub(crate) use file::ConfigFile;
pub(crate) use flags::{Flags, GENERAL};
pub(crate) use master::MasterSettings;
pub(crate) use programs::SparkSettings;
pub(crate) use resolve::{Layers, Problems, Resolved, Source, missing};
pub(crate) use rest::RestSettings;
pub(crate) use section::{Section, Setting};
pub(crate) use shared::{LogFormat, SharedSettings};
pub(crate) use spark::SparkConf;
pub(crate) use value::{Refused, Value, show_duration};
pub(crate) use worker::{Roll, WorkerSettings};

#[cfg(test)]
mod tests;
