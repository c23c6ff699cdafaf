//! The form of every stored value: `{"v":1,"epoch":7,"nonce":"…","crc32c":123,"record":{…}}`, JSON so that an operator
//! can read it with the store's own tools.
//!
//! The checksum covers the version, the epoch, the nonce and the exact bytes of the record, so a value is either what
//! was written or an error, never something in between. Decoding never panics, whatever the bytes are.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use tanist_core::ids::{Epoch, InvalidId, Nonce};

/// The version written by this program, and the only one it reads.
pub const VERSION: u32 = 1;

/// Why bytes are not a record.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not the fields of an envelope.
    #[error("it is not an envelope")]
    Envelope {
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// Written by another version of this program.
    #[error("it has version {found}, only {VERSION} is known here")]
    Version {
        /// The version it says.
        found: u32,
    },
    /// The nonce of its writer is not one.
    #[error("its nonce is not valid")]
    Nonce {
        /// Why.
        #[source]
        source: InvalidId,
    },
    /// The content is not what was written.
    #[error("its checksum is {found:#010x}, its content gives {computed:#010x}")]
    Checksum {
        /// What the envelope says.
        found: u32,
        /// What the content gives.
        computed: u32,
    },
    /// Intact, but not the record expected here.
    #[error("its record is not of the expected form")]
    Record {
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// Intact and of the expected form, but a field has a value that cannot be.
    #[error("{field} is {value:?}: {why}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A record with the term that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened<T> {
    /// Epoch of the writer.
    pub epoch: Epoch,
    /// Nonce of the writer's term.
    pub nonce: Nonce,
    /// What it wrote.
    pub record: T,
}

#[derive(Serialize)]
struct Sealed<'a> {
    v: u32,
    epoch: u64,
    nonce: &'a str,
    crc32c: u32,
    record: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found<'a> {
    #[serde(rename = "v")]
    _version: u32,
    epoch: u64,
    nonce: String,
    crc32c: u32,
    #[serde(borrow)]
    record: &'a RawValue,
}

/// Read before everything else, since another version may have other fields.
#[derive(Deserialize)]
struct VersionOnly {
    v: u32,
}

/// Seals a record for the term that writes it. The same record of the same term always gives the same bytes.
///
/// # Errors
/// If the record has no JSON form.
pub fn encode<T: Serialize>(epoch: Epoch, nonce: &Nonce, record: &T) -> Result<Bytes, serde_json::Error> {
    let record = serde_json::value::to_raw_value(record)?;
    let crc32c = checksum(VERSION, epoch.0, nonce.as_str(), record.get());
    let sealed = Sealed { v: VERSION, epoch: epoch.0, nonce: nonce.as_str(), crc32c, record: &record };
    serde_json::to_vec(&sealed).map(Bytes::from)
}

/// Opens what [`encode`] sealed.
///
/// # Errors
/// Says what is wrong with the bytes; they are never repaired or guessed.
pub fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<Opened<T>, DecodeError> {
    let VersionOnly { v } = serde_json::from_slice(value).map_err(|source| DecodeError::Envelope { source })?;
    if v != VERSION {
        return Err(DecodeError::Version { found: v });
    }
    let found: Found<'_> = serde_json::from_slice(value).map_err(|source| DecodeError::Envelope { source })?;
    let computed = checksum(v, found.epoch, &found.nonce, found.record.get());
    if computed != found.crc32c {
        return Err(DecodeError::Checksum { found: found.crc32c, computed });
    }
    let nonce = Nonce::new(&found.nonce).map_err(|source| DecodeError::Nonce { source })?;
    let record = serde_json::from_str(found.record.get()).map_err(|source| DecodeError::Record { source })?;
    Ok(Opened { epoch: Epoch(found.epoch), nonce, record })
}

/// The lengths in front keep the fields apart: no two contents are fed to the sum as the same bytes.
fn checksum(version: u32, epoch: u64, nonce: &str, record: &str) -> u32 {
    let head = format!("{version}:{epoch}:{}:{nonce}:", nonce.len());
    crc32c::crc32c_append(crc32c::crc32c(head.as_bytes()), record.as_bytes())
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
