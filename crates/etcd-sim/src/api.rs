//! etcd's messages, and one type each for everything that is asked and answered.
#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated from proto/etcd.proto")]

tonic::include_proto!("etcdserverpb");
