//! Java's object streams: the objects of one as a tree, without any knowledge of their classes.
//!
//! | module | holds |
//! |---|---|
//! | `tree` | the objects |
//! | `build` | trees that are made here, not read |
//! | `read` | from bytes to a tree |
//! | `write` | from a tree to bytes |
//! | `tag` | the bytes that mean something |

mod build;
mod read;
mod tag;
mod tree;
mod write;

pub(crate) use read::MAX_ITEMS;
pub use read::read;
pub use tree::{Array, Class, ClassId, Field, Kind, Node, NodeId, Object, ObjectRef, Part, Tree, Value};
pub use write::write;

/// A `java.lang.Boolean`.
pub fn boolean(value: bool) -> Vec<u8> {
    const BEFORE_THE_VALUE: &[u8] =
        b"\xac\xed\0\x05\x73\x72\0\x11java.lang.Boolean\xcd\x20\x72\x80\xd5\x9c\xfa\xee\x02\0\x01\x5a\0\x05value\x78\x70";
    [BEFORE_THE_VALUE, &[u8::from(value)]].concat()
}
