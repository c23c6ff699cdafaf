//! Spark's native protocol as bytes: what programs of an unmodified Spark say to a master and to a worker, and what they
//! are told and answered. Nothing here reads a socket, a clock or a setting; whoever has the connection brings the bytes.
//!
//! ```text
//! bytes ─▶ auth ─▶ frame ─▶ envelope ─▶ java ─▶ message     what comes
//! bytes ◀─ auth ◀─ frame ◀─ envelope ◀─ java ◀─ dialect     what goes
//! ```
//!
//! | module | question it answers |
//! |---|---|
//! | [`auth`] | is the other end who it should be, and how are the bytes sealed? |
//! | [`frame`] | where does a message begin and end, and is it a question? |
//! | [`envelope`] | who says it, and to which endpoint? |
//! | [`java`] | which objects is it made of? |
//! | [`message`] | what does a driver or a worker say? |
//! | [`dialect`] | how is it told something? |
//! | [`uids`] | which numbers have the classes of a build that nobody has described? |
//! | [`verifier`] | which endpoint is asked for, and is it there? |
//!
//! Everything that arrives is foreign: whatever the bytes, reading them ends with a value or an [`Error`], within
//! limits of size, depth and number. Classes are known by name and fields by name; nothing that is read is executed.

pub mod auth;
mod cursor;
pub mod dialect;
pub mod envelope;
mod error;
mod fields;
pub mod frame;
pub mod java;
pub mod message;
mod scala;
pub mod uids;
mod utf;
pub mod verifier;

pub use dialect::{Answer, Dialect, ExecutorState, Family, ToDriver, ToWorker};
pub use envelope::{Address, Envelope};
pub use error::Error;
pub use frame::Frame;
pub use message::Message;
