//! The two kinds of message that authenticate: a mark, a user, and what the method says.

use super::USER;
use crate::Error;
use crate::cursor::Cursor;

/// First byte of a request by SASL.
const SASL: u8 = 0xEA;
/// First byte of a request by AuthEngine, and of its answer.
const ENGINE: u8 = 0xFB;

/// Bytes of the random salt in a message of AuthEngine.
pub(super) const SALT: usize = 16;

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// A token of SASL. What answers it is a bare token.
    Sasl(&'a [u8]),
    /// A message of AuthEngine.
    Engine(Engine<'a>),
}

/// What a message of AuthEngine has: a public key, sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Engine<'a> {
    pub(super) salt: &'a [u8; SALT],
    pub(super) sealed: &'a [u8],
}

impl<'a> Message<'a> {
    /// What a body says.
    ///
    /// # Errors
    /// It is none, or from somebody else than everybody is.
    pub(super) fn open(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        match cursor.u8("mark of an authentication")? {
            SASL => {
                user(&mut cursor)?;
                cursor.u32("length of a token")?;
                Ok(Self::Sasl(cursor.rest()))
            }
            ENGINE => {
                user(&mut cursor)?;
                let salt = field(&mut cursor, "salt")?;
                let sealed = field(&mut cursor, "sealed key")?;
                let found = || Error::Unexpected {
                    found: format!(
                        "a salt of {} bytes, and {} bytes behind the key",
                        salt.len(),
                        cursor.clone().rest().len()
                    ),
                    wanted: "a salt of 16 bytes, and none",
                };
                match salt.try_into() {
                    Ok(salt) if cursor.peek().is_none() => Ok(Self::Engine(Engine { salt, sealed })),
                    _ => Err(found()),
                }
            }
            mark => Err(Error::Unexpected {
                found: format!("a message that begins with {mark:#04x}"),
                wanted: "an authentication by SASL (0xea) or AuthEngine (0xfb)",
            }),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (mark, fields): (u8, &[&[u8]]) = match self {
            Self::Sasl(token) => (SASL, &[USER.as_bytes(), token]),
            Self::Engine(Engine { salt, sealed }) => (ENGINE, &[USER.as_bytes(), &salt[..], sealed]),
        };
        let mut bytes = vec![mark];
        for field in fields {
            // All of them are short.
            bytes.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(*field);
        }
        bytes
    }
}

fn field<'a>(cursor: &mut Cursor<'a>, what: &'static str) -> Result<&'a [u8], Error> {
    let length = cursor.u32(what)?;
    cursor.take(usize::try_from(length).unwrap_or(usize::MAX), what)
}

fn user(cursor: &mut Cursor<'_>) -> Result<(), Error> {
    let user = field(cursor, "user")?;
    if user == USER.as_bytes() {
        return Ok(());
    }
    let found = format!("the user {:?}", String::from_utf8_lossy(user));
    Err(Error::Unexpected { found, wanted: USER })
}
