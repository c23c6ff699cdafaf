//! Messages sealed by AES/GCM, in the streaming form of Tink: a length, a header, and parts with a seal each. Every
//! message has a key of its own, derived from that of the connection, a random salt and its length.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};

use super::secret::{Key, Random};
use crate::Error;
use crate::cursor::Cursor;

/// What a message begins with: its whole length.
const LENGTH: usize = 8;
/// Longest part, its tag included; the first one shares it with the header.
const PART: usize = 32 * 1024;
/// What proves that a part is unchanged.
const TAG: usize = 16;
/// What all nonces of a message have in common.
const PREFIX: usize = 7;

/// Seals and opens messages with the key of a connection.
#[derive(Debug)]
pub(super) struct Gcm(Key);

impl Gcm {
    pub(super) fn new(key: Key) -> Self {
        Self(key)
    }

    /// A header: its own length, a salt as long as the key, and the common part of the nonces.
    fn header(&self) -> usize {
        1 + self.0.bytes().len() + PREFIX
    }

    /// How long a message with so many plain bytes is.
    fn length_of(&self, plain: usize) -> usize {
        let parts = (self.header() + plain).div_ceil(PART - TAG);
        LENGTH + self.header() + plain + parts * TAG
    }

    /// The key of one message.
    fn key(&self, salt: &[u8], length: &[u8]) -> Result<aws_lc_rs::aead::LessSafeKey, Error> {
        Key::derive(self.0.bytes(), salt, &[length], self.0.bytes().len())?.for_gcm()
    }

    /// A message.
    pub(super) fn seal(&self, plain: &[u8], random: &Random) -> Result<Vec<u8>, Error> {
        let whole = self.length_of(plain.len());
        let length = (whole as u64).to_be_bytes();
        let mut salt = vec![0; self.0.bytes().len()];
        random.fill(&mut salt)?;
        let prefix = random.draw()?;
        let key = self.key(&salt, &length)?;
        let mut message = Vec::with_capacity(whole);
        message.extend(length);
        // At most 40.
        message.push(u8::try_from(self.header()).unwrap_or(u8::MAX));
        message.extend(salt);
        message.extend(prefix);
        let mut nonces = Nonces::new(prefix);
        let mut rest = plain;
        let mut room = PART - TAG - self.header();
        loop {
            let (part, after) = rest.split_at(rest.len().min(room));
            let mut part = part.to_vec();
            let done = key.seal_in_place_append_tag(nonces.next(after.is_empty()), Aad::empty(), &mut part);
            done.map_err(|_| Error::Crypto { action: "seal a message" })?;
            message.extend(part);
            if after.is_empty() {
                return Ok(message);
            }
            (rest, room) = (after, PART - TAG);
        }
    }

    /// The length of the first message of what was received, once all of it is there.
    ///
    /// # Errors
    /// It is none, or has more than `limit` plain bytes. As soon as that can be seen.
    pub(super) fn first(&self, received: &[u8], limit: usize) -> Result<Option<usize>, Error> {
        if received.len() < LENGTH {
            return Ok(None);
        }
        let length = Cursor::new(received).u64("length of a sealed message")?;
        let (least, limit) = (self.length_of(0), self.length_of(limit));
        let allowed = usize::try_from(length).ok().filter(|length| (least..=limit).contains(length));
        let whole = allowed.ok_or(Error::SealedLength { length, least, limit })?;
        Ok((received.len() >= whole).then_some(whole))
    }

    /// Puts what a whole message holds behind `plain`.
    ///
    /// # Errors
    /// It was changed, or sealed with another key. Nothing of it is given out then.
    pub(super) fn open(&self, message: &[u8], plain: &mut Vec<u8>) -> Result<(), Error> {
        let mut cursor = Cursor::new(message);
        let length = cursor.take(LENGTH, "length of a sealed message")?;
        let header = cursor.u8("header of a sealed message")?;
        if usize::from(header) != self.header() {
            return Err(Error::Sealed);
        }
        let key = self.key(cursor.take(self.0.bytes().len(), "salt of a sealed message")?, length)?;
        let mut nonces = Nonces::new(cursor.array("nonce of a sealed message")?);
        let mut sealed = cursor.rest().to_vec();
        let mut rest = &mut sealed[..];
        let mut room = PART - self.header();
        let before = plain.len();
        loop {
            let (part, after) = rest.split_at_mut(rest.len().min(room));
            let Ok(opened) = key.open_in_place(nonces.next(after.is_empty()), Aad::empty(), part) else {
                plain.truncate(before);
                return Err(Error::Sealed);
            };
            plain.extend_from_slice(opened);
            if after.is_empty() {
                return Ok(());
            }
            (rest, room) = (after, PART);
        }
    }
}

/// The nonces of a message: what they have in common, the number of the part, and whether it is the last one.
struct Nonces {
    prefix: [u8; PREFIX],
    next: u32,
}

impl Nonces {
    fn new(prefix: [u8; PREFIX]) -> Self {
        Self { prefix, next: 0 }
    }

    fn next(&mut self, is_last: bool) -> Nonce {
        let bytes = self.prefix.into_iter().chain(self.next.to_be_bytes()).chain([u8::from(is_last)]);
        let mut nonce = [0; NONCE_LEN];
        nonce.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        // Messages are far too short for so many parts.
        self.next = self.next.wrapping_add(1);
        Nonce::assume_unique_for_key(nonce)
    }
}
