//! Spark's AuthEngine: each end sends a fresh public key, sealed with the secret; both keys together make the keys of
//! the connection. A seal cannot be opened without the secret, and so proves it.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use zeroize::Zeroizing;

use super::message::{Engine, Message, SALT};
use super::secret::Key;
use super::{Auth, USER};
use crate::Error;

/// Bytes of a key of X25519, private or public.
const X25519_BYTES: usize = 32;

/// How the key of a connection is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EngineVersion {
    /// The secret of both key pairs itself. The usual one.
    #[default]
    One,
    /// Derived from it once more.
    Two,
}

/// What both ends know after a handshake.
#[derive(Debug)]
pub(super) struct SessionKeys {
    pub(super) session: Key,
    /// Where the stream to the client begins.
    pub(super) to_client: [u8; 16],
    /// Where the stream to the server begins.
    pub(super) to_server: [u8; 16],
}

/// A private key for one connection, and the message that brings its public key.
#[derive(Debug)]
pub(super) struct Offer {
    private: PrivateKey,
    /// As it is sent.
    pub(super) message: Vec<u8>,
}

impl Offer {
    /// A fresh one. `heard` is what was said before: nothing for a client, its message for a server.
    pub(super) fn new(auth: &Auth, heard: &[u8]) -> Result<Self, Error> {
        let bytes = Zeroizing::new(auth.random.draw::<X25519_BYTES>()?);
        let failed = Error::Crypto { action: "make a key for X25519" };
        let private = PrivateKey::from_private_key(&X25519, &*bytes).map_err(|_| failed.clone())?;
        let public = private.compute_public_key().map_err(|_| failed)?;
        let message = seal(auth, public.as_ref(), heard)?;
        Ok(Self { private, message })
    }

    /// The keys with the other end, whose public key is `theirs`.
    pub(super) fn keys(
        &self,
        theirs: &[u8],
        said: Transcript<'_>,
        version: EngineVersion,
    ) -> Result<SessionKeys, Error> {
        let salt = [said.challenge, said.response].concat();
        let theirs = UnparsedPublicKey::new(&X25519, theirs);
        agreement::agree(
            &self.private,
            theirs,
            Error::Crypto { action: "agree on a key with the other end" },
            |shared| {
                let iv = |name: &str| {
                    let iv = Key::derive(shared, &salt, &[name.as_bytes()], 16)?;
                    iv.bytes().try_into().map_err(|_| Error::Crypto { action: "derive a key" })
                };
                let session = match version {
                    EngineVersion::One => Key::from_bytes(shared),
                    EngineVersion::Two => Key::derive(shared, &salt, &[b"derivedKey"], Key::SHORT)?,
                };
                Ok(SessionKeys { session, to_client: iv("inputIv")?, to_server: iv("outputIv")? })
            },
        )
    }
}

/// Both messages of a handshake, as they were sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transcript<'a> {
    /// The client's.
    pub(super) challenge: &'a [u8],
    /// The server's.
    pub(super) response: &'a [u8],
}

/// A public key as a message.
fn seal(auth: &Auth, public: &[u8], heard: &[u8]) -> Result<Vec<u8>, Error> {
    let salt = auth.random.draw::<SALT>()?;
    let nonce = auth.random.draw::<NONCE_LEN>()?;
    let (key, bound) = sealing_key(auth, &salt, heard)?;
    let mut sealed = public.to_vec();
    let nonce_used = Nonce::assume_unique_for_key(nonce);
    let done = key.for_gcm()?.seal_in_place_append_tag(nonce_used, Aad::from(bound), &mut sealed);
    done.map_err(|_| Error::Crypto { action: "seal a key" })?;
    sealed.splice(0..0, nonce);
    Ok(Message::Engine(Engine { salt: &salt, sealed: &sealed }).to_bytes())
}

/// The public key in the message of the other end, `who`.
///
/// # Errors
/// It was not sealed with our secret.
pub(super) fn open(auth: &Auth, message: Engine<'_>, heard: &[u8], who: &'static str) -> Result<Vec<u8>, Error> {
    let (key, bound) = sealing_key(auth, message.salt, heard)?;
    let short = Error::Truncated { what: "sealed key", at: 0, wanted: NONCE_LEN, left: message.sealed.len() };
    let (nonce, sealed) = message.sealed.split_first_chunk().ok_or(short)?;
    let mut sealed = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = key.for_gcm()?.open_in_place(nonce, Aad::from(bound), &mut sealed);
    opened.map(|public| public.to_vec()).map_err(|_| Error::Secret { who })
}

/// The key for one message, and what its seal is bound to.
fn sealing_key(auth: &Auth, salt: &[u8; SALT], heard: &[u8]) -> Result<(Key, Vec<u8>), Error> {
    let bound = [USER.as_bytes(), salt, heard].concat();
    let key = Key::derive(auth.secret.expose().as_bytes(), salt, &[&bound], Key::SHORT)?;
    Ok((key, bound))
}
