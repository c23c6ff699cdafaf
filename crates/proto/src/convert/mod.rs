//! The only place that converts between the core's types and the wire.
//!
//! One rule everywhere: **to the wire** `v1::X::from(&core)` never fails; **from the wire** `Core::try_from(wire)`
//! accepts any bytes without panicking and says in a [`DecodeError`] which field is wrong. The one exception: a
//! [`tanist_core::msg::ClientReply`] goes to the wire as the reply of a certain call, and not every reply fits every
//! call ([`WrongReply`]).
//!
//! | module | converts |
//! |---|---|
//! | `leader`, `resources`, `descriptions`, `placed` | the model |
//! | `worker`, `app` | the sessions |
//! | `calls`, `replies` | submission and operator requests with their replies |
//! | [`endpoint`] | what is asked of a worker's or client's own endpoint, `GetLeader` and `AwaitLeader` |
//! | [`state`], [`status`] | the published view, and what it says of one driver |

mod app;
mod calls;
mod descriptions;
pub mod endpoint;
mod enums;
mod error;
mod fields;
mod leader;
mod placed;
mod replies;
mod resources;
pub mod state;
pub mod status;
#[cfg(test)]
mod tests;
mod worker;

pub use calls::Call;
pub use descriptions::check_submission;
pub use error::{DecodeError, Problem};
pub use replies::WrongReply;
