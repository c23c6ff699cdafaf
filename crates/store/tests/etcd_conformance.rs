//! The suite of every backend, on a real etcd.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use support::{Cluster, shared_etcd};

tanist_store::conformance_suite!(Cluster::new(shared_etcd()));
