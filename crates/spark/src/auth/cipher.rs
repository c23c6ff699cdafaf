//! How the bytes of a connection are sealed once both ends know each other: not at all, as one stream in each direction
//! (AES/CTR), or message by message (AES/GCM, in the streaming form of Tink).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::cipher::StreamingEncryptingKey;

use super::Auth;
use super::engine::SessionKeys;
use super::gcm::Gcm;
use crate::Error;

/// What a block cipher may write beyond what it reads.
const BLOCK: usize = 16;

/// What the key of a connection is used for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cipher {
    /// One stream in each direction (`AES/CTR/NoPadding`). The usual one. It hides, and does not notice changes.
    #[default]
    Ctr,
    /// Sealed messages (`AES/GCM/NoPadding`), which cannot be changed unnoticed.
    Gcm,
}

/// Which end of a connection this one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
}

/// Both directions of a connection.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) opener: Opener,
    pub(super) sealer: Sealer,
}

impl Transport {
    /// Bytes as they are.
    pub(super) const PLAIN: Self = Self { opener: Opener::Plain, sealer: Sealer::Plain };

    pub(super) fn sealed(keys: &SessionKeys, cipher: Cipher, role: Role, auth: &Arc<Auth>) -> Result<Self, Error> {
        let SessionKeys { session, to_client, to_server } = keys;
        let (incoming, outgoing) = match role {
            Role::Client => (to_client, to_server),
            Role::Server => (to_server, to_client),
        };
        Ok(match cipher {
            Cipher::Ctr => Self {
                opener: Opener::Ctr(Stream(session.for_ctr(*incoming)?)),
                sealer: Sealer::Ctr(Stream(session.for_ctr(*outgoing)?)),
            },
            Cipher::Gcm => {
                let (opener, sealer) = (Gcm::new(session.clone()), Gcm::new(session.clone()));
                Self { opener: Opener::Gcm(opener), sealer: Sealer::Gcm(sealer, Arc::clone(auth)) }
            }
        })
    }
}

/// From received bytes to plain ones.
#[derive(Debug)]
pub(super) enum Opener {
    Plain,
    Ctr(Stream),
    Gcm(Gcm),
}

impl Opener {
    /// Moves what can be opened of `received` behind `plain`. Of messages, none with more than `limit` plain bytes is
    /// taken.
    pub(super) fn open(&mut self, received: &mut Vec<u8>, plain: &mut Vec<u8>, limit: usize) -> Result<(), Error> {
        match self {
            Self::Plain => plain.append(received),
            Self::Ctr(stream) => plain.extend(stream.apply(&std::mem::take(received))?),
            Self::Gcm(gcm) => {
                while let Some(length) = gcm.first(received, limit)? {
                    let message: Vec<u8> = received.drain(..length).collect();
                    gcm.open(&message, plain)?;
                }
            }
        }
        Ok(())
    }
}

/// From plain bytes to those that are sent.
#[derive(Debug)]
pub(super) enum Sealer {
    Plain,
    Ctr(Stream),
    Gcm(Gcm, Arc<Auth>),
}

impl Sealer {
    /// Puts one frame behind `outgoing`.
    pub(super) fn seal(&mut self, frame: Vec<u8>, outgoing: &mut Vec<u8>) -> Result<(), Error> {
        outgoing.extend(match self {
            Self::Plain => frame,
            Self::Ctr(stream) => stream.apply(&frame)?,
            Self::Gcm(gcm, auth) => gcm.seal(&frame, &auth.random)?,
        });
        Ok(())
    }
}

/// The key stream of one direction. Applied to sealed bytes it opens them.
pub(super) struct Stream(StreamingEncryptingKey);

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream(…)")
    }
}

impl Stream {
    fn apply(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = vec![0; bytes.len() + BLOCK];
        let written = self.0.update(bytes, &mut out).map(|update| update.written().len());
        out.truncate(written.map_err(|_| Error::Crypto { action: "apply AES/CTR" })?);
        Ok(out)
    }
}
