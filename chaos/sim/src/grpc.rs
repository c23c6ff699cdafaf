//! The form of gRPC's messages, for those who are simulated without a library: a byte, a length, the message.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use prost::Message;

/// Bytes in front of each message.
const HEAD: usize = 5;

/// gRPC's codes, as far as they are answered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub i32);

impl Code {
    /// 0.
    pub const OK: Code = Code(0);
    /// 12.
    pub const UNIMPLEMENTED: Code = Code(12);
}

/// A message as it travels.
pub fn encode(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(HEAD + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    bytes.extend_from_slice(&message.encode_to_vec());
    bytes.freeze()
}

/// Messages out of the bytes that come in.
#[derive(Debug, Default)]
pub struct Messages(BytesMut);

impl Messages {
    /// More bytes.
    pub fn take_in(&mut self, data: &Bytes) {
        self.0.extend_from_slice(data);
    }

    /// The next whole message; `None` if it is not there yet.
    pub fn take<M: Message + Default>(&mut self) -> Option<Result<M, prost::DecodeError>> {
        let length = usize::try_from(self.0.get(1..HEAD)?.get_u32()).ok()?;
        if self.0.len() < HEAD + length {
            return None;
        }
        let mut message = self.0.split_to(HEAD + length);
        message.advance(HEAD);
        Some(M::decode(message))
    }
}

/// What every answer begins with.
pub fn head() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/grpc"));
    headers
}

/// What every answer ends with.
pub fn verdict(code: Code, message: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", code.0.into());
    if let Ok(message) = http::HeaderValue::from_str(message)
        && !message.is_empty()
    {
        headers.insert("grpc-message", message);
    }
    headers
}

/// The verdict of an answer, wherever it stands.
pub fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok().map(Code)
}
