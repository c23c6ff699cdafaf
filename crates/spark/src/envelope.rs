//! Envelopes: who says something, and to which endpoint.

use std::fmt;

use crate::cursor::Cursor;
use crate::{Error, utf};

/// Where a program listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// As that program was told it; compared as text.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The body of a request or a one-way message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Where the sender listens, if it does; not where the connection comes from.
    pub sender: Option<Address>,
    /// As the sender calls the receiver. Nothing follows from it.
    pub receiver: Option<Address>,
    /// Name of the endpoint at the receiver.
    pub endpoint: String,
    /// The message: an object stream.
    pub payload: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Opens an envelope.
    ///
    /// # Errors
    /// It is none.
    pub fn open(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        let sender = address(&mut cursor)?;
        let receiver = address(&mut cursor)?;
        let endpoint = cursor.utf("name of an endpoint")?;
        Ok(Self { sender, receiver, endpoint, payload: cursor.rest() })
    }

    /// The envelope as bytes. A driver remembers a connection under the address of its first sender, so that this must
    /// be the very address it is told for the endpoint.
    ///
    /// # Errors
    /// A host or the name of the endpoint is too long.
    pub fn seal(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        for address in [&self.sender, &self.receiver] {
            bytes.push(u8::from(address.is_some()));
            if let Some(Address { host, port }) = address {
                put(&mut bytes, "host of an address", host)?;
                bytes.extend(u32::from(*port).to_be_bytes());
            }
        }
        put(&mut bytes, "name of an endpoint", &self.endpoint)?;
        bytes.extend(self.payload);
        Ok(bytes)
    }
}

/// A text after its length of two bytes.
fn put(bytes: &mut Vec<u8>, what: &'static str, text: &str) -> Result<(), Error> {
    let text = utf::encode(text);
    let limit = u16::MAX.into();
    let length = u16::try_from(text.len()).map_err(|_| Error::TooLong { what, bytes: text.len(), limit })?;
    bytes.extend(length.to_be_bytes());
    bytes.extend(text);
    Ok(())
}

fn address(cursor: &mut Cursor<'_>) -> Result<Option<Address>, Error> {
    let at = cursor.at();
    match cursor.u8("mark of an address")? {
        0 => Ok(None),
        1 => {
            let host = cursor.utf("host of an address")?;
            let at = cursor.at();
            let port = cursor.i32("port of an address")?;
            let number = Error::Number { what: "port", value: port.into(), at, allowed: "0 to 65535" };
            Ok(Some(Address { host, port: u16::try_from(port).map_err(|_| number)? }))
        }
        mark => Err(Error::Number { what: "mark of an address", value: mark.into(), at, allowed: "0 or 1" }),
    }
}
