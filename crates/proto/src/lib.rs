//! The gRPC contracts and the only place that converts between them and the core's types.
//!
//! | module | holds |
//! |---|---|
//! | [`v1`] | what is generated from `proto/tanist/v1/*.proto`: messages, clients, servers |
//! | [`convert`] | core ⇄ wire, in both directions |
//! | [`limits`] | how much a peer may send, and for how long it may be silent |

pub mod convert;
pub mod limits;

/// Generated from `proto/tanist/v1/*.proto`; the comments there are the documentation.
#[allow(
    missing_docs,
    unreachable_pub,
    rustdoc::all,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "generated code is not ours to style"
)]
pub mod v1 {
    tonic::include_proto!("tanist.v1");
}
