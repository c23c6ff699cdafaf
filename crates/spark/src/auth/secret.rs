//! What must never be shown: the secret of a cluster, and the keys of a connection. Both are wiped when they go.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::OnceLock;

use aws_lc_rs::{aead, cipher, hkdf, hmac, pbkdf2};
use zeroize::Zeroizing;

use crate::Error;

/// Where random bytes come from: from outside, as all that acts.
pub struct Random(Box<Fill>);

/// Fills what it is given with random bytes; the answer is whether it could.
type Fill = dyn Fn(&mut [u8]) -> bool + Send + Sync;

impl Random {
    /// From this source.
    pub fn new(fill: impl Fn(&mut [u8]) -> bool + Send + Sync + 'static) -> Self {
        Self(Box::new(fill))
    }

    pub(super) fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        if (self.0)(bytes) { Ok(()) } else { Err(Error::Crypto { action: "draw random bytes" }) }
    }

    pub(super) fn draw<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random(…)")
    }
}

/// Bytes of a mark.
pub(super) const MARK: usize = 12;

/// How often the secret is hashed for the key of its marks: everybody can ask for marks, and nobody is to guess secrets by
/// them faster than by a proof that is sent to him.
const ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).unwrap();

/// What the key of marks is for.
const MARKS: &[u8] = b"tanist: nonces of a cluster";

/// The secret that all programs of a cluster know.
#[derive(Clone)]
pub struct Secret {
    text: Zeroizing<String>,
    /// Made when it is needed first.
    marks: OnceLock<hmac::Key>,
}

impl Secret {
    /// This text. `None` = it is empty, and would keep nobody out.
    pub fn new(text: String) -> Option<Self> {
        let text = Zeroizing::new(text);
        (!text.is_empty()).then(|| Self { text, marks: OnceLock::new() })
    }

    /// The text itself, for whoever must be told it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What only those who know the secret can make of these bytes.
    pub(super) fn mark(&self, bytes: &[u8]) -> Result<[u8; MARK], Error> {
        let key = self.marks.get_or_init(|| {
            let mut key = Zeroizing::new([0; Key::LONG]);
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, MARKS, self.text.as_bytes(), &mut *key);
            hmac::Key::new(hmac::HMAC_SHA256, &*key)
        });
        let mark = hmac::sign(key, bytes);
        let (mark, _) = mark.as_ref().split_first_chunk().ok_or(Error::Crypto { action: "mark a nonce" })?;
        Ok(*mark)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The key of a connection, or of one message on it: 16 or 32 bytes for AES.
#[derive(Clone)]
pub(super) struct Key(Zeroizing<Vec<u8>>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// How many bytes AES-256 has.
    pub(super) const LONG: usize = 32;
    /// How many bytes AES-128 has.
    pub(super) const SHORT: usize = 16;

    /// This one.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// One derived by HKDF with SHA-256.
    pub(super) fn derive(secret: &[u8], salt: &[u8], info: &[&[u8]], bytes: usize) -> Result<Self, Error> {
        let mut key = Zeroizing::new(vec![0; bytes]);
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
        let expanded = extracted.expand(info, Length(bytes)).and_then(|expanded| expanded.fill(&mut key));
        expanded.map_err(|_| Error::Crypto { action: "derive a key" })?;
        Ok(Self(key))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// For AES in Galois/Counter Mode.
    pub(super) fn for_gcm(&self) -> Result<aead::LessSafeKey, Error> {
        let algorithm = if self.0.len() == Self::LONG { &aead::AES_256_GCM } else { &aead::AES_128_GCM };
        let key = aead::UnboundKey::new(algorithm, &self.0);
        key.map(aead::LessSafeKey::new).map_err(|_| Error::Crypto { action: "set a key for AES/GCM" })
    }

    /// For AES in Counter Mode.
    pub(super) fn for_ctr(&self, iv: [u8; cipher::AES_CTR_IV_LEN]) -> Result<cipher::StreamingEncryptingKey, Error> {
        let algorithm = if self.0.len() == Self::LONG { &cipher::AES_256 } else { &cipher::AES_128 };
        let key = cipher::UnboundCipherKey::new(algorithm, &self.0);
        let start = cipher::EncryptionContext::Iv128(iv.into());
        let stream = key.and_then(|key| cipher::StreamingEncryptingKey::less_safe_ctr(key, start));
        stream.map_err(|_| Error::Crypto { action: "set a key for AES/CTR" })
    }
}

/// How many bytes are wanted of HKDF.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
