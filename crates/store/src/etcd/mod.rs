//! The backend for several hosts: etcd.

mod engine;
mod fault;
mod options;
mod pool;

pub use options::{
    Credentials, DEFAULT_TTL, EtcdOptions, EtcdTls, InvalidOption, LEAST_TTL, LONGEST_TTL, default_prefix,
};
