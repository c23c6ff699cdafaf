//! etcd's messages, as they go over the wire.
#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated from proto/etcd.proto")]

tonic::include_proto!("etcdserverpb");
