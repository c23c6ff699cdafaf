//! Settings of how masters and workers on the one hand and programs of Spark on the other prove themselves to each other
//! (SE-01). They must be the same on all of a cluster, and are those its applications have.

use std::path::PathBuf;

use tanist_spark::auth::{Cipher, EngineVersion, Secret};
use tanist_worker::runner::redact::REDACTED;

use super::section::section;
use super::value::{Refused, Value, scalar_value};

section! {
    /// Settings of how programs of Spark prove themselves.
    struct AuthSettings in "auth", flags: "auth-", conflicts: |_| Vec::new();

    /// Let only those programs of Spark in that know the cluster's secret, and prove it to them (SE-01).
    enabled: bool = false;
    /// The secret itself, where it is in no file. There is no flag for it: everybody on a host can read those.
    secret: Option<Secret> = None;
    /// File with the secret, one line; read once, at the start.
    secret_file: Option<PathBuf> = None;
    /// Encrypt what is said after that.
    encrypt: bool = false;
    /// Version of the handshake that agrees on keys: 1 or 2.
    engine_version: EngineVersion = EngineVersion::One;
    /// Cipher: AES/CTR/NoPadding, or AES/GCM/NoPadding, which also notices changes.
    cipher: Cipher = Cipher::Ctr;
    /// Let those in that do not encrypt, as Spark does unless told otherwise: what they say and hear can then be read.
    sasl_fallback: bool = false;

    /// Certificate of this host, PEM, with those that vouch for it. Once set, programs of Spark must speak TLS
    /// (spark.ssl.rpc.enabled).
    tls_cert: Option<PathBuf> = None;
    /// Key of that certificate, PEM, not encrypted.
    tls_key: Option<PathBuf> = None;
    /// Certificate authorities that may vouch for programs of Spark that are called, and with tls_client_auth for those that
    /// come; PEM. Unset: anybody may, as in Spark.
    tls_ca: Option<PathBuf> = None;
    /// Let only those in that have a certificate themselves.
    tls_client_auth: bool = false;
}

impl Value for Secret {
    const SECRET: bool = true;
    const FLAG: bool = false;

    fn allowed() -> String {
        "a text that is not empty, itself and not what stands in its place".to_owned()
    }

    fn read(texts: &[String]) -> Result<Self, Refused> {
        let text = texts.first().filter(|text| texts.len() == 1 && *text != REDACTED);
        let refused = || Refused { value: REDACTED.to_owned(), allowed: Self::allowed() };
        text.and_then(|text| Self::new(text.clone())).ok_or_else(refused)
    }

    fn show(&self) -> String {
        REDACTED.to_owned()
    }
}

const VERSIONS: [(&str, EngineVersion); 2] = [("1", EngineVersion::One), ("2", EngineVersion::Two)];
/// In Spark's words.
const CIPHERS: [(&str, Cipher); 2] = [("AES/CTR/NoPadding", Cipher::Ctr), ("AES/GCM/NoPadding", Cipher::Gcm)];

fn named<T: Copy>(names: &[(&str, T)], text: &str) -> Option<T> {
    names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
}

fn name<T: PartialEq>(names: &[(&str, T)], value: &T) -> String {
    names.iter().filter(|(_, named)| named == value).map(|(name, _)| *name).collect()
}

scalar_value!(EngineVersion, "1 or 2", |text| named(&VERSIONS, text), |version| name(&VERSIONS, version));
scalar_value!(Cipher, "AES/CTR/NoPadding or AES/GCM/NoPadding", |text| named(&CIPHERS, text), |cipher| name(
    &CIPHERS, cipher
));
