//! The bytes of the Java Object Serialization Stream Protocol, version 5, that mean something.

/// How a stream begins: its magic number and version.
pub(super) const START: [u8; 4] = [0xAC, 0xED, 0x00, 0x05];

pub(super) const NULL: u8 = 0x70;
pub(super) const REFERENCE: u8 = 0x71;
pub(super) const CLASS_DESCRIPTION: u8 = 0x72;
pub(super) const OBJECT: u8 = 0x73;
pub(super) const STRING: u8 = 0x74;
pub(super) const ARRAY: u8 = 0x75;
pub(super) const CLASS: u8 = 0x76;
pub(super) const BLOCK: u8 = 0x77;
pub(super) const END_OF_ANNOTATION: u8 = 0x78;
pub(super) const RESET: u8 = 0x79;
pub(super) const LONG_BLOCK: u8 = 0x7A;
pub(super) const LONG_STRING: u8 = 0x7C;
pub(super) const ENUM: u8 = 0x7E;

/// Flag of a class: it writes something by itself after its fields.
pub(super) const WRITES_MORE: u8 = 0x01;
pub(super) const SERIALIZABLE: u8 = 0x02;
pub(super) const EXTERNALIZABLE: u8 = 0x04;
/// What an externalizable class writes is in blocks, so that its end can be found.
pub(super) const IN_BLOCKS: u8 = 0x08;

/// The number of the first thing in a stream that may be referred to.
pub(super) const FIRST_HANDLE: u32 = 0x007E_0000;
