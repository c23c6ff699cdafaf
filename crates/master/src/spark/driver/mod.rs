//! Drivers of applications of Spark, and whoever submits drivers (ADR 14).
//!
//! ```text
//! driver ──▶ conversation ──▶ describe ──▶ the loop     what comes
//! driver ◀── conversation ◀── notice   ◀── the loop     what goes
//! driver ◀── call                      ◀── the loop     a master that takes over, or whose connection broke
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `conversation` | one connection, from its beginning to its end |
//! | `state` | who is at its other end |
//! | `build` | which build of Spark that is |
//! | `describe` | what a driver says about its application, as the machine is told it |
//! | `notice` | what the machine tells an application, as a driver is told it |
//! | `submit` | drivers that are submitted |
//! | `call` | dialling a driver that is not heard |

mod build;
mod call;
mod conversation;
mod describe;
mod notice;
mod state;
mod submit;

pub(crate) use self::call::Called;
pub(super) use self::call::reach;
pub(super) use self::conversation::Conversation;
