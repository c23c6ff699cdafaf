//! The backend for several hosts: etcd.

mod options;

pub use options::{Credentials, DEFAULT_TTL, EtcdOptions, EtcdTls, LEAST_TTL, LONGEST_TTL, default_prefix};
