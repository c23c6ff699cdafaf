//! Bytes, read one after the other. All numbers are big endian.

use crate::{Error, utf};

/// A place in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    left: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The next byte, not read.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.left.first().copied()
    }

    /// Everything that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.left
    }

    /// So many bytes; `what` they are is for the error.
    pub(crate) fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Error> {
        let short = Error::Truncated { what, at: self.at, wanted: count, left: self.left.len() };
        let (taken, left) = self.left.split_at_checked(count).ok_or(short)?;
        self.left = left;
        self.at += count;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let short = Error::Truncated { what, at: self.at, wanted: N, left: self.left.len() };
        let (taken, left) = self.left.split_first_chunk().ok_or(short)?;
        self.left = left;
        self.at += N;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Error> {
        self.array(what).map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, Error> {
        self.array(what).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Error> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self, what: &'static str) -> Result<i32, Error> {
        self.array(what).map(i32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, Error> {
        self.array(what).map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self, what: &'static str) -> Result<i64, Error> {
        self.array(what).map(i64::from_be_bytes)
    }

    /// A text after its length of two bytes, as Java's `writeUTF` writes it.
    pub(crate) fn utf(&mut self, what: &'static str) -> Result<String, Error> {
        let length = self.u16(what)?;
        self.text(usize::from(length), what)
    }

    /// A text of so many bytes in modified UTF-8.
    pub(crate) fn text(&mut self, bytes: usize, what: &'static str) -> Result<String, Error> {
        let at = self.at;
        utf::decode(self.take(bytes, what)?).ok_or(Error::Text { what, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_not_read() {
        let mut cursor = Cursor::new(&[0, 3, b'a']);
        let error = cursor.utf("name").unwrap_err();
        assert_eq!(error, Error::Truncated { what: "name", at: 2, wanted: 3, left: 1 });
        assert_eq!((cursor.at(), cursor.peek()), (2, Some(b'a')));
    }
}
