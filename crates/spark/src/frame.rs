//! Frames: where a message begins and ends, and whether it is a question.

use std::borrow::Cow;

use crate::Error;
use crate::cursor::Cursor;

/// What the length at the start of a frame takes itself; it is counted.
const LENGTH_BYTES: usize = 8;
/// Length and type.
const LEAST_BYTES: usize = LENGTH_BYTES + 1;
/// What a request, a response and a failure have before their body: an id, and the length of the body once more.
const ID_BYTES: usize = 8;

const REQUEST: u8 = 3;
const RESPONSE: u8 = 4;
const FAILURE: u8 = 5;
const ONE_WAY: u8 = 9;

/// One message on a connection. Both ends may ask; an answer has the id of its question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A question: an envelope.
    Request {
        /// Chosen by who asks.
        id: i64,
        /// The envelope.
        body: Cow<'a, [u8]>,
    },
    /// An answer: an object stream.
    Response {
        /// Of the question.
        id: i64,
        /// The object stream.
        body: Cow<'a, [u8]>,
    },
    /// The answer to a question that could not be answered.
    Failure {
        /// Of the question.
        id: i64,
        /// Why, for people.
        text: Cow<'a, str>,
    },
    /// What nobody answers: an envelope.
    OneWay {
        /// The envelope.
        body: Cow<'a, [u8]>,
    },
}

impl<'a> Frame<'a> {
    /// The first frame of what was received, and how many bytes it takes. `None` = it is not all there yet.
    ///
    /// # Errors
    /// These are not Spark's bytes, the frame has more than `limit` bytes, or it is of a type nobody sends here. As soon
    /// as that can be seen: the rest is not waited for.
    pub fn first(received: &'a [u8], limit: usize) -> Result<Option<(Self, usize)>, Error> {
        let mut cursor = Cursor::new(received);
        if received.len() < LENGTH_BYTES {
            return Ok(None);
        }
        let length = cursor.u64("length of a frame")?;
        let allowed = usize::try_from(length).ok().filter(|length| (LEAST_BYTES..=limit).contains(length));
        let whole = allowed.ok_or(Error::FrameLength { length, least: LEAST_BYTES, limit })?;
        match cursor.peek() {
            Some(REQUEST | RESPONSE | FAILURE | ONE_WAY) => {}
            Some(kind) => return Err(Error::FrameType { kind }),
            None => return Ok(None),
        }
        let Some(frame) = received.get(LENGTH_BYTES..whole) else { return Ok(None) };
        Self::read(Cursor::new(frame)).map(|frame| Some((frame, whole)))
    }

    /// From the type on. The length of the body repeats what the frame's says, and is not looked at.
    fn read(mut cursor: Cursor<'a>) -> Result<Self, Error> {
        let kind = cursor.u8("type of a frame")?;
        let id = if kind == ONE_WAY { 0 } else { cursor.i64("id of a request")? };
        cursor.i32("length of a body")?;
        let body = cursor.rest();
        Ok(match kind {
            REQUEST => Self::Request { id, body: body.into() },
            RESPONSE => Self::Response { id, body: body.into() },
            FAILURE => Self::Failure { id, text: String::from_utf8_lossy(body) },
            ONE_WAY => Self::OneWay { body: body.into() },
            kind => return Err(Error::FrameType { kind }),
        })
    }

    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Request { .. } => "a request",
            Self::Response { .. } => "a response",
            Self::Failure { .. } => "a failure",
            Self::OneWay { .. } => "a one-way message",
        }
    }

    /// The frame, apart from what it was read from.
    pub fn into_owned(self) -> Frame<'static> {
        match self {
            Self::Request { id, body } => Frame::Request { id, body: body.into_owned().into() },
            Self::Response { id, body } => Frame::Response { id, body: body.into_owned().into() },
            Self::Failure { id, text } => Frame::Failure { id, text: text.into_owned().into() },
            Self::OneWay { body } => Frame::OneWay { body: body.into_owned().into() },
        }
    }

    /// The frame as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, id, body): (_, _, &[u8]) = match self {
            Self::Request { id, body } => (REQUEST, Some(id), body),
            Self::Response { id, body } => (RESPONSE, Some(id), body),
            Self::Failure { id, text } => (FAILURE, Some(id), text.as_bytes()),
            Self::OneWay { body } => (ONE_WAY, None, body),
        };
        let header = LEAST_BYTES + id.map_or(0, |_| ID_BYTES) + size_of::<u32>();
        let mut bytes = Vec::with_capacity(header + body.len());
        bytes.extend(((header + body.len()) as u64).to_be_bytes());
        bytes.push(kind);
        bytes.extend(id.into_iter().flat_map(|id| id.to_be_bytes()));
        // What does not fit into four bytes is longer than any frame that is taken.
        bytes.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(body);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 64;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        for frame in [
            Frame::Request { id: -1, body: b"body"[..].into() },
            Frame::Response { id: 7, body: b""[..].into() },
            Frame::Failure { id: 8, text: "no such endpoint".into() },
            Frame::OneWay { body: b"x"[..].into() },
        ] {
            let mut bytes = frame.to_bytes();
            let length = bytes.len();
            for part in 0..length {
                assert_eq!(Frame::first(&bytes[..part], LIMIT), Ok(None), "{part} bytes of {frame:?}");
            }
            bytes.extend(b"the next one");
            assert_eq!(Frame::first(&bytes, LIMIT), Ok(Some((frame, length))));
        }
    }

    #[test]
    fn what_is_not_sparks_is_refused_at_once() {
        let length = |length: u64| Frame::first(&length.to_be_bytes(), LIMIT).map(|found| found.is_some());
        assert_eq!(length(64), Ok(false));
        for wrong in
            [0, 8, 65, u64::MAX, u64::from_be_bytes(*b"GET / HT"), u64::from_be_bytes(*b"\x16\x03\x01\x02\0\x01\0\x01")]
        {
            assert_eq!(length(wrong), Err(Error::FrameLength { length: wrong, least: 9, limit: LIMIT }));
        }
        for kind in [0, 1, 2, 6, 7, 8, 10, 255] {
            let bytes = [&20u64.to_be_bytes()[..], &[kind]].concat();
            assert_eq!(Frame::first(&bytes, LIMIT), Err(Error::FrameType { kind }));
        }
        let headless = [&10u64.to_be_bytes()[..], &[REQUEST, 0]].concat();
        assert!(matches!(Frame::first(&headless, LIMIT), Err(Error::Truncated { .. })));
    }
}
